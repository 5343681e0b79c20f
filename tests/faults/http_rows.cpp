// SPDX-License-Identifier: Apache-2.0
//
// Whoever reaches the gateway and means it no good.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>
#include <optional>
#include <thread>
#include <utility>

#include "src/platform/unique_fd.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"
#include "yonder/http.hpp"

namespace faults {

inline constexpr yonder::http::named_endpoint<"enter", task::enter, "path", "slot"> enter_over_http;

namespace {

constexpr auto patience = 30s;  // with what must come

// A program that serves its task to two keys, of which one may not call it.
class served {
 public:
  static constexpr auto full_key = "0123456789abcdef";
  static constexpr auto narrow_key = "0123456789abcdeg";

  served() {
    std::ofstream(keys_) << full_key << " root admin\n" << narrow_key << " guest call:another\n";
    ::chmod(keys_.c_str(), 0600);
    runtime_.emplace(yonder::runtime_options{.max = 1, .http = {.address = "127.0.0.1:0", .keys = keys_}});
    auto const address = runtime_->http_address();
    at_.sin_family = AF_INET;
    at_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    at_.sin_port = htons(static_cast<std::uint16_t>(std::atoi(address.c_str() + address.rfind(':') + 1)));
  }

  yonder::runtime& runtime() { return *runtime_; }
  board const& executions() const { return board_; }
  sockaddr_in const& at() const noexcept { return at_; }

  // A request that is all right, of slot 1.
  std::string good() const {
    return post("enter", R"({"path": ")" + board_.path() + R"(", "slot": 1})", full_key);
  }
  static std::string post(std::string const& task, std::string const& body, std::string const& key,
                          std::string const& more = "") {
    return "POST /v1/tasks/" + task +
           " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer " + key +
           "\r\nContent-Type: application/json\r\n" + more +
           "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
  }

 private:
  e2e::folder place_;
  std::string keys_ = place_ / "keys";
  board board_{place_ / "board"};
  std::optional<yonder::runtime> runtime_;
  sockaddr_in at_{};
};

class connection {
 public:
  explicit connection(sockaddr_in const& to) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    if (!socket_ || ::connect(socket_.get(), reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0)
      socket_ = {};
  }

  bool stands() const noexcept { return static_cast<bool>(socket_); }
  // False: the other end is gone.
  bool send(std::string_view text) {
    while (!text.empty()) {
      auto const sent = ::send(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL);
      if (sent <= 0) return false;
      text.remove_prefix(static_cast<std::size_t>(sent));
    }
    return true;
  }
  // All that comes until the other end closes, or `limit` has passed.
  std::string read(nanoseconds limit = patience) {
    std::string all;
    char part[4096];
    auto const end = clock::now() + limit;
    for (;;) {
      auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now()).count();
      pollfd ready{socket_.get(), POLLIN, 0};
      if (left <= 0 || ::poll(&ready, 1, static_cast<int>(left)) != 1) return all;
      auto const count = ::recv(socket_.get(), part, sizeof part, 0);
      if (count <= 0) return all;
      all.append(part, static_cast<std::size_t>(count));
    }
  }
  // Whether it has been closed there, or has been answered.
  bool is_over() const {
    pollfd ready{socket_.get(), POLLIN, 0};
    return ::poll(&ready, 1, 0) == 1;
  }

