// SPDX-License-Identifier: Apache-2.0
//
// The least that Boost.Beast does for a POST: one thread reads requests and answers each with its body.
// Prints its port.
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <iostream>
#include <memory>
#include <optional>

namespace beast = boost::beast;
namespace http = beast::http;
using tcp = boost::asio::ip::tcp;

namespace {

class session : public std::enable_shared_from_this<session> {
 public:
  explicit session(tcp::socket&& socket) : stream_(std::move(socket)) {}
  void read() {
    asked_ = {};
    http::async_read(stream_, buffer_, asked_, [me = shared_from_this()](auto error, std::size_t) {
      if (!error) me->answer();
    });
  }

 private:
  void answer() {
    answer_.emplace(http::status::ok, asked_.version());
    answer_->set(http::field::content_type, "application/json");
    answer_->keep_alive(asked_.keep_alive());
    answer_->body() = std::move(asked_.body());
    answer_->prepare_payload();
    http::async_write(stream_, *answer_, [me = shared_from_this()](auto error, std::size_t) {
      if (!error) me->read();
    });
  }

  beast::tcp_stream stream_;
  beast::flat_buffer buffer_;
  http::request<http::string_body> asked_;
  std::optional<http::response<http::string_body>> answer_;
};

void accept(tcp::acceptor& acceptor) {
  acceptor.async_accept([&acceptor](auto error, tcp::socket socket) {
    if (error) return;
    boost::system::error_code ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    std::make_shared<session>(std::move(socket))->read();
    accept(acceptor);
  });
}

}  // namespace

int main() {
  boost::asio::io_context context(1);
  tcp::acceptor acceptor(context, {boost::asio::ip::make_address("127.0.0.1"), 0});
  std::cout << "http://127.0.0.1:" << acceptor.local_endpoint().port() << std::endl;
  accept(acceptor);
  context.run();
}
