// SPDX-License-Identifier: Apache-2.0
//
// What runs in each environment.
#include "src/http/compare/probe.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "src/http/endpoints.hpp"
#include "yonder/error.hpp"

namespace yonder::http::compare {
namespace {

using clock = std::chrono::steady_clock;
using yonder::detail::call_ref;
using yonder::detail::outgoing;

double seconds_since(clock::time_point begin) {
  return std::chrono::duration<double>(clock::now() - begin).count();
}

[[noreturn]] void refuse_task(std::string message) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

outgoing prepared(detail::endpoint_entry const& endpoint, workload const& what) {
  detail::json_document document(what.arguments, {});
  return endpoint.begin(document, 0, endpoint.settings());
}

class caller {
 public:
  caller(yonder::detail::engine_ref const& engine, detail::endpoint_entry const& endpoint,
         workload const& what)
      : engine_(engine), endpoint_(endpoint), what_(what) {}

  // How long one takes. What it takes to read its arguments is not in it.
  double time_one() {
    auto made = prepared(endpoint_, what_);
    auto const begin = clock::now();
    auto const call = submit(std::move(made), yonder::detail::departure::awaited);
    yonder::detail::wait(*call);
    auto const took = seconds_since(begin);
    static_cast<void>(yonder::detail::take_reply(*call));
    return took;
  }

  // The same for so many at once.
  double time_some(unsigned size) {
    std::vector<outgoing> made;
    for (unsigned i = 0; i < size; ++i) made.push_back(prepared(endpoint_, what_));
    std::vector<call_ref> calls;
    auto const begin = clock::now();
    for (auto& one : made) calls.push_back(submit(std::move(one), yonder::detail::departure::gathered));
    yonder::detail::send_now(engine_);
    for (auto const& call : calls) yonder::detail::wait(*call);
    auto const took = seconds_since(begin);
    for (auto const& call : calls) static_cast<void>(yonder::detail::take_reply(*call));
    return took;
  }

 private:
  call_ref submit(outgoing&& made, yonder::detail::departure when) {
    return yonder::detail::submit(engine_, *endpoint_.task, endpoint_.settings(), std::move(made), when);
  }

  yonder::detail::engine_ref const& engine_;
  detail::endpoint_entry const& endpoint_;
  workload const& what_;
};

// The time that this share of them took at most.
double quantile(std::vector<double> const& sorted, double share) {
  auto const at = static_cast<std::size_t>(share * static_cast<double>(sorted.size()));
  return sorted[std::min(at, sorted.size() - 1)];
}

double in_seconds(timeval const& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

detail::endpoint_entry const& checked_endpoint(workload const& what) {
  auto const all = all_endpoints();
  auto const found = std::find_if(all.begin(), all.end(), [&](auto const* one) {
    return one->is == detail::endpoint_entry::kind::task && one->name == what.task;
  });
  if (found == all.end()) {
    std::string names;
    for (auto const* one : all)
      if (one->is == detail::endpoint_entry::kind::task && one->begin != nullptr)
        names += (names.empty() ? "" : ", ") + std::string(one->name);
    refuse_task("no task '" + what.task + "' has a yonder::http::endpoint here; " +
                (names.empty() ? "none has one" : "these have: " + names));
  }
  if ((*found)->begin == nullptr)
    refuse_task("'" + what.task + "' answers with a stream; what is compared is a task that returns a value");
  try {
    static_cast<void>(prepared(**found, what));
  } catch (detail::json_error const& fault) {
    refuse_task("the arguments of '" + what.task + "': " + fault.what() +
                (fault.pointer().empty() ? "" : ", at " + fault.pointer()));
  }
  return **found;
}

figures measure(yonder::detail::engine_ref const& engine, workload const& what) {
  caller calls(engine, checked_endpoint(what), what);
  figures seen;
  seen.first_call = calls.time_one();
  std::vector<double> times;
  for (unsigned i = 0; i < what.calls; ++i) times.push_back(calls.time_one());
  std::sort(times.begin(), times.end());
  seen.p50 = quantile(times, 0.5);
  seen.p99 = quantile(times, 0.99);
  for (auto const size : what.sizes) {
    double took = 0;
    std::uint64_t made = 0;
    for (; made < what.calls; made += size) took += calls.time_some(size);
    seen.throughput.emplace_back(size, took > 0 ? static_cast<double>(made) / took : 0);
  }
  return seen;
}

void add_own_use(figures& seen) {
  for (int const who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage use{};
    if (::getrusage(who, &use) != 0) continue;
    seen.user += in_seconds(use.ru_utime);
    seen.sys += in_seconds(use.ru_stime);
    seen.memory = std::max(seen.memory, static_cast<double>(use.ru_maxrss) * 1024);
  }
}

}  // namespace yonder::http::compare
