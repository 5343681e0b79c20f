// SPDX-License-Identifier: Apache-2.0
#include "src/core/dispatcher.hpp"

#include <doctest/doctest.h>

#include <deque>

using namespace yonder::core;

namespace {

struct tested_work {
  dispatcher core{{.prefetch = millisecond, .attempts = 4, .bytes = 1'000, .function_grace = 10 * second}};
  std::deque<call_record> calls;
  std::deque<worker_session> workers;
  std::deque<pool_record> pools;

  call_record& call(std::string_view function, std::size_t bytes = 100) {
    auto& made = calls.emplace_back();
    made.function = &core.function_of(function, 7);
    ++made.function->calls;
    made.bytes = bytes;
    core.enqueue(0, made);
    return made;
  }

  worker_session& worker(std::string function, pool_record* pool = nullptr) {
    auto& made = workers.emplace_back();
    made.pool = pool;
    std::vector<function_info> table{{std::move(function), 7, "schema"}};
    core.join(0, made, core.hold_image(table));
    return made;
  }

  pool_record& pool(std::vector<function_info> functions) {
    auto& made = pools.emplace_back();
    made.config.functions = std::move(functions);
    made.config.max_workers = 1;
    core.add_pool(made);
    return made;
  }

  // Assigns what comes next; the worker that got it.
  worker_session* assign_next() {
    auto const [next, to] = core.next(0);
    if (next == nullptr) return nullptr;
    core.dequeue(*next);
    core.assigned(0, *next, *to, 1, next->bytes);
    return to;
  }
};

}  // namespace

TEST_CASE("the call that has waited longest goes first, whichever its function") {
  tested_work w;
  std::vector<function_info> table{{"a", 7, ""}, {"b", 7, ""}};
  auto& first = w.call("b");
  auto& then = w.call("a");
  auto& worker = w.workers.emplace_back();
  w.core.join(0, worker, w.core.hold_image(table));
  CHECK(w.core.next(0).call == &first);
  w.core.dequeue(first);
  CHECK(w.core.next(0).call == &then);
  w.core.requeue(0, first);
  CHECK(w.core.next(0).call == &first);
}

TEST_CASE("what waits in a worker is bounded in bytes, and one call may always be larger") {
  tested_work w;
  w.core.measure(w.core.function_of("a", 7), microsecond);
  auto& worker = w.worker("a");
  w.call("a", 5'000);
  CHECK(w.assign_next() == &worker);
  w.call("a", 100);
  CHECK(w.assign_next() == nullptr);
  w.core.answered(0, worker, 0);
  CHECK(w.assign_next() == &worker);
  w.call("a", 901);
  CHECK(w.assign_next() == nullptr);
  auto& other = w.worker("a");
  CHECK(w.assign_next() == &other);
  w.call("a", 900);
  CHECK(w.assign_next() == &worker);
}

TEST_CASE("what a pool offers is known before a worker of it runs, whoever else is there") {
  tested_work w;
  auto& pool = w.pool({{"mine", 7, "schema"}});
  w.worker("theirs");
  w.call("mine");
  CHECK(pool.queued == 1);
  CHECK(w.core.unknown(0) == nullptr);
  auto& call = w.call("nobody's");
  auto* const unknown = w.core.unknown(0);
  REQUIRE(unknown != nullptr);
  CHECK(unknown->name == "nobody's");
  auto const error = w.core.explain_unknown(unknown->name, unknown->signature, nullptr);
  CHECK(error.code == yonder::errc::unknown_function);
  CHECK(error.message.find("mine") != std::string::npos);
  CHECK(error.message.find("theirs") != std::string::npos);
  w.core.dequeue(call);
}

TEST_CASE("where all pools are known, an unknown function needs no worker to be one") {
  tested_work w;
  w.pool({{"mine", 7, "schema"}});
  auto& call = w.call("nobody's");
  CHECK(w.core.unknown(0) == call.function);
  w.core.dequeue(call);
}

TEST_CASE("a pool of which nothing is known may offer everything, until its first worker comes") {
  tested_work w;
  auto& known = w.pool({{"a", 7, ""}});
  auto& unknown = w.pool({});
  w.call("a");
  auto& other = w.call("b");
  auto& third = w.call("c");
  CHECK(known.queued == 1);
  CHECK(unknown.queued == 2);
  CHECK(w.core.unknown(0) == nullptr);
  w.worker("b", &unknown);
  CHECK(unknown.queued == 1);
  CHECK(w.core.next(0).call == &other);
  CHECK(w.core.unknown(0) == third.function);
  w.core.dequeue(third);
}

TEST_CASE("a pool whose worker lacks a task that it was to have offers that no more") {
  tested_work w;
  auto& pool = w.pool({{"mine", 7, ""}, {"of a plugin", 7, ""}});
  auto& call = w.call("of a plugin");
  CHECK(pool.queued == 1);
  w.worker("mine", &pool);
  CHECK(pool.queued == 0);
  CHECK(w.core.unknown(0) == nullptr);
  CHECK(w.core.unknown_due() == 10 * second);
  CHECK(w.core.unknown(10 * second) == call.function);
  w.core.dequeue(call);
  w.call("mine");
  CHECK(pool.queued == 1);
}

TEST_CASE("only what no worker can run is given up with its pool, the longest waiting first") {
  tested_work w;
  auto& pool = w.pool({{"a", 7, ""}, {"b", 7, ""}});
  w.call("a");
  auto& second_call = w.call("b");
  auto& third = w.call("b");
  auto& elsewhere = w.worker("a");
  elsewhere.draining = true;
  auto const waiting = w.core.waiting_for(pool);
  REQUIRE(waiting.size() == 2);
  CHECK(waiting[0] == &second_call);
  CHECK(waiting[1] == &third);
}
