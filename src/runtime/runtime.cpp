// SPDX-License-Identifier: Apache-2.0
#include "yonder/runtime.hpp"

#include <sys/auxv.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "src/core/service_order.hpp"
#include "src/core/words.hpp"
#include "src/platform/descriptors.hpp"
#include "src/platform/heap.hpp"
#include "src/platform/home_folder.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/allocation.hpp"
#include "src/runtime/awaited_endings.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/gateway.hpp"
#include "src/runtime/launching.hpp"
#include "src/runtime/needs.hpp"
#include "src/runtime/own_build.hpp"
#include "src/runtime/planned_pools.hpp"
#include "src/runtime/process_pool.hpp"
#include "src/runtime/recording.hpp"
#include "src/runtime/registry.hpp"
#include "src/runtime/supervisor.hpp"
#include "src/runtime/thread_pool.hpp"
#include "src/runtime/trace_setup.hpp"
#include "src/runtime/worker_loop.hpp"
#include "src/runtime/worker_order.hpp"
#include "src/runtime/worker_start.hpp"
#include "transports/remote.hpp"
#include "transports/setup_error.hpp"
#include "yonder/error.hpp"

namespace yonder {
namespace runtime_detail {
namespace {

using platform::process_name;

[[noreturn]] void reject(std::string message) {
  detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

// A variable of the environment, unless this program has more rights than whoever started it.
std::string variable(char const* name) {
  char const* const value = ::getauxval(AT_SECURE) == 0 ? std::getenv(name) : nullptr;
  return value != nullptr ? value : "";
}

std::string keys_folder(runtime_options const& options) {
  if (!options.keys.empty()) return options.keys;
  if (auto keys = variable("YONDER_KEYS"); !keys.empty()) return keys;
  if (auto const config = variable("XDG_CONFIG_HOME"); !config.empty()) return config + "/yonder";
  return platform::home_folder(variable("HOME")) + "/.config/yonder";
}

// What is larger, as of one who wants no limit, is all that a transport carries.
runtime_options within_reach(runtime_options options) {
  options.max_call_bytes = std::min<std::uint64_t>(
      options.max_call_bytes, transport::limits::most_frame_bytes - core::frame_envelope);
  return options;
}

transport::limits limits_of(std::size_t max_call_bytes) {
  transport::limits limits;
  limits.max_frame_bytes = max_call_bytes + core::frame_envelope;
  limits.max_queue_bytes = std::max(limits.max_queue_bytes, 2 * limits.max_frame_bytes);
  return limits;
}

core::frame_limits frame_limits_of(std::size_t max_call_bytes) {
  auto const limits = limits_of(max_call_bytes);
  return {limits.max_frame_bytes, static_cast<std::uint32_t>(limits.max_buffers)};
}

core::worker_config worker_config_here(std::size_t max_call_bytes) {
  core::worker_config config;
  config.limits = frame_limits_of(max_call_bytes);
  config.secret = {platform::random_number(), platform::random_number()};
  config.session = core::session_of(config.secret);
  config.name = process_name(::getpid());
  config.pid = static_cast<std::uint64_t>(::getpid());
  config.functions = offered_functions();
  config.made_of = own_program_build();
  return config;
}

// What a message may quote: no token.
std::string without_token(std::string const& address) {
  bool const is_path = address.starts_with("ipc://") || address.starts_with("unix://");
  return is_path ? address : address.substr(0, address.find('#'));
}

transport::remote_transport const& needed(transport::remote_transport const* remote,
                                          std::string const& address) {
  if (remote == nullptr)
    reject("to reach '" + without_token(address) +
           "' this program must be linked with yonder::zmq (or yonder::yonder), for tls:// and unix:// with "
           "yonder::sockets");
  return *remote;
}

// Throws what a transport or the system refuses as our own error.
template <class Make>
auto set_up(Make make) {
  try {
    return make();
  } catch (transport::setup_error const& error) {
    detail::throw_error({.code = error.code(), .message = error.what()});
  } catch (std::system_error const& error) {
    detail::throw_error(
        {.code = errc::unsatisfiable,
         .message = std::string("the system refuses what a runtime needs (") + error.what() +
                    "); give this process more threads (ulimit -u) or descriptors (ulimit -n)"});
  } catch (std::bad_alloc const&) {
    detail::throw_error({.code = errc::unsatisfiable,
                         .message = "there is no memory for a runtime; give this process more (ulimit -v)"});
  }
}

// A hub would serve nobody for milliseconds while the system takes a large block back.
void free_aside(core::byte_buffer&& block) noexcept {
  try {
    auto held = std::make_shared<core::byte_buffer>(std::move(block));
    platform::start_thread("yonder-free", [held = std::move(held)]() mutable { held.reset(); }).detach();
  } catch (std::exception const&) {  // no thread: here, then
  }
}

// The kernel names a process that was started from /proc/self/exe "exe", in ps, top and pkill.
void restore_process_name() { ::prctl(PR_SET_NAME, ::program_invocation_short_name); }

using connect_engine =
    std::function<std::unique_ptr<transport::endpoint>(transport::poller&, std::uint64_t session)>;
std::shared_ptr<detail::engine> make_engine_of_tasks(std::size_t max_call_bytes,
                                                     std::size_t max_decoded_bytes,
                                                     std::size_t max_value_bytes,
                                                     connect_engine const& connect);

// `make` once, for all that ask; one that throws is asked again.
template <class Make>
auto shared_by_all(Make make) {
  struct made_once {
    std::mutex mutex;
    std::shared_ptr<detail::engine> engine;
  };
  return [make, once = std::make_shared<made_once>()] {
    std::lock_guard const held(once->mutex);
    if (!once->engine) once->engine = make();
    return once->engine;
  };
}

// The memory that our supervisor offers; null where there is none that we can use: then it sees that we do
// not join, and says so.
std::unique_ptr<transport::channel> joined(transport::channel::descriptors offered) {
  try {
    return transport::channel::join(std::move(offered));
  } catch (std::system_error const&) {
    return nullptr;
  }
}

// This process is a worker that a process_pool started. Nothing is destroyed: the end of the process closes
// the socket, by which the supervisor notices.
[[noreturn]] void serve_supervisor() {
  restore_process_name();
  std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // a pipe: what a task prints is not held until the end
  block_termination();
  platform::keep_freed_memory();
  auto inheritance = take_inheritance();
  auto const max_call_bytes = inheritance.page->max_call_bytes;
  auto const max_decoded_bytes = inheritance.page->max_decoded_bytes;
  auto const max_value_bytes = inheritance.page->max_value_bytes;
  auto const calls = std::make_shared<platform::unique_fd>(std::move(inheritance.calls));
  auto* const loop = new worker_loop({.core = worker_config_here(max_call_bytes),
                                      .max_result_bytes = max_call_bytes,
                                      .max_decoded_bytes = max_decoded_bytes,
                                      .started = &inheritance.page->started,
                                      .reach = shared_by_all([=] {
                                        return make_engine_of_tasks(
                                            max_call_bytes, max_decoded_bytes, max_value_bytes,
                                            [&](transport::poller& poller, std::uint64_t) {
                                              auto socket = std::make_unique<transport::local_endpoint>(
                                                  poller, limits_of(max_call_bytes));
                                              socket->add(std::move(*calls));
                                              return socket;
                                            });
                                      }),
                                      .own_process = true,
                                      .printed = std::move(inheritance.printed),
                                      .relay = std::move(inheritance.relay),
                                      .reads_printed = &inheritance.page->reads_printed,
                                      .in_hand = &inheritance.page->in_hand});
  auto socket = std::make_unique<transport::local_endpoint>(loop->poller(), limits_of(max_call_bytes));
  socket->add(std::move(inheritance.socket), joined(std::move(inheritance.channel)));
  loop->attach(std::move(socket));
  auto const end = loop->run();
  std::exit(end.clean ? EXIT_SUCCESS : EXIT_FAILURE);
}

// Once, where nobody answers for a while. `loop` lasts as long as the process.
void tell_of_silence(worker_loop& loop, std::string const& address, core::duration tries) {
  platform::start_thread("yonder-silence", [&loop, address, tries] {
    std::this_thread::sleep_for(std::chrono::seconds(2));
    if (loop.heard()) return;
    auto const trouble = loop.trouble();
    say("no hub answers at '" + address + "' yet; trying on for " + core::in_words(tries) + "; " +
        (trouble.empty() ? "see that `yonder hub` runs there and that this machine reaches it" : trouble));
  }).detach();
}

core::predecessor told_of_predecessor(supervised_page const& page) {
  core::predecessor told{.session = page.last_session,
                         .epoch = page.last_epoch,
                         .started = page.last_started,
                         .signal = page.last_signal,
                         .reason = page.last_reason,
                         .stderr_tail = page.last_words};
  if (page.last_status >= 0) told.exit_status = page.last_status;
  return told;
}

// Whether another worker would fare no better.
bool is_final(errc code) noexcept {
  return code == errc::unauthorized || code == errc::protocol_mismatch || code == errc::hub_unreachable;
}

// What a launcher has this process do; nothing where nobody has started it so.
std::optional<worker_order> order_of(start_info const& how) {
  if (how.hub != launched_address) return std::nullopt;
  if (how.order < 0)
    reject(
        "a worker that is told by its stdin what to do needs a supervisor, and this program does not find "
        "its own file: mount /proc");
  std::string text(max_order_size + 1, '\0');
  auto const count = ::pread(how.order, text.data(), text.size(), 0);
  ::close(how.order);
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, count)));
  worker_order order;
  if (auto const fault = decode_worker_order(text, order); !fault.empty())
    reject("this worker's order is none: " + fault);
  return order;
}

// This process is a worker of a hub elsewhere.
[[noreturn]] void serve_hub(start_info const& started, runtime_options const& options,
                            transport::remote_transport const* remote) {
  block_termination();
  platform::keep_freed_memory();
  auto const order = order_of(started);
  auto const address = order ? order->hub : started.hub;
  auto const& transport = needed(remote, address);
  auto config = worker_config_here(options.max_call_bytes);
  if (order) {
    config.start_token = order->token;
    config.hub_timeout = order->silence;
  }
  constexpr auto time_is_over = "the time of this worker is over (YONDER_END_TIME or SLURM_JOB_END_TIME)";
  auto const session = config.session;
  config.ends_at = set_up([] { return monotonic_allocation_end(); });
  if (config.ends_at <= platform::now()) {
    say(time_is_over);
    end_for_good();
    std::exit(EXIT_SUCCESS);
  }
  config.gpus = variable("CUDA_VISIBLE_DEVICES");
  // Whom it does not find by then it would find for nothing.
  config.hub_timeout = std::min(config.hub_timeout, config.ends_at - platform::now());
  auto const tries = config.hub_timeout;
  auto const connect = [&transport, options, order, address](transport::poller& poller, std::uint64_t own) {
    transport::connect_options to{address, keys_folder(options), own, limits_of(options.max_call_bytes),
                                  transport::connect_role::worker};
    if (order) to.server_public = order->server_public;
    if (order) to.secret = order->client_secret;
    return transport.connect(poller, to);
  };
  worker_loop_config how{.core = std::move(config),
                         .max_result_bytes = options.max_call_bytes,
                         .max_decoded_bytes = options.max_decoded_bytes,
                         .reach = shared_by_all([connect, options] {
                           return make_engine_of_tasks(options.max_call_bytes, options.max_decoded_bytes,
                                                       options.max_value_bytes, connect);
                         }),
                         .own_process = true};
  if (auto* const page = how_started().page; page != nullptr) {
    how.core.predecessor = told_of_predecessor(*page);
    page->session.store(session, std::memory_order_release);
    how.started = &page->started;
    how.epoch = &page->epoch;
    how.reads_printed = &page->reads_printed;
    how.in_hand = &page->in_hand;
  }
  if (started.printed >= 0) {
    std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ);  // as of a pool's worker
    how.printed.reset(started.printed);
    how.relay.reset(started.relay);
  }
  how.elsewhere = true;
  auto made = std::make_unique<worker_loop>(std::move(how));
  made->attach(set_up([&] { return connect(made->poller(), session); }));
  auto* const loop = made.release();
  tell_of_silence(*loop, address, tries);
  auto const end = loop->run();
  if (end.clean) loop->part();  // the hub hears of it now, not when it has been silent for long
  if (!end.clean) say(std::string(to_string(end.code)) + ": " + end.reason);
  if (end.clean && is_used_up()) say(time_is_over);
  if (end.clean ? loop->told_to_end() || is_used_up() : is_final(end.code)) end_for_good();
  std::exit(end.clean ? EXIT_SUCCESS : EXIT_FAILURE);
}

