// SPDX-License-Identifier: Apache-2.0
//
// HTTP/1.1 over Boost.Beast: sockets, TLS and their limits. What is asked is done by service.
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <condition_variable>
#include <cstdio>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "src/http/compare/compare.hpp"
#include "src/http/forwarded.hpp"
#include "src/http/service.hpp"
#include "src/http/span_poster.hpp"
#include "src/http/steady_write.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/gateway.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;
using unsent_limit = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

constexpr std::uint32_t max_header_bytes = 16 << 10;
constexpr std::size_t max_fields = 100;
constexpr std::size_t max_buffered = std::size_t{128}
                                     << 10;  // received and not taken: what stands between chunks
constexpr auto header_time =
    std::chrono::seconds(10);                         // from a connection to its first request, TLS included
constexpr auto idle_time = std::chrono::seconds(60);  // until the next one
constexpr auto body_time = std::chrono::seconds(60);
constexpr auto write_time = std::chrono::seconds(60);  // in which nothing is taken
// What the system holds unsent: with more, it tells of little that was taken only after long.
constexpr int unsent_bytes = 128 << 10;
constexpr auto drain_time = std::chrono::seconds(5);
constexpr auto watch_after = std::chrono::milliseconds(100);

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
std::size_t connection_limit(std::size_t wanted) {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t others = 64;
  auto const most = limit.rlim_cur > 2 * others ? limit.rlim_cur - others : limit.rlim_cur / 2;
  return std::min<std::size_t>(wanted, most);
}

// `length`: the field that says how long the body is.
std::string head_of(response const& answer, bool keeps_alive, std::string_view length) {
  std::string head = "HTTP/1.1 ";
  head += std::to_string(answer.status);
  head.append(" ").append(reason_of(answer.status)).append("\r\n");
  if (!answer.type.empty()) head.append("Content-Type: ").append(answer.type).append("\r\n");
  head += length;
  for (auto const& [name, value] : answer.fields) head.append(name).append(": ").append(value).append("\r\n");
  head += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  head += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
  return head;
}

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

class server;

// One connection, that reads a request, has it answered, and reads the next.
template <class Stream>
class session final : public exchange, public std::enable_shared_from_this<session<Stream>> {
  static constexpr bool is_tls = !std::is_same_v<Stream, beast::tcp_stream>;

 public:
  template <class... Context>
  session(server& owner, tcp::socket&& socket, Context&... context);
  ~session() override;

  void start();
  void answer(response&& answer) override;
  void begin(response&& head) override;
  void send(std::string&& part, std::function<void()> written) override;

 private:
  using self = session;

  beast::tcp_stream& lowest() { return beast::get_lowest_layer(stream_); }
  void read();
  void take_header(error_code const& error);
  void read_body();
  void take_request(error_code const& error);
  void refuse(response&& answer);
  void fail(error_code const& error);
  void hand_over();
  void write();
  void written(error_code const& error);
  void part_written(error_code const& error, bool is_last);
  bool waits() const noexcept { return !answered_ || in_parts_; }
  void watch();
  void look();
  void give_up();
  void close();
  void linger();

  server& owner_;
  Stream stream_;
  std::string peer_;
  beast::flat_buffer buffer_{max_buffered};
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_;
  response answer_;
  std::string head_;
  bool keeps_alive_ = false;
  bool answered_ = false;
  bool in_parts_ = false;              // and there are more to come
  std::function<void()> then_send_{};  // tells whoever has them
  bool is_first_ = true;
  std::size_t fields_ = 0;    // of the header
  std::uint64_t number_ = 0;  // of the request
  bool watched_ = false;
  asio::steady_timer watch_timer_;
};

class server final : public gateway {
 public:
  server(yonder::detail::engine_ref engine, http_options const& options, std::string const& keys_folder,
         bool keys_outlive);
  ~server() override;
  std::string address() const override { return address_; }

  service& work() noexcept { return *service_; }
  http_options const& options() const noexcept { return options_; }
  bool draining() const noexcept { return draining_; }
  asio::io_context& context() noexcept { return context_; }
  void arrived() noexcept { ++connections_; }
  void left() noexcept { --connections_; }
  void answers() noexcept { ++unwritten_; }
  void has_answered() noexcept { --unwritten_; }
  // Sees that the service is called at its next deadline.
  void arm();

