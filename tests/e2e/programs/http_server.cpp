// SPDX-License-Identifier: Apache-2.0
//
// What http_test.py and the benchmark ask: `http_server --yonder-serve ADDRESS`.
#include <signal.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <thread>

#include "yonder/http.hpp"
#include "yonder/yonder.hpp"

struct Item {
  std::string name;
  std::int16_t count;
  std::optional<double> price;
  std::map<std::string, std::vector<std::string>> tags;
};

std::string echo(std::string const& text) { return text; }
Item twice(Item item) {
  item.count = static_cast<std::int16_t>(item.count * 2);
  return item;
}
int divide(int a, int b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}
std::vector<unsigned char> reversed(std::vector<unsigned char> const& bytes) {
  return {bytes.rbegin(), bytes.rend()};
}
void wait_for_stop() {
  std::fputs("\x1b[1mpage <b>40</b>\x1b[0m\n", stderr);
  yonder::this_call::report_progress(0.4, "40 of 100 pages");
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
}
// A map that shows itself, whose last element waits for as long as somebody wants it.
int element(int number) {
  while (number == 3 && !yonder::this_call::stop_requested()) std::this_thread::yield();
  return number;
}
inline constexpr yonder::task<element> element_task;
void map_that_waits() {
  for ([[maybe_unused]] auto const one : element_task.map(std::vector<int>{0, 1, 2, 3}).progress()) {
  }
}
void crash() { ::raise(SIGABRT); }
std::uint32_t third_time_lucky() {
  if (yonder::this_call::attempt() < 2) throw std::runtime_error("not yet");
  return yonder::this_call::attempt();
}
int nap(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}
std::int64_t same(std::int64_t number) { return number; }
yonder::generator<int> count(int last) {
  for (int i = 1; i <= last; ++i) co_yield i;
}
// Until nobody reads it.
yonder::generator<std::string> endless() {
  for (;;) co_yield std::string(1000, 'x');
}
yonder::generator<int> silent() {
  co_yield 1;
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
}
std::vector<float> embed(std::string const& text) { return {static_cast<float>(text.size())}; }
struct Mood {
  std::string label;
  float score;
};
std::vector<Mood> moods() { return {{"glad", 0.75f}, {"glum", 0.25f}}; }
// A picture of one pixel.
std::vector<unsigned char> dot() {
  return {0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,    0,    13,   'I',  'H',
          'D',  'R',  0,    0,    0,    1,    0,    0,    0,    1,    8,    6,    0,    0,
          0,    0x1f, 0x15, 0xc4, 0x89, 0,    0,    0,    13,   'I',  'D',  'A',  'T',  0x78,
          0xda, 0x63, 0x64, 0xf8, 0xcf, 0x50, 0x0f, 0,    0x03, 0x86, 0x01, 0x80, 0x5a, 0x34,
          0x7d, 0x6b, 0,    0,    0,    0,    'I',  'E',  'N',  'D',  0xae, 0x42, 0x60, 0x82};
}

inline constexpr yonder::task<echo> echo_task;
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<divide> divide_task;
inline constexpr yonder::task<reversed> reversed_task;
inline constexpr yonder::task<wait_for_stop> stop_task;
inline constexpr yonder::task<map_that_waits> map_task;
inline constexpr yonder::task<crash> crash_task;
inline constexpr yonder::task<third_time_lucky> lucky_task{{.retries = 3}};
inline constexpr yonder::task<nap> nap_task;
inline constexpr yonder::task<same> same_task;
inline constexpr yonder::task<moods> moods_task;
inline constexpr yonder::task<dot> dot_task;
inline constexpr yonder::task<count> count_task;
inline constexpr yonder::task<endless> endless_task;
inline constexpr yonder::task<silent> silent_task;
inline constexpr yonder::task<embed> embed_task;
std::vector<Mood> moods_of(std::string const& text) { return {{text, 0.75f}, {"glum", 0.25f}}; }
inline constexpr yonder::task<moods_of> moods_of_task;

inline constexpr yonder::http::endpoint<echo_task, "text"> echo_over_http;
inline constexpr yonder::http::endpoint<twice_task> twice_over_http;
inline constexpr yonder::http::endpoint<divide_task, "a", "b"> divide_over_http;
inline constexpr yonder::http::endpoint<reversed_task> reversed_over_http;
inline constexpr yonder::http::endpoint<stop_task> stop_over_http;
inline constexpr yonder::http::endpoint<map_task> map_over_http;
inline constexpr yonder::http::endpoint<crash_task> crash_over_http;
inline constexpr yonder::http::endpoint<lucky_task> lucky_over_http;
inline constexpr yonder::http::endpoint<nap_task, "milliseconds"> nap_over_http;
inline constexpr yonder::http::endpoint<same_task, "number"> same_over_http;
inline constexpr yonder::http::endpoint<moods_task> moods_over_http;
inline constexpr yonder::http::endpoint<dot_task> dot_over_http;
inline constexpr yonder::http::endpoint<count_task, "last"> count_over_http;
inline constexpr yonder::http::endpoint<endless_task> endless_over_http;
inline constexpr yonder::http::endpoint<silent_task> silent_over_http;
inline constexpr yonder::http::embeddings<embed_task, "lengths"> embed_over_http;
inline constexpr yonder::http::predictions<moods_of_task> moods_of_over_http;

// `http_server serve KEYS`: a program that is its own gateway and hub.
int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "serve") {
    yonder::runtime here(
        argc, argv,
        {.max = 2, .http = {.address = "127.0.0.1:0", .keys = argv[2], .origins = {"https://a.example"}}});
    std::printf("%s\n", here.http_address().c_str());
    std::fflush(stdout);
    here.serve();
    return 0;
  }
  // HTTP_SERVER_OPERATES: of a hub elsewhere.
  yonder::runtime here(argc, argv, {.max = 2, .as_operator = std::getenv("HTTP_SERVER_OPERATES") != nullptr});
  return 3;  // --yonder-serve never gets here
}
