// SPDX-License-Identifier: Apache-2.0
#include "src/journal/recovery.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace yonder::journal {
namespace {

using detail::byte_buffer;

[[noreturn]] void refuse(problem why, std::string const& found, std::string const& advice) {
  throw error(why, "journal: " + found + "; " + advice);
}

constexpr char const* restore =
    "nothing was changed: bring the whole folder back from a backup, or see what still reads with `yonder "
    "journal "
    "export`, and move the folder away to begin anew";

[[noreturn]] void refuse_newer(file_system const& disk, std::string const& name, std::uint32_t version) {
  refuse(problem::newer,
         disk.path(name) + " has format " + std::to_string(version) + ", and this program knows up to " +
             std::to_string(format_version),
         "run it with the version of Yonder that wrote it, or a later one");
}

struct files {
  bool witness = false;
  std::vector<std::uint32_t> segments;  // sorted
  std::vector<std::string> leftovers;
};

files look(file_system const& disk) {
  files found;
  for (auto& name : disk.list()) {
    if (name == witness_name)
      found.witness = true;
    else if (name == unfinished_witness_name)
      found.leftovers.push_back(std::move(name));
    else if (auto const segment = segment_of(name))
      found.segments.push_back(*segment);
  }
  std::sort(found.segments.begin(), found.segments.end());
  return found;
}

void read_witness_file(file_system const& disk, std::uint16_t schema, recovered& to) {
  auto const name = std::string(witness_name);
  auto const bytes = read_all(disk, name);
  bool holds[2] = {};
  for (unsigned slot = 0; slot < 2; ++slot) {
    auto const here = bytes.bytes().subspan(std::min(witness_slots[slot], bytes.size()));
    auto const found = read_witness(here.first(std::min(witness_size, here.size())));
    if (found.state == preface::newer) refuse_newer(disk, name, found.version);
    holds[slot] = found.state == preface::good;
    if (!holds[slot] || (slot == 1 && holds[0] && found.what.sequence < to.signed_off.sequence)) continue;
    to.signed_off = found.what;
    to.slot = slot;
  }
  if (!holds[0] && !holds[1])
    refuse(problem::damaged,
           disk.path(name) + " is damaged: nothing says any more what the journal has to hold", restore);
  if (holds[0] != holds[1])
    to.notes.push_back("one of the two slots of " + disk.path(name) + " does not read: the other counts");
  if (to.signed_off.schema > schema)
    refuse(problem::newer,
           disk.path(name) + " has records of schema " + std::to_string(to.signed_off.schema) +
               ", and this program knows up to " + std::to_string(schema),
           "run it with the version of Yonder that wrote it, or a later one");
}

// Those that the witness wants, without a gap.
void check_segments(file_system const& disk, files& found, witness const& signed_off) {
  auto& segments = found.segments;
  auto const old = std::lower_bound(segments.begin(), segments.end(), signed_off.first);
  for (auto each = segments.begin(); each != old; ++each) found.leftovers.push_back(segment_name(*each));
  segments.erase(segments.begin(), old);
  auto expected = signed_off.first;
  for (auto const each : segments) {
    if (each != expected) break;
    ++expected;
  }
  auto const complete = expected - signed_off.first == segments.size() && expected > signed_off.last;
  if (!complete)
    refuse(problem::damaged,
           disk.path(segment_name(expected)) + " is missing, and the journal goes on behind it, or has to",
           restore);
}

std::string where(file_system const& disk, std::uint32_t segment, segment_reading const& read) {
  return disk.path(segment_name(segment)) + " is damaged at byte " + std::to_string(read.broken) +
         ", in record " + std::to_string(read.number + 1);
}

void read_segments(file_system const& disk, files& found, recovered& to, ledger& counts) {
  auto const& signed_off = to.signed_off;
  bool first = true;
  for (auto const segment : found.segments) {
    auto const bytes = read_all(disk, segment_name(segment));
    bool const last = segment == found.segments.back();
    if (first) {  // what was before it is gone: it says itself where it begins
      auto const header = read_segment_header(bytes).what;
      to.number = header.first == 0 ? 0 : header.first - 1;
      to.seal = header.previous;
      first = false;
    }
    auto const take = [&](found_record const& each, place at) {
      counts.apply(each.what, at);
      to.time = std::max(to.time, each.what.time);
      to.moved = to.moved || each.what.copy;
      ++to.records;
      if (last && !to.unsigned_from && each.what.number > signed_off.synced) to.unsigned_from = at.offset();
      if (each.what.number == signed_off.synced && each.seal != signed_off.seal)
        refuse(problem::damaged,
               "record " + std::to_string(each.what.number) + " in " + disk.path(segment_name(segment)) +
                   " is not the one that " + disk.path(std::string(witness_name)) +
                   " names: these files are of different times",
               restore);
    };
    if (segment > signed_off.last) to.unsigned_from = 0;
    auto const read = read_segment(bytes, signed_off, segment, to.number, to.seal, last, take);
    if (read.is == segment_reading::verdict::newer) refuse_newer(disk, segment_name(segment), read.version);
    if (read.is == segment_reading::verdict::damaged)
      refuse(problem::damaged, where(disk, segment, read), restore);
    to.number = read.number;
    to.seal = read.seal;
    if (read.end == 0) {
      found.leftovers.push_back(segment_name(segment));  // its making was not finished
      to.unsigned_from.reset();
      continue;
    }
    to.segments[segment] = read.end;
    to.tail = bytes.size() - read.end;
  }
  if (to.number < signed_off.synced)
    refuse(problem::damaged,
           (found.segments.empty() ? disk.path(std::string(witness_name)) + " is all there is: the journal"
                                   : disk.path(segment_name(found.segments.back()))) +
               " ends with record " + std::to_string(to.number) + ", and record " +
               std::to_string(signed_off.synced) + " was on disk: " +
               std::to_string(signed_off.synced - to.number) + " acknowledged records are cut off",
           restore);
}

}  // namespace

