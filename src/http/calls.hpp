// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/http/keys.hpp"
#include "src/http/message.hpp"
#include "yonder/http.hpp"

// The calls that requests have begun: who waits for them, and for how long their results are kept.
namespace yonder::http {

using time_point = std::chrono::steady_clock::time_point;

struct one_call;
using call_handle = std::shared_ptr<one_call>;

// What is done with a call that has ended, or whose time to wait is over: `timed_out`.
using on_end = std::function<void(one_call& call, bool timed_out)>;

// What a call that is written down when it has ended was asked, and what came of it before its end.
struct sampled_call {
  std::string arguments;    // as JSON, without what is left out
  std::string items{};      // of a stream, as JSON with commas between them
  bool cut = false;         // there were more items than are kept
  bool being_read = false;  // a stream, by somebody: there may be more
};

struct one_call {
  detail::endpoint_entry const* endpoint = nullptr;  // null: it asks the hub, and is nobody's
  yonder::detail::call_ref call;
  std::string owner;  // the name of the credential
  time_point begun;
  std::optional<time_point> ended{};
  bool kept = false;     // found by its id, also when it has ended
  bool durable = false;  // its hub goes on with it when this process has ended
  std::size_t bytes = 0;

  struct waiter {
    std::uint64_t number;
    on_end then;
  };
  std::vector<waiter> waiters{};
  std::vector<std::function<bool()>> watchers{};  // of what comes of it before its end; false: it is gone
  bool news_told = false;                         // under the table's lock
  std::string idempotency_key{};
  digest content{};                               // of what was asked for under that key
  mutable std::optional<sampled_call> sampled{};  // until it is written down; none: it is not
  mutable std::string known_id{};
  mutable bool said = false;                           // as JSON, or octets, or it was tried
  mutable std::optional<error_details> unspeakable{};  // why it could not be: it has failed, then
  mutable std::optional<std::string> json{};           // the result, for whoever writes it next
  mutable bool is_being_written = false;               // beside: it is counted when that is done
  mutable bool is_counted = false;

  // Why it has failed, as far as is known. Null: it has not.
  error_details const* failure() const {
    auto const* const found = yonder::detail::failure_of(*call);
    return found == nullptr && unspeakable ? &*unspeakable : found;
  }

  // Of a call that waits to be sent with others this sends them. Empty: it asks the hub.
  std::string const& id() const;

  class call_table* table = nullptr;
};

// Of what a call that has ended gave: of its value, or of the words of its failure.
std::size_t result_bytes(one_call const& one);

struct call_limits {
  std::size_t kept = 10'000;                        // that have ended
  std::size_t kept_bytes = std::size_t{256} << 20;  // of their results
  // Beside these, of each caller under Idempotency-Keys, on their way included; past them further ones are
  // refused.
  std::size_t under_keys = 10'000;
  std::size_t bytes_under_keys = std::size_t{128} << 20;
  std::chrono::nanoseconds keep = std::chrono::minutes(10);
};

// Used by one thread, but for what a runtime tells. `wake`: called on any thread when take_told() has work.
// `ended`: is told of every call that has, behind those who wait for it.
class call_table {
 public:
  call_table(call_limits limits, std::function<void()> wake, std::function<void(call_handle const&)> ended)
      : limits_(limits), wake_(std::move(wake)), ended_(std::move(ended)) {}
  ~call_table();
  call_table(call_table const&) = delete;
  call_table& operator=(call_table const&) = delete;

  // Every call ends, and then those who wait are told.
  call_handle begin(detail::endpoint_entry const& endpoint, yonder::detail::call_ref call, std::string owner,
                    time_point now);
  // Likewise; it leaves with the runtime's next send_now().
  call_handle begin(yonder::detail::engine_ref const& where, detail::endpoint_entry const& endpoint,
                    options const& settings, yonder::detail::outgoing&& call, std::string owner,
                    time_point now);
  // Likewise of what a hub is asked.
  call_handle ask(yonder::detail::call_ref asked, time_point now);
  // Found by its id from now on.
  void keep(call_handle const& call);
  call_handle find(std::string const& id, credential const& who) const;

  // Those that whoever asks may see, the newest first.
  std::vector<call_handle> list(credential const& who, std::size_t most) const;

  // Under an idempotency key: the call that was begun under it, or null.
  call_handle find_key(std::string const& owner, std::string const& key) const;
  void set_key(call_handle const& call, std::string key, digest const& content);
  bool may_keep_under_key(std::string const& owner) const;

  // Calls `then` once, when the call has ended or at `until`. The number is for forget().
  std::uint64_t wait(call_handle const& call, time_point until, on_end then);
  // Whoever waited is gone; a call that nobody can find any more is cancelled.
  void forget(std::uint64_t waiter);

  // Calls `then` whenever items of the call have come, or its task has said how far it is; until the call
  // ends, or `then` has returned false.
  void watch(call_handle const& call, std::function<bool()> then);

  // Everybody's time to wait is over.
  void let_go();

  void take_told(time_point now);
  void tick(time_point now);
  // When tick() is to be called.
  std::optional<time_point> next_deadline() const;
  std::size_t running() const noexcept { return running_.size(); }

 private:
  call_handle add(one_call&& call);
  static void told(void* call);
  static void told_news(void* call);
  static void tell_watchers(one_call& call);
  static void let_watchers_go(one_call& call);
  void end(one_call& call, time_point now);
  void retire(call_handle const& call);
  void drop(one_call& call);
  void drop_key(one_call& call);
  void trim(time_point now);
  void time_out_first();

  call_limits limits_;
  std::function<void()> wake_;
  std::function<void(call_handle const&)> ended_;
  std::unordered_map<one_call*, call_handle> running_;
  std::unordered_map<std::string, call_handle> kept_;
  std::map<std::pair<std::string, std::string>, call_handle> keys_;
  std::deque<call_handle> over_;  // kept and ended, the oldest first
  std::size_t over_bytes_ = 0;
  std::deque<call_handle> over_under_keys_;  // likewise, beside those
  struct use_of_keys {
    std::size_t calls = 0, bytes = 0;
  };
  std::unordered_map<std::string, use_of_keys> under_keys_;  // by owner
  std::map<std::pair<time_point, std::uint64_t>, call_handle> deadlines_;
  std::unordered_map<std::uint64_t, time_point> waiting_;
  std::uint64_t last_waiter_ = 0;

  std::mutex mutex_;
  std::vector<one_call*> told_;
  std::vector<one_call*> told_news_;
};

}  // namespace yonder::http
