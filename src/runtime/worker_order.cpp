// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/worker_order.hpp"

#include <charconv>
#include <stdexcept>
#include <system_error>

namespace yonder::runtime_detail {
namespace {

constexpr std::string_view first_line = "yonder worker order 1";
constexpr std::string_view last_line = "that is all";

// What a line of "key value" has, one key each. A newline in a value would begin another line.
void put(std::string& text, std::string_view key, std::string_view value) {
  if (value.find('\n') != std::string_view::npos || value.find('\0') != std::string_view::npos)
    throw std::invalid_argument("the " + std::string(key) + " of a worker's order has more than one line");
  text.append(key).append(" ").append(value).append("\n");
}

template <class Number>
bool read(std::string_view text, Number& number) {
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size();
}

bool take(std::string_view key, std::string_view value, worker_order& order) {
  if (key == "hub") return order.hub = value, true;
  if (key == "token") return read(value, order.token);
  if (key == "server_public") return order.server_public = value, true;
  if (key == "client_secret") return order.client_secret = value, true;
  if (key == "silence") return read(value, order.silence) && order.silence > 0;
  if (key == "ends_with_input") return order.ends_with_input = true, value.empty();
  if (key == "end") return order.end.emplace_back(value), true;
  return false;
}

// The first line of `text`, which loses it; false: it has none that is whole.
bool next_line(std::string_view& text, std::string_view& line) {
  auto const end = text.find('\n');
  if (end == std::string_view::npos) return false;
  line = text.substr(0, end);
  text.remove_prefix(end + 1);
  return true;
}

}  // namespace

std::string encode_worker_order(worker_order const& order) {
  auto text = std::string(first_line) + "\n";
  put(text, "hub", order.hub);
  put(text, "token", std::to_string(order.token));
  if (!order.server_public.empty()) put(text, "server_public", order.server_public);
  if (!order.client_secret.empty()) put(text, "client_secret", order.client_secret);
  put(text, "silence", std::to_string(order.silence));
  if (order.ends_with_input) put(text, "ends_with_input", "");
  for (auto const& word : order.end) put(text, "end", word);
  return text.append(last_line).append("\n");
}

bool is_whole_order(std::string_view text) noexcept {
  auto const ending = std::string("\n").append(last_line).append("\n");
  return text.find(ending) != std::string_view::npos;
}

std::string decode_worker_order(std::string_view text, worker_order& order) {
  std::string_view line;
  if (!next_line(text, line) || line != first_line)
    return "it does not begin with '" + std::string(first_line) + "': it is of another version, or no order";
  for (int number = 2; next_line(text, line); ++number) {
    if (line == last_line) {
      if (order.hub.empty()) return "it names no hub";
      if (order.silence == 0) return "it does not say for how long the hub may be silent";
      return {};
    }
    auto const blank = line.find(' ');
    if (blank == std::string_view::npos || !take(line.substr(0, blank), line.substr(blank + 1), order))
      return "its line " + std::to_string(number) + " does not say anything that is known here";
  }
  return "it ends before its last line";
}

}  // namespace yonder::runtime_detail