 private:
  void run();
  void accept();
  void take(error_code const& error, tcp::socket&& socket);
  void pause();
  void tick();
  static std::unique_ptr<key_file> keys_of(http_options const& options, std::string const& folder,
                                           tcp::endpoint const& at);
  void load_certificate();

  http_options options_;
  std::size_t connections_ = 0;  // sessions go with the context
  std::size_t unwritten_ = 0;    // answers on their way
  asio::io_context context_{1};
  std::optional<ssl::context> tls_;
  tcp::acceptor acceptor_{context_};
  asio::steady_timer timer_{context_};
  asio::steady_timer accept_timer_{context_};
  std::optional<time_point> armed_;
  std::string address_;
  std::size_t limit_ = 0;
  bool draining_ = false;
  std::unique_ptr<service> service_;
  std::thread thread_;
};

// --- session

template <class Stream>
template <class... Context>
session<Stream>::session(server& owner, tcp::socket&& socket, Context&... context)
    : owner_(owner), stream_(std::move(socket), context...), watch_timer_(owner.context()) {
  error_code error;
  auto const at = lowest().socket().remote_endpoint(error);
  if (!error) peer_ = at.address().to_string();
  lowest().socket().set_option(tcp::no_delay(true), error);
  lowest().socket().set_option(unsent_limit(unsent_bytes), error);
  owner_.arrived();
}

template <class Stream>
session<Stream>::~session() {
  owner_.left();
}

template <class Stream>
void session<Stream>::start() {
  if constexpr (is_tls) {
    lowest().expires_after(header_time);
    stream_.async_handshake(ssl::stream_base::server,
                            [me = this->shared_from_this()](error_code const& error) {
                              if (!error) me->read();
                            });
  } else {
    read();
  }
}

template <class Stream>
void session<Stream>::read() {
  parser_.emplace();
  parser_->header_limit(max_header_bytes);
  parser_->body_limit(owner_.options().max_body_bytes);
  lowest().expires_after(is_first_ ? std::chrono::seconds(header_time) : std::chrono::seconds(idle_time));
  is_first_ = false;
  beast::http::async_read_header(
      stream_, buffer_, *parser_,
      [me = this->shared_from_this()](error_code const& error, std::size_t) { me->take_header(error); });
}

