// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/time_zone_file.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

namespace yonder::runtime_detail {
namespace {

using core::days_of;
using core::utc_seconds;
using transitions = std::vector<core::time_zone::transition>;

constexpr std::int64_t hour = 3600, day = 24 * hour;
constexpr std::int64_t last_year = 2199;
constexpr std::int32_t most_offset = 26 * 3600;  // RFC 8536 has 25:59:59
constexpr std::size_t most_bytes = std::size_t{1} << 20;

[[noreturn]] void refuse(std::string const& why) {
  throw std::runtime_error("this is no time zone file: " + why);
}

// Numbers of the file, which are big-endian.
class byte_reader {
 public:
  explicit byte_reader(std::span<std::byte const> left) : left_(left) {}

  std::span<std::byte const> take(std::size_t count) {
    if (count > left_.size()) refuse("it ends too early");
    auto const taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }
  std::int64_t number(std::size_t bytes) {
    std::uint64_t bits = 0;
    auto const taken = take(bytes);
    for (auto const byte : taken) bits = bits << 8U | std::to_integer<std::uint64_t>(byte);
    auto const shift = 64 - 8 * bytes;
    return static_cast<std::int64_t>(bits << shift) >> shift;
  }
  std::string_view rest() const { return {reinterpret_cast<char const*>(left_.data()), left_.size()}; }

 private:
  std::span<std::byte const> left_;
};

struct header {
  unsigned version;
  std::size_t is_ut, is_standard, leaps, times, types, letters;
  std::size_t size(std::size_t time_bytes) const {
    return times * (time_bytes + 1) + types * 6 + letters + leaps * (time_bytes + 4) + is_standard + is_ut;
  }
};

header read_header(byte_reader& from) {
  auto const magic = from.take(4);
  if (std::string_view(reinterpret_cast<char const*>(magic.data()), 4) != "TZif")
    refuse("it does not begin with TZif");
  header read{};
  read.version = static_cast<unsigned>(from.number(1));
  (void)from.take(15);
  for (auto* const count :
       {&read.is_ut, &read.is_standard, &read.leaps, &read.times, &read.types, &read.letters}) {
    *count = static_cast<std::size_t>(from.number(4));
    if (*count > most_bytes) refuse("it counts more than it can hold");
  }
  if (read.types == 0) refuse("it has no offset");
  return read;
}

// --- what holds for ever: a POSIX TZ string, "CET-1CEST,M3.5.0,M10.5.0/3"

// A day of each year, and a time of it.
struct yearly {
  enum class kind { julian, zero_based, weekday } is = kind::weekday;
  int number = 0;  // of the day within the year
  int month = 0, week = 0, weekday = 0;
  std::int64_t time = 2 * hour;

  std::int64_t local(std::int64_t year) const {
    auto const first = days_of({year, 1, 1});
    auto const is_leap = days_of({year + 1, 1, 1}) - first == 366;
    switch (is) {
      case kind::julian: return (first + number - 1 + (is_leap && number >= 60 ? 1 : 0)) * day + time;
      case kind::zero_based: return (first + number) * day + time;
      case kind::weekday: break;
    }
    auto const begin = days_of({year, static_cast<unsigned>(month), 1});
    auto const end =
        month == 12 ? days_of({year + 1, 1, 1}) : days_of({year, static_cast<unsigned>(month) + 1, 1});
    auto at = begin + (weekday + 7 - static_cast<int>(core::weekday_of(begin))) % 7 + (week - 1) * 7;
    while (at >= end) at -= 7;
    return at * day + time;
  }
};

struct posix_rule {
  std::int32_t standard = 0;
  struct summer {
    std::int32_t offset;
    yearly begin, end;
  };
  std::optional<summer> other{};
};

class rule_reader {
 public:
  explicit rule_reader(std::string_view text) : text_(text) {}

  posix_rule read() {
    posix_rule rule;
    name();
    rule.standard = -static_cast<std::int32_t>(time(24));
    if (text_.empty()) return rule;
    name();
    auto const offset = at(',') ? rule.standard + 3600 : -static_cast<std::int32_t>(time(24));
    auto const begin = date(), end = date();
    if (!text_.empty()) fail();
    rule.other = posix_rule::summer{offset, begin, end};
    return rule;
  }