byte_buffer read_all(file_system const& disk, std::string const& name) {
  auto const from = disk.open(name, file_system::access::read);
  byte_buffer bytes;
  auto const size = static_cast<std::size_t>(from->size());
  bytes.truncate(from->read(0, {bytes.extend(size), size}));
  return bytes;
}

segment_reading read_segment(std::span<std::byte const> bytes, witness const& signed_off,
                             std::uint32_t segment, std::uint64_t number, std::uint32_t seal, bool last,
                             std::function<void(found_record const&, place)> const& found) {
  using verdict = segment_reading::verdict;
  segment_reading read{number, seal};
  location at{signed_off.identity, segment, 0};
  auto const header = read_segment_header(bytes);
  read.version = header.version;
  if (header.state == preface::newer) {
    read.is = verdict::newer;
    return read;
  }
  if (header.state != preface::good) {
    // Records follow a header that was synced.
    auto const unfinished = last && segment > signed_off.last && !proves_synced(bytes, 0, at, number);
    read.is = unfinished ? verdict::tail : verdict::damaged;
    return read;
  }
  if (header.what.identity != signed_off.identity || header.what.segment != segment ||
      header.what.first != number + 1 || header.what.previous != seal) {
    read.is = verdict::damaged;
    return read;
  }
  read.end = at.offset = segment_header_size;
  // Records of a group that is not whole yet.
  std::vector<std::pair<found_record, place>> open;
  while (at.offset < bytes.size()) {
    auto const next = read_record(bytes.subspan(at.offset), at);
    if (!next || next->previous != seal || next->what.number != number + 1) break;
    open.emplace_back(*next, place{segment, static_cast<std::uint32_t>(at.offset / 8)});
    at.offset += size_on_disk(next->what.size);
    number = next->what.number;
    seal = next->seal;
    if (next->what.continues) continue;
    for (auto const& [each, its_place] : open) found(each, its_place);
    open.clear();
    read.number = number;
    read.seal = seal;
    read.end = at.offset;
  }
  read.broken = at.offset;
  if (read.end == bytes.size()) return read;
  auto const acknowledged =
      read.number < signed_off.synced ||
      proves_synced(bytes, read.end, {signed_off.identity, segment, 0}, read.number + 1);
  read.is = last && !acknowledged ? verdict::tail : verdict::damaged;
  return read;
}

