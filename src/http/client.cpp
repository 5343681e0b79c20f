// SPDX-License-Identifier: Apache-2.0
#include "src/http/client.hpp"

#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/buffer_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <limits>

namespace yonder::http {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using error_code = boost::system::error_code;

constexpr std::chrono::milliseconds usual_patience = std::chrono::seconds(30);

std::string lower(beast::string_view text) {
  std::string made(text.data(), text.size());
  std::ranges::transform(made, made.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
  return made;
}

// What another attempt would not mend, unlike a connection that breaks off.
bool is_no_http(error_code const& error) {
  auto const& grammar = beast::http::make_error_code(beast::http::error::bad_value).category();
  return error.category() == grammar && error != beast::http::error::end_of_stream &&
         error != beast::http::error::partial_message;
}

// Operations one after the other, each with its own patience.
class connection {
 public:
  using request_type = beast::http::request<beast::http::string_body>;

  explicit connection(url const& to, std::chrono::milliseconds patience = usual_patience)
      : to_(to), patience_(patience) {}

  http_answer ask(request_type&& request, http_fields const& fields,
                  std::function<body_sink(http_answer const&)> const& begin) {
    complete(request, fields);
    asio::ip::tcp::resolver resolver(context_);
    asio::ip::tcp::resolver::results_type places;
    wait([&](auto done) {
      resolver.async_resolve(to_.host, to_.port, [&places, done](error_code error, auto found) {
        places = std::move(found);
        done(error);
      });
    });
    if (!to_.tls) {
      beast::tcp_stream stream(context_);
      connect(stream, places);
      return exchange(stream, request, begin);
    }
    asio::ssl::context secure(asio::ssl::context::tls_client);
    secure.set_default_verify_paths();
    secure.set_verify_mode(asio::ssl::verify_peer);
    beast::ssl_stream<beast::tcp_stream> stream(context_, secure);
    stream.set_verify_callback(asio::ssl::host_name_verification(to_.host));
    SSL_set_tlsext_host_name(stream.native_handle(), to_.host.c_str());
    connect(stream.next_layer(), places);
    stream.next_layer().expires_after(patience_);
    handshake(stream);
    return exchange(stream, request, begin);
  }

 private:
  template <class Start>
  error_code result_of(Start&& start) {
    error_code result;
    start([&result](error_code error, auto&&...) { result = error; });
    context_.restart();
    context_.run();
    return result;
  }

  template <class Start>
  void wait(Start&& start) {
    auto const error = result_of(start);
    if (!error) return;
    if (is_no_http(error)) throw std::runtime_error(unreachable(error));
    throw connection_lost(unreachable(error));
  }

  std::string unreachable(error_code const& error) const {
    return "cannot reach " + to_.origin() + ": " + error.message();
  }

  // A connection that breaks off is one thing, a server that is not trusted or speaks no TLS another.
  template <class Stream>
  void handshake(Stream& stream) {
    auto const error =
        result_of([&](auto done) { stream.async_handshake(asio::ssl::stream_base::client, done); });
    if (!error) return;
    if (SSL_get_verify_result(stream.native_handle()) != X509_V_OK)
      throw std::runtime_error(unreachable(error) + "; SSL_CERT_FILE names other certificates to trust");
    if (error.category() == asio::error::get_ssl_category()) throw std::runtime_error(unreachable(error));
    throw connection_lost(unreachable(error));
  }

  template <class Places>
  void connect(beast::tcp_stream& stream, Places const& places) {
    stream.expires_after(patience_);
    wait([&](auto done) { stream.async_connect(places, done); });
  }

  template <class Stream>
  http_answer exchange(Stream& stream, request_type const& request,
                       std::function<body_sink(http_answer const&)> const& begin) {
    namespace http = beast::http;
    auto& lowest = beast::get_lowest_layer(stream);
    lowest.expires_after(patience_);
    wait([&](auto done) { http::async_write(stream, request, done); });

    beast::flat_buffer buffer;
    http::response_parser<http::buffer_body> parser;
    parser.body_limit(std::numeric_limits<std::uint64_t>::max());
    wait([&](auto done) { http::async_read_header(stream, buffer, parser, done); });
    http_answer answer{parser.get().result_int(), {}};
    for (auto const& field : parser.get())
      answer.fields[lower(field.name_string())] = std::string(field.value().data(), field.value().size());
    auto const take = begin(answer);
    if (!take) return answer;
    std::array<char, 1 << 16> piece;
    while (!parser.is_done()) {
      auto& body = parser.get().body();
      body.data = piece.data();
      body.size = piece.size();
      lowest.expires_after(patience_);
      wait([&](auto done) {
        http::async_read(stream, buffer, parser, [done](error_code error, std::size_t) {
          done(error == http::error::need_buffer ? error_code() : error);
        });
      });
      take({piece.data(), piece.size() - body.size});
    }
    return answer;
  }

  void complete(request_type& request, http_fields const& fields) const {
    namespace http = beast::http;
    request.target(to_.target);
    bool const usual_port = to_.port == (to_.tls ? "443" : "80");
    request.set(http::field::host, usual_port ? to_.host : to_.host + ":" + to_.port);
    request.set(http::field::user_agent, "yonder");
    request.set(http::field::connection, "close");
    for (auto const& [name, value] : fields) request.set(name, value);
  }

  url to_;
  std::chrono::milliseconds patience_;
  asio::io_context context_;
};

}  // namespace

std::string http_answer::field(std::string const& name) const {
  auto const found = fields.find(name);
  return found == fields.end() ? std::string() : found->second;
}

http_answer http_get(url const& from, http_fields const& fields,
                     std::function<body_sink(http_answer const&)> const& begin) {
  return connection(from).ask({beast::http::verb::get, "/", 11}, fields, begin);
}

http_answer http_post(url const& to, http_fields const& fields, std::string const& body,
                      std::chrono::milliseconds patience) {
  connection::request_type request(beast::http::verb::post, "/", 11);
  request.body() = body;
  request.prepare_payload();
  return connection(to, patience).ask(std::move(request), fields, [](http_answer const&) {
    return body_sink();
  });
}

}  // namespace yonder::http