// A token that stands behind the hub's address is used before anything else is started.
void use_token(runtime_options const& options, transport::remote_transport const* remote) {
  auto const& address = how_started().hub;
  if (remote == nullptr || how_started().kind != start_kind::hub_worker || how_started().supervisor >= 0)
    return;
  auto admitted = remote->admitted(
      {address, keys_folder(options), 0, limits_of(options.max_call_bytes), transport::connect_role::worker});
  if (admitted.address != address) move_to_hub(std::move(admitted.address));
}

void serve_if_worker(runtime_options const& options, transport::remote_transport const* remote) {
  auto const& how = how_started();
  static std::atomic<bool> serves{false};  // a task may make a runtime: a library that it calls does
  if (!is_of_worker(how.kind) || serves.exchange(true)) return;
  constexpr int misuse = 2;  // as of a shell's own commands
  try {
    set_up([&] {
      if (how.kind == start_kind::pool_worker) serve_supervisor();
      if (how.kind == start_kind::misused) reject(how.fault);
      use_token(options, remote);
      if (how.supervisor < 0 && !own_image().start().path.empty()) supervise();
      serve_hub(how, options, remote);
    });
  } catch (usage_error const& wrong) {
    say(wrong.what());
    end_for_good();
    std::exit(misuse);
  } catch (std::exception const& error) {
    say(error.what());
    std::exit(EXIT_FAILURE);
  }
}

