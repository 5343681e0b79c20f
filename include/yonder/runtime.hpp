// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/durations.hpp"
#include "yonder/executor.hpp"
#include "yonder/http_options.hpp"
#include "yonder/log.hpp"
#include "yonder/options.hpp"
#include "yonder/resources.hpp"
#include "yonder/snapshot.hpp"
#include "yonder/trace_options.hpp"

namespace yonder {

namespace transport {

class remote_transport;
YONDER_API remote_transport const& zmq_transport();     // of yonder::zmq
YONDER_API remote_transport const& socket_transport();  // of yonder::sockets

}  // namespace transport

namespace http {

class gateway;
class gateway_factory;
YONDER_API gateway_factory const& beast_gateway();  // of yonder::http

}  // namespace http

namespace launch {

class plan;
YONDER_API std::shared_ptr<plan const> plan_of_file(std::string const& file);  // of yonder::launch

}  // namespace launch

namespace detail {

class engine;

// How this program reaches other machines: yonder::core links neither yonder::zmq nor yonder::sockets, which
// brings the former along; those who link them say so.
inline transport::remote_transport const* linked_transport() {
#if defined(YONDER_HAS_SOCKETS)
  return &transport::socket_transport();
#elif defined(YONDER_HAS_ZMQ)
  return &transport::zmq_transport();
#else
  return nullptr;
#endif
}

// How this program serves HTTP, likewise.
inline http::gateway_factory const* linked_gateway() {
#ifdef YONDER_HAS_HTTP
  return &http::beast_gateway();
#else
  return nullptr;
#endif
}

// What reads how this program starts workers elsewhere, likewise.
using read_plan = std::shared_ptr<launch::plan const>(std::string const& file);
inline read_plan* linked_launchers() {
#ifdef YONDER_HAS_LAUNCH
  return &launch::plan_of_file;
#else
  return nullptr;
#endif
}

// Of runtime::descriptor() and drive(), for whoever may outlive the runtime. drive() is false once that has
// ended.
YONDER_API int descriptor_of(engine& where);
YONDER_API bool drive(engine& where);

// The pool that a task's or a service's calls run in: what its key is at the hub; empty: the hub's own.
YONDER_API std::string encode_needs(options const& settings);
template <class Work>
std::string pool_of(Work const& work) {
  if constexpr (requires { work.terms(); })
    return std::string(work.terms());
  else if constexpr (requires { work.needs(); })
    return std::string(work.needs());
  else
    return encode_needs(work.settings());
}
template <class Work>
concept has_pool = requires(Work const& work) {
  work.terms();
}
|| requires(Work const& work) { work.settings(); };

// Which pool: by what its workers need, or by its name. Neither: the hub's own.
struct pool_choice {
  std::string_view needs{};
  std::string_view name{};
};
YONDER_API void scale_pool(engine& where, pool_choice const& pool, pool_size const& size);
YONDER_API void warm_pool(engine& where, pool_choice const& pool, std::size_t count);
YONDER_API std::vector<pool_snapshot> pools_of(engine& where);
YONDER_API std::vector<call_snapshot> calls_of(engine& where);
YONDER_API std::vector<usage_snapshot> usage_of(engine& where);

// The libraries beside yonder::core that a program has linked; null: it has not.
struct linked_libraries {
  transport::remote_transport const* remote;
  http::gateway_factory const* gateway;
  read_plan* launchers;
};

}  // namespace detail

// How a runtime is made; what is not set has the defaults of docs/defaults.md.
struct runtime_options {
  // Of the workers that the hub of its own starts: how many are started with it, and stay although they have
  // nothing to do.
  unsigned min = 0;

  // How many there may be at once. Unset: one per core. 0: none is started here.
  std::optional<unsigned> max{};

  // How many idle ones are kept ready while others work.
  unsigned buffer = 0;

