// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "src/http/forwarded.hpp"
#include "src/http/service.hpp"
#include "src/http/steady_write.hpp"
#include "src/http/time_limits.hpp"

// One connection to the gateway: HTTP/1.1 by Boost.Beast's parser, and its limits.
namespace yonder::http {

namespace asio = boost::asio;
namespace beast = boost::beast;
using tcp = asio::ip::tcp;
using error_code = boost::system::error_code;
// Of the context's own executor: one that may be any costs memory with each operation.
using tcp_socket = asio::basic_stream_socket<tcp, asio::io_context::executor_type>;
using tls_stream = asio::ssl::stream<tcp_socket>;
using unsent_limit = asio::detail::socket_option::integer<IPPROTO_TCP, TCP_NOTSENT_LOWAT>;

inline constexpr std::uint32_t max_header_bytes = 16 << 10;
inline constexpr std::size_t max_fields = 100;
inline constexpr std::size_t max_buffered = std::size_t{128}
                                            << 10;  // received and not taken: what stands between chunks
inline constexpr std::size_t max_unwritten = std::size_t{256} << 20;  // of all answers that wait to be taken
inline constexpr auto header_time =
    std::chrono::seconds(10);  // from a connection to its first request, TLS included
inline constexpr auto idle_time = std::chrono::seconds(75);  // until the next one
inline constexpr auto body_time = std::chrono::seconds(60);
inline constexpr auto write_time = std::chrono::seconds(60);  // in which nothing is taken
// What the system holds unsent: with more, it tells of little that was taken only after long.
inline constexpr int unsent_bytes = 128 << 10;
inline constexpr auto watch_after = std::chrono::milliseconds(100);

inline std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// What the connections of a server share; used by its thread.
struct server_state {
  http_options options{};
  std::unique_ptr<http::service> service{};
  std::size_t connections = 0;
  std::size_t unwritten = 0;        // answers on their way
  std::size_t unwritten_bytes = 0;  // of their bodies
  bool draining = false;
  bool over = false;  // connections that are left go with the context
  asio::io_context context{1};
  time_limits limits{context};

  // Sees that the service is called at its next deadline.
  virtual void arm() = 0;

 protected:
  ~server_state() = default;
};

// What an answer's head says beside the answer's own fields.
struct head_terms {
  bool keeps_alive;
  bool is_old;              // HTTP/1.0, whose connections end unless it is said that they do not
  std::string_view length;  // the field that says how long the body is
};
void append_head(std::string& head, response const& answer, head_terms const& how);

// The Origin that the lines of a header name, which need not be whole. Empty: none, or two.
std::string_view origin_in(std::string_view header);

// Reads a request, has it answered, and reads the next.
template <class Stream>
class session final : public exchange, public timed, public std::enable_shared_from_this<session<Stream>> {
  static constexpr bool is_tls = std::is_same_v<Stream, tls_stream>;

 public:
  template <class... Context>
  session(server_state& owner, tcp_socket&& socket, Context&... context);
  ~session() override;

  void start();
  void answer(response&& answer) override;
  bool take_body(std::string& body) override {
    body = std::move(parser_->get().body());
    return true;
  }
  bool has_room(std::size_t bytes) const noexcept override {
    constexpr std::size_t small = 16 << 10;
    return bytes <= small || owner_.unwritten_bytes == 0 || owner_.unwritten_bytes + bytes <= max_unwritten;
  }
  void begin(response&& head) override;
  void send(std::string&& part, std::function<void()> written) override;
  time_point look_at_time(time_point now) override;
  // Of what it waits for now.
  void expires_after(std::chrono::nanoseconds time);

 private:
  tcp_socket& socket() noexcept {
    if constexpr (is_tls)
      return stream_.next_layer();
    else
      return stream_;
  }
  void read();
  void read_more();
  void parse();
  void take_header();
  bool is_old() const { return parser_ && parser_->is_header_done() && parser_->get().version() == 10; }
  bool asks_for_head() const {
    return parser_ && parser_->is_header_done() && parser_->get().method() == beast::http::verb::head;
  }
  request asked(std::string_view body) const;
  std::string_view origin() const;
  bool admit_body();
  void take_body();
  void take_request();
  void refuse(response&& answer);
  void fail(error_code const& error);
  void hand_over();
  void write();
  template <class Done>
  void write_parts(Done done);
  void written(error_code const& error);
  void part_written(error_code const& error, bool is_last);
  bool waits() const noexcept { return !answered_ || in_parts_; }
  void watch();
  void wait_for_more();
  void see_whether_gone();
  void give_up();
  void close();
  void linger();