 private:
  [[noreturn]] static void fail() { refuse("what it says of years to come is no rule"); }
  bool at(char wanted) const { return text_.starts_with(wanted); }
  bool skip(char wanted) {
    if (!at(wanted)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void need(char wanted) {
    if (!skip(wanted)) fail();
  }
  void name() {
    auto const is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); };
    bool const quoted = skip('<');
    std::size_t size = 0;
    while (size < text_.size() && (quoted ? text_[size] != '>' : is_letter(text_[size]))) ++size;
    if (size == 0) fail();
    text_.remove_prefix(size);
    if (quoted) need('>');
  }
  int number(int least, int most) {
    int read = 0;
    std::size_t digits = 0;
    for (; digits < 3 && !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; ++digits) {
      read = read * 10 + (text_[0] - '0');
      text_.remove_prefix(1);
    }
    if (digits == 0 || read < least || read > most) fail();
    return read;
  }
  // [+-]hh[:mm[:ss]], in seconds.
  std::int64_t time(int most_hours) {
    bool const negative = skip('-');
    if (!negative) skip('+');
    auto seconds = number(0, most_hours) * hour;
    if (skip(':')) seconds += number(0, 59) * 60;
    if (text_.starts_with(':') && skip(':')) seconds += number(0, 59);
    return negative ? -seconds : seconds;
  }
  yearly date() {
    need(',');
    yearly read;
    if (skip('M')) {
      read.month = number(1, 12);
      need('.');
      read.week = number(1, 5);
      need('.');
      read.weekday = number(0, 6);
    } else if (skip('J')) {
      read.is = yearly::kind::julian;
      read.number = number(1, 365);
    } else {
      read.is = yearly::kind::zero_based;
      read.number = number(0, 365);
    }
    if (skip('/')) read.time = time(167);
    return read;
  }

  std::string_view text_;
};

void add_years(transitions& all, posix_rule const& rule) {
  auto const last = all.empty() ? utc_seconds{0} : all.back().at;
  if (!rule.other) {
    if (!all.empty() && all.back().offset != rule.standard)
      refuse("what it says of years to come does not follow what was before");
    return;
  }
  transitions later;
  auto const first_year = core::civil_of(last / day - (last % day < 0 ? 1 : 0)).year;
  for (auto year = std::max<std::int64_t>(first_year, 1900); year <= last_year; ++year) {
    later.push_back({rule.other->begin.local(year) - rule.standard, rule.other->offset});
    later.push_back({rule.other->end.local(year) - rule.other->offset, rule.standard});
  }
  std::stable_sort(later.begin(), later.end(), [](auto& a, auto& b) { return a.at < b.at; });
  for (auto const& one : later)
    if (all.empty() || one.at > last) all.push_back(one);
}

}  // namespace

core::time_zone parse_tzif(std::span<std::byte const> file) {
  byte_reader from(file);
  auto head = read_header(from);
  std::size_t time_bytes = 4;
  if (head.version >= '2') {
    (void)from.take(head.size(4));
    head = read_header(from);
    time_bytes = 8;
  }
  if (head.leaps != 0) refuse("it counts leap seconds, which schedules do not");
  auto times = from.take(head.times * time_bytes);
  auto const kinds = from.take(head.times);
  std::vector<std::int32_t> offsets;
  for (std::size_t i = 0; i < head.types; ++i) {
    auto const offset = from.number(4);
    if (offset < -most_offset || offset > most_offset) refuse("an offset is more than a day");
    offsets.push_back(static_cast<std::int32_t>(offset));
    (void)from.take(2);
  }
  (void)from.take(head.letters + head.is_standard + head.is_ut);
  transitions all;
  byte_reader each(times);
  for (auto const kind : kinds) {
    auto const at = each.number(time_bytes);
    auto const index = std::to_integer<std::size_t>(kind);
    if (index >= offsets.size()) refuse("it names an offset that it does not have");
    if (!all.empty() && at <= all.back().at) refuse("its times are in no order");
    if (at < -(std::int64_t{1} << 59) || at > (std::int64_t{1} << 40))
      refuse("it has a time beyond all others");
    all.push_back({at, offsets[index]});
  }
  if (time_bytes == 8) {
    auto footer = from.rest();
    auto const end = footer.size() < 2 ? footer.npos : footer.find('\n', 1);
    if (footer.empty() || footer[0] != '\n' || end == footer.npos) refuse("it says nothing of years to come");
    footer = footer.substr(1, end - 1);
    if (!footer.empty()) add_years(all, rule_reader(footer).read());
  }
  return {offsets.front(), std::move(all)};
}

core::time_zone load_time_zone(std::string const& name) {
  if (name == "UTC" || name == "Etc/UTC") return {};
  auto const* const told = std::getenv("TZDIR");
  std::string const folder = told != nullptr && *told == '/' ? told : "/usr/share/zoneinfo";
  bool const is_name =
      !name.empty() && name[0] != '/' && name.find("..") == name.npos &&
      name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/_+-.") ==
          name.npos;
  std::error_code ignored;
  bool const is_file = is_name && std::filesystem::is_regular_file(folder + "/" + name, ignored);
  std::ifstream file(is_file ? folder + "/" + name : "", std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(file), {});
  if (!file.is_open() || bytes.empty())
    throw std::runtime_error("there is no time zone '" + name + "' in " + folder +
                             "; names are as Europe/Berlin, and the package is tzdata");
  if (bytes.size() > most_bytes)
    throw std::runtime_error("the file of the time zone '" + name + "' is too large");
  try {
    return parse_tzif(std::as_bytes(std::span(bytes)));
  } catch (std::runtime_error const& error) {
    throw std::runtime_error("the time zone '" + name + "' cannot be read in " + folder + ": " +
                             error.what());
  }
}

}  // namespace yonder::runtime_detail
