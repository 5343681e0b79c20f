// SPDX-License-Identifier: Apache-2.0
#include "src/journal/tools.hpp"

#include <algorithm>
#include <utility>

#include "src/journal/folder.hpp"
#include "src/journal/store.hpp"

namespace yonder::journal {
namespace {

constexpr std::uint16_t any_schema = 0xffff;

std::unique_ptr<file_system> open_existing(std::string const& folder, bool change) {
  try {
    auto disk = open_folder(folder, false);
    auto const names = disk->list();
    auto const is_ours = [](std::string const& name) {
      return name == witness_name || segment_of(name).has_value();
    };
    if (std::none_of(names.begin(), names.end(), is_ours))
      throw error(problem::unusable,
                  "journal: there is none in " + folder + "; name the folder that the hub was given");
    if (!change) return disk;
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
  auto const disk = open_existing(folder, false);
  return in_words([&] {
    ledger counts;
    auto const found = recover(*disk, any_schema, counts);
    summary made{.segments = found.segments.size(),
                 .live_bytes = counts.live_bytes(),
                 .records = found.records,
                 .queued = counts.queued(),
                 .started = counts.started(),
                 .ended = counts.ended(),
                 .notes = found.notes};
    for (auto const& [segment, size] : found.segments) made.bytes += size;
    return made;
  });
}

compaction compact(std::string const& folder) {
  auto const disk = open_existing(folder, true);
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
  auto const disk = open_existing(folder, false);
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