detail::engine_config engine_config_of(runtime_options const& options, bool embeds_hub) {
  detail::engine_config config;
  config.max_call_bytes = options.max_call_bytes;
  config.max_decoded_bytes = options.max_decoded_bytes;
  config.max_value_bytes = options.max_value_bytes;
  config.executor = options.executor;
  config.log = options.log;
  config.own_thread = options.own_thread;
  config.no_workers = embeds_hub && with_sizes(options).max == 0U && options.bind.empty();
  config.has_service_pools = embeds_hub && has_service_pools(options);
  config.client.secret = {platform::random_number(), platform::random_number()};
  config.client.session = core::session_of(config.client.secret);
  config.client.name = process_name(::getpid());
  config.client.pid = static_cast<std::uint64_t>(::getpid());
  config.client.functions = offered_functions();
  config.client.max_calls = options.max_calls;
  config.client.max_bytes = options.max_bytes;
  config.client.limits = frame_limits_of(options.max_call_bytes);
  config.client.connect_timeout = options.connect_timeout.count();
  auto const own = own_program_build();
  // Where all workers are this very file nothing need be said of it.
  auto const has_others = !embeds_hub || !options.bind.empty() || !options.worker_command.empty();
  if (has_others && !config.client.functions.empty() && options.build.value_or(build::same) == build::same)
    config.client.made_of = own;
  if (!embeds_hub) return config;
  auto& hub = config.hub.emplace();
  hub.seed = platform::random_number();
  hub.proves_sessions = true;
  hub.free_large = &free_aside;
  auto const sized = with_sizes(options);
  auto const most = most_processes(sized);
  if (most < sized.min || (most != 0 && most < sized.buffer))
    reject("runtime_options: max is " + std::to_string(most) + ", min " + std::to_string(sized.min) +
           " and buffer " + std::to_string(sized.buffer) + "; let max be no less than both");
  // Of another program nothing is known before its first worker says it.
  auto const functions =
      options.worker_command.empty() ? config.client.functions : decltype(config.client.functions){};
  if (most != 0)
    hub.pools.push_back({.functions = functions,
                         .made_of = options.worker_command.empty() ? own : core::program_build{},
                         .min_workers = sized.min,
                         .max_workers = most,
                         .spare = sized.buffer,
                         .max_queue = options.max_queue.value_or(0),
                         .scaledown_window = sized.scaledown_window.count()});
  for (auto const& [key, weight] : options.weights) {
    if (weight == 0 || weight > core::most_weight)
      reject("runtime_options::weights: the weight of '" + key + "' is " + std::to_string(weight) +
             "; there are 1 to " + std::to_string(core::most_weight));
    hub.weights.emplace_back("key " + key, weight);
  }
  if (options.launch) add_launched_pools(options, functions, own, hub);
  hub.own_processes = !options.in_process;
  if (options.resources) hub.machine = machine_of(*options.resources);
  hub.journal = !options.journal.empty();
  hub.result_time = std::max<core::duration>(0, options.result_ttl.count());
  config.drain_timeout = std::max<core::duration>(0, options.drain_timeout.count());
  hub.max_client_calls = options.max_calls;
  hub.max_client_bytes = options.max_bytes;
  hub.limits = config.client.limits;
  hub.max_calls = std::max(hub.max_calls, options.max_calls);
  hub.max_bytes = std::max(hub.max_bytes, options.max_bytes);
  return config;
}