// Fields that decide what a request is, of which there is one or none.
constexpr std::array<beast::string_view, 6> single_fields{
    "Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "Origin", "Yonder-Deadline"};

// A request that two readers could take for different ones is refused.
template <class Stream>
void session<Stream>::take_header(error_code const& error) {
  namespace field = beast::http;
  if (error) return fail(error);
  auto const& message = parser_->get();
  keeps_alive_ = message.keep_alive();
  if (message.version() != 11 && message.version() != 10)
    return refuse(problem(400, "bad_request", "the request is neither HTTP/1.1 nor HTTP/1.0"));
  if (message.count(field::field::host) != 1 && message.version() == 11)
    return refuse(problem(400, "bad_request", "the request has no single Host"));
  if (!is_host_field(view(message[field::field::host])))
    return refuse(problem(400, "bad_request", "the request's Host is none"));
  if (message.count(field::field::content_length) > 1 || message.count(field::field::transfer_encoding) > 1 ||
      (message.count(field::field::content_length) != 0 &&
       message.count(field::field::transfer_encoding) != 0) ||
      view(message[field::field::content_length]).find(',') != std::string_view::npos)
    return refuse(problem(400, "bad_request", "the request's length is stated twice"));
  if (message.count(field::field::transfer_encoding) != 0 &&
      !beast::iequals(message[field::field::transfer_encoding], "chunked"))
    return refuse(problem(501, "not_implemented", "the only Transfer-Encoding here is chunked"));
  for (auto const& name : single_fields)
    if (message.count(name) > 1)
      return refuse(problem(400, "bad_request", "the field " + std::string(view(name)) + " is there twice"));
  if (auto const coding = message[field::field::content_encoding];
      !coding.empty() && !beast::iequals(coding, "identity"))
    return refuse(problem(415, "unsupported_media_type",
                          "the body has to be sent as it is, without a Content-Encoding"));
  fields_ = 0;
  for (auto const& one : message)
    if (++fields_ > max_fields || one.value().find('\0') != beast::string_view::npos)
      return refuse(problem(431, "too_many_fields", "the request has more than 100 fields, or a bad one"));
  if (auto const expects = message[field::field::expect]; !expects.empty()) {
    if (!beast::iequals(expects, "100-continue"))
      return refuse(problem(400, "bad_request", "the expectation is unknown"));
    static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    return asio::async_write(stream_, asio::buffer(go_on.data(), go_on.size()),
                             [me = this->shared_from_this()](error_code const& failure, std::size_t) {
                               if (!failure) me->read_body();
                             });
  }
  read_body();
}

template <class Stream>
void session<Stream>::read_body() {
  if (parser_->is_done()) return take_request({});
  lowest().expires_after(body_time);
  beast::http::async_read(
      stream_, buffer_, *parser_,
      [me = this->shared_from_this()](error_code const& failure, std::size_t) { me->take_request(failure); });
}

template <class Stream>
void session<Stream>::take_request(error_code const& error) {
  if (error) return fail(error);
  // Behind a body they would be read as if they stood before it, by nobody between.
  auto const& fields = parser_->get();
  if (parser_->chunked() && static_cast<std::size_t>(std::distance(fields.begin(), fields.end())) != fields_)
    return refuse(problem(400, "bad_request", "fields behind the body are not taken"));
  hand_over();
}

// What was received is no request; the connection ends behind the answer.
template <class Stream>
void session<Stream>::refuse(response&& answered) {
  keeps_alive_ = false;
  answered_ = false;
  ++number_;
  answer(std::move(answered));
}

template <class Stream>
void session<Stream>::fail(error_code const& error) {
  if (error == beast::http::error::body_limit)
    return refuse(problem(413, "too_large",
                          "the body is larger than " + std::to_string(owner_.options().max_body_bytes) +
                              " bytes (http_options::max_body_bytes)"));
  if (error == beast::http::error::buffer_overflow)
    return refuse(problem(431, "fields_too_large", "what stands beside the body is too long"));
  if (error == beast::http::error::header_limit)
    return refuse(problem(431, "fields_too_large", "the request's fields take more than 16 KiB"));
  auto const& category = beast::http::make_error_code(beast::http::error::bad_method).category();
  if (error.category() == category && error != beast::http::error::end_of_stream &&
      error != beast::http::error::partial_message)
    return refuse(problem(400, "bad_request", "this is no HTTP request: " + error.message()));
  close();
}

template <class Stream>
void session<Stream>::hand_over() {
  lowest().expires_never();
  auto const& message = parser_->get();
  request asked{.method = view(message.method_string()),
                .target = view(message.target()),
                .fields = {},
                .body = message.body(),
                .peer = peer_};
  for (auto const& one : message) asked.fields.emplace_back(view(one.name_string()), view(one.value()));
  answered_ = false;
  auto const number = ++number_;
  owner_.work().handle(asked, this->shared_from_this(), std::chrono::steady_clock::now());
  if (waits() && number == number_) watch();
  owner_.arm();
}

template <class Stream>
void session<Stream>::answer(response&& answered) {
  if (std::exchange(answered_, true)) return;
  answer_ = std::move(answered);
  owner_.answers();
  watch_timer_.cancel();
  if (std::exchange(watched_, false)) lowest().socket().cancel();
  // Not from within a step of our own that may go on.
  asio::post(owner_.context(), [me = this->shared_from_this()] { me->write(); });
}

template <class Stream>
void session<Stream>::write() {
  bool const is_head =
      parser_ && parser_->is_header_done() && parser_->get().method() == beast::http::verb::head;
  keeps_alive_ = keeps_alive_ && !owner_.draining();
  auto const length = "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n";
  head_ = head_of(answer_, keeps_alive_, answer_.status != 204 ? length : "");
  if (is_head || answer_.status == 204) answer_.body.clear();
  std::array<asio::const_buffer, 2> const parts{asio::buffer(head_), asio::buffer(answer_.body)};
  write_steadily(
      stream_, parts, write_time,
      [me = this->shared_from_this()](error_code const& error, std::size_t) { me->written(error); });
}

template <class Stream>
void session<Stream>::written(error_code const& error) {
  owner_.has_answered();
  if (error || !keeps_alive_) return close();
  read();
}

// In chunks, or, to whom HTTP/1.0 is spoken, until the connection ends.
template <class Stream>
void session<Stream>::begin(response&& head) {
  if (std::exchange(answered_, true)) return;
  in_parts_ = true;
  bool const in_chunks = parser_->get().version() == 11;
  keeps_alive_ = keeps_alive_ && in_chunks && !owner_.draining();
  head_ = head_of(head, keeps_alive_, in_chunks ? "Transfer-Encoding: chunked\r\n" : "");
}

template <class Stream>
void session<Stream>::send(std::string&& part, std::function<void()> written) {
  if (!in_parts_) return;  // whoever asked is gone
  then_send_ = std::move(written);
  answer_.body = std::move(part);
  auto const in_chunks = parser_->get().version() == 11;
  if (in_chunks) {
    std::array<char, 20> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", answer_.body.size());
    head_ += size.data();
    answer_.body += then_send_ ? "\r\n" : "\r\n0\r\n\r\n";
  }
  if (!then_send_) {  // the last
    in_parts_ = false;
    owner_.answers();
    watch_timer_.cancel();
    if (std::exchange(watched_, false)) lowest().socket().cancel();
  }
  asio::post(owner_.context(), [me = this->shared_from_this(), is_last = !in_parts_] {
    std::array<asio::const_buffer, 2> const parts{asio::buffer(me->head_), asio::buffer(me->answer_.body)};
    write_steadily(me->stream_, parts, write_time,
                   [me, is_last](error_code const& error, std::size_t) { me->part_written(error, is_last); });
  });
}

template <class Stream>
void session<Stream>::part_written(error_code const& error, bool is_last) {
  if (is_last) return written(error);
  if (!in_parts_) return;  // given up meanwhile
  if (error) return give_up();
  lowest().expires_never();
  head_.clear();
  std::exchange(then_send_, nullptr)();
  owner_.arm();
}

template <class Stream>
void session<Stream>::give_up() {
  answered_ = true;
  in_parts_ = false;
  then_send_ = nullptr;
  owner_.work().abandon(*this);
  close();
}

// A call that takes long is not run for a caller who has gone.
template <class Stream>
void session<Stream>::watch() {
  watch_timer_.expires_after(watch_after);
  watch_timer_.async_wait([me = this->shared_from_this(), number = number_](error_code const& error) {
    if (error || !me->waits() || me->number_ != number) return;
    me->watched_ = true;
    me->lowest().socket().async_wait(tcp::socket::wait_read, [me, number](error_code const& failure) {
      if (!failure && me->waits() && me->number_ == number) me->look();
    });
  });
}

// Bytes that can be read are a further request, which is read when this one is answered, or what TLS says to
// the end: one that has gone closes its side.
template <class Stream>
void session<Stream>::look() {
  watched_ = false;
  pollfd seen{lowest().socket().native_handle(), POLLRDHUP, 0};
  if (::poll(&seen, 1, 0) <= 0) return watch();
  give_up();
}

template <class Stream>
void session<Stream>::close() {
  error_code ignored;
  auto& socket = lowest().socket();
  if constexpr (is_tls) {
    lowest().expires_after(std::chrono::seconds(1));
    stream_.async_shutdown([me = this->shared_from_this()](error_code const&) {
      error_code unneeded;
      me->lowest().socket().close(unneeded);
    });
  } else {
    // What else was sent is read for a moment, lest it destroy the answer on its way.
    socket.shutdown(tcp::socket::shutdown_send, ignored);
    lowest().expires_after(std::chrono::seconds(1));
    linger();
  }
}

template <class Stream>
void session<Stream>::linger() {
  buffer_.clear();
  lowest().async_read_some(buffer_.prepare(std::size_t{64} << 10),
                           [me = this->shared_from_this()](error_code const& error, std::size_t) {
                             if (!error) return me->linger();
                             error_code unneeded;
                             me->lowest().socket().close(unneeded);
                           });
}

// --- server

server::server(yonder::detail::engine_ref engine, http_options const& options, std::string const& keys_folder,
               bool keys_outlive)
    : options_(options) {
  auto const at = parse_address(options_.address);
  if (options_.certificate.empty() != options_.private_key.empty())
    reject("TLS needs both http_options::certificate and http_options::private_key");
  if (!options_.certificate.empty()) load_certificate();
  auto keys = keys_of(options_, keys_folder, at);
  limit_ = connection_limit(options_.max_connections);
  error_code error;
  acceptor_.open(at.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && at.address().is_v6()) acceptor_.set_option(asio::ip::v6_only(true), error);
  if (!error) acceptor_.bind(at, error);
  if (!error) acceptor_.listen(1024, error);
  if (error) reject("HTTP cannot be served at '" + options_.address + "': " + error.message());
  address_ = (tls_ ? "https://" : "http://") + text_of(acceptor_.local_endpoint());
  service_ =
      std::make_unique<service>(std::move(engine), options_, std::move(keys), tls_.has_value(), [this] {
        asio::post(context_, [this] {
          service_->take_told(std::chrono::steady_clock::now());
          arm();
        });
      });
  if (keys_outlive) service_->use_keys_of_hub();
  accept();
  thread_ = platform::start_thread("yonder-http", [this] { run(); });
}

// What a step throws is its own connection's end, and nobody else's.
void server::run() {
  for (;;) try {
      context_.run();
      return;
    } catch (...) {
      std::fprintf(stderr, "yonder: a request over HTTP failed: %s\n", words_of_current_exception().c_str());
    }
}

// Requests that are being worked on are finished, and their answers written, for a while.
server::~server() {
  std::mutex mutex;
  std::condition_variable changed;
  bool idle = false;
  asio::steady_timer poll(context_);
  auto const until = std::chrono::steady_clock::now() + drain_time;
  std::function<void()> const wait_until_idle = [&] {
    auto const now = std::chrono::steady_clock::now();
    if (now >= until) service_->let_go();  // what is known is an answer, too
    if (service_->waiting() + unwritten_ != 0 && now < until + drain_time / 5) {
      poll.expires_after(std::chrono::milliseconds(5));
      poll.async_wait([&](error_code const&) { wait_until_idle(); });
      return;
    }
    std::lock_guard const lock(mutex);
    idle = true;
    changed.notify_one();
  };
  asio::post(context_, [&] {
    draining_ = true;
    service_->drain();
    error_code ignored;
    acceptor_.close(ignored);
    wait_until_idle();
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return idle; });
  }
  context_.stop();
  thread_.join();
  service_.reset();
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
  error_code error;
  tls_->use_certificate_chain_file(options_.certificate, error);
  if (error) reject("the certificate '" + options_.certificate + "' cannot be used: " + error.message());
  tls_->use_private_key_file(options_.private_key, ssl::context::pem, error);
  if (error) reject("the private key '" + options_.private_key + "' cannot be used: " + error.message());
}

