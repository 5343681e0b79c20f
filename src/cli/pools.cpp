// SPDX-License-Identifier: Apache-2.0
#include "src/cli/pools.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <iterator>
#include <optional>
#include <span>
#include <sstream>
#include <thread>
#include <utility>
#include <vector>

#include "src/cli/json_text.hpp"
#include "src/cli/keys.hpp"
#include "src/cli/output.hpp"
#include "src/cli/printable.hpp"
#include "src/runtime/orders.hpp"
#include "src/runtime/progress_bar.hpp"
#include "yonder/error.hpp"
#include "yonder/runtime.hpp"

namespace yonder::cli {
namespace {

using std::chrono::nanoseconds;

constexpr std::pair<std::string_view, nanoseconds> units[] = {{"ms", std::chrono::milliseconds(1)},
                                                              {"s", std::chrono::seconds(1)},
                                                              {"m", std::chrono::minutes(1)},
                                                              {"h", std::chrono::hours(1)},
                                                              {"d", std::chrono::hours(24)}};

bool has_operators_key(std::string const& stated_keys) {
  std::filesystem::path const keys(keys_folder(stated_keys));
  auto const is_there = [](auto const& file) {
    std::error_code unknown;
    return std::filesystem::exists(file, unknown);
  };
  return is_there(keys / "operator.key") || is_there(keys / "server.key");
}

runtime connect_as(bool as_operator, std::string const& address, std::string const& keys) {
  return runtime({.hub = address, .keys = keys, .as_operator = as_operator, .is_current = false});
}

}  // namespace

// Whoever has no operator's key comes as a client, and is told by the hub what that may not do. A token may
// be either's: one that makes no operator of us is a client's, and may be used up by now.
runtime connect(hub_choice const& hub) {
  auto const* const variable = std::getenv("YONDER_HUB");
  auto const address = !hub.address.empty() ? hub.address : std::string(variable != nullptr ? variable : "");
  if (address.empty())
    throw usage_problem("name the hub: --hub tcp://HOST:PORT or ipc:///FOLDER/NAME, or $YONDER_HUB");
  if (has_operators_key(hub.keys)) return connect_as(true, address, hub.keys);
  if (address.find('#') == address.npos) return connect_as(false, address, hub.keys);
  try {
    return connect_as(true, address, hub.keys);
  } catch (error const& refusal) {
    if (refusal.code() != errc::unauthorized) throw;
  }
  return connect_as(false, address, hub.keys);
}

namespace {

std::string in_words(nanoseconds time) {
  if (time == nanoseconds::zero()) return "0";
  auto const* unit = std::begin(units);
  for (auto const& one : units)
    if (time % one.second == nanoseconds::zero()) unit = &one;
  return std::to_string(time / unit->second) + std::string(unit->first);
}

double in_seconds(nanoseconds time) { return std::chrono::duration<double>(time).count(); }

core::text_rows rows_from(runtime const& connected, std::string_view order, std::string const& payload) {
  auto const said = detail::ask_hub(*connected.engine(), order, payload);
  core::text_rows rows;
  if (!core::decode_rows(std::as_bytes(std::span(said)), rows))
    throw std::runtime_error("what the hub says does not decode; is it of another version?");
  return rows;
}

std::string pools_in_json(std::vector<pool_snapshot> const& pools) {
  std::ostringstream text;
  char const* before = "[";
  for (auto const& one : pools) {
    text << std::exchange(before, ",\n ") << "{\"name\": " << in_json(one.name)
         << ", \"needs\": " << in_json(one.needs) << ", \"min\": " << one.min << ", \"max\": " << one.max
         << ", \"buffer\": " << one.buffer << ", \"max_queue\": " << one.max_queue
         << ", \"scaledown_window\": " << in_seconds(one.scaledown_window)
         << ", \"park_window\": " << in_seconds(one.park_window) << ", \"workers\": " << one.workers
         << ", \"idle_workers\": " << one.idle_workers << ", \"starting_workers\": " << one.starting_workers
         << ", \"parked_workers\": " << one.parked_workers << ", \"queued\": " << one.queued
         << ", \"why\": " << in_json(one.why) << "}";
  }
  return text.str() + (pools.empty() ? "[]" : "]");
}

std::string workers_in_json(core::text_rows const& workers) {
  std::string text;
  for (auto const& row : workers) {
    text += text.empty() ? "[{" : ",\n {";
    for (std::size_t i = 0; i < std::min(row.size(), std::size(core::worker_columns)); ++i)
      text += (i == 0 ? "" : ", ") + in_json(core::worker_columns[i]) + ": " + in_json(row[i]);
    text += "}";
  }
  return text.empty() ? "[]" : text + "]";
}

table table_of(std::vector<pool_snapshot> const& pools) {
  table listed{{"POOL", "WORKERS", "IDLE", "STARTING", "PARKED", "QUEUED", "MIN", "MAX", "BUFFER",
                "MAX_QUEUE", "SCALEDOWN_WINDOW", "PARK_WINDOW", "NEEDS"}};
  for (auto const& one : pools)
    listed.add({printable(one.name), std::to_string(one.workers), std::to_string(one.idle_workers),
                std::to_string(one.starting_workers), std::to_string(one.parked_workers),
                std::to_string(one.queued), std::to_string(one.min), std::to_string(one.max),
                std::to_string(one.buffer), one.max_queue == 0 ? "any" : std::to_string(one.max_queue),
                in_words(one.scaledown_window), in_words(one.park_window), printable(one.needs)});
  return listed;
}

// Of each pool whose workers do not come; empty: there is none. Of many lines the first and the last of all
// `most` are there: what was run, and what came of it.
std::string reasons_of(std::vector<pool_snapshot> const& pools, std::size_t most) {
  std::string text;
  for (auto const& one : pools) {
    if (one.why.empty()) continue;
    visible_lines shown;
    std::istringstream said(shown.add("workers of " + printable(one.name) + " do not come: " + one.why) +
                            shown.end());
    std::vector<std::string> lines;
    for (std::string line; std::getline(said, line);)
      if (!line.empty()) lines.push_back((lines.empty() ? "" : "  ") + line);
    if (auto const count = lines.size(); count > most) {
      auto const from = lines.begin() + static_cast<std::ptrdiff_t>(most / 2);
      auto const to = lines.end() - static_cast<std::ptrdiff_t>(most - most / 2);
      lines.insert(lines.erase(from, to),
                   "  [" + std::to_string(count - most) + " more lines: yonder ps --json]");
    }
    for (auto const& line : lines) text += in_lines(line, 2);
  }
  return text;
}

table table_of(core::text_rows const& workers) {
  table listed{{"WORKER", "POOL", "STATE", "CALLS", "GPUS", "KEY", "PROGRESS"}};
  for (auto row : workers) {
    row.resize(std::size(core::worker_columns));
    for (auto& cell : row) cell = printable(cell);
    listed.add(std::move(row));
  }
  return listed;
}

std::string calls_in_json(std::vector<call_snapshot> const& calls) {
  std::ostringstream text;
  char const* before = "[";
  for (auto const& one : calls)
    text << std::exchange(before, ",\n ") << "{\"id\": " << in_json(to_string(one.id))
         << ", \"task\": " << in_json(one.task) << ", \"state\": " << in_json(to_string(one.is))
         << ", \"durable\": " << (one.durable ? "true" : "false") << ", \"attempts\": " << one.attempts
         << ", \"kept\": " << in_seconds(one.kept) << "}";
  return text.str() + (calls.empty() ? "[]" : "]");
}

table table_of(std::vector<call_snapshot> const& calls) {
  table listed{{"ID", "TASK", "STATE", "DURABLE", "ATTEMPTS", "KEPT"}};
  for (auto const& one : calls) {
    auto const kept = std::chrono::duration_cast<std::chrono::minutes>(one.kept);
    listed.add({to_string(one.id), printable(one.task), std::string(to_string(one.is)),
                one.durable ? "yes" : "no", std::to_string(one.attempts),
                one.kept == nanoseconds::zero() ? "" : in_words(kept)});
  }
  return listed;
}

// A hub that ends in good order.
struct drain_report {
  std::optional<double> within;  // seconds
  std::string text() const {
    auto const most = within ? ", " + std::to_string(std::lround(*within)) + " s at most" : std::string();
    return "the hub ends, and begins no further calls; those that run are waited for" + most + "\n";
  }
  std::string json() const {
    std::ostringstream text;
    text << "{\"within\": ";
    within ? text << *within : text << "null";
    return text.str() + "}";
  }
};

struct hub_report {
  std::string state = std::string(core::journal_state::none);  // of its journal
  std::string why;
  std::optional<drain_report> drains;

