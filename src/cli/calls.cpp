// SPDX-License-Identifier: Apache-2.0
#include "src/cli/calls.hpp"

#include <algorithm>
#include <charconv>
#include <iostream>
#include <stdexcept>
#include <utility>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "src/cli/printable.hpp"
#include "src/core/call_orders.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/runtime.hpp"

namespace yonder::cli {
namespace {

core::text_rows ask(hub_choice const& hub, std::string_view order, std::string const& payload) {
  return rows_from_hub(hub, order, payload);
}

std::string rows_in_json(core::text_rows const& rows) {
  std::string text = "{";
  for (auto const& row : rows) {
    if (row.size() != 2) continue;
    auto name = row[0];
    std::replace(name.begin(), name.end(), ' ', '_');
    text += (text.size() == 1 ? "" : ", ") + cli::in_json(name) + ": " + cli::in_json(row[1]);
  }
  return text + "}";
}

// Behind a name: the lines of what was run and printed stand below one another.
void print_lines(std::string const& text, std::size_t indent) {
  visible_lines shown;
  auto const whole = shown.add(text) + shown.end();
  std::string made;
  for (char const one : whole.substr(0, whole.find_last_not_of('\n') + 1)) {
    made += one;
    if (one == '\n') made.append(indent, ' ');
  }
  std::cout << made << '\n';
}

// Names of workers, and what tasks have said, are strangers' words.
void print_rows(core::text_rows const& rows) {
  constexpr std::size_t most = 4096;
  std::size_t width = 0;
  for (auto const& row : rows) width = std::max(width, row.empty() ? 0 : row[0].size());
  for (auto const& row : rows)
    if (row.size() == 2) {
      std::cout << row[0] << std::string(width + 2 - row[0].size(), ' ');
      print_lines(row[1].substr(0, most), width + 2);
    }
}

}  // namespace

core::call_id read_id(std::string const& text) {
  core::call_id id;
  auto const read = [&](std::size_t at, std::uint64_t& number) {
    auto const* const end = text.data() + at + 16;
    auto const found = std::from_chars(text.data() + at, end, number, 16);
    return found.ec == std::errc() && found.ptr == end;
  };
  if (text.size() != 32 || !read(0, id.session) || !read(16, id.number))
    throw usage_problem(
        "'" + text +
        "' is no call's id: 32 hexadecimal digits, as call::id() and the hub's errors have them");
  return id;
}

int unknown_call(std::string const& id) {
  std::cerr << "yonder: the hub has no call " << id
            << " that these keys may ask for: it has ended and was told to its caller, or was never made\n";
  return exit_not_found;
}

int explain_call(hub_choice const& hub, std::string const& id, bool json) {
  auto const rows = ask(hub, core::explain_call, core::encode_call_id(read_id(id)));
  if (rows.empty()) return unknown_call(id);
  if (json)
    std::cout << rows_in_json(rows) << '\n';
  else
    print_rows(rows);
  return EXIT_SUCCESS;
}

int cancel_call(hub_choice const& hub, std::string const& id, bool json) {
  auto const rows = ask(hub, core::cancel_call, core::encode_call_id(read_id(id)));
  if (rows.empty()) return unknown_call(id);
  if (json) std::cout << rows_in_json(rows) << '\n';
  if (rows.front().front() == "cancelled") return EXIT_SUCCESS;
  std::cerr << "yonder: there is nothing to cancel, the call has ended: `yonder explain " << id << "`\n";
  return exit_failed;
}

}  // namespace yonder::cli
