// SPDX-License-Identifier: Apache-2.0
//
// Calls to a worker that came over yonder::sockets, against a blocking echo over the same: a unix socket, and
// TLS 1.3 of the same cipher.
#include <cstddef>
#include <string>

#include "tests/bench/measure.hpp"
#include "tests/bench/raw_socket.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"
#include "tests/bench/workload.hpp"

#ifdef YONDER_HAS_SOCKETS
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <system_error>

#include "src/platform/unique_fd.hpp"
#include "transports/zmq/keys.hpp"
#endif

namespace bench {
namespace {

constexpr double over_raw = 1.25;

struct socket_rows {
  row p50;
  row p99;
  row rate;
};

socket_rows rows_over(std::string const& transport, std::string const& peer) {
  return {{"remote() p50, " + transport + ", one core", "µs", peer, ratio_at_most(over_raw)},
          {"remote() p99, " + transport + ", one core", "µs", peer, ratio_at_most(over_raw)},
          {"spawn/get, 256 in flight, " + transport + ", one core", "calls/s", peer + ", 256 in one write",
           at_least(3e6)}};
}

socket_rows unix_rows() { return rows_over("unix socket", "blocking socket"); }
socket_rows tls_rows() { return rows_over("TLS", "blocking echo over TLS"); }

#ifdef YONDER_HAS_SOCKETS

constexpr std::size_t message_size = 64;
constexpr std::size_t window = 256;

// --- an echo over TLS, with a key that both ends know

struct free_ssl {
  void operator()(SSL* one) const { ::SSL_free(one); }
  void operator()(SSL_CTX* one) const { ::SSL_CTX_free(one); }
};

constexpr std::array<unsigned char, 32> shared_key{1, 2, 3};
constexpr std::array<unsigned char, 2> suite{0x13, 0x01};  // TLS_AES_128_GCM_SHA256

SSL_SESSION* known_session(SSL* ssl) {
  auto* const session = ::SSL_SESSION_new();
  ::SSL_SESSION_set1_master_key(session, shared_key.data(), shared_key.size());
  ::SSL_SESSION_set_cipher(session, ::SSL_CIPHER_find(ssl, suite.data()));
  ::SSL_SESSION_set_protocol_version(session, TLS1_3_VERSION);
  return session;
}
int use_key(SSL* ssl, EVP_MD const*, unsigned char const** identity, std::size_t* size,
            SSL_SESSION** session) {
  *identity = suite.data();
  *size = suite.size();
  *session = known_session(ssl);
  return 1;
}
int find_key(SSL* ssl, unsigned char const*, std::size_t, SSL_SESSION** session) {
  *session = known_session(ssl);
  return 1;
}

class tls_stream {
 public:
  tls_stream(int socket, bool serves) : context_(::SSL_CTX_new(::TLS_method())) {
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    ::SSL_CTX_set_ciphersuites(context_.get(), "TLS_AES_128_GCM_SHA256");
    ::SSL_CTX_set_num_tickets(context_.get(), 0);
    ::SSL_CTX_set_read_ahead(context_.get(), 1);  // one read for a record
    ssl_.reset(::SSL_new(context_.get()));
    ::SSL_set_fd(ssl_.get(), socket);
    serves ? ::SSL_set_psk_find_session_callback(ssl_.get(), &find_key)
           : ::SSL_set_psk_use_session_callback(ssl_.get(), &use_key);
    if ((serves ? ::SSL_accept(ssl_.get()) : ::SSL_connect(ssl_.get())) != 1)
      throw std::runtime_error("no TLS between the ends of the peer");
  }
  int read(char* to, std::size_t size) { return ::SSL_read(ssl_.get(), to, static_cast<int>(size)); }
  void write(char const* from, std::size_t size) {
    if (::SSL_write(ssl_.get(), from, static_cast<int>(size)) <= 0)
      throw std::runtime_error("the peer over TLS has ended");
  }

 private:
  std::unique_ptr<SSL_CTX, free_ssl> context_;
  std::unique_ptr<SSL, free_ssl> ssl_;
};

struct tcp_ends {
  yonder::platform::unique_fd ours, theirs;
  tcp_ends() {
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* const address = reinterpret_cast<sockaddr*>(&where);
    yonder::platform::unique_fd const listening(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ours.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (::bind(listening.get(), address, size) != 0 || ::listen(listening.get(), 1) != 0 ||
        ::getsockname(listening.get(), address, &size) != 0 || ::connect(ours.get(), address, size) != 0)
      throw std::system_error(errno, std::generic_category(), "a pair of TCP sockets");
    theirs.reset(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    int const on = 1;
    for (int const one : {ours.get(), theirs.get()})
      ::setsockopt(one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
};

class raw_tls_echo {
 public:
  raw_tls_echo() : process_([this] { serve(); }), stream_(ends_.ours.get(), false) { ends_.theirs.reset(); }
  void round_trip(std::string const& message) {
    stream_.write(message.data(), message.size());
    answer_.resize(message.size());
    for (std::size_t read = 0; read < answer_.size();) {
      auto const count = stream_.read(answer_.data() + read, answer_.size() - read);
      if (count <= 0) throw std::runtime_error("the peer over TLS has ended");
      read += static_cast<std::size_t>(count);
    }
  }

 private:
  void serve() {
    constexpr std::size_t size = 1 << 16;
    auto const bytes = std::make_unique<char[]>(size);
    tls_stream stream(ends_.theirs.get(), true);
    for (int count; (count = stream.read(bytes.get(), size)) > 0;)
      stream.write(bytes.get(), static_cast<std::size_t>(count));
  }

  tcp_ends ends_;
  peer_process process_;
  tls_stream stream_;
  std::string answer_;
};

template <class Peer>
void measure(report& to, socket_rows const& rows, std::string const& address, std::string const& keys) {
  pinned const here;
  auto const message = random_text(message_size);
  auto const coalesced = random_text(message_size * window);
  Peer peer;
  yonder::runtime_options options;
  options.max = 0;  // but for the one that comes by the address
  options.bind = {address};
  options.keys = keys;
  yonder::runtime const runtime(options);
  program const worker({own_path(), "--yonder-worker", runtime.addresses().front()});
  peer.round_trip(message);
  echo_task.remote(message);
  auto const found = compare_latency([&] { echo_task.remote(message); }, [&] { peer.round_trip(message); });
  to.add(rows.p50, found.p50, 1e3);
  to.add(rows.p99, found.p99, 1e3);
  to.add(rows.rate, compare([&] { return spawn_rate(message, window); },
                            [&] { return rate_of(window, [&] { peer.round_trip(coalesced); }); }));
}

#else

void skip(report& to, socket_rows const& rows) {
  for (auto const* const each : {&rows.p50, &rows.p99, &rows.rate})
    to.skip(*each, "built without yonder::sockets");
}

#endif

}  // namespace

#ifdef YONDER_HAS_SOCKETS

void measure_unix_sockets(report& to) {
  temporary_folder const folder;
  measure<raw_socket_echo>(to, unix_rows(), "unix://" + folder.path() + "/hub/socket", {});
}

void measure_tls(report& to) {
  temporary_folder const folder;
  auto const keys = folder.path() + "/keys";
  yonder::transport::keygen(keys);
  ::setenv("YONDER_KEYS", keys.c_str(), 1);
  measure<raw_tls_echo>(to, tls_rows(), "tls://127.0.0.1:*", keys);
  ::unsetenv("YONDER_KEYS");
}

#else

void measure_unix_sockets(report& to) { skip(to, unix_rows()); }
void measure_tls(report& to) { skip(to, tls_rows()); }

#endif

}  // namespace bench