// In a fork the last who drops an engine leaves it as it is, within reach of whoever looks for leaks.
struct left_engine {
  detail::engine const* engine;
  left_engine* next;
};
constinit std::atomic<left_engine*> left_engines{nullptr};

void drop(detail::engine* engine) {
  if (engine->is_ours()) {
    delete engine;
    return;
  }
  auto* const left = new left_engine{engine, left_engines.load()};
  while (!left_engines.compare_exchange_weak(left->next, left)) {
  }
}

// What the tasks of a worker process call goes to its hub by a connection of its own, as a program's calls
// do. Made when the first task calls; it lasts as long as the process.
std::shared_ptr<detail::engine> make_engine_of_tasks(std::size_t max_call_bytes,
                                                     std::size_t max_decoded_bytes,
                                                     std::size_t max_value_bytes,
                                                     connect_engine const& connect) {
  runtime_options options;
  options.max_call_bytes = max_call_bytes;
  options.max_decoded_bytes = max_decoded_bytes;
  if (max_value_bytes != 0) options.max_value_bytes = max_value_bytes;  // 0: of an older hub
  auto config = engine_config_of(options, false);
  auto const session = config.client.session;
  auto engine = std::shared_ptr<detail::engine>(new detail::engine(std::move(config)), &drop);
  engine->set_uplink(set_up([&] { return connect(engine->poller(), session); }));
  engine->start();
  return engine;
}

