// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/report.hpp"

#include <algorithm>
#include <cstdio>
#include <functional>
#include <optional>

#include "src/http/message.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http::compare {
namespace {

enum class unit { seconds, bytes, joules, rate };

struct metric {
  std::string name;  // of the picture; in JSON with its unit behind it
  std::string title;
  unit in;
  std::function<std::optional<double>(row const&)> of;  // nothing: the row has none
};

std::string number_in(char const* format, double value) {
  char text[40];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Three digits and a unit.
std::string in_words(double value, unit in) {
  auto const scaled = [value](std::initializer_list<std::pair<double, char const*>> steps) {
    auto const* found = steps.begin();
    for (auto const& one : steps)
      if (value >= one.first) found = &one;
    return number_in("%.3g", value / found->first) + found->second;
  };
  switch (in) {
    case unit::seconds: return scaled({{1e-6, " us"}, {1e-3, " ms"}, {1, " s"}});
    case unit::bytes: return number_in("%.0f MiB", value / (1 << 20));
    case unit::joules: return number_in("%.3g J", value);
    case unit::rate: return value >= 1000 ? number_in("%.0f/s", value) : number_in("%.3g/s", value);
  }
  return {};
}

char const* suffix_of(unit in) {
  switch (in) {
    case unit::seconds: return "_seconds";
    case unit::bytes: return "_bytes";
    case unit::joules: return "_joules";
    case unit::rate: return "_per_second";
  }
  return "";
}

std::vector<metric> metrics_of(std::span<row const> rows) {
  auto const of_figures = [](double figures::*place) {
    return [place](row const& one) {
      return one.trouble.empty() ? std::optional(one.seen.*place) : std::nullopt;
    };
  };
  std::vector<metric> all{
      {"real", "Real time", unit::seconds,
       [](row const& one) { return one.trouble.empty() ? std::optional(one.real) : std::nullopt; }},
      {"user", "User time", unit::seconds, of_figures(&figures::user)},
      {"sys", "System time", unit::seconds, of_figures(&figures::sys)},
      {"first_call", "First call", unit::seconds, of_figures(&figures::first_call)},
      {"p50", "Median", unit::seconds, of_figures(&figures::p50)},
      {"p99", "99th percentile", unit::seconds, of_figures(&figures::p99)},
      {"memory", "Memory", unit::bytes, of_figures(&figures::memory)},
      {"energy", "Energy", unit::joules, [](row const& one) { return one.joules; }}};
  std::vector<unsigned> sizes;
  for (auto const& one : rows)
    for (auto const& [size, rate] : one.seen.throughput)
      if (std::find(sizes.begin(), sizes.end(), size) == sizes.end()) sizes.push_back(size);
  for (auto const size : sizes)
    all.push_back(
        {"at_" + std::to_string(size), std::to_string(size) + " at once", unit::rate, [size](row const& one) {
           for (auto const& [its, rate] : one.seen.throughput)
             if (its == size) return std::optional(rate);
           return std::optional<double>();
         }});
  std::erase_if(all, [&](metric const& one) {
    return std::none_of(rows.begin(), rows.end(), [&](row const& its) { return one.of(its).has_value(); });
  });
  return all;
}

// As text of HTML and SVG, and as the value of an attribute.
std::string escaped(std::string_view text) {
  std::string safe;
  for (char const c : text) {
    if (c == '&')
      safe += "&amp;";
    else if (c == '<')
      safe += "&lt;";
    else if (c == '>')
      safe += "&gt;";
    else if (c == '"')
      safe += "&quot;";
    else
      safe += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return safe;
}

// Each column as wide as its widest cell.
std::string aligned(std::vector<std::vector<std::string>> const& lines) {
  std::vector<std::size_t> widths;
  for (auto const& line : lines)
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], line[i].size());
    }
  std::string text;
  for (auto const& line : lines) {
    for (std::size_t i = 0; i < line.size(); ++i)
      text += line[i] + (i + 1 < line.size() ? std::string(widths[i] - line[i].size() + 2, ' ') : "\n");
  }
  return text;
}

std::string in_capitals(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c); });
  return text;
}

std::string picture_of(metric const& what, std::span<row const> rows) {
  constexpr int bar = 24;
  constexpr int left = 150;
  constexpr int widest = 380;
  double most = 0;
  std::vector<std::pair<std::string, double>> bars;
  for (auto const& one : rows)
    if (auto const value = what.of(one)) {
      bars.emplace_back(one.name, *value);
      most = std::max(most, *value);
    }
  auto const height = static_cast<int>(bars.size()) * bar + 40;
  auto const at = [](int number) { return std::to_string(number); };
  std::string svg =
      R"(<svg xmlns="http://www.w3.org/2000/svg" width="640" height=")" + at(height) +
      R"(" viewBox="0 0 640 )" + at(height) +
      R"(" font-family="sans-serif" font-size="13"><rect width="100%" height="100%" fill="#fff"/>)"
      R"(<text x="10" y="20" font-weight="bold">)" +
      escaped(what.title) + "</text>";
  int y = 32;
  for (auto const& [name, value] : bars) {
    auto const width = most > 0 ? std::max(1, static_cast<int>(value / most * widest)) : 1;
    svg += R"(<text x=")" + at(left - 8) + R"(" y=")" + at(y + 15) + R"(" text-anchor="end">)" +
           escaped(name) + R"(</text><rect x=")" + at(left) + R"(" y=")" + at(y + 2) + R"(" width=")" +
           at(width) + R"(" height="18" fill="#2f6fb0"/><text x=")" + at(left + width + 6) + R"(" y=")" +
           at(y + 15) + R"(">)" + in_words(value, what.in) + "</text>";
    y += bar;
  }
  return svg + "</svg>\n";
}

}  // namespace