  // After how long without work a worker is let go.
  std::chrono::nanoseconds scaledown_window = std::chrono::seconds(10);

  // How many calls may wait for a worker once there is one: a further one fails with overloaded. Unset: as
  // many as callers may have under way.
  std::optional<unsigned> max_queue{};

  // What its workers can be given that say what they need (options::gpu, cpu, memory). Unset: what this
  // machine has.
  std::optional<yonder::resources> resources{};

  // What starts a worker: a program, found as a shell does, and its arguments. It must make a
  // yonder::runtime, and have the tasks. Empty: this very program; for a host that is not its own worker (an
  // extension of Python, a plugin, a test runner), or that has more rights than whoever started it, name one
  // that is.
  std::vector<std::string> worker_command{};

  // Workers are threads of this process: for tests and for programs that cannot start processes. A crash or a
  // cancelled computation is then not contained, and all signals are blocked around tasks.
  bool in_process = false;

  // A hub elsewhere, "tcp://host:port" or "ipc:///folder/name", or with yonder::sockets "tls://host:port" or
  // "unix:///folder/name"; empty: $YONDER_HUB, or else a hub of its own.
  std::string hub{};

  // Where the hub of its own takes further workers from (`program --yonder-worker ENDPOINT`) and other
  // clients: "tcp://0.0.0.0:port", "tcp://127.0.0.1:*" or "ipc:///folder/name", or with yonder::sockets
  // "tls://0.0.0.0:port" or "unix:///folder/name"; none: from nowhere.
  std::vector<std::string> bind{};

  // The folder of its journal (docs/durable.md), made if it is absent, for durable calls: what an earlier hub
  // has left there goes on. One hub at a time has it. Empty: it takes no durable calls.
  std::string journal{};

  // How long the outcome of a durable call is kept that nobody has had.
  std::chrono::nanoseconds result_ttl = std::chrono::hours(24);

  // Bytes of durable calls and outcomes that count; past them a durable call is `overloaded` until outcomes
  // are fetched, or forgotten. The files take twice that, and 128 MiB, at most. 0: as much as the disk has.
  std::size_t max_journal_bytes = 0;

  // How long serve(), told to end, waits for what the hub of its own runs. What has not begun by then goes
  // back to its client, which gives it to the hub that comes next.
  std::chrono::nanoseconds drain_timeout = std::chrono::seconds(25);

  // The folder with client.key, client.pub and server.pub (`yonder keygen`). Empty: $YONDER_KEYS, or else
  // $XDG_CONFIG_HOME/yonder (~/.config/yonder).
  std::string keys{};

  // How the hub of its own starts workers on other machines: launch::plan_of or launch::plan_of_file
  // (yonder/launch.hpp). They come in by `bind`, over tcp. Unset: as the file $YONDER_LAUNCH says, or on this
  // machine only.
  std::shared_ptr<launch::plan const> launch{};

  // Where calls of several clients wait at the hub of its own, each client shares the workers with the
  // others; how large the shares of some are, by the text in their client.pub, from 1 to 1000. 1 for the
  // others.
  std::vector<std::pair<std::string, unsigned>> weights{};

  // any: calls that say nothing of it (options::build) may run on whatever build of this program has the
  // task. Unset: as options::build says.
  std::optional<yonder::build> build{};

  // To come to a hub elsewhere over tcp as its operator, who may see and change its pools: with server.key,
  // which only the hub's machine keeps, instead of client.key. Over ipc, whoever may come may do that.
  bool as_operator = false;

  // For how long calls wait for a hub elsewhere to answer before they fail with hub_unreachable.
  std::chrono::nanoseconds connect_timeout = std::chrono::seconds(5);

  // Credit: past so many calls, or argument bytes, on their way a further one fails with overloaded.
  std::size_t max_calls = 1'000'000;
  std::size_t max_bytes = std::size_t{2} << 30;  // of arguments