// As it is started elsewhere, where its file is the same.
std::vector<std::string> program_of(runtime_options const& options) {
  if (!options.worker_command.empty()) return options.worker_command;
  auto own = own_image().start();
  if (own.path.empty()) return {};
  own.arguments.front() = own.path;
  return own.arguments;
}

bool starts_elsewhere(launch::plan const& plan) {
  auto const pools = plan.pools();
  return std::any_of(pools.begin(), pools.end(), [](auto const& one) { return one.elsewhere; });
}

// The program's own plan, or that of $YONDER_LAUNCH, which is nothing to a program whose hub is elsewhere.
runtime_options with_plan(runtime_options options, detail::linked_libraries const& libraries) {
  auto const file = variable("YONDER_LAUNCH");
  auto const hub = options.in_process || !options.hub.empty() ? options.hub : variable("YONDER_HUB");
  if (!hub.empty() && options.hub.empty() && (options.launch || !options.bind.empty()))
    reject("YONDER_HUB is set: the hub is elsewhere, at '" + without_token(hub) +
           "', and runtime_options::" + (options.launch ? "launch" : "bind") +
           " is for a hub of this program's own; unset YONDER_HUB, or leave that out");
  if (!options.launch && !file.empty() && hub.empty() && !options.in_process && options.is_current) {
    if (libraries.launchers == nullptr)
      reject(
          "YONDER_LAUNCH is set: to start workers elsewhere this program must be linked with yonder::launch");
    options.launch = libraries.launchers(file);
  }
  auto const launches = options.launch && starts_elsewhere(*options.launch);
  if (launches && options.bind.empty())
    reject("to start workers elsewhere set runtime_options::bind, to \"tcp://0.0.0.0:*\" say");
  if (launches && options.in_process)
    reject("runtime_options: `in_process` has workers be threads, `launch` starts them elsewhere; set one");
  return options;
}

