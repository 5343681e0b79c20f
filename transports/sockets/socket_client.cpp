// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/socket_client.hpp"

#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <system_error>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"
#include "transports/events.hpp"
#include "transports/setup_error.hpp"
#include "transports/sockets/dial.hpp"
#include "transports/sockets/pauses.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {

namespace {

using std::chrono::milliseconds;

enum token : std::uint64_t { opening_token, clock_token };

constexpr milliseconds no_pause{0};

// For a connection to be made, and then for its handshake. With several addresses to try, none is waited for
// as long as one alone is: some service that says nothing may listen at the first.
constexpr milliseconds connect_time{2'000};
constexpr milliseconds handshake_time{10'000};
constexpr milliseconds connect_time_of_several{1'500};
constexpr milliseconds handshake_time_of_several{3'000};

// Nobody is there, or not yet, or not reached: which is no news.
bool is_silence(int error) noexcept {
  switch (error) {
    case ECONNREFUSED:
    case ENOENT:
    case EAGAIN:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case EHOSTDOWN:
    case ENETUNREACH:
    case ENETDOWN:
    case ECONNRESET:
    case ECONNABORTED: return true;
    default: return false;
  }
}

std::string words(int error) { return std::generic_category().message(error); }

}  // namespace

socket_client::socket_client(poller& ready, connect_options const& options)
    : poller_(ready),
      text_(options.address),
      handed_over_(take_fragment(text_)),
      address_(parse_address(text_, address_use::connect, socket_schemes)),
      session_(options.session),
      streams_(ready, options.bounds),
      lookup_(ready) {
  if (auto const* const ipc = std::get_if<ipc_address>(&address_)) {
    check_private_folder(
        ipc->path.parent_path());  // absent: whoever makes it, the socket's owner will be asked
  } else {
    read_connect_keys(options, text_, handed_over_, keys_);
    settings_.emplace();
  }
  clock_ = platform::above_standard(
      platform::unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
  if (!clock_) platform::throw_errno("timerfd");
  poller_.add(clock_.get(), *this, clock_token);
  rang_ = pauses_ = true;  // it begins with the first receive()
}

socket_client::~socket_client() {
  stop();
  poller_.remove(clock_.get());
}

// The name to look up; none: the address is one that stands for itself.
std::optional<std::string> socket_client::name() const {
  auto const* const tcp = std::get_if<tcp_address>(&address_);
  if (tcp == nullptr || tcp->is_literal) return std::nullopt;
  return tcp->host;
}

bool socket_client::pending() const noexcept {
  return rang_ || ready_ || lookup_.done() || streams_.pending();
}

void socket_client::on_ready(std::uint64_t token, bool, bool) {
  if (token == opening_token) {
    ready_ = opening_.has_value();
    return;
  }
  std::uint64_t rings = 0;
  rang_ = ::read(clock_.get(), &rings, sizeof rings) > 0 || rang_;
}

bool socket_client::poll_once() {
  if (opening_) ready_ = ready_ || is_ready(opening_->descriptor(), waits_to_write_);
  if (!rang_ && is_ready(clock_.get(), false)) on_ready(clock_token, true, false);
  return pending() || streams_.poll_once();
}

void socket_client::receive(std::vector<event>& events, std::size_t most) {
  note_end(events);  // of an earlier one, which has thrown
  if (auto const found = lookup_.take()) use(*found, events);
  if (std::exchange(rang_, false)) time_is_over(events);
  while (std::exchange(ready_, false)) go_on(events);
  auto const begin = events.size();
  streams_.receive(events, most);
  auto const is_heard = [](event const& one) { return one.what == event::kind::received; };
  if (std::any_of(events.begin() + static_cast<std::ptrdiff_t>(begin), events.end(), is_heard)) failures_ = 0;
  note_end(events);
}

// --- connecting

void socket_client::note_end(std::vector<event>& events) {
  if (peer_ == 0 || streams_.knows(peer_)) return;
  peer_ = 0;
  connect_after_pause(events);
}

void socket_client::connect_after_pause(std::vector<event>& events) {
  abandon();
  auto const pause = pause_before_connecting(failures_, session_);
  failures_ = std::min(failures_ + 1, 1'000);
  if (pause == no_pause) return start(events);
  pauses_ = true;
  set_clock(pause);
}

void socket_client::time_is_over(std::vector<event>& events) {
  if (std::exchange(pauses_, false)) return start(events);
  if (!opening_) return;
  if (opening_->is_made())
    tell_trouble("who listens there does not answer: it is stopped, or another program", events);
  next_candidate(events);
}

void socket_client::start(std::vector<event>& events) {
  if (ended_) return;
  if (failures_ == 0) failures_ = 1;
  if (auto const host = name()) return lookup_.start(*host, no_pause);
  auto const* const tcp = std::get_if<tcp_address>(&address_);
  candidates_ = {tcp != nullptr ? tcp->host : std::string()};
  candidate_ = 0;
  try_candidates(events);
}

void socket_client::use(lookup_result const& found, std::vector<event>& events) {
  if (found.addresses.empty()) {
    tell_trouble(found.error, events);
    return connect_after_pause(events);
  }
  candidates_ = found.addresses;
  candidate_ = 0;
  try_candidates(events);
}

void socket_client::next_candidate(std::vector<event>& events) {
  ++candidate_;
  try_candidates(events);
}

// From the present one on.
void socket_client::try_candidates(std::vector<event>& events) {
  abandon();
  for (; candidate_ < candidates_.size(); ++candidate_) {
    try {
      if (begin()) return;
      if (!is_silence(errno)) tell_trouble("cannot be connected to: " + words(errno), events);
    } catch (std::exception const& error) {
      abandon();
      tell_trouble(std::string("no connection can be begun: ") + error.what(), events);
    }
  }
  connect_after_pause(events);
}

bool socket_client::begin() {
  auto const* const ipc = std::get_if<ipc_address>(&address_);
  auto socket =
      ipc != nullptr ? dial(ipc->path) : dial(candidates_[candidate_], std::get<tcp_address>(address_).port);
  if (!socket) return false;
  auto const descriptor = socket.get();
  std::unique_ptr<tls_connection> secured;
  if (settings_) {
    prepare_network_socket(descriptor);
    secured = std::make_unique<tls_connection>(*settings_, descriptor, keys_);
  }
  opening_.emplace(std::move(socket), std::move(secured), true);
  opening_->say(greeting{greeting::kind::hello, ++starts_, session_}.bytes());
  opening_->hear(greeting::size);
  poller_.add(descriptor, *this, opening_token);
  waits_to_write_ = false;
  ready_ = true;
  set_clock(candidates_.size() > 1 ? connect_time_of_several : connect_time);
  return true;
}

void socket_client::go_on(std::vector<event>& events) {
  bool const was_made = opening_->is_made();
  auto const how = opening_->go_on();
  if (!was_made && opening_->is_made()) {
    auto const user = user_of(opening_->descriptor());
    if (!settings_ && (!user || user->user != ::geteuid())) return refused(events);
    set_clock(candidates_.size() > 1 ? handshake_time_of_several : handshake_time);
  }
  switch (how) {
    case opening::result::done: return succeeded(events);
    case opening::result::failed: return failed(events);
    default: break;
  }
  if (opening_->wants_write() == waits_to_write_) return;
  waits_to_write_ = !waits_to_write_;
  poller_.want_write(opening_->descriptor(), *this, opening_token, waits_to_write_);
}

void socket_client::succeeded(std::vector<event>& events) {
  greeting said;
  if (!greeting::read(opening_->heard(), said)) {
    tell_trouble("who listens there does not greet as a hub does", events);
    return next_candidate(events);
  }
  if (said.what == greeting::kind::refusal) return refused(events);
  set_clock(no_pause);
  poller_.remove(opening_->descriptor());
  auto socket = opening_->take_socket();
  auto cipher = opening_->take_cipher();
  opening_.reset();
  trouble_.clear();
  try {
    peer_ = streams_.add_connection(std::move(socket), std::move(cipher));
  } catch (...) {
    connect_after_pause(events);
    throw;
  }
}

void socket_client::failed(std::vector<event>& events) {
  auto const* const secured = opening_->secured();
  if (!opening_->is_made()) {
    if (auto const error = opening_->error(); !is_silence(error))
      tell_trouble("cannot be connected to: " + words(error), events);
  } else if (secured != nullptr && !opening_->is_secured()) {
    tell_trouble(trouble_of_handshake(), events);
  } else {
    tell_trouble("who listens there ends the connection before it greets: it ends, or is another program",
                 events);
  }
  next_candidate(events);
}

std::string socket_client::trouble_of_handshake() const {
  switch (opening_->secured()->what_failed()) {
    case tls_connection::trouble::wrong_server: return "server.pub is not its key: another hub listens there";
    case tls_connection::trouble::not_tls:
      return "who listens there does not speak TLS 1.3: for ZeroMQ the address begins with tcp://";
    default:
      return "who listens there ends the connection during the handshake: server.pub is not its key, no hub "
             "is up behind it, or it is another program";
  }
}

// The one answer that is final: trying again would be refused again. Over TLS it is proved to be the hub's:
// no alert of TLS ends us, which whoever binds the hub's port while it is away can send.
void socket_client::refused(std::vector<event>& events) {
  auto const* const reason = settings_ ? "our key is not known there, or has been revoked; its operator "
                                         "lets it in: `yonder keys issue`, or the "
                                         "line of client.pub in authorized_keys"
                                       : "who listens there is another user, or refuses this one";
  make_room_for_one(events);
  events.push_back(event::refused(++drawn_, text_ + ": " + reason));
  ended_ = true;
  stop();
}

void socket_client::tell_trouble(std::string const& reason, std::vector<event>& events) {
  if (reason == trouble_) return;
  trouble_ = reason;
  events.push_back(event::lost(++drawn_, reason));
}

void socket_client::abandon() {
  ready_ = false;
  if (!opening_) return;
  poller_.remove(opening_->descriptor());
  opening_.reset();
}

void socket_client::stop() {
  lookup_.stop();
  abandon();
  set_clock(no_pause);
  rang_ = pauses_ = false;
}

// 0: it does not ring.
void socket_client::set_clock(milliseconds time) {
  rang_ = false;
  auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(time);
  itimerspec const once{{}, {seconds.count(), (time - seconds).count() * 1'000'000}};
  if (::timerfd_settime(clock_.get(), 0, &once, nullptr) != 0) platform::throw_errno("timerfd");
}

// --- once there is a connection

send_status socket_client::send(peer_id to, frame const& message) {
  return to == 0 || to != peer_ ? send_status::gone : streams_.send(to, message);
}

void socket_client::close(peer_id gone) {
  if (gone == 0 || gone != peer_) return;
  streams_.close(gone);
  peer_ = 0;
  ended_ = true;
  stop();
}

}  // namespace yonder::transport
