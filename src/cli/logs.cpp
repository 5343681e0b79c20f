// SPDX-License-Identifier: Apache-2.0
#include "src/cli/logs.hpp"

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <map>
#include <span>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "src/cli/calls.hpp"
#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "src/cli/printable.hpp"
#include "src/core/call_orders.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/call_id.hpp"

namespace yonder::cli {
namespace {

constexpr std::chrono::milliseconds between_looks{200};

std::string text_of(core::call_id const& id) { return to_string(call_id{id.session, id.number}); }

core::log_page ask(runtime const& connected, core::log_order const& order) {
  auto const said = detail::ask_hub(*connected.engine(), core::read_logs, core::encode_log_order(order));
  core::log_page page;
  if (!core::decode_log_page(std::as_bytes(std::span(said)), page))
    throw std::runtime_error("what the hub says of logs does not decode; is it of another version?");
  return page;
}

std::string entry_in_json(core::log_page::entry const& one) {
  return "{\"call\": " + (one.call.number == 0 ? "null" : in_json(text_of(one.call))) +
         ", \"calls\": " + std::to_string(one.call.number == 0 ? 0 : one.count) +
         ", \"worker\": " + in_json(one.worker) + ", \"at\": " + std::to_string(one.at) +
         ", \"text\": " + in_json(one.text) + "}\n";
}

// For people. What is lost of a call's is said on stderr.
class log_printer {
 public:
  explicit log_printer(logs_order const& order) : order_(order) {}

  void print(core::log_page::entry const& one) {
    if (order_.json) return void(std::cout << entry_in_json(one));
    note_lost(one);
    auto const from = one.call.number == 0 ? "worker " + printable(one.worker) : text_of(one.call);
    if (from != from_) end_line();
    from_ = from;
    auto const text = order_.raw ? one.text : lines_.add(one.text);
    order_.call.empty() ? print_lines(text) : put(text);
  }
  void end() {
    if (!order_.json) end_line();
  }
  // Another hub counts anew what calls print.
  void begin_anew() { printed_.clear(); }

 private:
  void put(std::string_view text) {
    if (text.empty()) return;
    std::cout << text;
    within_line_ = text.back() != '\n';
  }
  // Each begins with whose it is.
  void print_lines(std::string_view text) {
    while (!text.empty()) {
      auto const line = text.substr(0, text.find('\n') == text.npos ? text.size() : text.find('\n') + 1);
      if (!within_line_) std::cout << from_ << "  ";
      put(line);
      text.remove_prefix(line.size());
    }
  }
  void end_line() {
    if (!order_.raw) put(lines_.end());
    if (std::exchange(within_line_, false) && !order_.raw) std::cout << '\n';
  }
  void note_lost(core::log_page::entry const& one) {
    if (one.call.number == 0) return;
    if (printed_.size() > most_known) printed_.clear();
    auto& before = printed_[one.call];
    if (one.at > before) {
      end_line();
      flush_output();
      std::cerr << "yonder: " << one.at - before << " bytes that call " << text_of(one.call)
                << " printed before this are lost, or kept no more\n";
    }
    before = one.at + one.text.size();
  }

  static constexpr std::size_t most_known = 100'000;  // calls

  logs_order const& order_;
  visible_lines lines_;
  std::string from_;
  bool within_line_ = false;
  std::map<core::call_id, std::uint64_t> printed_;  // how far
};

}  // namespace

int print_logs(hub_choice const& hub, logs_order const& order) {
  core::log_order asked;
  if (!order.call.empty()) asked.call = read_id(order.call);
  auto const connected = connect(hub);
  log_printer printer(order);
  for (bool was_known = false;;) {
    auto const page = ask(connected, asked);
    auto const is_known = page.state == core::log_state::open || page.state == core::log_state::ended;
    was_known = was_known || is_known || !page.entries.empty();
    auto const goes_on = order.follow && page.state == core::log_state::awaited;
    if (!is_known && !goes_on && !was_known) return unknown_call(order.call);
    if (!core::are_of_one_hub(asked.after, page.next)) printer.begin_anew();
    for (auto const& one : page.entries) printer.print(one);
    flush_output();
    asked.after = page.next;
    if (page.more) continue;
    if (!order.follow || page.state == core::log_state::ended || page.state == core::log_state::unknown)
      break;  // unknown: it has ended, and its text is kept no more
    std::this_thread::sleep_for(between_looks);
  }
  printer.end();
  flush_output();
  return EXIT_SUCCESS;
}

}  // namespace yonder::cli