  // The largest arguments, or result, of one call. What is past 4 GiB, less 256 KiB, means so much.
  std::size_t max_call_bytes = std::size_t{256} << 20;

  // The most memory that arguments, or a result, may take once decoded: a few bytes may stand for much, as of
  // an empty std::optional of something large. It holds here and in local workers; a worker elsewhere has its
  // own. 0: 64 MiB and 16 times the bytes that came.
  std::size_t max_decoded_bytes = 0;

  // The most memory that a value by reference (yonder::ref) may take that is brought here, and that all of
  // them take that are kept for further calls: those that were longest unused go first. It holds here and in
  // local workers; a worker elsewhere has its own.
  std::size_t max_value_bytes = std::size_t{4} << 30;

  // Where coroutines go on, `[&loop](auto next) { loop.post(std::move(next)); }` say. Unset: one after the
  // other on a thread of the runtime's own, which blocks all signals: programs that are started there inherit
  // that, unless they are told otherwise (posix_spawnattr_setsigmask).
  yonder::executor executor{};

  // Whether tasks use this runtime that are not told another one. false: only `.on(runtime)` does; for a
  // library, which must neither take its host's calls nor depend on the host's having a runtime.
  bool is_current = true;

  // Whether a thread of the runtime's own drives it while nobody waits. false: a loop of the program's does,
  // by runtime::descriptor() and drive(), or yonder::asio_driver (yonder/asio.hpp). Then no thread is started
  // for it here; coroutines go on, and `executor` and `log` are called, within drive().
  bool own_thread = true;

  // Takes the lines that the runtime says for whoever runs it, that calls wait and why nobody takes them say.
  // It is called on a thread of the runtime's own (but see own_thread). Unset: they go to stderr.
  log_sink log{};

  // Tasks over HTTP, where an address is set; yonder::http has to be linked.
  http_options http{};

  // When what happened to calls, as OpenTelemetry or Perfetto take it: of a hub of its own.
  trace_options traces{};
};

// What this process is connected to. The first one made is the current one, which tasks use unless told
// otherwise; construct it first in main: in a worker, the constructor runs the worker and ends the process.
// (Within a task it makes a runtime like any other.)
//
// Destroying it completes every call with `disconnected` and waits for the threads inside. Calls and map
// ranges may outlive it.
//
// A fork of this process has no part in it: calls fail there with no_runtime, also those that were on their
// way, and go on here; destroying it there does nothing. The fork may make a runtime of its own.
class YONDER_API runtime {
 public:
  // Looks for --yonder-worker ENDPOINT, or --yonder-worker=ENDPOINT, as the first argument (this process is
  // then a worker of the hub at ENDPOINT). Behind other arguments the flag is refused, with a line on stderr
  // and exit status 2, up to an argument `--`. With --yonder-serve ADDRESS as the first argument the process
  // serves its tasks over HTTP (docs/http.md), until SIGTERM or SIGINT, and ends. Throws usage_error: two
  // tasks of one name, or a bad variable, key file, endpoint or address; and error (unsatisfiable) where the
  // system gives no thread or descriptor.
  runtime(int argc, char** argv, runtime_options const& options = {})
      : runtime(argc, argv, options,
                {detail::linked_transport(), detail::linked_gateway(), detail::linked_launchers()}) {}
  explicit runtime(runtime_options const& options = {})
      : runtime(0, nullptr, options,
                {detail::linked_transport(), detail::linked_gateway(), detail::linked_launchers()}) {}
  ~runtime();

  runtime(runtime const&) = delete;
  runtime& operator=(runtime const&) = delete;

  // Where the hub of its own can be reached: runtime_options::bind, with the ports that the system chose.
  [[nodiscard]] std::vector<std::string> addresses() const;

  // Where tasks can be called over HTTP: "http://127.0.0.1:8000", with the port that the system chose. Empty:
  // nowhere.
  [[nodiscard]] std::string http_address() const;

