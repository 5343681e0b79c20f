// SPDX-License-Identifier: Apache-2.0
//
// The gateway's socket and its thread. A connection is session's, and what is asked is done by service.
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstdio>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "src/http/compare/compare.hpp"
#include "src/http/service.hpp"
#include "src/http/session.hpp"
#include "src/http/span_poster.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/gateway.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

namespace ssl = asio::ssl;
template <class Object>
using with_context = typename Object::template rebind_executor<asio::io_context::executor_type>::other;
using acceptor = with_context<tcp::acceptor>;
using timer = with_context<asio::steady_timer>;

constexpr auto drain_time = std::chrono::seconds(5);

[[noreturn]] void reject(std::string message) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

// "127.0.0.1:8000" and "[::1]:8000" as an endpoint; a name has to be the loopback's.
tcp::endpoint parse_address(std::string const& text) {
  auto const colon = text.rfind(':');
  auto const wrong = [&] {
    reject("'" + text +
           "' is no address to serve HTTP at: 127.0.0.1:8000, [::1]:8000, 0.0.0.0:8000 or localhost:8000");
  };
  if (colon == text.npos || colon + 1 == text.size() || text.size() - colon > 6 ||
      text.find_first_not_of("0123456789", colon + 1) != text.npos)
    wrong();
  auto host = text.substr(0, colon);
  auto const port = std::stoul(text.substr(colon + 1));
  if (host == "localhost") host = "127.0.0.1";
  bool const is_bracketed = host.starts_with('[') && host.ends_with(']');
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  error_code error;
  auto const address = asio::ip::make_address(host, error);
  if (error || address.is_v6() != is_bracketed || port > 65'535) wrong();
  return {address, static_cast<unsigned short>(port)};
}

std::string text_of(tcp::endpoint const& at) {
  auto const address = at.address().to_string();
  return (at.address().is_v6() ? "[" + address + "]" : address) + ":" + std::to_string(at.port());
}

// How many connections the limit on descriptors leaves.
std::size_t connection_limit(std::size_t wanted, std::size_t workers) {
  constexpr rlim_t own = 64, of_worker = 12;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  auto const others = own + of_worker * workers;
  auto const most = limit.rlim_cur > 2 * others ? limit.rlim_cur - others : limit.rlim_cur / 2;
  return std::min<std::size_t>(wanted, most);
}

class server final : public gateway, private server_state {
 public:
  server(yonder::detail::engine_ref engine, http_options const& asked, gateway_terms const& terms);
  ~server() override;
  std::string address() const override { return address_; }
  void drain() override;

 private:
  void run();
  void accept();
  int accept_one();
  void take(tcp_socket&& socket);
  void stop_accepting();
  void pause();
  void arm() override;
  void tick();
  static std::unique_ptr<key_file> keys_of(http_options const& options, std::string const& folder,
                                           tcp::endpoint const& at);
  void load_certificate();

  std::optional<ssl::context> tls_;
  acceptor acceptor_{context};
  timer timer_{context};
  timer accept_timer_{context};
  std::optional<time_point> armed_;
  std::string address_;
  std::size_t limit_ = 0;
  std::thread thread_;
};

server::server(yonder::detail::engine_ref engine, http_options const& asked, gateway_terms const& terms) {
  options = asked;
  auto const at = parse_address(options.address);
  if (options.certificate.empty() != options.private_key.empty())
    reject("TLS needs both http_options::certificate and http_options::private_key");
  if (!options.certificate.empty()) load_certificate();
  auto keys = keys_of(options, terms.keys_folder, at);
  limit_ = connection_limit(options.max_connections, terms.workers);
  error_code error;
  // Of this program alone: what it executes does not have it.
  auto const own = ::socket(at.protocol().family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (own < 0)
    error.assign(errno, boost::system::system_category());
  else
    acceptor_.assign(at.protocol(), own, error);
  if (!error) acceptor_.set_option(acceptor::reuse_address(true), error);
  if (!error && at.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor_.bind(at, error);
  if (!error) acceptor_.listen(1024, error);
  if (error) reject("HTTP cannot be served at '" + options.address + "': " + error.message());
  address_ = (tls_ ? "https://" : "http://") + text_of(acceptor_.local_endpoint());
  service =
      std::make_unique<http::service>(std::move(engine), options, std::move(keys), tls_.has_value(), [this] {
        asio::post(context, [this] {
          service->take_told(std::chrono::steady_clock::now());
          arm();
        });
      });
  if (terms.keys_outlive) service->use_keys_of_hub();
  accept();
  thread_ = platform::start_thread("yonder-http", [this] { run(); });
}

// Calls of requests that are there at the same time leave together. What a step throws is its own
// connection's end, and nobody else's.
void server::run() {
  constexpr int most = 256;
  for (;;) try {
      do {
        service->send_held();
        if (context.run_one() == 0) return;
        for (int steps = 1; steps < most && context.poll_one() != 0;) ++steps;
      } while (true);
    } catch (...) {
      std::fprintf(stderr, "yonder: a request over HTTP failed: %s\n", words_of_current_exception().c_str());
    }
}

// Requests that are being worked on are finished, and their answers written, for a while.
server::~server() {
  std::mutex mutex;
  std::condition_variable changed;
  bool idle = false;
  timer poll(context);
  auto const until = std::chrono::steady_clock::now() + drain_time;
  std::function<void()> const wait_until_idle = [&] {
    auto const now = std::chrono::steady_clock::now();
    if (now >= until) service->let_go();  // what is known is an answer, too
    if (service->waiting() + unwritten != 0 && now < until + drain_time / 5) {
      poll.expires_after(std::chrono::milliseconds(5));
      poll.async_wait([&](error_code const&) { wait_until_idle(); });
      return;
    }
    std::lock_guard const lock(mutex);
    idle = true;
    changed.notify_one();
  };
  asio::post(context, [&] {
    stop_accepting();
    service->drain();
    wait_until_idle();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return idle; });
  }
  context.stop();
  thread_.join();
  service.reset();
  over = true;
}

std::unique_ptr<key_file> server::keys_of(http_options const& options, std::string const& folder,
                                          tcp::endpoint const& at) {
  if (options.without_keys) {
    if (!at.address().is_loopback())
      reject("HTTP without keys is served at loopback addresses only, and '" + options.address +
             "' is none: others could do what they like");
    if (!options.trusted_proxies.empty())
      reject(
          "http_options::trusted_proxies needs keys: without them whoever reaches the proxy could do what he "
          "likes");
    return nullptr;
  }
  auto const file = options.keys.empty() ? folder + "/http_keys" : options.keys;
  auto keys = std::make_unique<key_file>(file);
  if (keys->made()) std::fprintf(stderr, "yonder: a key for HTTP was made; it is in %s\n", file.c_str());
  return keys;
}

void server::load_certificate() {
  tls_.emplace(ssl::context::tls_server);
  tls_->set_options(ssl::context::default_workarounds | ssl::context::no_sslv2 | ssl::context::no_sslv3 |
                    ssl::context::no_tlsv1 | ssl::context::no_tlsv1_1);
  // OpenSSL says of a file that is not there what it says of one that is none.
  auto const look_at = [](char const* what, std::string const& file) {
    if (::access(file.c_str(), R_OK) != 0)
      reject("the " + std::string(what) + " '" + file +
             "' cannot be read: " + std::generic_category().message(errno));
  };
  look_at("certificate", options.certificate);
  look_at("private key", options.private_key);
  error_code error;
  tls_->use_certificate_chain_file(options.certificate, error);
  if (error) reject("the certificate '" + options.certificate + "' cannot be used: " + error.message());
  tls_->use_private_key_file(options.private_key, ssl::context::pem, error);
  if (error) reject("the private key '" + options.private_key + "' cannot be used: " + error.message());
}

// A listener that a fork has, too, would go on to take connections.
void server::stop_accepting() {
  draining = true;
  if (!acceptor_.is_open()) return;
  error_code ignored;
  ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
  acceptor_.close(ignored);
}

void server::drain() {
  asio::post(context, [this] {
    stop_accepting();
    service->drain();
  });
}

void server::accept() {
  acceptor_.async_wait(acceptor::wait_read, [this](error_code const& error) {
    if (draining || error == asio::error::operation_aborted) return;
    constexpr int most = 64;  // before those who are there have their turn
    int fault = error ? EBADF : 0;
    try {
      for (int i = 0; i < most && fault == 0; ++i) fault = accept_one();
    } catch (...) {
      pause();
      throw;
    }
    if (fault == 0 || fault == EAGAIN || fault == EINTR || fault == ECONNABORTED) return accept();
    pause();
  });
}

// 0, or why there is none.
int server::accept_one() {
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  auto const fd = ::accept4(acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&from), &size,
                            SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (fd < 0) return errno;
  error_code error;
  tcp_socket socket(context);
  socket.assign(from.ss_family == AF_INET6 ? tcp::v6() : tcp::v4(), fd, error);
  if (error)
    ::close(fd);
  else
    take(std::move(socket));
  return 0;
}

void server::take(tcp_socket&& socket) {
  server_state& state = *this;
  if (connections >= limit_) {
    // Answered without being read, as far as that goes.
    static constexpr std::string_view full =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n";
    ::send(socket.native_handle(), full.data(), full.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (tls_) {
    std::make_shared<session<tls_stream>>(state, std::move(socket), *tls_)->start();
  } else {
    std::make_shared<session<tcp_socket>>(state, std::move(socket))->start();
  }
}

// The system gives no descriptor, say: it may have one later.
void server::pause() {
  accept_timer_.expires_after(std::chrono::milliseconds(50));
  accept_timer_.async_wait([this](error_code const& error) {
    if (!error && !draining) accept();
  });
}

void server::arm() {
  auto const next = service->next_deadline();
  if (!next || *next == time_point::max() || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([this](error_code const& error) {
    if (!error) tick();
  });
}

void server::tick() {
  armed_.reset();
  service->tick(std::chrono::steady_clock::now());
  arm();
}

class beast_factory final : public gateway_factory {
 public:
  std::unique_ptr<gateway> open(yonder::detail::engine_ref engine, http_options const& options,
                                gateway_terms const& terms) const override {
    return std::make_unique<server>(std::move(engine), options, terms);
  }
  std::unique_ptr<span_poster> open_poster(poster_options const& how) const override {
    return make_span_poster(how);
  }
  int compare(compare_request const& how) const override { return compare_environments(how); }
};

}  // namespace

gateway_factory const& beast_gateway() {
  static beast_factory const factory;
  return factory;
}

}  // namespace yonder::http
