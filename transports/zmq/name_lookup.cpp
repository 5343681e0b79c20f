// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/name_lookup.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <system_error>
#include <utility>

#include "src/platform/thread.hpp"

namespace yonder::transport {

struct name_lookup::task {
  task(std::string name, std::chrono::milliseconds time, platform::doorbell& of_driver)
      : host(std::move(name)), pause(time), bell(&of_driver) {}

  std::string host;
  std::chrono::milliseconds pause;

  std::mutex mutex;
  std::condition_variable abandoned;
  bool running = false;  // touched by the driver only
  // Guarded by mutex:
  platform::doorbell* bell;  // null: nobody wants the result any more
  std::optional<lookup_result> result;
};

namespace {

std::optional<std::string> literal_of(sockaddr const* address) {
  std::array<char, NI_MAXHOST> text{};
  auto const size = address->sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::getnameinfo(address, static_cast<socklen_t>(size), text.data(), text.size(), nullptr, 0,
                    NI_NUMERICHOST) != 0)
    return std::nullopt;
  return std::string(text.data());
}

lookup_result resolve(std::string const& host) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  auto const error = ::getaddrinfo(host.c_str(), nullptr, &wanted, &found);
  lookup_result result;
  if (error != 0) {
    auto const why = error == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(error);
    result.error = "the name '" + host + "' cannot be resolved: " + why;
    return result;
  }
  std::unique_ptr<addrinfo, void (*)(addrinfo*)> const owner(found, ::freeaddrinfo);
  for (auto const* each = found; each != nullptr; each = each->ai_next) {
    if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
    auto literal = literal_of(each->ai_addr);
    auto& known = result.addresses;
    if (literal && std::find(known.begin(), known.end(), *literal) == known.end())
      known.push_back(std::move(*literal));
  }
  if (result.addresses.empty()) result.error = "the name '" + host + "' has no address";
  return result;
}

}  // namespace

lookup_result look_up(std::string const& host) noexcept {
  try {
    return host.empty() ? lookup_result() : resolve(host);
  } catch (std::exception const&) {  // no memory
    return {};
  }
}

std::vector<std::string> addresses_of(std::string const& host) { return look_up(host).addresses; }

name_lookup::name_lookup(platform::doorbell& bell) : bell_(bell) {}

name_lookup::~name_lookup() { stop(); }

void name_lookup::start(std::string host, std::chrono::milliseconds pause) {
  stop();
  task_ = std::make_shared<task>(std::move(host), pause, bell_);
  run();
}

// Tried again by take(), if there is no thread to be had.
void name_lookup::run() {
  auto const work = [](std::shared_ptr<task> const& mine) {
    std::unique_lock lock(mine->mutex);
    mine->abandoned.wait_for(lock, mine->pause, [&] { return mine->bell == nullptr; });
    if (mine->bell == nullptr) return;
    lock.unlock();
    auto found = look_up(mine->host);
    lock.lock();
    if (mine->bell == nullptr) return;
    mine->result = std::move(found);
    mine->bell->ring();
  };
  try {
    platform::start_thread("yonder-lookup", [work, mine = task_] { work(mine); }).detach();
    task_->running = true;
  } catch (std::system_error const&) {
    task_->running = false;
  }
}

void name_lookup::stop() noexcept {
  if (!task_) return;
  {
    std::lock_guard const lock(task_->mutex);
    task_->bell = nullptr;
  }
  task_->abandoned.notify_all();
  task_.reset();
}

bool name_lookup::done() const noexcept {
  if (!task_) return false;
  std::lock_guard const lock(task_->mutex);
  return task_->result.has_value();
}

std::optional<lookup_result> name_lookup::take() {
  if (task_ && !task_->running) run();
  if (!done()) return std::nullopt;
  auto const finished = std::exchange(task_, nullptr);
  return std::move(finished->result);
}

}  // namespace yonder::transport
