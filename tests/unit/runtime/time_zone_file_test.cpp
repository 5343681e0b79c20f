// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/time_zone_file.hpp"

#include <doctest/doctest.h>
#include <stdlib.h>
#include <time.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace {

using namespace yonder;

void append_big(std::string& to, std::int64_t number, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) to += static_cast<char>(number >> shift);
}

std::string header(char version, int times, int types, int leaps = 0) {
  std::string made = "TZif";
  made += version;
  made.append(15, '\0');
  for (int const count : {0, 0, leaps, times, types, 4}) append_big(made, count, 4);
  return made;
}

// A file of a zone that is an hour ahead from 1980 on, and then what `rule` says.
std::string file(std::string const& rule, std::int64_t at = 315'532'800, int index = 1, int leaps = 0) {
  auto made = header('2', 0, 1) + std::string(6, '\0') + "AAA" + '\0';
  made += header('2', 1, 2, leaps);
  append_big(made, at, 8);
  made += static_cast<char>(index);
  append_big(made, 0, 4);
  made.append(2, '\0');
  append_big(made, 3600, 4);
  made.append(2, '\0');
  made += "AAA";
  made += '\0';
  made.append(static_cast<std::size_t>(12 * leaps), '\0');
  return made + "\n" + rule + "\n";
}

core::time_zone parse(std::string const& bytes) {
  return runtime_detail::parse_tzif(std::as_bytes(std::span(bytes)));
}

std::string refusal(std::string const& bytes) {
  try {
    parse(bytes);
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a time zone file says what clocks showed, and its rule what they will") {
  auto const zone = parse(file("CET-1CEST,M3.5.0,M10.5.0/3"));
  CHECK(zone.offset_at(0) == 0);
  CHECK(zone.offset_at(315'532'800) == 3600);
  CHECK(zone.offset_at(1'806'195'600 - 1) == 3600);  // 2027-03-28 01:00
  CHECK(zone.offset_at(1'806'195'600) == 7200);
  CHECK(zone.offset_at(7'249'000'000) == 7200);  // a summer's day of 2199
  auto const plain = parse(file("CET-1"));
  CHECK(plain.offset_at(7'000'000'000) == 3600);
}

TEST_CASE("bytes that are no time zone file are refused in words") {
  CHECK(refusal("").find("too early") != std::string::npos);
  CHECK(refusal("GIF89a").find("TZif") != std::string::npos);
  CHECK(refusal(file("CET-1", 315'532'800, 2)).find("offset that it does not have") != std::string::npos);
  CHECK(refusal(file("CET-1", 0, 1, 1)).find("leap seconds") != std::string::npos);
  CHECK(refusal(file("CET-2")).find("does not follow") != std::string::npos);
  auto const whole = file("CET-1CEST,M3.5.0,M10.5.0/3");
  for (std::size_t size = 0; size < whole.size(); ++size) CHECK(!refusal(whole.substr(0, size)).empty());
  for (auto const* const rule :
       {"CET", "CET-1CEST", "CET-1CEST,M3.5.0", "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
        "<CET-1", "CET-99", "CET-1CEST,J0,J5", "CET-1CEST,366,5", "CET-1CEST,M3.5.0,M10.5.0x", "-1",
        "CET-1CEST,M3.5.0/200,M10.5.0"})
    CHECK_MESSAGE(!refusal(file(rule)).empty(), rule);
}

TEST_CASE("zones are found by their names, and nothing else is") {
  CHECK(runtime_detail::load_time_zone("UTC").offset_at(0) == 0);
  for (auto const* const name :
       {"", "/etc/passwd", "../../../etc/passwd", "Europe", "Europe/Nowhere", "a\nb"})
    CHECK_THROWS_WITH_AS(runtime_detail::load_time_zone(name), doctest::Contains("there is no time zone"),
                         std::runtime_error);
}

TEST_CASE("offsets are those of the C library, in every zone of this system") {
  namespace fs = std::filesystem;
  fs::path const folder = "/usr/share/zoneinfo";
  if (!fs::exists(folder)) {
    MESSAGE("skipped: this system has no time zones (tzdata)");
    return;
  }
  auto const* const before = ::getenv("TZ");
  std::string const kept = before != nullptr ? before : "";
  std::size_t seen = 0;
  for (auto const& each : fs::recursive_directory_iterator(folder)) {
    auto const name = fs::relative(each.path(), folder).string();
    if (!each.is_regular_file() || each.is_symlink() || name.find('.') != name.npos ||
        name.starts_with("right/") || name.starts_with("posix") || name == "leapseconds" ||
        name == "localtime" || seen >= 100)
      continue;
    auto const zone = runtime_detail::load_time_zone(name);
    ::setenv("TZ", name.c_str(), 1);
    ::tzset();
    for (time_t at = -1'600'000'000; at < 7'000'000'000; at += 9'000'001) {
      tm local{};
      ::localtime_r(&at, &local);
      if (zone.offset_at(at) != local.tm_gmtoff)
        FAIL_CHECK(name << " at " << at << ": " << zone.offset_at(at) << ", not " << local.tm_gmtoff);
    }
    ++seen;
  }
  before != nullptr ? ::setenv("TZ", kept.c_str(), 1) : ::unsetenv("TZ");
  ::tzset();
  CHECK(seen > 0);
}