  server_state& owner_;
  Stream stream_;
  std::string peer_{};
  beast::flat_buffer buffer_{max_buffered};
  std::optional<beast::http::request_parser<beast::http::string_body>> parser_{};
  response answer_{};
  std::string head_{};
  bool keeps_alive_ = false;
  bool answered_ = false;
  bool in_parts_ = false;              // and there are more to come
  std::function<void()> then_send_{};  // tells whoever has them
  bool is_first_ = true;
  bool in_body_ = false;
  bool writes_ = false;  // and waits for the system to take it
  std::uint64_t most_body_ = 0;
  std::size_t unwritten_ = 0;
  std::size_t fields_ = 0;    // of the header
  std::uint64_t number_ = 0;  // of the request
  bool watched_ = false;
  time_point expires_ = (time_point::max)();
  time_point watches_ = (time_point::max)();  // from then on whether who asked is still there
};

template <class Stream>
template <class... Context>
session<Stream>::session(server_state& owner, tcp_socket&& socket, Context&... context)
    : owner_(owner), stream_(std::move(socket), context...) {
  error_code error;
  auto& lowest = this->socket();
  auto const at = lowest.remote_endpoint(error);
  if (!error) peer_ = at.address().to_string();
  lowest.set_option(tcp::no_delay(true), error);
  lowest.set_option(unsent_limit(unsent_bytes), error);
  lowest.non_blocking(true, error);
  owner_.limits.add(*this);
  ++owner_.connections;
}

template <class Stream>
session<Stream>::~session() {
  // A fork may have it, too.
  error_code ignored;
  socket().shutdown(tcp::socket::shutdown_both, ignored);
  --owner_.connections;
  if (!owner_.over) owner_.limits.remove(*this);
}

template <class Stream>
void session<Stream>::expires_after(std::chrono::nanoseconds time) {
  expires_ = std::chrono::steady_clock::now() + std::chrono::duration_cast<time_point::duration>(time);
  owner_.limits.set(expires_);
}

// What takes too long fails, as its socket is closed.
template <class Stream>
auto session<Stream>::look_at_time(time_point now) -> time_point {
  if (expires_ <= now) {
    expires_ = (time_point::max)();
    error_code ignored;
    socket().close(ignored);
  }
  if (watches_ <= now) {
    watches_ = (time_point::max)();
    wait_for_more();
  }
  return (std::min)(expires_, watches_);
}

template <class Stream>
void session<Stream>::start() {
  if constexpr (is_tls) {
    expires_after(header_time);
    stream_.async_handshake(asio::ssl::stream_base::server,
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
  most_body_ = owner_.options.max_body_bytes;
  parser_->body_limit(owner_.options.max_body_bytes);
  in_body_ = false;
  expires_after(is_first_ ? std::chrono::seconds(header_time) : std::chrono::seconds(idle_time));
  is_first_ = false;
  if (buffer_.size() != 0) return parse();
  read_more();
}

template <class Stream>
void session<Stream>::read_more() {
  constexpr std::size_t least = 2048, most = std::size_t{64} << 10;
  auto const room =
      std::min({max_buffered - buffer_.size(), most, std::max(least, buffer_.capacity() - buffer_.size())});
  if (room == 0) return fail(beast::http::error::buffer_overflow);
  stream_.async_read_some(buffer_.prepare(room),
                          [me = this->shared_from_this()](error_code const& error, std::size_t size) {
                            me->buffer_.commit(size);
                            if (error) return me->fail(error);
                            me->parse();
                          });
}

// What was received, until the request is whole.
template <class Stream>
void session<Stream>::parse() {
  for (;;) {
    error_code error;
    auto const taken = parser_->put(buffer_.data(), error);
    buffer_.consume(taken);
    if (error == beast::http::error::need_more) return read_more();
    if (error) return fail(error);
    if (!in_body_ && parser_->is_header_done()) return take_header();
    if (parser_->is_done()) return take_request();
    if (buffer_.size() == 0) return read_more();
  }
}

// Fields that decide what a request is, of which there is one or none.
inline constexpr std::array<beast::string_view, 6> single_fields{
    "Authorization", "Content-Encoding", "Content-Type", "Idempotency-Key", "Origin", "Yonder-Deadline"};

// A request that two readers could take for different ones is refused.
template <class Stream>
void session<Stream>::take_header() {
  namespace field = beast::http;
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
  auto const expects = message.version() == 10 ? beast::string_view() : message[field::field::expect];
  if (!expects.empty() && !beast::iequals(expects, "100-continue"))
    return refuse(problem(400, "bad_request", "the expectation is unknown"));
  if (!admit_body()) return;
  if (expects.empty() || parser_->is_done()) return take_body();
  static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(go_on.data(), go_on.size()),
                    [me = this->shared_from_this()](error_code const& failure, std::size_t) {
                      if (!failure) me->take_body();
                    });
}

template <class Stream>
request session<Stream>::asked(std::string_view body) const {
  auto const& message = parser_->get();
  request asked{.method = view(message.method_string()),
                .target = view(message.target()),
                .fields = {},
                .body = body,
                .peer = peer_};
  asked.fields.reserve(fields_);
  for (auto const& one : message) asked.fields.emplace_back(view(one.name_string()), view(one.value()));
  return asked;
}

// A body that is still to come is read of those alone who may send it. False: the request was refused.
template <class Stream>
bool session<Stream>::admit_body() {
  auto const length = parser_->content_length();
  if (parser_->is_done() || (length && *length <= buffer_.size())) return true;
  auto const kept_alive = std::exchange(keeps_alive_, false);
  answered_ = false;
  ++number_;
  auto const most =
      owner_.service->admit(asked({}), this->shared_from_this(), std::chrono::steady_clock::now());
  if (!most) return false;
  most_body_ = *most;
  if (length && *length > most_body_) {
    fail(beast::http::error::body_limit);
    return false;
  }
  parser_->body_limit(most_body_);
  keeps_alive_ = kept_alive;
  return true;
}

template <class Stream>
void session<Stream>::take_body() {
  if (parser_->is_done()) return take_request();
  in_body_ = true;
  parser_->eager(true);
  expires_after(body_time);
  if (buffer_.size() != 0) return parse();
  read_more();
}

template <class Stream>
void session<Stream>::take_request() {
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
  owner_.service->mark_refusal(answered, origin());
  answer(std::move(answered));
}

// As far as the header was read: of one that does not end within its limit what has come of it.
template <class Stream>
std::string_view session<Stream>::origin() const {
  auto const& message = parser_->get();
  if (message.count(beast::http::field::origin) == 1) return view(message[beast::http::field::origin]);
  if (message.begin() != message.end()) return {};
  auto const received = buffer_.data();
  return origin_in({static_cast<char const*>(received.data()), received.size()});
}

template <class Stream>
void session<Stream>::fail(error_code const& error) {
  if (error == beast::http::error::body_limit)
    return refuse(problem(
        413, "too_large",
        "the body is larger than " + std::to_string(most_body_) + " bytes (http_options::max_body_bytes)"));
  if (error == beast::http::error::buffer_overflow)
    return refuse(problem(431, "fields_too_large", "what stands beside the body is too long"));
  if (error == beast::http::error::header_limit)
    return refuse(problem(431, "fields_too_large", "the request's fields take more than 16 KiB"));
  auto const& category = beast::http::make_error_code(beast::http::error::bad_method).category();
  if (error.category() == category)
    return refuse(problem(400, "bad_request", "this is no HTTP request: " + error.message()));
  close();
}

template <class Stream>
void session<Stream>::hand_over() {
  expires_ = (time_point::max)();
  answered_ = false;
  auto const number = ++number_;
  owner_.service->handle(asked(parser_->get().body()), this->shared_from_this(),
                         std::chrono::steady_clock::now());
  if (waits() && number == number_) watch();
  owner_.arm();
}

template <class Stream>
void session<Stream>::answer(response&& answered) {
  if (std::exchange(answered_, true)) return;
  answer_ = std::move(answered);
  ++owner_.unwritten;
  unwritten_ = answer_.body.size();
  owner_.unwritten_bytes += unwritten_;
  watches_ = (time_point::max)();
  if (std::exchange(watched_, false)) socket().cancel();
  // Not from within a step of our own that may go on.
  asio::post(owner_.context, [me = this->shared_from_this()] { me->write(); });
}

template <class Stream>
void session<Stream>::write() {
  keeps_alive_ = keeps_alive_ && !owner_.draining;
  head_.clear();
  append_head(
      head_, answer_,
      {keeps_alive_, is_old(),
       answer_.status != 204 ? "Content-Length: " + std::to_string(answer_.body.size()) + "\r\n" : ""});
  if (asks_for_head() || answer_.status == 204) answer_.body.clear();
  write_parts([me = this->shared_from_this()](error_code const& error) { me->written(error); });
}

// Head and body. What the system takes at once needs nobody to wait for it.
template <class Stream>
template <class Done>
void session<Stream>::write_parts(Done done) {
  constexpr std::size_t small = std::size_t{16} << 10;
  std::array<asio::const_buffer, 2> parts{asio::buffer(head_), asio::buffer(answer_.body)};
  if constexpr (!is_tls) {
    if (head_.size() + answer_.body.size() <= small) {
      error_code error;
      auto taken = stream_.write_some(parts, error);
      if (error && error != asio::error::would_block) return done(error);
      for (auto& part : parts) {
        auto const skipped = std::min(taken, part.size());
        part += skipped;
        taken -= skipped;
      }
      if (parts[0].size() + parts[1].size() == 0) return done({});
    }
  }
  writes_ = true;
  write_steadily(stream_, *this, parts, write_time,
                 [this, done = std::move(done)](error_code const& error, std::size_t) mutable {
                   writes_ = false;
                   done(error);
                 });
}

template <class Stream>
void session<Stream>::written(error_code const& error) {
  --owner_.unwritten;
  owner_.unwritten_bytes -= std::exchange(unwritten_, 0);
  if (error || !keeps_alive_) return close();
  read();
}

// In chunks, or, to whom HTTP/1.0 is spoken, until the connection ends.
template <class Stream>
void session<Stream>::begin(response&& head) {
  if (asks_for_head()) {  // what would follow is nobody's
    head.body.clear();
    return answer(std::move(head));
  }
  if (std::exchange(answered_, true)) return;
  in_parts_ = true;
  bool const in_chunks = !is_old();
  keeps_alive_ = keeps_alive_ && in_chunks && !owner_.draining;
  head_.clear();
  append_head(head_, head, {keeps_alive_, !in_chunks, in_chunks ? "Transfer-Encoding: chunked\r\n" : ""});
}

template <class Stream>
void session<Stream>::send(std::string&& part, std::function<void()> written) {
  if (!in_parts_) return;  // whoever asked is gone
  then_send_ = std::move(written);
  answer_.body = std::move(part);
  auto const in_chunks = !is_old();
  if (in_chunks) {
    std::array<char, 20> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", answer_.body.size());
    head_ += size.data();
    answer_.body += then_send_ ? "\r\n" : "\r\n0\r\n\r\n";
  }
  if (!then_send_) {  // the last
    in_parts_ = false;
    ++owner_.unwritten;
    watches_ = (time_point::max)();
    if (std::exchange(watched_, false)) socket().cancel();
  }
  asio::post(owner_.context, [me = this->shared_from_this(), is_last = !in_parts_] {
    me->write_parts([me, is_last](error_code const& error) { me->part_written(error, is_last); });
  });
}

template <class Stream>
void session<Stream>::part_written(error_code const& error, bool is_last) {
  if (is_last) return written(error);
  if (!in_parts_) return;  // given up meanwhile
  if (error) return give_up();
  expires_ = (time_point::max)();
  head_.clear();
  std::exchange(then_send_, nullptr)();
  owner_.arm();
}

template <class Stream>
void session<Stream>::give_up() {
  answered_ = true;
  in_parts_ = false;
  then_send_ = nullptr;
  owner_.service->abandon(*this);
  if (!writes_) return close();
  // What is being written fails then; of TLS's two further operations none may begin before it has.
  error_code ignored;
  socket().close(ignored);
}

// A call that takes long is not run for a caller who has gone.
template <class Stream>
void session<Stream>::watch() {
  watches_ = std::chrono::steady_clock::now() + watch_after;
  owner_.limits.set(watches_);
}

template <class Stream>
void session<Stream>::wait_for_more() {
  if (!waits()) return;
  watched_ = true;
  socket().async_wait(tcp::socket::wait_read,
                      [me = this->shared_from_this(), number = number_](error_code const& failure) {
                        if (!failure && me->waits() && me->number_ == number) me->see_whether_gone();
                      });
}

// Bytes that can be read are a further request, which is read when this one is answered, or what TLS says to
// the end: one that has gone closes its side.
template <class Stream>
void session<Stream>::see_whether_gone() {
  watched_ = false;
  pollfd seen{socket().native_handle(), POLLRDHUP, 0};
  if (::poll(&seen, 1, 0) <= 0) return watch();
  give_up();
}

template <class Stream>
void session<Stream>::close() {
  expires_after(std::chrono::seconds(1));
  if constexpr (is_tls) {
    stream_.async_shutdown([me = this->shared_from_this()](error_code const&) {
      error_code unneeded;
      me->socket().close(unneeded);
    });
  } else {
    // What else was sent is read for a moment, lest it destroy the answer on its way.
    error_code ignored;
    stream_.shutdown(tcp::socket::shutdown_send, ignored);
    linger();
  }
}

template <class Stream>
void session<Stream>::linger() {
  buffer_.clear();
  socket().async_read_some(buffer_.prepare(std::size_t{64} << 10),
                           [me = this->shared_from_this()](error_code const& error, std::size_t) {
                             if (!error) return me->linger();
                             error_code unneeded;
                             me->socket().close(unneeded);
                           });
}

}  // namespace yonder::http
