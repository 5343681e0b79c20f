// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/zmq_server.hpp"

#include <fcntl.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"

namespace yonder::transport {

namespace {

enum token : std::uint64_t { socket_token, monitor_token, authenticator_token, look_token };

constexpr time_t look_every_s = 1;

[[noreturn]] void refuse(std::string const& address, std::string const& why) {
  throw setup_error(errc::bad_configuration, address + ": " + why);
}

// What the connections of one client have in common, if it has proved who it is.
std::string session_of(std::string_view identity, std::string_view routing_id) {
  bool const ours = routing_id.size() == routing_id_size && routing_id.front() == 'Y';
  return std::string(identity) + '/' +
         std::string(ours && !identity.empty() ? routing_id.substr(0, 9) : routing_id);
}

// As the authenticator has told libzmq.
std::string identity_of(zmq::message_t const& part) {
  auto const* const known = zmq_msg_gets(part.handle(), "User-Id");
  return known != nullptr ? known : "";
}

// Whether the process may have one more descriptor, of which `fd` is any.
bool is_left(int fd) { return platform::unique_fd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)).get() >= 0; }

packed_frame signal(std::byte what) { return {zmq::message_t(&what, sizeof what), {}, sizeof what}; }

}  // namespace

zmq_server::zmq_server(poller& ready, listen_options const& options)
    : poller_(ready), bounds_(options.bounds), socket_(context_, zmq::socket_type::router) {
  open(options);
  poller_.add(descriptor_of(socket_), *this, socket_token);
  poller_.add(monitor_->descriptor(), *this, monitor_token);
  poller_.add(authenticator_->descriptor(), *this, authenticator_token);
  if (look_) poller_.add(look_.get(), *this, look_token);
}

zmq_server::~zmq_server() {
  send_waiting();
  for (auto const& each : bindings_) {
    if (each.file) each.file->remove();
  }
  poller_.remove(descriptor_of(socket_));
  poller_.remove(monitor_->descriptor());
  poller_.remove(authenticator_->descriptor());
  if (look_) poller_.remove(look_.get());
  socket_.set(zmq::sockopt::linger, farewell_ms);
}

void zmq_server::open(listen_options const& options) {
  if (options.addresses.empty())
    throw setup_error(errc::bad_configuration,
                      "no address was named to listen at: tcp://HOST:PORT or ipc:///FOLDER/NAME");
  for (auto const& text : options.addresses) {
    auto& at = bindings_.emplace_back(binding{parse_address(text, address_use::listen), {}, {}});
    if (auto* const tcp = std::get_if<tcp_address>(&at.where)) resolve_device(*tcp);
  }
  prepare(socket_, bounds_);
  socket_.set(zmq::sockopt::router_mandatory, true);
  socket_.set(zmq::sockopt::zap_domain, authenticator::domain);
  monitor_.emplace(context_, socket_, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_DISCONNECTED,
                   0);

  std::optional<allow_list> allowed;
  for (auto const& each : bindings_) {
    auto const* const tcp = std::get_if<tcp_address>(&each.where);
    if (tcp == nullptr || allowed) continue;
    if (options.keys.empty())
      refuse(
          to_string(*tcp),
          "tcp needs keys, on the loopback device too; run `yonder keygen FOLDER` once and name that folder");
    key_files const files(options.keys);
    allowed.emplace(files.authorized);
    read_secret_key(files.server_secret, secret_);
  }
  // Before the first bind: without it everybody is let in.
  auto const own = allowed ? std::optional(public_key_of(secret_)) : std::nullopt;
  auto const has_keys = allowed.has_value();
  authenticator_.emplace(context_, std::move(allowed), own);
  if (has_keys) watch_keys();
  for (auto& each : bindings_) listen(each);
}

peer_rights zmq_server::rights_of(std::string_view identity) {
  return authenticator_->rights_of(identity).value_or(peer_rights{.calls = false, .works = false});
}

std::vector<std::string> zmq_server::warnings() const { return authenticator_->warnings(); }