void server::accept() {
  acceptor_.async_accept(
      [this](error_code const& error, tcp::socket socket) { take(error, std::move(socket)); });
}

void server::take(error_code const& error, tcp::socket&& socket) {
  if (draining_ || error == asio::error::operation_aborted) return;
  if (error) return pause();
  if (connections_ >= limit_) {
    // Answered without being read, as far as that goes.
    static constexpr std::string_view full =
        "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: "
        "close\r\n\r\n";
    ::send(socket.native_handle(), full.data(), full.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
  } else if (tls_) {
    std::make_shared<session<beast::ssl_stream<beast::tcp_stream>>>(*this, std::move(socket), *tls_)->start();
  } else {
    std::make_shared<session<beast::tcp_stream>>(*this, std::move(socket))->start();
  }
  accept();
}

// The system gives no descriptor, say: it may have one later.
void server::pause() {
  accept_timer_.expires_after(std::chrono::milliseconds(50));
  accept_timer_.async_wait([this](error_code const& error) {
    if (!error && !draining_) accept();
  });
}

void server::arm() {
  auto const next = service_->next_deadline();
  if (!next || *next == time_point::max() || (armed_ && *armed_ <= *next)) return;
  armed_ = next;
  timer_.expires_at(*next);
  timer_.async_wait([this](error_code const& error) {
    if (!error) tick();
  });
}

void server::tick() {
  armed_.reset();
  service_->tick(std::chrono::steady_clock::now());
  arm();
}

class beast_factory final : public gateway_factory {
 public:
  std::unique_ptr<gateway> open(yonder::detail::engine_ref engine, http_options const& options,
                                std::string const& keys_folder, bool keys_outlive) const override {
    return std::make_unique<server>(std::move(engine), options, keys_folder, keys_outlive);
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