  bool has_failed() const { return state == core::journal_state::failed; }
  // A line of its journal; empty: there is nothing to say.
  std::string text() const {
    if (why.empty()) return {};
    return (has_failed() ? "the hub's journal has failed: " : "the hub's journal takes no durable calls: ") +
           printable(why, 4096) + "\n";
  }
};

hub_report report_of(runtime const& connected) {
  hub_report told;
  for (auto const& row : rows_from(connected, core::tell_journal, {})) {
    if (row.size() != 2) continue;
    if (row[0] == "state") told.state = row[1];
    if (row[0] == "why") told.why = row[1];
    if (row[0] != "drains") continue;
    double milliseconds = 0;
    auto const [end, error] = std::from_chars(row[1].data(), row[1].data() + row[1].size(), milliseconds);
    told.drains = drain_report{error == std::errc() ? std::optional(milliseconds / 1000) : std::nullopt};
  }
  return told;
}

std::string journal_in_json(hub_report const& journal) {
  return "{\"state\": " + in_json(journal.state) +
         (journal.why.empty() ? "" : ", \"why\": " + in_json(journal.why)) + "}";
}

std::string maps_in_json(std::vector<detail::map_seen> const& maps) {
  std::ostringstream text;
  char const* before = "[";
  for (auto const& one : maps) {
    text << std::exchange(before, ",\n ") << "{\"id\": " << in_json(one.id)
         << ", \"task\": " << in_json(one.task) << ", \"done\": " << one.done
         << ", \"failed\": " << one.failed;
    if (one.total) text << ", \"total\": " << *one.total;
    if (auto const fraction = one.fraction()) text << ", \"fraction\": " << *fraction;
    text << ", \"seconds\": " << in_seconds(one.elapsed);
    if (auto const left = one.left()) text << ", \"seconds_left\": " << in_seconds(*left);
    text << ", \"credential\": " << in_json(one.credential) << "}";
  }
  return text.str() + (maps.empty() ? "[]" : "]");
}

// Those that go on, a bar each; nothing where there is none.
std::string table_of(std::vector<detail::map_seen> const& maps) {
  if (maps.empty()) return {};
  constexpr std::size_t width = 60;
  table listed{{"MAP", "SO FAR", "FAILED", "KEY"}};
  for (auto const& one : maps) {
    detail::bar_state const bar{.done = static_cast<std::size_t>(one.done),
                                .total = one.total ? std::optional<std::size_t>(*one.total) : std::nullopt,
                                .running = one.running,
                                .elapsed = one.elapsed.count()};
    listed.add({printable(one.task), detail::bar_line(bar, width), std::to_string(one.failed),
                printable(one.credential)});
  }
  return "\n" + listed.text();
}

void print_all(runtime const& connected, bool json, bool live) {
  auto const pools = connected.pools();
  auto const workers = rows_from(connected, core::list_workers, {});
  auto const maps = detail::maps_of(connected.engine());
  auto const hub = report_of(connected);
  if (json) {
    std::cout << "{\"pools\": " << pools_in_json(pools) << ",\n\"workers\": " << workers_in_json(workers)
              << ",\n\"maps\": " << maps_in_json(maps) << ",\n\"journal\": " << journal_in_json(hub)
              << ",\n\"drains\": " << (hub.drains ? hub.drains->json() : "null") << "}\n";
    return;
  }
  auto text = (hub.drains ? hub.drains->text() : std::string()) + hub.text();
  if (!text.empty()) text.pop_back(), text = in_lines(text, 2);
  text += table_of(pools).text() + reasons_of(pools, live ? 4 : 12) + "\n" + table_of(workers).text() +
          table_of(maps);
  std::cout << (live ? as_live_page(text) : text);
}

std::string usage_in_json(std::vector<usage_snapshot> const& usage) {
  std::ostringstream text;
  char const* before = "[";
  for (auto const& one : usage)
    text << std::exchange(before, ",\n ") << "{\"day\": " << in_json(one.day)
         << ", \"task\": " << in_json(one.task) << ", \"credential\": " << in_json(one.credential)
         << ", \"key\": " << in_json(one.key) << ", \"attempts\": " << one.attempts
         << ", \"worker_seconds\": " << in_seconds(one.worker_time)
         << ", \"gpu_seconds\": " << in_seconds(one.gpu_time) << "}";
  return text.str() + (usage.empty() ? "[]" : "]");
}

table table_of(std::vector<usage_snapshot> const& usage) {
  auto const named = [](std::string const& name) { return name.empty() ? "-" : printable(name); };
  auto const to_milliseconds = [](nanoseconds time) {
    char text[40];
    std::snprintf(text, sizeof text, "%.3f", in_seconds(time));
    return std::string(text);
  };
  table listed{{"DAY", "TASK", "CREDENTIAL", "KEY", "ATTEMPTS", "WORKER_SECONDS", "GPU_SECONDS"}};
  for (auto const& one : usage)
    listed.add({one.day, named(one.task), named(one.credential), named(one.key), std::to_string(one.attempts),
                to_milliseconds(one.worker_time), to_milliseconds(one.gpu_time)});
  return listed;
}

}  // namespace

std::string answer_of_hub(hub_choice const& hub, std::string_view order, std::string const& payload) {
  auto const connected = connect(hub);
  return detail::ask_hub(*connected.engine(), order, payload);
}

core::text_rows rows_from_hub(hub_choice const& hub, std::string_view order, std::string const& payload) {
  return rows_from(connect(hub), order, payload);
}

int list_all(hub_choice const& hub, bool json, bool live) {
  auto const connected = connect(hub);
  live = live && ::isatty(STDOUT_FILENO) == 1 && !json;
  do {
    print_all(connected, json, live);
    flush_output();
    if (live) std::this_thread::sleep_for(std::chrono::seconds(1));
  } while (live);
  return EXIT_SUCCESS;
}

int list_calls(hub_choice const& hub, bool json) {
  auto const connected = connect(hub);
  auto const calls = connected.calls();
  std::cout << (json ? calls_in_json(calls) + "\n" : table_of(calls).text());
  flush_output();
  auto const journal = report_of(connected);
  if (!journal.has_failed()) return EXIT_SUCCESS;
  std::cerr << "yonder: " << journal.text()
            << "yonder: calls that only the journal has are not listed; they go on when a hub with it is "
               "started again\n";
  return exit_failed;
}

int list_usage(hub_choice const& hub, bool json) {
  auto const usage = connect(hub).usage();
  std::cout << (json ? usage_in_json(usage) + "\n" : table_of(usage).text());
  flush_output();
  return EXIT_SUCCESS;
}

int scale_pool(hub_choice const& hub, std::string const& pool, pool_size const& size) {
  connect(hub).scale(pool, size);
  return EXIT_SUCCESS;
}

int warm_pool(hub_choice const& hub, std::string const& pool, unsigned count) {
  connect(hub).warm(pool, count);
  return EXIT_SUCCESS;
}

std::optional<nanoseconds> parse_time(std::string_view text) {
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0)) return std::nullopt;
  std::string_view const rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest.empty() && number == 0) return nanoseconds::zero();
  for (auto const& [name, unit] : units)
    if (rest == name && number <= static_cast<double>(nanoseconds::max() / unit))
      return std::chrono::duration_cast<nanoseconds>(number * std::chrono::duration<double, std::nano>(unit));
  return std::nullopt;
}

}  // namespace yonder::cli
