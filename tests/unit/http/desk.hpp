// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdio>
#include <fstream>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/http/service.hpp"
#include "yonder/yonder.hpp"

// A service of HTTP without a socket, and whoever asks it.
namespace http_tests {

using namespace yonder::http;
using nlohmann::json;

struct answered : yonder::http::exchange {
  std::optional<response> got;
  int times = 0;
  void answer(response&& answer) override {
    got = std::move(answer);
    ++times;
  }
  bool has_any_room = true;
  bool has_room(std::size_t /*bytes*/) const noexcept override { return has_any_room; }
  void begin(response&& head) override { head_of_parts = std::move(head); }
  void send(std::string&& part, std::function<void()> written) override {
    parts += part;
    next = std::move(written);
    if (next) return;
    got = std::move(*head_of_parts);
    got->body = parts;
    ++times;
  }
  std::optional<response> head_of_parts{};
  std::string parts{};
  std::function<void()> next{};  // null: nothing is being written
  json body() const { return json::parse(got->body); }
  std::string field(std::string_view name) const {
    for (auto const& [each, value] : got->fields)
      if (each == name) return value;
    return "";
  }
};

using fields = std::vector<std::pair<std::string_view, std::string_view>>;

// A service, and the thread that it is used on.
class desk {
 public:
  // `keys`: the text of a file of them.
  explicit desk(yonder::http_options options = {.without_keys = true}, std::string const& keys = "")
      : keys_(keys),
        work_(yonder::detail::current_engine(), std::move(options),
              keys.empty() ? nullptr : std::make_unique<key_file>(keys_.name), false, [this] {
                std::lock_guard const lock(mutex_);
                woken_ = true;
                wakes_.notify_one();
              }) {}

  void use_keys_of_hub() { work_.use_keys_of_hub(); }

  std::shared_ptr<answered> begin(std::string_view method, std::string_view target,
                                  std::string_view body = "", fields more = {}) {
    auto const from = std::make_shared<answered>();
    fields all{{"Host", "localhost:8000"}};
    if (!body.empty()) all.emplace_back("Content-Type", "application/json");
    all.insert(all.begin(), more.begin(), more.end());
    from->has_any_room = has_room;
    work_.handle({.method = method, .target = target, .fields = all, .body = body, .peer = "127.0.0.1"}, from,
                 now_);
    work_.send_held();
    return from;
  }
  // Until it is answered.
  std::shared_ptr<answered> ask(std::string_view method, std::string_view target, std::string_view body = "",
                                fields more = {}) {
    auto const from = begin(method, target, body, std::move(more));
    finish(*from);
    return from;
  }
  std::shared_ptr<answered> post(std::string_view task, std::string_view body, fields more = {}) {
    return ask("POST", "/v1/tasks/http_tests::" + std::string(task), body, std::move(more));
  }
  // Reads whatever comes at once.
  void finish(answered& from) {
    while (!from.got) {
      if (from.next)
        std::exchange(from.next, nullptr)();
      else
        turn();
    }
  }
  void turn() {
    std::unique_lock lock(mutex_);
    wakes_.wait(lock, [&] { return std::exchange(woken_, false); });
    lock.unlock();
    work_.take_told(now_);
  }
  void pass(std::chrono::seconds time) { work_.tick(now_ += time); }
  service& work() { return work_; }
  // In place of what was in the file. Read when a second has passed.
  void write_keys(std::string const& text) { std::ofstream(keys_.name, std::ios::trunc) << text; }
  std::string const& file_of_keys() const { return keys_.name; }
  bool has_room = true;  // for answers

 private:
  struct temporary {
    std::string name = "/tmp/yonder_http_keys_XXXXXX";
    explicit temporary(std::string const& text) {
      ::close(::mkstemp(name.data()));
      std::ofstream(name) << text;
    }
    ~temporary() { std::remove(name.c_str()); }
    temporary(temporary const&) = delete;
    temporary& operator=(temporary const&) = delete;
  };

  temporary keys_;
  std::mutex mutex_;
  std::condition_variable wakes_;
  bool woken_ = false;
  time_point now_ = std::chrono::steady_clock::now();
  service work_;
};

// Whoever brings these keys, of which a file says more.
inline fields bearer(std::string_view value) { return {{"Authorization", value}}; }
inline fields const alice = bearer("Bearer 0123456789abcdef"), bob = bearer("bearer  0123456789abcdeg"),
                    root = bearer("Bearer 0123456789abcdeh");

}  // namespace http_tests
