// SPDX-License-Identifier: Apache-2.0
#include "src/cli/journal.hpp"

#include <cstddef>
#include <iostream>
#include <span>

#include "src/cli/output.hpp"
#include "src/journal/tools.hpp"
#include "yonder/call.hpp"

namespace yonder::cli {
namespace {

using journal::problem;

int exit_code(journal::error const& why) {
  std::cerr << "yonder: " << why.what() << "\n";
  switch (why.why()) {
    case problem::damaged: return exit_damaged;
    case problem::newer: return exit_newer;
    case problem::in_use: return exit_in_use;
    default: return exit_failed;
  }
}

template <class Work>
int with_exit_code(Work work) {
  try {
    return work();
  } catch (journal::error const& why) {
    return exit_code(why);
  }
}

std::string in_base64(std::span<std::byte const> bytes) {
  constexpr char const* letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string made;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned three = 0;
    for (std::size_t k = 0; k < 3; ++k)
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned>(bytes[i + k]) : 0U);
    for (std::size_t k = 0; k < 4; ++k)
      made += i + k <= bytes.size() ? letters[three >> (18 - 6 * k) & 63] : '=';
  }
  return made;
}

std::string id_of(core::call_id const& call) { return to_string(call_id{call.session, call.number}); }

void print(journal::record const& what, std::span<std::byte const> body, bool json) {
  if (!json) {
    std::cout << what.number << "\t" << to_string(what.what) << "\t" << id_of(what.call) << "\t" << what.items
              << "\t" << what.time << "\t" << body.size() << "\n";
    return;
  }
  std::cout << "{\"record\": " << what.number << ", \"kind\": \"" << to_string(what.what)
            << "\", \"call\": \"" << id_of(what.call) << "\", \"items\": " << what.items
            << ", \"time_ms\": " << what.time << ", \"schema\": " << what.schema << ", \"body\": \""
            << in_base64(body) << "\"}\n";
}

}  // namespace

int check_journal(std::string const& folder) {
  return with_exit_code([&] {
    auto const found = journal::check(folder);
    for (auto const& line : found.notes) std::cout << line << "\n";
    std::cout << folder << " is whole: " << found.records << " records in " << found.segments << " segments, "
              << found.bytes << " bytes, of which " << found.live_bytes << " count; " << found.queued
              << " calls wait, " << found.started << " were started, " << found.ended
              << " outcomes are kept\n";
    return 0;
  });
}

int backup_journal(std::string const& folder, std::string const& to) {
  return with_exit_code([&] {
    auto const made = journal::backup(folder, to);
    std::cout << to << " is a whole journal: " << made.records << " records, " << made.bytes << " bytes; "
              << made.queued << " calls wait, " << made.started << " were started, " << made.ended
              << " outcomes are kept; `yonder hub --journal` goes on from it\n";
    return 0;
  });
}

int compact_journal(std::string const& folder) {
  return with_exit_code([&] {
    auto const done = journal::compact(folder);
    std::cout << folder << ": " << done.before << " bytes before, " << done.after << " now\n";
    return 0;
  });
}

int export_journal(std::string const& folder, bool json) {
  return with_exit_code([&] {
    auto const why =
        journal::export_records(folder, [json](auto const& what, auto body) { print(what, body, json); });
    return why ? exit_code(*why) : 0;
  });
}

}  // namespace yonder::cli
