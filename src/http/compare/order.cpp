// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/order.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "yonder/error.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http::compare {
namespace {

constexpr unsigned most_calls = 1'000'000;
constexpr unsigned most_at_once = 4096;
constexpr std::string_view probe_begins = "yonder-probe 1";
constexpr std::string_view figure_begins = "yonder-figure ";
constexpr char usage[] =
    "--yonder-compare TASK ARGUMENTS [--calls N] [--at 1,8,64] [--with PATH]... [--ssh HOST]... [--also "
    "NAME=COMMAND]... [--limit SECONDS] [--to FOLDER] [--json]";

[[noreturn]] void refuse(std::string const& what) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = what + "; " + usage});
}

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    auto const end = std::min(text.find(mark), text.size());
    if (end != 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::optional<unsigned> count_in(std::string_view text, unsigned most) {
  unsigned number = 0;
  auto const read = std::from_chars(text.data(), text.data() + text.size(), number);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size() || number == 0 || number > most)
    return std::nullopt;
  return number;
}

unsigned counted(std::string const& flag, std::string_view text, unsigned most) {
  if (auto const number = count_in(text, most)) return *number;
  refuse(flag + " takes 1 to " + std::to_string(most) + ", and has '" + std::string(text) + "'");
}

std::optional<std::vector<unsigned>> sizes_in(std::string_view text) {
  std::vector<unsigned> sizes;
  for (auto const& part : split(text, ',')) {
    auto const size = count_in(part, most_at_once);
    if (!size) return std::nullopt;
    sizes.push_back(*size);
  }
  if (sizes.empty() || sizes.size() > 16) return std::nullopt;
  return sizes;
}

void take(order& made, std::string const& flag, std::string const& value) {
  if (flag == "--calls") {
    made.what.calls = counted(flag, value, most_calls);
  } else if (flag == "--limit") {
    made.limit = std::chrono::seconds(counted(flag, value, 86'400));
  } else if (flag == "--at") {
    auto const sizes = sizes_in(value);
    if (!sizes) refuse("--at takes numbers of calls at once, 1,8,64 say, and has '" + value + "'");
    made.what.sizes = *sizes;
  } else if (flag == "--with") {
    std::error_code missing;
    auto const path = std::filesystem::canonical(value, missing);
    if (missing) refuse("--with '" + value + "': " + missing.message());
    made.with.push_back(path.string());
  } else if (flag == "--ssh") {
    if (value.starts_with('-')) refuse("'" + value + "' is no host");
    made.hosts.push_back(value);
  } else if (flag == "--to") {
    made.folder = value;
  } else {
    auto const middle = value.find('=');
    auto command = split(std::string_view(value).substr(std::min(value.size(), middle + 1)), ' ');
    if (middle == std::string::npos || middle == 0 || command.empty())
      refuse("--also takes a name and what runs a program there, 'box=chroot /srv/box' say, and has '" +
             value + "'");
    made.also.emplace_back(value.substr(0, middle), std::move(command));
  }
}

constexpr std::string_view flags_with_value[] = {"--calls", "--limit", "--at", "--with",
                                                 "--ssh",   "--also",  "--to"};

}  // namespace

order parse_order(std::span<std::string const> arguments) {
  if (arguments.size() < 2 || arguments[0].starts_with("--"))
    refuse("--yonder-compare needs a task that has a yonder::http::endpoint, and its arguments as JSON");
  order made{.what = {.task = arguments[0], .arguments = arguments[1]}};
  for (auto rest = arguments.subspan(2); !rest.empty(); rest = rest.subspan(1)) {
    auto const& flag = rest[0];
    if (flag == "--json") {
      made.json = true;
      continue;
    }
    if (std::find(std::begin(flags_with_value), std::end(flags_with_value), flag) ==
        std::end(flags_with_value))
      refuse("--yonder-compare does not know '" + flag + "'");
    if (rest.size() < 2) refuse(flag + " needs a value");
    rest = rest.subspan(1);
    take(made, flag, rest[0]);
  }
  return made;
}

std::string to_text(probe_order const& told) {
  std::ostringstream text;
  text << probe_begins << '\n'
       << (told.in_process ? "threads" : "processes") << '\n'
       << told.what.calls << '\n';
  char const* before = "";
  for (auto const size : told.what.sizes) {
    text << before << size;
    before = ",";
  }
  text << '\n' << told.what.task << '\n' << told.what.arguments;
  return text.str();
}

std::optional<probe_order> parse_probe(std::string_view text) {
  auto const line = [&text] {
    auto const end = std::min(text.find('\n'), text.size());
    auto const found = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    return found;
  };
  if (line() != probe_begins) return std::nullopt;
  probe_order told;
  auto const kind = line();
  told.in_process = kind == "threads";
  auto const calls = count_in(line(), most_calls);
  auto const sizes = sizes_in(line());
  if ((kind != "threads" && kind != "processes") || !calls || !sizes) return std::nullopt;
  told.what.calls = *calls;
  told.what.sizes = *sizes;
  told.what.task = line();
  told.what.arguments = text;
  return told;
}

std::string to_text(figures const& seen) {
  std::string text = "\n";
  auto const add = [&text](std::string const& name, double value) {
    text += std::string(figure_begins) + name + " ";
    detail::append_double(text, value);
    text += '\n';
  };
  add("first_call", seen.first_call);
  add("p50", seen.p50);
  add("p99", seen.p99);
  add("user", seen.user);
  add("sys", seen.sys);
  add("memory", seen.memory);
  for (auto const& [size, rate] : seen.throughput) add("at " + std::to_string(size), rate);
  return text + std::string(figure_begins) + "end\n";
}

std::optional<figures> parse_figures(std::string_view text) {
  figures seen;
  bool ended = false;
  for (auto const& line : split(text, '\n')) {
    if (!line.starts_with(figure_begins)) continue;
    auto const words = split(std::string_view(line).substr(figure_begins.size()), ' ');
    if (words.empty()) continue;
    if (words[0] == "end") {
      ended = true;
      continue;
    }
    double const value = std::strtod(words.back().c_str(), nullptr);
    auto const size = words.size() == 3 && words[0] == "at" ? count_in(words[1], most_at_once) : std::nullopt;
    if (size) seen.throughput.emplace_back(*size, value);
    std::pair<std::string_view, double*> const places[]{{"first_call", &seen.first_call},
                                                        {"p50", &seen.p50},
                                                        {"p99", &seen.p99},
                                                        {"user", &seen.user},
                                                        {"sys", &seen.sys},
                                                        {"memory", &seen.memory}};
    for (auto const& [name, place] : places)
      if (words.size() == 2 && words[0] == name) *place = value;
  }
  if (!ended) return std::nullopt;
  return seen;
}

}  // namespace yonder::http::compare