std::string table_of(std::span<row const> rows, gpu_kernels const& kernels) {
  auto const metrics = metrics_of(rows);
  std::vector<std::vector<std::string>> lines(1, {"ENVIRONMENT"});
  for (auto const& one : metrics) lines[0].push_back(in_capitals(one.name));
  for (auto const& one : rows) {
    if (!one.trouble.empty()) continue;
    auto& line = lines.emplace_back(1, one.name);
    for (auto const& each : metrics) {
      auto const value = each.of(one);
      line.push_back(value ? in_words(*value, each.in) : "-");
    }
  }
  auto text = aligned(lines);
  for (auto const& one : rows)
    if (!one.trouble.empty()) text += one.name + ": " + one.trouble + "\n";
  if (!kernels.trouble.empty()) text += "GPU kernels: " + kernels.trouble + "\n";
  if (kernels.all.empty()) return text;
  lines.assign(1, {"TIME", "LAUNCHES", "GPU KERNEL"});
  for (auto const& one : kernels.all)
    lines.push_back({in_words(one.seconds, unit::seconds), std::to_string(one.launches), one.name});
  return text + "\n" + aligned(lines);
}

std::string json_of(workload const& what, std::span<row const> rows, gpu_kernels const& kernels) {
  auto const metrics = metrics_of(rows);
  std::string all;
  for (auto const& one : rows) {
    json_object object;
    object.text("environment", one.name);
    if (!one.trouble.empty()) object.text("trouble", one.trouble);
    for (auto const& each : metrics) {
      auto const value = each.of(one);
      if (!value) continue;
      std::string number;
      detail::append_double(number, *value);
      object.raw(each.name + suffix_of(each.in), number);
    }
    all += (all.empty() ? "" : ",\n  ") + std::move(object).finish();
  }
  json_object whole;
  whole.text("task", what.task).text("arguments", what.arguments).number("calls", what.calls);
  whole.raw("rows", "[\n  " + all + "\n]");
  if (!kernels.trouble.empty()) whole.text("gpu_kernels_trouble", kernels.trouble);
  if (kernels.all.empty()) return std::move(whole).finish() + "\n";
  all.clear();
  for (auto const& one : kernels.all) {
    json_object object;
    std::string number;
    detail::append_double(number, one.seconds);
    object.text("name", one.name).number("launches", one.launches).raw("seconds", number);
    all += (all.empty() ? "" : ",\n  ") + std::move(object).finish();
  }
  whole.raw("gpu_kernels", "[\n  " + all + "\n]");
  return std::move(whole).finish() + "\n";
}

std::vector<std::pair<std::string, std::string>> pictures_of(std::span<row const> rows) {
  std::vector<std::pair<std::string, std::string>> all;
  for (auto const& one : metrics_of(rows)) all.emplace_back(one.name + ".svg", picture_of(one, rows));
  return all;
}

std::string page_of(workload const& what, std::span<row const> rows, gpu_kernels const& kernels) {
  auto const metrics = metrics_of(rows);
  std::string page =
      "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width\">\n<title>" +
      escaped(what.task) +
      "</title>\n<style>body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
      "td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid "
      "#ccc}th:first-child,td:first-child{text-"
      "align:left}img{max-width:100%;display:block}</style>\n<h1>" +
      escaped(what.task) + "</h1>\n<p>" + std::to_string(what.calls) + " calls with <code>" +
      escaped(what.arguments.substr(0, 1000)) + "</code></p>\n<table><tr><th>environment</th>";
  for (auto const& one : metrics) page += "<th>" + escaped(one.title) + "</th>";
  page += "</tr>\n";
  for (auto const& one : rows) {
    if (!one.trouble.empty()) continue;
    page += "<tr><td>" + escaped(one.name) + "</td>";
    for (auto const& each : metrics) {
      auto const value = each.of(one);
      page += "<td>" + (value ? in_words(*value, each.in) : "-") + "</td>";
    }
    page += "</tr>\n";
  }
  page += "</table>\n";
  for (auto const& one : rows)
    if (!one.trouble.empty()) page += "<p>" + escaped(one.name) + ": " + escaped(one.trouble) + "</p>\n";
  if (!kernels.trouble.empty()) page += "<p>GPU kernels: " + escaped(kernels.trouble) + "</p>\n";
  if (!kernels.all.empty()) {
    page += "<table><tr><th>GPU kernel</th><th>Launches</th><th>Time</th></tr>\n";
    for (auto const& one : kernels.all)
      page += "<tr><td>" + escaped(one.name) + "</td><td>" + std::to_string(one.launches) + "</td><td>" +
              in_words(one.seconds, unit::seconds) + "</td></tr>\n";
    page += "</table>\n";
  }
  for (auto const& one : metrics)
    page += "<img src=\"" + one.name + ".svg\" alt=\"" + escaped(one.title) + "\">\n";
  return page + "</html>\n";
}

}  // namespace yonder::http::compare