  // Waits for SIGTERM, SIGINT or, unless that is ignored, SIGHUP: to be blocked in a program's own threads.
  // Then it lets a hub of its own end in good order (runtime_options::drain_timeout), so that clients which
  // find another hub there notice nothing else; the runtime is to be destroyed when this returns. A second
  // signal ends that at once.
  void serve() const;

  // What its hub counts. Takes the runtime's lock for some microseconds.
  [[nodiscard]] runtime_snapshot snapshot() const;

  // For a loop of the program's own, where runtime_options::own_thread is false. The descriptor is readable
  // (for poll, epoll, select and what is made of them) while drive() has something to do; it is the
  // runtime's, do not read from it. -1 in a fork. Throws usage_error where own_thread is true, as drive()
  // does.
  [[nodiscard]] int descriptor() const;

  // Does what is due, and does not wait. Any thread may call it, as long as the runtime lives. Calls may be
  // waited for anywhere, in the loop too: whoever waits drives meanwhile.
  void drive() const;

  // Changes how many workers its hub has: those without needs, or the pool that the calls of this task,
  // service instance or method of one run in, or the one that pools() names so (a service's name is enough
  // where it has one pool). Holds from now on, also where the service says otherwise. Throws usage_error
  // (bad_configuration) where that cannot be, and error: unsatisfiable where the hub has not what each of the
  // workers needs, or starts none; of a hub elsewhere also unauthorized (runtime_options::as_operator), and
  // what calls throw.
  void scale(pool_size const& size) const { detail::scale_pool(*engine_, {}, size); }
  template <detail::has_pool Work>
  void scale(Work const& work, pool_size const& size) const {
    auto const needs = detail::pool_of(work);
    detail::scale_pool(*engine_, {.needs = needs}, size);
  }
  void scale(std::string_view pool, pool_size const& size) const {
    detail::scale_pool(*engine_, {.name = pool}, size);
  }

  // Starts workers, until there are `count`, or as many as there may be, so that the first calls find them
  // ready. Returns at once; they are let go as others are. Throws as scale() does.
  void warm(unsigned count = 1) const { detail::warm_pool(*engine_, {}, count); }
  template <detail::has_pool Work>
  void warm(Work const& work, unsigned count = 1) const {
    auto const needs = detail::pool_of(work);
    detail::warm_pool(*engine_, {.needs = needs}, count);
  }
  void warm(std::string_view pool, unsigned count = 1) const {
    detail::warm_pool(*engine_, {.name = pool}, count);
  }

  // The pools that its hub has now: its own, and those of services and tasks with needs, in the order in
  // which they were made. Throws as scale() does.
  [[nodiscard]] std::vector<pool_snapshot> pools() const { return detail::pools_of(*engine_); }

  // The calls that its hub has now: those under way, and the durable ones whose outcomes it keeps; 10,000 at
  // most. Of a hub elsewhere, those of this program's credential, or, as its operator, all. Throws what calls
  // throw.
  [[nodiscard]] std::vector<call_snapshot> calls() const { return detail::calls_of(*engine_); }

  // For how long workers ran what for whom, by day, since the hub began. Throws as scale() does.
  [[nodiscard]] std::vector<usage_snapshot> usage() const { return detail::usage_of(*engine_); }

  // How many local workers are alive.
  [[nodiscard]] std::size_t worker_count() const;

  // For Yonder's own templates.
  [[nodiscard]] std::shared_ptr<detail::engine> const& engine() const noexcept { return engine_; }

 private:
  runtime(int argc, char** argv, runtime_options const& options, detail::linked_libraries libraries);

  std::shared_ptr<detail::engine> engine_;
  std::unique_ptr<http::gateway> gateway_;
};

// Whether this process is a worker: true from before main in processes that Yonder started. For programs that
// must not open a window there.
[[nodiscard]] YONDER_API bool is_worker() noexcept;

}  // namespace yonder