std::shared_ptr<detail::engine> make_engine(runtime_options const& options,
                                            detail::linked_libraries const& libraries) {
  auto const* const remote = libraries.remote;
  auto hub = !options.hub.empty() || options.in_process ? options.hub : variable("YONDER_HUB");
  if (!options.journal.empty() && !hub.empty())
    reject("runtime_options::journal is for a hub of its own, and this runtime connects to one at '" +
           without_token(hub) + "'; start that one with a journal (`yonder hub --journal FOLDER`)");
  auto const role = options.as_operator ? transport::connect_role::boss : transport::connect_role::client;
  if (!hub.empty() && remote != nullptr)
    hub = set_up([&] {
      return remote->admitted({hub, keys_folder(options), 0, limits_of(options.max_call_bytes), role})
          .address;
    });
  auto config = engine_config_of(options, hub.empty());
  config.client.hub = hub;
  config.traces = open_traces(options, hub.empty(), libraries.gateway, &variable);
  if (config.hub) config.hub->traces = config.traces != nullptr;
  auto const session = config.client.session;
  auto engine = std::shared_ptr<detail::engine>(new detail::engine(std::move(config)), &drop);
  auto const limits = limits_of(options.max_call_bytes);
  if (!hub.empty()) {
    auto const& transport = needed(remote, hub);
    engine->set_uplink(set_up([&] {
      return transport.connect(engine->poller(), {hub, keys_folder(options), session, limits, role});
    }));
  } else if (options.in_process) {
    engine->add_pool(std::make_unique<thread_pool>(limits, worker_config_here(options.max_call_bytes),
                                                   options.max_call_bytes, options.max_decoded_bytes,
                                                   *engine));
  } else {
    engine->add_pool(std::make_unique<process_pool>(
        engine->poller(), process_pool_config{.limits = limits,
                                              .max_call_bytes = options.max_call_bytes,
                                              .max_decoded_bytes = options.max_decoded_bytes,
                                              .max_value_bytes = options.max_value_bytes,
                                              .command = options.worker_command}));
  }
  if (!options.bind.empty()) {
    auto const& transport = needed(remote, options.bind.front());
    auto listener = set_up([&] {
      return transport.listen(engine->poller(), {options.bind, keys_folder(options), limits});
    });
    if (options.launch && starts_elsewhere(*options.launch))
      engine->add_launching(set_up([&] {
        return options.launch->open({engine->poller(), *listener, program_of(options)});
      }));
    engine->add_listener(std::move(listener));
  }
  if (!options.journal.empty())
    engine->open_journal(options.journal, options.result_ttl.count(), options.max_journal_bytes);
  engine->start();
  return engine;
}

std::unique_ptr<http::gateway> open_gateway(detail::engine_ref const& engine, http_options const& how,
                                            runtime_options const& options,
                                            http::gateway_factory const* factory) {
  if (factory == nullptr)
    reject("to serve HTTP at '" + how.address + "' this program must be linked with yonder::http");
  auto const elsewhere = !options.hub.empty() || (!options.in_process && !variable("YONDER_HUB").empty());
  auto const workers = elsewhere ? 0 : with_sizes(options).max.value_or(std::thread::hardware_concurrency());
  return factory->open(engine, how, {keys_folder(options), elsewhere || !options.journal.empty(), workers});
}

[[noreturn]] void exit_in_words(std::exception const& wrong) {
  constexpr int misuse = 2;
  std::fprintf(stderr, "yonder: %s\n", wrong.what());
  std::exit(dynamic_cast<usage_error const*>(&wrong) != nullptr ? misuse : EXIT_FAILURE);
}

