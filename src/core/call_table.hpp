// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"
#include "src/core/mutant.hpp"
#include "src/core/slab.hpp"

#include <memory>
#include <unordered_map>

namespace yonder::core {

// Every call of the hub, by its global id, and the accounts of those that made them. Sessions come and go: a
// call knows only its account, and whether somebody waits for it.
class call_table {
 public:
  struct limits {
    std::size_t caller_calls = 0;
    std::size_t caller_bytes = 0;
    std::size_t calls = 0;
    std::size_t bytes = 0;
    duration silence = 0;  // how long a call that nobody waits for is kept
    bool journal = false;  // what is durable is kept until it has ended
    std::size_t keys = 0;  // fairness keys of one credential at once
    std::vector<std::pair<std::string, std::uint32_t>> weights{};  // of credentials; 1 for the others
  };

  call_table(limits const& allowed, random_source& random, timer_wheel& timers)
      : limits_(allowed),
        random_(random),
        timers_(timers),
        flows_(allowed.keys, allowed.weights),
        account_{allowed.bytes, 0} {}

  // Null: no call of this session is known, and it is not connected.
  caller_record* find_caller(std::uint64_t session) const;
  // The account of a session that has just begun.
  caller_record& connect(std::uint64_t session, std::string const& identity);
  // The account of a session that is known by its calls alone.
  caller_record& restore(std::uint64_t session, std::string const& identity);
  // Nobody waits for the call any more.
  void orphan(time_point now, call_record& call);
  // The same for all of them that go on nevertheless.
  void orphan_durable(time_point now, caller_record& caller);
  bool goes_on(call_record const& call) const noexcept { return limits_.journal && call.policy.durable; }
  // Calls see(call) for each.
  template <class See>
  void each(See&& see) const {
    each_caller([&](caller_record& caller) {
      each_of(caller, [&](call_record& call) {
        see(call);
        return true;
      });
    });
  }
  template <class See>
  void each_caller(See&& see) const {
    for (auto const& [session, caller] : callers_) see(*caller);
  }
  // Of this one, as long as see(call) is true.
  template <class See>
  static void each_of(caller_record& caller, See&& see) {
    for (auto* const list : {&caller.subscribed, &caller.orphaned, &caller.lasting})
      for (auto* call = list->first(); call != nullptr; call = list->after(*call))
        if (!see(*call)) return;
  }
  // The session has ended: nobody waits for its calls. Forgets the account if it has none.
  void disconnect(time_point now, caller_record& caller);

  // The record that this call is one of the items of.
  call_record* find(call_id id) const;

  // Which limit `count` more calls of `size` bytes together would pass, in words; empty: none.
  std::string overload(caller_record const& caller, std::uint32_t count, std::size_t size) const;

  // That all clients together have as much as they may.
  std::string describe_overload() const;

  // `count` calls that their connected caller waits for. Their numbers must be free.
  call_record& add(caller_record& caller, call_id id, std::uint32_t count, std::size_t size);
  // The first `at` items of a call with more than that go their own way. They have its message and are
  // waited for as it is; their stage is `leaving`.
  call_record& split(call_record& call, std::uint32_t at);
  // What a task calls is served from its caller's share.
  void share_flow(call_record& call, call_record const& parent);
  // It shares with the calls of that credential under this key from now on, which has this weight (0: as it
  // has). Before it is queued.
  void set_key(call_record& call, std::string const& key, std::uint32_t weight);
  // Its caller is back and waits for it again.
  void subscribe(call_record& call);
  // Somebody else waits for it as its caller does, or `count` of those no longer.
  void join(call_record& call);
  void leave(time_point now, call_record& call, std::uint32_t count);
  // A value that its caller's calls wait with, and which overload() has nothing against.
  value_holder hold(caller_record& caller, frame_ref value);
  // A call of this caller has no use for it any more.
  void let_go(caller_record& caller, value_holder& one);
  void let_go_of_values(call_record& call);
  // The call weighs `bytes` from now on.
  void resize(call_record& call, std::size_t bytes);
  void remove(call_record& call);

  // A call whose caller has been gone for too long; null: there is none. To be removed by who asked.
  call_record* expired(time_point now, caller_record& caller);

  // An outcome was sent, or taken by its caller's process: until then it counts.
  void sent(caller_record& caller, std::size_t bytes);
  void taken(caller_record& caller, std::size_t bytes);
  // A caller that has so many outcomes to take, or to come, is sent no more of them: its calls wait.
  bool stalls(caller_record const& caller) const noexcept {
    return caller.untaken + caller.recording >= limits_.caller_bytes && !YONDER_MUTANT(untaken_ignored);
  }

  std::size_t size() const noexcept { return items_; }  // calls
  std::size_t bytes() const noexcept { return account_.held; }
  byte_account& account() noexcept { return account_; }
  std::size_t caller_bytes() const;
  std::size_t callers() const noexcept { return callers_.size(); }

 private:
  // Where it is, by whether somebody waits for it.
  caller_list& list_of(call_record& call) const noexcept {
    if (call.orphaned_since == never) return call.caller->subscribed;
    return goes_on(call) || call.joined != 0 ? call.caller->lasting : call.caller->orphaned;
  }
  void forget_if_done(caller_record& caller);
  void index(call_record& call);
  void forget_number(call_record& call);

  limits limits_;
  random_source& random_;
  timer_wheel& timers_;
  slab<call_record> calls_;
  std::unordered_map<std::uint64_t, std::unique_ptr<caller_record>> callers_;
  flow_table flows_;
  mutable caller_record* last_caller_ = nullptr;  // that was asked for
  std::size_t items_ = 0;
  byte_account account_;  // of calls, of outcomes that were not taken, and of what is on its way here
};

}  // namespace yonder::core