void zmq_server::watch_keys() {
  look_.reset(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
  itimerspec const often{{look_every_s, 0}, {look_every_s, 0}};
  if (!look_ || ::timerfd_settime(look_.get(), 0, &often, nullptr) != 0) platform::throw_errno("timerfd");
  authenticator_->changes();
}

void zmq_server::tell_changes(std::vector<event>& events) {
  for (auto& one : authenticator_->changes()) {
    for (auto const& [id, known] : std::unordered_map(open_peers_)) {
      if (known->identity != one.identity) continue;
      known->revoked = !one.reason.empty();
      if (known->revoked) continue;
      events.push_back(event::lost(id, "the rights of its key have changed"));
      shut(*known);
    }
    if (!one.reason.empty()) events.push_back(event::revoked(one.identity, one.reason));
  }
}

void zmq_server::tell_withdrawn(std::vector<event>& events) {
  for (auto& identity : std::exchange(leaving_, std::exchange(withdrawn_, {}))) {
    for (auto const& [id, known] : open_peers_)
      known->revoked = known->revoked || known->identity == identity;
    events.push_back(event::revoked(std::move(identity), "the start that its key was made for is over"));
  }
}

worker_key zmq_server::issue_worker_key(std::uint64_t start) {
  auto const drawn = draw_key();
  raw_key own{};
  decode_key("what was drawn", drawn.own_public, own);
  authenticator_->admit(own, start);
  return {text_of(public_key_of(secret_)), drawn.secret, drawn.own_public};
}

void zmq_server::withdraw_worker_key(std::string const& own_public) {
  raw_key own{};
  decode_key("what is withdrawn", own_public, own);
  authenticator_->withdraw(own);
  withdrawn_.push_back(authenticator::identity_of(own));
}

void zmq_server::listen(binding& at) {
  if (auto* const tcp = std::get_if<tcp_address>(&at.where))
    listen_tcp(at, *tcp);
  else
    listen_ipc(at, std::get<ipc_address>(at.where));
}

void zmq_server::listen_tcp(binding& at, tcp_address& where) {
  socket_.set(zmq::sockopt::curve_secretkey, zmq::buffer(secret_.bytes));
  socket_.set(zmq::sockopt::curve_server, true);
  socket_.set(zmq::sockopt::ipv6, true);  // which takes IPv4 too
  bind(at, to_string(where));
  if (where.port == 0)
    where.port = static_cast<std::uint16_t>(std::stoul(at.endpoint.substr(at.endpoint.rfind(':') + 1)));
}

void zmq_server::listen_ipc(binding& at, ipc_address const& where) {
  auto const held = socket_file::prepare(where.path, to_string(where));  // libzmq unlinks whatever is there
  socket_.set(zmq::sockopt::curve_server, false);                        // the kernel says who connects
  bind(at, to_string(where));
  at.file.emplace(where.path);
}

void zmq_server::bind(binding& at, std::string const& text) {
  try {
    uninterrupted([&] { socket_.bind(text); });
  } catch (zmq::error_t const& error) {
    refuse(text,
           error.num() == ENODEV
               ? "names neither an address nor a network device of this machine; tcp://*:PORT is all of them"
               : std::string("cannot be listened at: ") + error.what());
  }
  at.endpoint = socket_.get(zmq::sockopt::last_endpoint);
}

void zmq_server::stop_listening() {
  listening_ = false;
  for (auto& each : bindings_) {
    if (!each.endpoint.empty()) uninterrupted([&] { socket_.unbind(std::exchange(each.endpoint, {})); });
  }
}

// Once there is a descriptor again.
void zmq_server::listen_again() {
  if (!is_left(descriptor_of(socket_))) return;
  try {
    for (auto& each : bindings_) {
      if (each.endpoint.empty()) listen(each);
    }
    listening_ = true;
  } catch (setup_error const&) {  // tried again at the next turn
  }
}

std::vector<std::string> zmq_server::addresses() const {
  std::vector<std::string> texts;
  for (auto const& each : bindings_)
    texts.push_back(std::visit([](auto const& where) { return to_string(where); }, each.where));
  return texts;
}

void zmq_server::on_ready(std::uint64_t token, bool, bool) {
  switch (token) {
    case socket_token: readable_ = true; break;
    case monitor_token: monitor_ready_ = true; break;
    case look_token: {
      std::uint64_t expired = 0;
      must_look_ = ::read(look_.get(), &expired, sizeof expired) > 0 || must_look_;
      break;
    }
    default: authenticator_->serve();
  }
}

void zmq_server::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  if (std::exchange(monitor_ready_, false)) read_monitor();
  if (!listening_) listen_again();
  if (std::exchange(must_look_, false)) {
    tell_changes(events);
    tell_withdrawn(events);
  }
  send_waiting();
  probe_ending();
  while (readable_ && events.size() - begin < most) readable_ = receive_one(events);
  if (!readable_) tell_ended(events);
}

bool zmq_server::poll_once() {
  authenticator_->serve();
  monitor_ready_ = monitor_ready_ || monitor_->readable();
  touched_ = true;
  return pending();
}

