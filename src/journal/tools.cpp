// SPDX-License-Identifier: Apache-2.0
#include "src/journal/tools.hpp"

#include <algorithm>
#include <utility>

#include "src/journal/folder.hpp"
#include "src/journal/store.hpp"

namespace yonder::journal {
namespace {

constexpr std::uint16_t any_schema = 0xffff;

enum class use : std::uint8_t { look, read, change };

std::unique_ptr<file_system> open_existing(std::string const& folder, use how) {
  try {
    auto disk = how == use::look ? look_into_folder(folder) : open_folder(folder, false);
    auto const names = disk->list();
    auto const is_ours = [](std::string const& name) {
      return name == witness_name || segment_of(name).has_value();
    };
    if (std::none_of(names.begin(), names.end(), is_ours))
      throw error(problem::unusable,
                  "journal: there is none in " + folder + "; name the folder that the hub was given");
    if (how != use::change) return disk;
    disk.reset();
    return open_folder(folder, true);
  } catch (std::system_error const& why) {
    throw error(problem::unusable,
                std::string("journal: ") + why.what() + "; name the folder that the hub was given");
  }
}

template <class Work>
auto in_words(Work work) {
  try {
    return work();
  } catch (std::system_error const& why) {
    throw of_system(why);
  }
}

summary summary_of(recovered const& found, ledger const& counts) {
  summary made{.segments = found.segments.size(),
               .live_bytes = counts.live_bytes(),
               .records = found.records,
               .queued = counts.queued(),
               .started = counts.started(),
               .ended = counts.ended(),
               .notes = found.notes};
  for (auto const& [segment, size] : found.segments) made.bytes += size;
  return made;
}

// The later one of its two slots. Whoever writes it now leaves the other one whole.
witness witness_of(file_system const& disk) {
  auto const bytes = read_all(disk, std::string(witness_name));
  found_witness later;
  for (auto const slot : witness_slots) {
    auto const found = read_witness(bytes.bytes().subspan(std::min(slot, bytes.size())));
    if (found.state == preface::good &&
        (later.state != preface::good || found.what.sequence > later.what.sequence))
      later = found;
  }
  if (later.state != preface::good)
    throw error(problem::damaged, "journal: " + disk.path(std::string(witness_name)) +
                                      " does not read: `yonder journal check` says more");
  return later.what;
}

void copy_file(file const& from, file& to) {
  constexpr std::uint64_t most = 1 << 20;
  detail::byte_buffer part;
  auto const size = from.size();
  for (std::uint64_t done = 0; done < size;) {
    part.clear();
    auto const wanted = std::min(most, size - done);
    part.truncate(from.read(done, {part.extend(wanted), wanted}));
    if (part.empty()) break;
    for (std::size_t written = 0; written < part.size();)
      written += to.write(done + written, part.bytes().subspan(written));
    done += part.size();
  }
  to.sync();
}

void remove_all(file_system& disk) {
  for (auto const& name : disk.list())
    if (name == witness_name || segment_of(name)) disk.remove(name);
}

// What the witness names, and what has come behind it meanwhile. False: files went while they were looked
// for.
bool copy_journal(file_system const& from, file_system& to) {
  auto const signed_off = witness_of(from);
  std::vector<std::pair<std::string, std::unique_ptr<file>>> segments;
  try {
    for (auto each = signed_off.first; each <= signed_off.last; ++each)
      segments.emplace_back(segment_name(each), from.open(segment_name(each), file_system::access::read));
  } catch (std::system_error const& why) {
    if (why.code() != std::errc::no_such_file_or_directory) throw;
    return false;
  }
  for (auto const& [name, segment] : segments)
    copy_file(*segment, *to.open(name, file_system::access::create));
  auto const witness_file = to.open(std::string(witness_name), file_system::access::create);
  for (auto const slot : witness_slots) {
    auto const bytes = encode(signed_off);
    witness_file->write(slot, bytes);
  }
  witness_file->sync();
  to.sync();
  return true;
}

// A journal that is written is another one each time.
void copy_while_written(file_system const& from, file_system& to) {
  constexpr int most = 100;
  for (int tries = 0; !copy_journal(from, to); ++tries)
    if (tries == most)
      throw error(problem::unusable, "journal: its files go faster than they are copied; try again");
}

// Records that stand anywhere, in the order of the files.
template <class To>
void each_readable(file_system const& disk, To to) {
  std::vector<std::uint32_t> segments;
  for (auto const& name : disk.list())
    if (auto const segment = segment_of(name)) segments.push_back(*segment);
  std::sort(segments.begin(), segments.end());
  std::uint64_t identity = 0;  // a header that is damaged has that of the others
  for (auto const segment : segments) {
    auto const header = read_segment_header(read_all(disk, segment_name(segment)));
    if (header.state == preface::good) identity = header.what.identity;
  }
  for (auto const segment : segments) {
    auto const bytes = read_all(disk, segment_name(segment));
    for (location at{identity, segment, 0}; at.offset < bytes.size();) {
      auto const found = read_record(bytes.bytes().subspan(at.offset), at);
      if (found) to(*found, place{segment, static_cast<std::uint32_t>(at.offset / 8)});
      at.offset += found ? size_on_disk(found->what.size) : 8;
    }
  }
}

void salvage(file_system const& disk, record_visitor const& to) {
  ledger counts;
  each_readable(disk, [&](found_record const& each, place at) { counts.apply(each.what, at); });
  each_readable(disk, [&](found_record const& each, place at) {
    if (counts.counts(each.what, at)) to(each.what, each.body);
  });
}

}  // namespace

summary check(std::string const& folder) {
  auto const disk = open_existing(folder, use::read);
  return in_words([&] {
    ledger counts;
    auto const found = recover(*disk, any_schema, counts);
    return summary_of(found, counts);
  });
}

summary backup(std::string const& folder, std::string const& to) {
  auto const from = open_existing(folder, use::look);
  return in_words([&] {
    auto const made = open_folder(to, true);
    for (auto const& name : made->list())
      if (name != "." && name != ".." && name != "lock")
        throw error(problem::unusable, "journal: " + to + " is not empty; name a folder that is to be made");
    try {
      copy_while_written(*from, *made);
      ledger counts;
      auto const schema = recover(*made, any_schema, counts).signed_off.schema;
      // Cuts off what was half written, and signs the rest.
      store const files(*made, {.schema = schema}, 0, [](record const&, std::span<std::byte const>) {});
    } catch (...) {
      remove_all(*made);
      throw;
    }
    ledger counts;
    auto const found = recover(*made, any_schema, counts);
    return summary_of(found, counts);
  });
}

compaction compact(std::string const& folder) {
  auto const disk = open_existing(folder, use::change);
  // It takes a journal of any schema, and leaves it one of that.
  std::uint16_t schema = 0;
  in_words([&] {
    ledger counts;
    schema = recover(*disk, any_schema, counts).signed_off.schema;
  });
  store files(*disk, {.schema = schema}, 0, [](record const&, std::span<std::byte const>) {});
  auto const before = files.figures().bytes;
  files.compact();
  return {before, files.figures().bytes};
}

std::optional<error> export_records(std::string const& folder, record_visitor const& to) {
  auto const disk = open_existing(folder, use::read);
  return in_words([&]() -> std::optional<error> {
    ledger counts;
    std::optional<recovered> found;
    try {
      found = recover(*disk, any_schema, counts);
    } catch (error const& why) {
      if (why.why() != problem::damaged) throw;
      salvage(*disk, to);
      return why;
    }
    visit(*disk, *found, counts, to);
    return std::nullopt;
  });
}

}  // namespace yonder::journal
