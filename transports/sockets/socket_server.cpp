// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/socket_server.hpp"

#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <span>
#include <system_error>
#include <utility>

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"
#include "transports/events.hpp"
#include "transports/setup_error.hpp"
#include "transports/sockets/dial.hpp"

namespace yonder::transport {

namespace {

// Tokens: the clock's, then those of what is listened at, then arrivals'.
constexpr std::uint64_t tick_token = 0;
constexpr std::uint64_t first_binding = 1;
constexpr std::uint64_t first_arrival = std::uint64_t{1} << 32;

constexpr time_t look_every_s = 1;
constexpr std::int64_t time_to_greet_ns = 10'000'000'000;
constexpr std::size_t most_arrivals = 512;
constexpr std::size_t least_arrivals = 8;

// In a turn, so that peers are served between: connections that are taken, and steps of those that are being
// opened (a handshake's first takes some 300 µs).
constexpr int most_taken = 16;
constexpr int most_steps = 8;

// That go at once where there is no descriptor, so that there are some for the program's other needs, too.
constexpr int sent_away_together = 4;

// No more than a quarter of the descriptors that this process may have.
std::size_t arrivals_that_fit() noexcept {
  rlimit most{};
  if (::getrlimit(RLIMIT_NOFILE, &most) != 0) return least_arrivals;
  return std::clamp(static_cast<std::size_t>(std::min<rlim_t>(most.rlim_cur / 4, most_arrivals)),
                    least_arrivals, most_arrivals);
}

[[noreturn]] void refuse_address(std::string const& address, std::string const& why) {
  throw setup_error(errc::bad_configuration, address + ": " + why);
}

std::string text_of(address const& where) {
  return std::visit([](auto const& one) { return to_string(one, socket_schemes); }, where);
}

bool is_tls(address const& where) noexcept { return std::holds_alternative<tcp_address>(where); }

std::vector<address> parsed(std::vector<std::string> const& texts) {
  if (texts.empty())
    throw setup_error(errc::bad_configuration,
                      "no address was named to listen at: tls://HOST:PORT or unix:///FOLDER/NAME");
  std::vector<address> all;
  for (auto const& text : texts) {
    all.push_back(parse_address(text, address_use::listen, socket_schemes));
    if (auto* const tcp = std::get_if<tcp_address>(&all.back())) resolve_device(*tcp);
  }
  return all;
}

}  // namespace

socket_server::socket_server(poller& ready, listen_options const& options)
    : poller_(ready), allowed_(std::nullopt), streams_(ready, options.bounds) {
  for (auto& where : parsed(options.addresses)) bindings_.push_back({std::move(where), {}, {}});
  auto const tls =
      std::find_if(bindings_.begin(), bindings_.end(), [](auto const& one) { return is_tls(one.where); });
  if (tls != bindings_.end()) {
    if (options.keys.empty())
      refuse_address(
          text_of(tls->where),
          "tls needs keys, on the loopback device too; run `yonder keygen FOLDER` once and name that folder");
    key_files const files(options.keys);
    allow_list list(files.authorized);
    secret_key secret;
    read_secret_key(files.server_secret, secret);
    own_.emplace(secret, public_key_of(secret));
    allowed_ = admission(std::move(list), own_->own());
    allowed_.changes();
    settings_.emplace();
  }
  clock_ = platform::above_standard(
      platform::unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
  if (!clock_) platform::throw_errno("timerfd");
  try {
    for (auto& each : bindings_) listen(each);
    poller_.add(clock_.get(), *this, tick_token);
    for (std::size_t i = 0; i < bindings_.size(); ++i)
      poller_.add(bindings_[i].socket.get(), *this, first_binding + i);
  } catch (...) {
    stop_listening();
    throw;
  }
  tick(allowed_.has_list());
}

socket_server::~socket_server() {
  for (auto const& [number, one] : arrivals_) poller_.remove(one.way.descriptor());
  stop_listening();
}

void socket_server::stop_listening() noexcept {
  for (auto const& each : bindings_) {
    if (each.file) each.file->remove();
    if (!each.socket) continue;
    poller_.remove(each.socket.get());
    platform::close_in_no_fork(each.socket.get());
  }
  poller_.remove(clock_.get());
}

void socket_server::listen(binding& at) {
  if (auto const* const ipc = std::get_if<ipc_address>(&at.where)) {
    auto const held = socket_file::prepare(ipc->path, text_of(at.where));
    ::unlink(ipc->path.c_str());  // of a process that has ended
    at.socket = listen_at(ipc->path);
    if (at.socket) at.file.emplace(ipc->path);
  } else {
    auto& tcp = std::get<tcp_address>(at.where);
    at.socket = listen_at(tcp.host, tcp.port);
    if (at.socket && tcp.port == 0) tcp.port = port_of(at.socket.get());
  }
  if (!at.socket && errno == EADDRNOTAVAIL)
    refuse_address(text_of(at.where), "is no address of this machine; tls://*:PORT is all of them");
  if (!at.socket)
    refuse_address(text_of(at.where), "cannot be listened at: " + std::generic_category().message(errno));
  platform::close_in_forks(at.socket.get());  // one that lives would keep the address
}

std::vector<std::string> socket_server::addresses() const {
  std::vector<std::string> texts;
  for (auto const& each : bindings_) texts.push_back(text_of(each.where));
  return texts;
}

peer_rights socket_server::rights_of(std::string_view identity) {
  return allowed_.rights_of(identity).value_or(peer_rights{.calls = false, .works = false});
}

// --- keys for one start

worker_key socket_server::issue_worker_key(std::uint64_t start) {
  if (!allowed_.has_list()) return {};
  auto drawn = draw_key();
  admit_worker_key(drawn.own_public, start);
  return {transport::text_of(own_->own()), std::move(drawn.secret), std::move(drawn.own_public)};
}

void socket_server::admit_worker_key(std::string const& own_public, std::uint64_t start) {
  raw_key key{};
  decode_key("what was drawn", own_public, key);
  allowed_.admit(key, start);
}

void socket_server::withdraw_worker_key(std::string const& own_public) {
  if (!allowed_.has_list()) return;
  raw_key key{};
  decode_key("what is withdrawn", own_public, key);
  allowed_.withdraw(key);
  withdrawn_.push_back(admission::identity_of(key));
}

// --- what the poller says

void socket_server::on_ready(std::uint64_t token, bool, bool) {
  if (token != tick_token) return make_ready(token);
  std::uint64_t rings = 0;
  must_look_ = ::read(clock_.get(), &rings, sizeof rings) > 0 || must_look_;
}

// Once each: the poller tells again of what has not been served yet.
void socket_server::make_ready(std::uint64_t token) {
  auto const arrived = token < first_arrival ? arrivals_.end() : arrivals_.find(token - first_arrival);
  if (token >= first_arrival && arrived == arrivals_.end()) return;
  auto& listed = token < first_arrival ? bindings_[token - first_binding].listed : arrived->second.listed;
  if (listed) return;
  ready_.push_back(token);
  listed = true;
}

bool socket_server::poll_once() {
  if (!pending()) {
    if (is_ready(clock_.get(), false)) on_ready(tick_token, true, false);
    for (std::size_t i = 0; i < bindings_.size(); ++i)
      if (!bindings_[i].rests && is_ready(bindings_[i].socket.get(), false)) make_ready(first_binding + i);
    for (auto const& [number, one] : arrivals_)
      if (is_ready(one.way.descriptor(), one.waits_to_write)) make_ready(first_arrival + number);
  }
  return pending() || streams_.poll_once();
}

void socket_server::receive(std::vector<event>& events, std::size_t most) {
  if (std::exchange(must_look_, false)) look_around(events);
  if (!ready_.empty()) serve_ready(events);
  auto const begin = events.size();
  try {
    streams_.receive(events, most);
  } catch (...) {
    complete(events, begin);
    throw;
  }
  complete(events, begin);
}

// The rest waits for the next turn. What is not served because of a throw is told again.
void socket_server::serve_ready(std::vector<event>& events) {
  for (int steps = 0; steps < most_steps && !ready_.empty();) {
    auto const token = ready_.front();
    ready_.pop_front();
    if (token < first_arrival) {
      auto& at = bindings_[token - first_binding];
      at.listed = false;
      accept_from(at);
    } else if (auto const found = arrivals_.find(token - first_arrival); found != arrivals_.end()) {
      ++steps;
      found->second.listed = false;
      go_on(found->first, events);
    }
  }
}

void socket_server::tick(bool on) {
  if (ticks_ == on) return;
  itimerspec const often{{on ? look_every_s : 0, 0}, {on ? look_every_s : 0, 0}};
  if (::timerfd_settime(clock_.get(), 0, &often, nullptr) != 0) platform::throw_errno("timerfd");
  ticks_ = on;
}

void socket_server::look_around(std::vector<event>& events) {
  tell_changes(events);
  tell_withdrawn(events);
  auto const now = platform::now();
  while (!arrivals_.empty() && arrivals_.begin()->second.until <= now) send_away(arrivals_.begin()->first);
  for (std::size_t i = 0; i < bindings_.size(); ++i)
    if (std::exchange(bindings_[i].rests, false))
      poller_.add(bindings_[i].socket.get(), *this, first_binding + i);
  if (arrivals_.empty() && !allowed_.has_list()) tick(false);
}

// --- connections that arrive

void socket_server::accept_from(binding& at) {
  for (int i = 0; i < most_taken; ++i) {
    platform::unique_fd socket(platform::retry(
        [&] { return ::accept4(at.socket.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); }));
    if (socket) {
      arrive(at, std::move(socket));
      continue;
    }
    if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
    if (make_room()) continue;
    poller_.remove(at.socket.get());  // it would be told again at once
    at.rests = true;
    return tick(true);
  }
}

void socket_server::arrive(binding const& at, platform::unique_fd socket) {
  auto const fd = socket.get();
  std::string identity;
  std::unique_ptr<tls_connection> secured;
  if (is_tls(at.where)) {
    prepare_network_socket(fd);
    secured = std::make_unique<tls_connection>(*settings_, fd, *own_);
  } else {
    auto const who = user_of(fd);
    if (!who || who->user != ::geteuid()) {
      auto const no = greeting{.what = greeting::kind::refusal}.bytes();
      ::send(fd, no.data(), no.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
      return;
    }
    identity = admission::identity_of_process(who->process);
  }
  if (arrivals_.size() >= arrivals_that_fit()) send_one_away();
  auto const number = ++arrived_;
  auto const [placed, is_new] =
      arrivals_.try_emplace(number, arrival{.way = opening(std::move(socket), std::move(secured), false),
                                            .until = platform::now() + time_to_greet_ns,
                                            .identity = std::move(identity)});
  auto& one = placed->second;
  one.way.hear(greeting::size);
  if (!is_tls(at.where)) one.shown = arrival::standing::proved;
  try {
    poller_.add(fd, *this, first_arrival + number);
    tick(true);
  } catch (...) {
    send_away(number);
    throw;
  }
}

// False: nobody was left to go.
bool socket_server::make_room() {
  bool const has_some = !arrivals_.empty();
  for (int i = 0; i < sent_away_together && !arrivals_.empty(); ++i) send_one_away();
  return has_some;
}

// Connections that say nothing, or come with any key, are had for nothing: they go before those by whom a key
// of the list is shown. The oldest of each first.
void socket_server::send_one_away() {
  auto const least = std::min_element(
      arrivals_.begin(), arrivals_.end(),
      [](auto const& one, auto const& other) { return one.second.shown < other.second.shown; });
  if (least != arrivals_.end()) send_away(least->first);
}

void socket_server::note_standing(arrival& one) {
  using standing = arrival::standing;
  auto const* const secured = one.way.secured();
  if (secured == nullptr || !secured->has_shown_key()) return;
  auto const shown = one.way.is_secured() ? standing::proved : standing::named;
  if (shown > one.shown && allowed_.rights_of(admission::identity_of(secured->client()))) one.shown = shown;
}

void socket_server::send_away(std::uint64_t number) {
  auto const found = arrivals_.find(number);
  if (found == arrivals_.end()) return;
  poller_.remove(found->second.way.descriptor());
  arrivals_.erase(found);
}

void socket_server::go_on(std::uint64_t number, std::vector<event>& events) {
  auto const found = arrivals_.find(number);
  if (found == arrivals_.end()) return;
  auto& one = found->second;
  for (;;) {
    auto const how = one.way.go_on();
    if (how == opening::result::failed) return send_away(number);
    if (how == opening::result::waits) break;
    if (one.at == arrival::stage::leaves) return send_away(number);
    if (one.at == arrival::stage::is_welcomed) return take_in(number, events);
    if (!answer(one)) return send_away(number);
  }
  note_standing(one);
  if (one.way.wants_write() == one.waits_to_write) return;
  one.waits_to_write = !one.waits_to_write;
  poller_.want_write(one.way.descriptor(), *this, first_arrival + number, one.waits_to_write);
}

// What it has said is heard. False: it is nothing.
bool socket_server::answer(arrival& one) {
  if (one.at == arrival::stage::enrols) {
    enrol(one);
    return true;
  }
  if (!greeting::read(one.way.heard(), one.said)) return false;
  if (auto const* const secured = one.way.secured()) {
    one.identity = admission::identity_of(secured->client());
    if (!allowed_.rights_of(one.identity)) {
      refuse(one);
      return true;
    }
  }
  bool const is_token = allowed_.is_token(one.identity);
  if (one.said.what == greeting::kind::enrols && is_token) {
    one.at = arrival::stage::enrols;
    one.way.hear(greeting::size + enrolment_request_size);
  } else if (one.said.what == greeting::kind::hello && !is_token) {
    greet(one);
  } else {
    refuse(one);
  }
  return true;
}

void socket_server::refuse(arrival& one) {
  one.way.say(greeting{.what = greeting::kind::refusal}.bytes());
  one.at = arrival::stage::leaves;
}

void socket_server::greet(arrival& one) {
  one.way.say(greeting{.what = greeting::kind::welcome}.bytes());
  one.at = arrival::stage::is_welcomed;
}

// Whatever a newcomer says is this one request, or it is refused.
void socket_server::enrol(arrival& one) {
  connect_role role{};
  raw_key key{};
  bool const is_asked = read_enrolment_request(one.way.heard().subspan(greeting::size), role, key);
  auto const what = is_asked ? allowed_.enrol(one.identity, key, role) : enrolment::refused;
  one.way.say(greeting{.what = greeting::kind::welcome}.bytes());
  one.way.say(std::as_bytes(std::span(std::string_view(enrolment_answer(what)))));
  one.at = arrival::stage::leaves;
}

void socket_server::take_in(std::uint64_t number, std::vector<event>& events) {
  auto& one = arrivals_.at(number);
  auto session = one.identity.empty() ? std::string() : one.identity + '/' + std::to_string(one.said.session);
  if (auto const other = sessions_.find(session); !session.empty() && other != sessions_.end()) {
    auto const before = other->second;
    if (peers_.at(before).start > one.said.start) return send_away(number);  // it came late
    lose(before, "it has connected anew", events);
  }
  known_peer known{std::move(one.identity), std::move(session), one.said.start, false};
  auto socket = one.way.take_socket();
  auto cipher = one.way.take_cipher();
  poller_.remove(socket.get());
  arrivals_.erase(number);
  auto const id = streams_.add_connection(std::move(socket), std::move(cipher));
  try {
    if (!known.session.empty()) sessions_.insert_or_assign(known.session, id);
    peers_.emplace(id, std::move(known));
  } catch (...) {
    std::erase_if(sessions_, [id](auto const& each) { return each.second == id; });
    streams_.close(id);
    throw;
  }
}

// --- peers

// Events of the streams, from `begin` on, as those of a listener.
void socket_server::complete(std::vector<event>& events, std::size_t begin) {
  for (std::size_t i = begin; i < events.size(); ++i) {
    auto& one = events[i];
    if (one.what == event::kind::received) continue;
    auto const found = peers_.find(one.peer);
    if (found == peers_.end()) continue;
    if (one.what == event::kind::connected) one.identity = found->second.identity;
    if (one.what == event::kind::lost) forget(one.peer);
  }
  if (revoked_ == 0) return;
  auto const is_ignored = [this](event const& one) {
    if (one.what != event::kind::received) return false;
    auto const found = peers_.find(one.peer);
    return found != peers_.end() && found->second.revoked;
  };
  auto const from = events.begin() + static_cast<std::ptrdiff_t>(begin);
  events.erase(std::remove_if(from, events.end(), is_ignored), events.end());
}

void socket_server::forget(peer_id gone) {
  auto const found = peers_.find(gone);
  if (found == peers_.end()) return;
  if (found->second.revoked) --revoked_;
  auto const session = sessions_.find(found->second.session);
  if (session != sessions_.end() && session->second == gone) sessions_.erase(session);
  peers_.erase(found);
}

void socket_server::lose(peer_id gone, std::string reason, std::vector<event>& events) {
  make_room_for_one(events);
  events.push_back(event::lost(gone, std::move(reason)));
  close(gone);
}

void socket_server::close(peer_id gone) {
  streams_.close(gone);
  forget(gone);
}

void socket_server::revoke(std::string const& identity) {
  for (auto& [id, known] : peers_) {
    if (known.identity != identity || std::exchange(known.revoked, true)) continue;
    ++revoked_;
  }
}

void socket_server::tell_changes(std::vector<event>& events) {
  for (auto& one : allowed_.changes()) {
    if (!one.reason.empty()) {
      revoke(one.identity);
      events.push_back(event::revoked(one.identity, one.reason));
      continue;
    }
    std::vector<peer_id> changed;
    for (auto const& [id, known] : peers_)
      if (known.identity == one.identity) changed.push_back(id);
    for (auto const id : changed) lose(id, "the rights of its key have changed", events);
  }
}

void socket_server::tell_withdrawn(std::vector<event>& events) {
  for (auto& identity : std::exchange(leaving_, std::exchange(withdrawn_, {}))) {
    revoke(identity);
    events.push_back(event::revoked(std::move(identity), "the start that its key was made for is over"));
  }
}

}  // namespace yonder::transport
