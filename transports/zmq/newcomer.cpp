// SPDX-License-Identifier: Apache-2.0
// Whoever comes with a token: makes a key pair, and has it let in.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>
#include <variant>
#include <vector>
#include <zmq.hpp>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/key_file.hpp"
#include "transports/zmq/name_lookup.hpp"
#include "transports/zmq/private_folder.hpp"
#include "transports/zmq/socket.hpp"

namespace yonder::transport {
namespace {

using deadline = std::chrono::steady_clock::time_point;

struct pair_files {
  std::filesystem::path secret_file, public_file;
};

pair_files files_of(key_files const& files, connect_role role) {
  switch (role) {
    case connect_role::worker: return {files.worker_secret, files.worker_public};
    case connect_role::boss: return {files.operator_secret, files.operator_public};
    default: return {files.client_secret, files.client_public};
  }
}

bool has_file(std::filesystem::path const& file) {
  std::error_code unknown;
  return std::filesystem::exists(std::filesystem::symlink_status(file, unknown));
}

void pin_server(key_files const& files, raw_key const& server) {
  if (!has_file(files.server_public)) try {
      return write_new_file(files.server_public, 0644, text_of(server) + "\n");
    } catch (setup_error const&) {
      if (!has_file(files.server_public)) throw;  // not made by another one meanwhile
    }
  if (read_public_key(files.server_public) != server)
    refuse_file(files.server_public,
                "is another hub\'s key: a folder is for one hub; name another one: YONDER_KEYS=FOLDER");
}

// From making a pair until its hub has answered, so that processes of one folder that come by one line come
// one after the other: the first one's pair is the others', too. It goes with its descriptor, and with its
// process. Null: that took too long, or the file system has no locks.
platform::unique_fd hold(std::filesystem::path const& file, std::chrono::milliseconds patience) {
  platform::unique_fd held(platform::retry([&] { return ::open(file.c_str(), O_RDONLY | O_CLOEXEC); }));
  auto const until = std::chrono::steady_clock::now() + patience;
  while (held && platform::retry([&] { return ::flock(held.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK || std::chrono::steady_clock::now() >= until) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return held;
}

// Whether a pair was made now. Another process of ours may make one at the same time: its is as good.
bool have_pair(pair_files const& files, secret_key& secret) {
  if (!has_file(files.secret_file)) {
    draw_secret(secret);
    try {
      write_secret_key(files.secret_file, secret);
      write_new_file(files.public_file, 0644, text_of(public_key_of(secret)) + "\n");
      return true;
    } catch (setup_error const&) {
      if (!has_file(files.secret_file)) throw;
    }
  }
  read_secret_key(files.secret_file, secret);
  return false;
}

// Over ZeroMQ.
std::optional<enrolment> ask(enrolment_attempt const& where, handed_over const& token,
                             std::string const& request) {
  zmq::context_t context;
  zmq::socket_t socket(context, zmq::socket_type::dealer);
  socket.set(zmq::sockopt::linger, 0);
  socket.set(zmq::sockopt::ipv6, where.address.find('[') != std::string::npos);
  socket.set(zmq::sockopt::maxmsgsize, std::int64_t{4096});  // of the handshake's, too
  socket.set(zmq::sockopt::curve_serverkey, zmq::buffer(token.server));
  socket.set(zmq::sockopt::curve_publickey, zmq::buffer(public_key_of(token.secret)));
  socket.set(zmq::sockopt::curve_secretkey, zmq::buffer(token.secret.bytes));
  connection_monitor monitor(
      context, socket,
      ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_CONNECT_RETRIED, 1);
  uninterrupted([&] { socket.connect(where.address); });
  uninterrupted([&] { return socket.send(zmq::buffer(request), zmq::send_flags::dontwait); });
  // From its handshake on the hub may have used the token up: it is not left for another address.
  bool is_hub = false;
  for (;;) {
    zmq::message_t part;
    if (receive_part(socket, part)) {
      auto const said = read_enrolment_answer(part.to_string_view());
      skip_parts(socket, part);
      if (said) return said;
      continue;
    }
    if (auto const report = monitor.next()) {
      if (report->what == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH) return enrolment::refused;
      is_hub = is_hub || report->what == ZMQ_EVENT_HANDSHAKE_SUCCEEDED;
      if (!is_hub && !where.is_last) return std::nullopt;
      continue;
    }
    auto const left = std::chrono::duration_cast<std::chrono::milliseconds>(
        (is_hub ? where.until : where.reached_until) - std::chrono::steady_clock::now());
    if (left.count() <= 0) return std::nullopt;
    std::array<zmq::pollitem_t, 2> waited{
        {{nullptr, descriptor_of(socket), ZMQ_POLLIN, 0}, {nullptr, monitor.descriptor(), ZMQ_POLLIN, 0}}};
    // Their descriptors are edges: what came between is looked at again soon.
    uninterrupted([&] { return zmq::poll(waited, std::min(left, std::chrono::milliseconds(100))); });
  }
}

// What becomes of one request.
struct asking {
  std::string const& address;
  address_schemes const& schemes;
  ask_hub const& ask_once;
  handed_over const& token;
  std::string const& request;
  std::chrono::milliseconds patience;
};

// Those that an address stands for: of a name all that it has, of IPv4 and of IPv6. `trouble`: why there are
// none.
std::vector<std::string> literals_of(asking const& one, std::string& trouble) {
  auto const parsed = parse_address(one.address, address_use::connect, one.schemes);
  auto const* const tcp = std::get_if<tcp_address>(&parsed);
  if (tcp == nullptr || tcp->is_literal) return {one.address};
  auto const found = look_up(tcp->host);
  trouble = found.error;
  std::vector<std::string> all;
  for (auto const& literal : found.addresses)
    all.push_back(to_string(tcp_address{literal, tcp->port, true}, one.schemes));
  return all;
}

std::optional<enrolment> ask_each(asking const& one, std::vector<std::string> const& addresses,
                                  deadline until) {
  std::optional<enrolment> said;
  for (auto const& address : addresses) {
    auto const is_alone = addresses.size() == 1;
    auto const share = one.patience / static_cast<int>(2 * addresses.size());
    auto const reached_until = std::min(until, std::chrono::steady_clock::now() + share);
    auto const answer =
        one.ask_once({address, until, is_alone ? until : reached_until, is_alone}, one.token, one.request);
    if (answer) said = answer;
    if (answer && *answer != enrolment::busy) break;
  }
  return said;
}

// Each address of a name in turn, until one answers, and is not busy. Throws setup_error (hub_unreachable):
// it has none.
std::optional<enrolment> ask_all(asking const& one) {
  auto const until = std::chrono::steady_clock::now() + one.patience;
  for (;;) {
    std::string trouble;
    auto const said = ask_each(one, literals_of(one, trouble), until);
    if (said && *said != enrolment::busy) return said;
    if (std::chrono::steady_clock::now() >= until) {
      if (!trouble.empty()) throw setup_error(errc::hub_unreachable, one.address + ": " + trouble);
      return said;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
}

void require(std::optional<enrolment> said, std::string const& address) {
  if (said == enrolment::done) return;
  if (said == enrolment::refused)
    throw setup_error(errc::unauthorized,
                      address +
                          ": the token is not good: it was used, its time is over, or it was "
                          "revoked; its operator gives another: yonder keys issue NAME");
  if (said == enrolment::wrong_role)
    throw setup_error(
        errc::unauthorized,
        address +
            ": the token is for another role: a client\'s goes into YONDER_HUB, a worker\'s behind "
            "--yonder-worker");
  if (said == enrolment::listed)
    throw setup_error(errc::unauthorized,
                      address +
                          ": this key is listed there already, and for less than the token is; its operator "
                          "changes that line, or name another folder for the token: YONDER_KEYS=FOLDER");
  if (said == enrolment::busy)
    throw setup_error(errc::overloaded, address +
                                            ": the hub cannot change its list of keys now: others change it "
                                            "all the time, or its disk is full; try again");
  throw setup_error(
      errc::hub_unreachable,
      address +
          ": no hub with the token\'s key answers there; see that `yonder hub` runs and that this "
          "machine reaches it");
}

void enrol(connect_options const& options, handed_over const& token, address_schemes const& schemes,
           ask_hub const& ask_once, std::chrono::milliseconds patience) {
  make_parent_folders(options.keys);
  make_private_folder(options.keys);
  key_files const files(options.keys);
  pin_server(files, token.server);
  auto const held = hold(files.server_public, patience);
  auto const pair = files_of(files, options.role);
  secret_key own;
  bool const made = have_pair(pair, own);
  auto const request = enrolment_request(options.role, public_key_of(own));
  auto const said = ask_all({options.address, schemes, ask_once, token, request, patience});
  // The token of a line that is used again: the pair has been let in by it.
  if (said == enrolment::refused && !made) return;
  // Without the lock another process may have had it let in.
  if (made && held && (said == enrolment::refused || said == enrolment::wrong_role)) {
    ::unlink(pair.secret_file.c_str());
    ::unlink(pair.public_file.c_str());
  }
  require(said, options.address);
}

}  // namespace

connect_options enrolled(connect_options options, address_schemes const& schemes, ask_hub const& ask_once,
                         std::chrono::milliseconds patience) {
  auto plain = options;
  auto const fragment = take_fragment(plain.address);
  if (fragment.empty()) return options;
  parse_address(plain.address, address_use::connect, schemes);
  handed_over brought;
  read_handed_over(fragment, brought);
  if (!brought.enrols) return options;
  enrol(plain, brought, schemes, ask_once, patience);
  return plain;
}

connect_options enrolled(connect_options options, std::chrono::milliseconds patience) {
  return enrolled(std::move(options), zmq_schemes, &ask, patience);
}

}  // namespace yonder::transport