// This process serves its tasks over HTTP, and nothing else of its main is run.
[[noreturn]] void serve_http(start_info const& how, runtime_options const& options,
                             detail::linked_libraries const& libraries) {
  awaited_endings const endings;
  try {
    if (!how.fault.empty()) reject(how.fault);
    auto const engine = set_up([&] { return make_engine(options, libraries); });
    auto gateway = open_gateway(engine, with_arguments(options.http, how.http), options, libraries.gateway);
    std::printf("%s\n", gateway->address().c_str());
    std::fflush(stdout);
    endings.wait();
    gateway.reset();
    end_in_good_order(*engine, endings);
    engine->stop();
  } catch (std::exception const& wrong) {
    exit_in_words(wrong);
  }
  std::exit(EXIT_SUCCESS);
}

// This process measures one of its tasks, and nothing else of its main is run.
[[noreturn]] void compare(start_info const& how, runtime_options const& wanted,
                          detail::linked_libraries const& libraries) {
  try {
    if (!how.fault.empty()) reject(how.fault);
    if (libraries.gateway == nullptr)
      reject("to compare environments this program must be linked with yonder::http");
    auto options = wanted;
    options.bind.clear();
    options.hub.clear();
    options.journal.clear();
    options.launch.reset();
    options.traces = {};
    for (auto const* name : {"YONDER_HUB", "YONDER_TRACE_FILE"}) ::unsetenv(name);
    auto const start = [&](bool in_process) {
      options.in_process = in_process;
      return set_up([&] { return make_engine(options, libraries); });
    };
    std::exit(libraries.gateway->compare({.arguments = how.arguments,
                                          .program = program_of({}),
                                          .start = start,
                                          .stop = [](detail::engine_ref const& engine) { engine->stop(); }}));
  } catch (std::exception const& wrong) {
    exit_in_words(wrong);
  }
}

}  // namespace
}  // namespace runtime_detail

runtime::runtime(int, char**, runtime_options const& wanted, detail::linked_libraries libraries) {
  using namespace runtime_detail;
  set_up([&] {
    auto options = within_reach(wanted);
    check_registry();
    platform::hold_standard_descriptors();  // closed since the start
    serve_if_worker(options, libraries.remote);
    if (auto const& how = how_started(); how.kind == start_kind::comparison && options.is_current)
      compare(how, options, libraries);
    options = with_plan(std::move(options), libraries);
    if (!options.hub.empty() && !options.bind.empty())
      reject("runtime_options: `hub` connects to a hub elsewhere, `bind` opens the own one; set one of them");
    if (auto const& how = how_started(); options.is_current) {
      if (how.kind == start_kind::http_server) serve_http(how, options, libraries);
      if (how.kind == start_kind::replay) replay_and_exit(how);
      if (how.kind == start_kind::build) tell_build_and_exit(how.fault);
    }
    engine_ = make_engine(options, libraries);
    try {
      if (!options.http.address.empty())
        gateway_ = open_gateway(engine_, options.http, options, libraries.gateway);
      if (options.is_current) detail::add_standing_engine(engine_);
    } catch (...) {
      gateway_.reset();
      engine_->stop();
      throw;
    }
  });
}

runtime::~runtime() {
  detail::remove_standing_engine(engine_.get());
  if (engine_->is_ours())
    gateway_.reset();
  else
    (void)gateway_.release();  // of the process that we are a fork of
  engine_->stop();
}

std::string runtime::http_address() const {
  return engine_->is_ours() && gateway_ != nullptr ? gateway_->address() : std::string();
}

std::vector<std::string> runtime::addresses() const {
  return engine_->is_ours() ? engine_->addresses() : std::vector<std::string>();
}

runtime_snapshot runtime::snapshot() const { return detail::snapshot_of(*engine_); }

int runtime::descriptor() const { return detail::descriptor_of(*engine_); }

void runtime::drive() const { detail::drive(*engine_); }

std::size_t runtime::worker_count() const { return engine_->is_ours() ? engine_->worker_count() : 0; }

bool is_worker() noexcept { return runtime_detail::is_of_worker(runtime_detail::how_started().kind); }

}  // namespace yonder