bool zmq_server::pending() {
  if (readable_ || monitor_ready_ || must_look_) return true;
  if (!touched_) return false;
  // Reading the events makes libzmq do all that its descriptor stood for.
  readable_ = is_readable(socket_);
  send_waiting();
  probe_ending();
  readable_ = readable_ || is_readable(socket_);
  touched_ = !waiting_.empty() || !ending_.empty();  // asked about again before the next sleep
  return readable_;
}

bool zmq_server::receive_one(std::vector<event>& events) {
  if (!receive_part(socket_, routing_id_)) {
    touched_ = !waiting_.empty() || !ending_.empty();
    return false;
  }
  receive_part(socket_, first_part_);
  auto* const sender = sender_of(routing_id_.to_string_view(), events);
  if (sender == nullptr || sender->closed || sender->revoked) {
    skip_parts(socket_, first_part_);
    return true;
  }
  if (sender->enrols) {
    enrol(*sender);
    return true;
  }
  auto& from = *sender;
  events.push_back(event::received(from.id));
  auto fault = unpack(socket_, first_part_, bounds_, events.back().message);
  if (fault.empty()) return true;
  events.back() = event::lost(from.id, std::move(fault));
  shut(from);
  return true;
}

// Whatever a newcomer says is this one message, or it is sent away.
void zmq_server::enrol(peer& from) {
  connect_role role{};
  raw_key key{};
  auto const said = std::as_bytes(std::span(first_part_.data<char>(), first_part_.size()));
  bool const is_asked = !first_part_.more() && read_enrolment_request(said, role, key);
  skip_parts(socket_, first_part_);
  auto const what = is_asked ? authenticator_->enrol(from.identity, key, role) : enrolment::refused;
  auto const text = enrolment_answer(what);
  packed_frame answer{zmq::message_t(text.data(), text.size()), {}, text.size()};
  if (transmit(from, answer) != part_status::done) cut_off(from);
  if (!from.cut_off) shut(from);
}

zmq_server::peer* zmq_server::find(peer_id id) {
  auto const found = open_peers_.find(id);
  return found == open_peers_.end() ? nullptr : found->second;
}

// Null: of a connection that a later one of the same session has replaced.
zmq_server::peer* zmq_server::sender_of(std::string_view routing_id, std::vector<event>& events) {
  if (last_sender_ != nullptr && last_sender_->accepted == accepted_ &&
      last_sender_->routing_id == routing_id)
    return last_sender_;
  // Only the parts behind the routing id always tell where they came from.
  auto const connection = zmq_msg_get(first_part_.handle(), ZMQ_SRCFD);
  auto const found = peers_.find(std::string(routing_id));
  if (found != peers_.end() && found->second->connection == connection) {
    last_sender_ = found->second.get();
    last_sender_->accepted = accepted_;
    return last_sender_;
  }
  if (found != peers_.end()) lose(*found->second, "it has connected anew", events);
  auto identity = identity_of(first_part_);
  if (auto const other = sessions_.find(session_of(identity, routing_id)); other != sessions_.end()) {
    auto& known = *other->second;
    if (known.routing_id > routing_id) return nullptr;
    events.push_back(event::lost(known.id, "it has connected anew"));
    shut(known);
  }
  last_sender_ = &add(std::string(routing_id), std::move(identity), connection, events);
  return last_sender_;
}

zmq_server::peer& zmq_server::add(std::string routing_id, std::string identity, int connection,
                                  std::vector<event>& events) {
  auto const id = ++drawn_;
  auto made = std::make_unique<peer>(
      peer{id, routing_id, std::move(identity), connection, accepted_, outbox(poller_)});
  auto& added = *made;
  peers_.emplace(std::move(routing_id), std::move(made));
  open_peers_.emplace(id, &added);
  sessions_.insert_or_assign(session_of(added.identity, added.routing_id), &added);
  if (auto const other = connections_.find(connection); other != connections_.end())
    begin_end(*other->second);
  connections_[connection] = &added;
  if (dead_connections_.erase(connection) != 0) begin_end(added);
  if (!authenticator_->rights_of(added.identity)) {  // since the handshake
    added.revoked = true;
    shut(added);
    return added;
  }
  added.enrols = authenticator_->is_token(added.identity);
  if (!added.enrols) events.push_back(event::connected(id, added.identity));
  return added;
}

void zmq_server::forget_open(peer& gone) {
  open_peers_.erase(gone.id);
  auto const at = sessions_.find(session_of(gone.identity, gone.routing_id));
  if (at != sessions_.end() && at->second == &gone) sessions_.erase(at);
}

