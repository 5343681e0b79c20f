// SPDX-License-Identifier: Apache-2.0
//
// Calls to a worker that came over ZeroMQ, against a DEALER and a ROUTER that echo.
#include <string>

#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"
#include "tests/bench/workload.hpp"

#ifdef YONDER_HAS_ZMQ
#include <cstdlib>
#include <zmq.hpp>

#include "transports/zmq/keys.hpp"
#endif

namespace bench {
namespace {

constexpr double one_hop = 1.05;

struct zmq_rows {
  row p50;
  row p99;
  row rate;
};

zmq_rows rows_over(std::string const& transport) {
  auto const peer = "DEALER/ROUTER, " + transport;
  return {{"remote() p50, " + transport + ", one core", "µs", peer, ratio_at_most(one_hop)},
          {"remote() p99, " + transport + ", one core", "µs", peer, ratio_at_most(one_hop)},
          {"spawn/get, 256 in flight, " + transport, "calls/s", peer, at_least(1e6)}};
}

#ifdef YONDER_HAS_ZMQ

constexpr std::size_t message_size = 64;
constexpr std::size_t window = 256;

// Keys of the raw peer; empty: no CURVE.
struct curve_keys {
  char server_public[41]{};
  char server_secret[41]{};
  char client_public[41]{};
  char client_secret[41]{};

  static curve_keys drawn() {
    curve_keys keys;
    ::zmq_curve_keypair(keys.server_public, keys.server_secret);
    ::zmq_curve_keypair(keys.client_public, keys.client_secret);
    return keys;
  }
  explicit operator bool() const { return server_public[0] != '\0'; }
};

// A ROUTER at `address` that sends every message back.
void serve_raw_zmq(std::string const& address, curve_keys const& keys) {
  zmq::context_t context;
  zmq::socket_t router(context, zmq::socket_type::router);
  if (keys) {
    router.set(zmq::sockopt::curve_server, true);
    router.set(zmq::sockopt::curve_secretkey, std::string(keys.server_secret));
  }
  router.bind(address);
  for (;;) {
    zmq::message_t identity;
    zmq::message_t message;
    (void)router.recv(identity);
    (void)router.recv(message);
    router.send(identity, zmq::send_flags::sndmore);
    router.send(message, zmq::send_flags::none);
  }
}

class raw_zmq_echo {
 public:
  raw_zmq_echo(std::string const& address, curve_keys const& keys)
      : process_([&] { serve_raw_zmq(address, keys); }), dealer_(context_, zmq::socket_type::dealer) {
    dealer_.set(zmq::sockopt::linger, 0);
    if (keys) {
      dealer_.set(zmq::sockopt::curve_serverkey, std::string(keys.server_public));
      dealer_.set(zmq::sockopt::curve_publickey, std::string(keys.client_public));
      dealer_.set(zmq::sockopt::curve_secretkey, std::string(keys.client_secret));
    }
    dealer_.connect(address);
  }

  void send(std::string const& message) { dealer_.send(zmq::buffer(message), zmq::send_flags::none); }
  void receive() {
    zmq::message_t answer;
    (void)dealer_.recv(answer);
  }
  void round_trip(std::string const& message) {
    send(message);
    receive();
  }

 private:
  peer_process process_;
  zmq::context_t context_;
  zmq::socket_t dealer_;
};

double raw_rate(raw_zmq_echo& peer, std::string const& message) {
  for (std::size_t i = 0; i < window; ++i) peer.send(message);
  auto const rate = rate_of(window, [&] {
    for (std::size_t i = 0; i < window; ++i) {
      peer.receive();
      peer.send(message);
    }
  });
  for (std::size_t i = 0; i < window; ++i) peer.receive();
  return rate;
}

yonder::runtime_options listening_at(std::string const& address, std::string const& keys) {
  yonder::runtime_options options;
  options.max = 0;  // but for the one that comes over ZeroMQ
  options.bind = {address};
  options.keys = keys;
  return options;
}

// With a raw peer at `raw_address`, and a runtime at `address`.
void measure(report& to, zmq_rows rows, std::string const& raw_address, std::string const& address,
             curve_keys const& raw_keys, std::string const& keys) {
  pinned const here;
  auto const message = random_text(message_size);
  raw_zmq_echo peer(raw_address, raw_keys);
  yonder::runtime const runtime(listening_at(address, keys));
  program const worker({own_path(), "--yonder-worker", runtime.addresses().front()});
  peer.round_trip(message);
  echo_task.remote(message);
  auto const found = compare_latency([&] { echo_task.remote(message); }, [&] { peer.round_trip(message); });
  to.add(rows.p50, found.p50, 1e3);
  to.add(rows.p99, found.p99, 1e3);
  to.add(rows.rate,
         compare([&] { return spawn_rate(message, window); }, [&] { return raw_rate(peer, message); }));
}

#else

void skip(report& to, zmq_rows rows) {
  for (auto* const each : {&rows.p50, &rows.p99, &rows.rate}) to.skip(*each, "built without ZeroMQ");
}

#endif

}  // namespace

#ifdef YONDER_HAS_ZMQ

void measure_zmq_ipc(report& to) {
  temporary_folder const folder;
  measure(to, rows_over("ZeroMQ ipc"), "ipc://" + folder.path() + "/raw",
          "ipc://" + folder.path() + "/hub/socket", {}, {});
}

void measure_zmq_tcp(report& to) {
  temporary_folder const folder;
  auto const keys = folder.path() + "/keys";
  yonder::transport::keygen(keys);
  ::setenv("YONDER_KEYS", keys.c_str(), 1);
  measure(to, rows_over("ZeroMQ tcp with CURVE"), "tcp://127.0.0.1:47118", "tcp://127.0.0.1:*",
          curve_keys::drawn(), keys);
  ::unsetenv("YONDER_KEYS");
}

#else

void measure_zmq_ipc(report& to) { skip(to, rows_over("ZeroMQ ipc")); }
void measure_zmq_tcp(report& to) { skip(to, rows_over("ZeroMQ tcp with CURVE")); }

#endif

}  // namespace bench