 private:
  yonder::platform::unique_fd socket_;
};

// 0: it is no answer.
int status_of(std::string const& answer) {
  return answer.starts_with("HTTP/1.1 ") ? std::atoi(answer.c_str() + 9) : 0;
}

int ask(sockaddr_in const& at, std::string const& request) {
  connection one(at);
  one.send(request);
  return status_of(one.read());
}

// Of slot 1, where they are read as a request for a task at all.
std::vector<std::pair<std::string, std::string>> hostile_requests(served const& here) {
  std::string const key = served::full_key;
  auto const path = "\"" + here.executions().path() + "\"";
  auto const post = [&](std::string const& body, std::string const& more = "") {
    return served::post("enter", body, key, more);
  };
  auto const head = "POST /v1/tasks/enter HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + key +
                    "\r\nContent-Type: application/json\r\n";
  auto const two = "[" + path + ", 1]";
  std::string fields;
  for (int i = 0; i < 200; ++i) fields += "X-" + std::to_string(i) + ": y\r\n";
  return {{"no JSON", post("{")},
          {"a wrong type", post("[" + path + R"(, "one"])")},
          {"an unknown member", post(R"({"path": )" + path + R"(, "slot": 1, "more": 1})")},
          {"a member twice", post(R"({"path": )" + path + R"(, "slot": 1, "slot": 1})")},
          {"a number of 10,000 digits", post("[" + path + ", " + std::string(10'000, '9') + "]")},
          {"a number too large", post("[" + path + ", 1e30]")},
          {"100,000 brackets", post(std::string(100'000, '['))},
          {"bytes that are no UTF-8", post("[\"\xff\", 1]")},
          {"no key", served::post("enter", two, "0123456789abcdez")},
          {"a key of another scope", served::post("enter", two, served::narrow_key)},
          {"200 fields", post(two, fields)},
          {"a field of 20 KB", post(two, "X: " + std::string(20'000, 'y') + "\r\n")},
          {"a path with dots", "GET /v1/../metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
          {"an encoded path with dots",
           "GET /v1/%2e%2e/metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"},
          {"two lengths", head + "Content-Length: 5\r\nContent-Length: 9\r\n\r\n" + two},
          {"a length and chunks",
           head + "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n\r\n0\r\n\r\n" + two},
          {"an unknown coding", head + "Transfer-Encoding: xchunked\r\n\r\n" + two},
          {"a body of 1 TiB", head + "Content-Length: 1099511627776\r\n\r\n"},
          {"bytes of TLS", std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 15)},
          {"nonsense", std::string(1000, 'A') + "\r\n\r\n"}};
}

void send_hostile_requests(findings& seen) {
  served here;
  stall_watch machine;
  std::uint64_t odd = 0;
  nanoseconds slowest{};
  auto const requests = hostile_requests(here);
  for (int round = 0; round < seen.how_much().of(1, 100); ++round)
    for (auto const& [name, request] : requests) {
      auto const begin = clock::now();
      auto const status = ask(here.at(), request);
      slowest = std::max<nanoseconds>(slowest, clock::now() - begin);
      if ((status < 400 || status > 499) && status != 501 && ++odd == 1)
        seen.note("to " + name + " the answer is " + std::to_string(status));
    }
  seen.equals("of " + std::to_string(requests.size()) + " kinds answered otherwise than by 4xx or 501", odd,
              0);
  seen.at_most("slowest answer", slowest, 1s, machine.longest());
  seen.equals("executions", here.executions()[1].entered.load(), 0);
  seen.equals("answer to the next good one", static_cast<std::uint64_t>(ask(here.at(), here.good())), 200);
}

// A byte a second, each of a request that never ends.
void send_slowly(findings& seen) {
  served here;
  stall_watch machine;
  auto const count = seen.how_much().of(std::size_t{100}, std::size_t{900});
  std::vector<connection> slow;
  auto const begin = clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    slow.emplace_back(here.at());
    slow.back().send("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ");
  }
  nanoseconds last_end{};
  nanoseconds slowest{};
  std::uint64_t refused = 0;
  for (auto next = begin; clock::now() - begin < patience;) {
    next += 1s;
    auto const asked = clock::now();
    if (ask(here.at(), here.good()) != 200) ++refused;
    slowest = std::max<nanoseconds>(slowest, clock::now() - asked);
    std::size_t left = 0;
    for (auto& one : slow)
      if (!one.is_over() && one.send("x")) ++left;
    last_end = clock::now() - begin;
    if (left == 0) break;
    std::this_thread::sleep_until(next);
  }
  seen.at_most("the last of " + std::to_string(count) + " cut off after", last_end, 12s, machine.longest());
  seen.equals("others refused meanwhile", refused, 0);
  seen.at_most("slowest of them", slowest, 1s, machine.longest());
}

void hold_connections(findings& seen) {
  auto const count = seen.how_much().of(std::size_t{3000}, std::size_t{10'000});
  rlimit most{};
  ::getrlimit(RLIMIT_NOFILE, &most);
  most.rlim_cur = most.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &most);
  if (most.rlim_cur < count + 2000) throw skipped("this process may have too few descriptors (ulimit -Hn)");
  served here;
  stall_watch machine;
  static_cast<void>(
      task::enter.on(here.runtime()).remote(here.executions().path(), 2));  // its worker has started
  std::vector<connection> held;
  nanoseconds slowest{};
  std::uint64_t failed = 0;
  for (std::size_t i = 0; i < count; ++i) {
    held.emplace_back(here.at());
    if (!held.back().stands()) ++failed;
    if (i % 100 != 0) continue;
    auto const begin = clock::now();
    static_cast<void>(task::enter.on(here.runtime()).remote(here.executions().path(), 2));
    slowest = std::max<nanoseconds>(slowest, clock::now() - begin);
  }
  auto const last = status_of(held.back().read());
  seen.equals("of " + std::to_string(count) + " connections refused by the system", failed, 0);
  seen.equals("the answer to the last", static_cast<std::uint64_t>(last), 503);
  seen.at_most("slowest remote() meanwhile", slowest, 1s, machine.longest());
  held.clear();
  auto const begin = clock::now();
  int status = 0;
  while (status != 200 && clock::now() - begin < patience) status = ask(here.at(), here.good());
  seen.at_most("served again after", clock::now() - begin, 2s, machine.longest());
}

}  // namespace

std::vector<row> http_rows() {
  return {
      {"http-hostile", "malformed, oversized, smuggled and foreign requests",
       "a clear 4xx within limits; nothing executed; the next good one works", send_hostile_requests, 60s,
       600s, true},
      {"http-slow", "requests that come a byte a second", "cut off within 10 s; others are served",
       send_slowly, 90s},
      {"http-connections", "thousands of connections that say nothing",
       "further ones get 503; the hub undisturbed; served again when they have gone", hold_connections, 60s,
       300s},
  };
}

}  // namespace faults