recovered recover(file_system const& disk, std::uint16_t schema, ledger& counts) {
  recovered made;
  auto found = look(disk);
  made.fresh = !found.witness && found.segments.empty();
  if (made.fresh) {
    made.leftovers = std::move(found.leftovers);
    return made;
  }
  if (!found.witness)
    refuse(problem::damaged,
           disk.path(std::string(witness_name)) +
               " is missing: nothing says any more what the journal has to hold",
           restore);
  read_witness_file(disk, schema, made);
  check_segments(disk, found, made.signed_off);
  read_segments(disk, found, made, counts);
  if (auto const stray = counts.stray(); stray.items != 0)
    refuse(problem::damaged,
           "call " + std::to_string(stray.first.number) + " of session " +
               std::to_string(stray.first.session) +
               " is said to have started, and no record says what it is",
           restore);
  counts.sort_outcomes();
  made.leftovers = std::move(found.leftovers);
  if (made.tail != 0)
    made.notes.push_back(std::to_string(made.tail) + " bytes at the end of " +
                         disk.path(segment_name(made.segments.rbegin()->first)) +
                         " were never acknowledged: they are cut off");
  return made;
}

namespace {

[[noreturn]] void refuse_change(file_system const& disk, std::uint32_t segment) {
  refuse(problem::damaged, disk.path(segment_name(segment)) + " changes while it is read",
         "end whatever else writes there");
}

// In the order of the files.
template <class To>
void visit_in_place(file_system const& disk, recovered const& what, ledger const& counts, To to) {
  for (auto const& [segment, size] : what.segments) {
    auto const bytes = read_all(disk, segment_name(segment));
    location at{what.signed_off.identity, segment, segment_header_size};
    while (at.offset < size) {
      auto const next =
          read_record(bytes.bytes().subspan(std::min<std::uint64_t>(at.offset, bytes.size())), at);
      if (!next) refuse_change(disk, segment);
      place const here{segment, static_cast<std::uint32_t>(at.offset / 8)};
      if (counts.counts(next->what, here)) to(*next, here);
      at.offset += size_on_disk(next->what.size);
    }
  }
}

// Reads records that lie in a few rising runs.
class run_reader {
 public:
  run_reader(file_system const& disk, std::uint64_t identity) : disk_(disk), identity_(identity) {}

  found_record read(place at, std::uint64_t size) {
    if (windows_.size() > most_windows && windows_.count(at.segment) == 0) windows_.clear();
    auto& here = windows_[at.segment];
    if (at.offset() < here.begin || at.offset() + size > here.begin + here.bytes.size()) {
      here.begin = at.offset();
      here.bytes.clear();
      auto const wanted = std::max(size, window_size);
      auto const from = disk_.open(segment_name(at.segment), file_system::access::read);
      here.bytes.truncate(from->read(here.begin, {here.bytes.extend(wanted), wanted}));
    }
    auto const found = read_record(here.bytes.bytes().subspan(at.offset() - here.begin),
                                   {identity_, at.segment, at.offset()});
    if (!found) refuse_change(disk_, at.segment);
    return *found;
  }

 private:
  static constexpr std::size_t most_windows = 64;
  static constexpr std::uint64_t window_size = 256 << 10;
  struct window {
    std::uint64_t begin = 0;
    byte_buffer bytes;
  };

  file_system const& disk_;
  std::uint64_t const identity_;
  std::map<std::uint32_t, window> windows_;
};

}  // namespace

void visit(file_system const& disk, recovered const& what, ledger const& counts, record_visitor const& to) {
  if (!what.moved)
    return visit_in_place(disk, what, counts,
                          [&](found_record const& each, place) { to(each.what, each.body); });
  struct entry {
    std::uint64_t origin = 0;
    place at;  // rises where origins are equal
    std::uint32_t units = 0;
  };
  std::vector<entry> entries;
  visit_in_place(disk, what, counts, [&](found_record const& each, place at) {
    entries.push_back({each.what.origin, at, static_cast<std::uint32_t>(size_on_disk(each.what.size) / 8)});
  });
  std::sort(entries.begin(), entries.end(), [](entry const& a, entry const& b) {
    return std::tie(a.origin, a.at) < std::tie(b.origin, b.at);
  });
  run_reader from(disk, what.signed_off.identity);
  for (auto const& each : entries) {
    auto const found = from.read(each.at, std::uint64_t{each.units} * 8);
    to(found.what, found.body);
  }
}

}  // namespace yonder::journal
