// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/report.hpp"

#include <sys/utsname.h>

#include <cereal/version.hpp>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "yonder/version.hpp"
#ifdef YONDER_HAS_ZMQ
#include <zmq.h>
#endif

namespace bench {
namespace {

// Three significant digits; large numbers with their prefix.
std::string number(double value) {
  char text[32];
  auto const* prefix = "";
  if (value >= 1e6) {
    value /= 1e6;
    prefix = " M";
  } else if (value >= 1e4) {
    value /= 1e3;
    prefix = " k";
  }
  std::snprintf(text, sizeof text,
                value >= 100  ? "%.0f%s"
                : value >= 10 ? "%.1f%s"
                              : "%.2f%s",
                value, prefix);
  return text;
}

std::string with_unit(double value, std::string const& unit) {
  auto text = number(value);
  bool const prefixed = text.find(' ') != std::string::npos;
  return text + (prefixed ? "" : " ") + unit;
}

// Like printf's %-*s, by characters instead of bytes.
std::string padded(std::string text, std::size_t width) {
  std::size_t characters = 0;
  for (char const c : text) characters += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
  text.append(characters < width ? width - characters : 0, ' ');
  return text;
}

std::string cpu_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown CPU";
}

void print_line(std::string_view verdict, std::string const& what, std::string const& ours,
                std::string const& peer, std::string const& ratio, std::string const& wanted,
                std::string const& spread) {
  auto const line = padded(std::string(verdict), 8) + padded(what, 54) + padded(ours, 16) + padded(peer, 54) +
                    padded(ratio, 8) + padded(wanted, 20) + spread;
  std::puts(line.c_str());
  std::fflush(stdout);
}

nlohmann::json as_json(row const& each) {
  nlohmann::json object{{"group", each.group},
                        {"what", each.what},
                        {"unit", each.unit},
                        {"peer_name", each.peer_name},
                        {"target", each.wanted.text(each.unit)}};
  if (each.skipped.empty()) {
    object["ours"] = each.found.ours;
    object["peer"] = each.found.peer;
    object["ratio"] = each.found.ratio;
    object["spread"] = each.found.spread;
    object["met"] = each.wanted.met_by(each.found);
  } else {
    for (auto const* field : {"ours", "peer", "ratio", "spread"}) object[field] = nullptr;
    object["met"] = false;
    object["skipped"] = each.skipped;
  }
  return object;
}

}  // namespace

bool target::met_by(comparison const& found) const {
  switch (what) {
    case kind::ratio_at_most: return found.ratio <= limit;
    case kind::ratio_at_least: return found.ratio >= limit;
    case kind::ours_at_most: return found.ours <= limit;
    default: return found.ours >= limit;
  }
}

std::string target::text(std::string_view unit) const {
  bool const upper = what == kind::ratio_at_most || what == kind::ours_at_most;
  bool const ratio = what == kind::ratio_at_most || what == kind::ratio_at_least;
  auto const relation = std::string(upper ? "≤ " : "≥ ");
  return ratio ? "ratio " + relation + number(limit) : relation + with_unit(limit, std::string(unit));
}

void report::add(row done, comparison const& found, double scale) {
  done.found = found;
  done.found.ours /= scale;
  done.found.peer /= scale;
  auto const& shown = done.found;
  char spread[16];
  std::snprintf(spread, sizeof spread, "%.0f %%", 100 * shown.spread);
  print_line(done.wanted.met_by(shown) ? "met" : "missed", done.what, with_unit(shown.ours, done.unit),
             with_unit(shown.peer, done.unit) + " (" + done.peer_name + ")", number(shown.ratio),
             done.wanted.text(done.unit), spread);
  done.group = group_;
  rows_.push_back(std::move(done));
}

void report::skip(row left_out, std::string why) {
  left_out.skipped = std::move(why);
  std::puts((padded("skipped", 8) + padded(left_out.what, 54) + left_out.skipped).c_str());
  std::fflush(stdout);
  left_out.group = group_;
  rows_.push_back(std::move(left_out));
}

void report::write_json(std::string const& file) const {
  auto array = nlohmann::json::array();
  for (auto const& each : rows_) array.push_back(as_json(each));
  std::ofstream out(file);
  out << array.dump(2) << '\n';
  if (!out.flush()) throw std::runtime_error("cannot write " + file);
}

void print_heading() {
  utsname system{};
  ::uname(&system);
  auto const ours = yonder::library_version();
  std::printf("# yonder %d.%d.%d; %s %s; %s\n", ours.major, ours.minor, ours.patch, system.sysname,
              system.release, cpu_name().c_str());
  std::printf("# peers: cereal %d.%d.%d", CEREAL_VERSION_MAJOR, CEREAL_VERSION_MINOR, CEREAL_VERSION_PATCH);
#ifdef YONDER_HAS_ZMQ
  int major = 0;
  int minor = 0;
  int patch = 0;
  ::zmq_version(&major, &minor, &patch);
  std::printf(", libzmq %d.%d.%d", major, minor, patch);
#endif
  std::printf(", %s\n", BENCH_COMPILER_NAME);
  std::printf("# %d interleaved rounds, medians; spread: (max - min) / median of the rounds' ratios\n",
              rounds);
  print_line("#", "what", "ours", "peer", "ratio", "target", "spread");
}

}  // namespace bench