void zmq_server::erase(peer& gone) {
  if (gone.ending) std::erase(ending_, &gone);
  if (gone.waiting) std::erase(waiting_, &gone);
  if (last_sender_ == &gone) last_sender_ = nullptr;
  if (auto const at = connections_.find(gone.connection); at != connections_.end() && at->second == &gone)
    connections_.erase(at);
  forget_open(gone);
  peers_.erase(std::string(gone.routing_id));
}

void zmq_server::read_monitor() {
  while (auto const report = monitor_->next()) {
    switch (report->what) {
      case ZMQ_EVENT_DISCONNECTED: connection_ended(report->value); break;
      case ZMQ_EVENT_ACCEPT_FAILED:
        if (report->value == EMFILE || report->value == ENFILE) stop_listening();
        break;
      default: ++accepted_; dead_connections_.erase(report->value);
    }
  }
}

void zmq_server::connection_ended(int connection) {
  auto const found = connections_.find(connection);
  if (found == connections_.end())
    dead_connections_.insert(connection);
  else
    begin_end(*found->second);
}

void zmq_server::begin_end(peer& from) {
  if (std::exchange(from.ending, true)) return;
  ending_.push_back(&from);
  touched_ = true;
}

void zmq_server::probe_ending() {
  for (auto* const from : ending_) {
    auto probe = signal(signal_none);
    if (!from->cut_off && transmit(*from, probe) == part_status::unreachable) cut_off(*from);
  }
}

void zmq_server::cut_off(peer& from) {
  begin_end(from);
  from.cut_off = true;
  readable_ = true;
}

// Called when there is nothing left to read.
void zmq_server::tell_ended(std::vector<event>& events) {
  auto const ended = ending_;
  for (auto* const from : ended) {
    if (from->cut_off) lose(*from, {}, events);
  }
}

void zmq_server::lose(peer& gone, std::string reason, std::vector<event>& events) {
  if (!gone.closed) events.push_back(event::lost(gone.id, std::move(reason)));
  erase(gone);
}

// Says farewell and hears no more of it; it is forgotten when its connection ends.
void zmq_server::shut(peer& gone) {
  forget_open(gone);
  gone.closed = true;
  gone.unsent = outbox(poller_);
  auto farewell = signal(signal_farewell);
  switch (transmit(gone, farewell)) {
    case part_status::done: break;
    case part_status::would_block: wait_to_send(gone, std::move(farewell)); break;
    case part_status::unreachable: cut_off(gone);
  }
}

void zmq_server::close(peer_id gone) {
  if (auto* const closed = find(gone)) {
    send_waiting_of(*closed);
    shut(*closed);
  }
}

send_status zmq_server::send(peer_id id, frame const& message) {
  auto* const to = find(id);
  if (to == nullptr || to->cut_off) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  auto const size = size_of(message);
  if (to->unsent.is_full(size, bounds_.max_queue_bytes)) return send_status::full;

  auto packed = to->unsent.pack(message);
  if (!send_waiting_of(*to)) {
    wait_to_send(*to, std::move(packed));
    return send_status::sent;
  }
  switch (transmit(*to, packed)) {
    case part_status::done: return send_status::sent;
    case part_status::would_block: wait_to_send(*to, std::move(packed)); return send_status::sent;
    default: cut_off(*to); return send_status::gone;
  }
}

part_status zmq_server::transmit(peer& to, packed_frame& message) {
  touched_ = true;
  zmq::message_t routing_id(to.routing_id.data(), to.routing_id.size());
  auto const status = send_part(socket_, routing_id, true);
  return status == part_status::done ? send_parts(socket_, message) : status;
}

void zmq_server::wait_to_send(peer& to, packed_frame message) {
  to.unsent.push(std::move(message));
  if (!std::exchange(to.waiting, true)) waiting_.push_back(&to);
}

void zmq_server::send_waiting() {
  if (waiting_.empty()) return;
  auto const waiting = std::exchange(waiting_, {});
  for (auto* const to : waiting) {
    to->waiting = send_waiting_of(*to) ? false : true;
    if (to->waiting) waiting_.push_back(to);
  }
}

// True if nothing waits any more.
bool zmq_server::send_waiting_of(peer& to) {
  while (!to.unsent.empty()) {
    switch (transmit(to, to.unsent.front())) {
      case part_status::done: to.unsent.pop(); break;
      case part_status::would_block: return false;
      case part_status::unreachable: cut_off(to); to.unsent = outbox(poller_);
    }
  }
  return true;
}

}  // namespace yonder::transport
