// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

void world::plan(duration after, kind what, std::uint32_t a, std::uint32_t b) {
  schedule_.plan(now_ + after, what, a, b);
}

void world::post(out::send&& send, bool to_hub) {
  auto& over = link_of(send.peer);
  auto const& message = send.message();
  ++seen_.frames;
  if (message.head.remaining_us > 1) observe_remaining(message);
  note(static_cast<std::uint64_t>(message.head.type) << 56 ^ message.head.call.number,
       send.peer ^ std::uint64_t{message.head.attempt} << 32);
  if (how_.reliable) {
    auto const arrives =
        std::max(over.last_arrival[to_hub ? 1 : 0], now_ + between(how_.shortest_delay, how_.longest_delay));
    over.last_arrival[to_hub ? 1 : 0] = arrives;
    return transmit(std::move(send), to_hub, arrives);
  }
  if (now_ < over.cut_until[to_hub ? 1 : 0] || happens(how_.drop)) {
    ++seen_.dropped;
    return;
  }
  auto const left = leaves(over, to_hub, message);
  auto const arrives = left + delay();
  if (happens(how_.repeat)) {
    ++seen_.repeated;
    transmit(out::send(send), to_hub, left + delay());
  }
  transmit(std::move(send), to_hub, arrives);
}

// When the last byte has left: a slow link has a queue.
time_point world::leaves(connection& over, bool to_hub, frame const& message) {
  if (how_.slow_bytes_per_second == 0 || over.node != 0) return now_;
  auto& busy = over.busy_until[to_hub ? 1 : 0];
  constexpr auto most = static_cast<duration>(2 * link::bulk_window);
  if (how_.drop == 0 && (busy - now_) * how_.slow_bytes_per_second > most * second)
    violated("more is handed to a slow link than the window allows");
  auto const size = static_cast<duration>(size_of(message));
  return busy = std::max(busy, now_) + size * second / how_.slow_bytes_per_second;
}

duration world::delay() {
  auto const usual = between(how_.shortest_delay, how_.longest_delay);
  return happens(how_.straggle) ? usual * static_cast<duration>(1 + random_.below(100)) : usual;
}

void world::transmit(out::send&& send, bool to_hub, time_point arrives) {
  auto const index = take_parcel();
  auto& made = *parcels_[index];
  made.to_hub = to_hub;
  made.coded = how_.flip > 0 || ++coded_ % coded_one_in == 0;
  made.sent = std::move(send);
  if (made.coded) code(made);
  ++link_of(made.sent.peer).under_way[to_hub ? 1 : 0];
  schedule_.plan(arrives, kind::parcel, index, 0U);
}

// Head and body as bytes, one bit of which may be another one when they arrive.
void world::code(parcel& made) {
  auto const& message = made.sent.message();
  auto const wire = encode_header(message.head, message.metadata());
  made.bytes.clear();
  made.bytes.append(wire.data(), wire.size());
  made.bytes.append(message.body.data(), message.body.size());
  if (!happens(how_.flip)) return;
  auto const at = random_.below(header_size + message.head.metadata_size);
  made.bytes.data()[at] ^= std::byte{1} << random_.below(8);
}

std::uint32_t world::take_parcel() {
  if (free_parcels_.empty()) {
    parcels_.push_back(std::make_unique<parcel>());
    return static_cast<std::uint32_t>(parcels_.size() - 1);
  }
  auto const index = free_parcels_.back();
  free_parcels_.pop_back();
  return index;
}

void world::arrive(std::uint32_t index) {
  auto& come = *parcels_[index];
  auto& sent = come.sent;
  auto const to_hub = come.to_hub;
  auto& over = link_of(sent.peer);
  make_room(over, to_hub);
  auto const is_open = to_hub ? over.open_at_hub : over.open_at_node;
  if (come.coded) {
    frame decoded;
    if (is_open && decode(come, *sent.body, decoded) == frame_fault::none)
      deliver(sent.peer, over, to_hub, std::move(decoded));
  } else if (is_open && sent.body.unique()) {  // from hand to hand: nobody else has it any more
    sent.message();
    deliver(sent.peer, over, to_hub, std::move(*sent.body));
  } else if (is_open) {
    deliver(sent.peer, over, to_hub, {sent.head, sent.body->body.duplicate(), sent.body->buffers});
  }
  sent.body = {};
  free_parcels_.push_back(index);
}

frame_fault world::decode(parcel const& come, frame const& sent, frame& message) {
  message.buffers = sent.buffers;
  message.body = byte_buffer::copy_of(come.bytes.bytes().subspan(header_size));
  return decode_header(come.bytes, message.head);
}

// A frame has left its queue.
void world::make_room(connection& over, bool to_hub) {
  auto const way = to_hub ? 1 : 0;
  --over.under_way[way];
  if (!std::exchange(over.crowded[way], false)) return;
  auto const of = !to_hub ? role::hub : over.of_worker ? role::worker : role::client;
  plan(between(0, 10 * microsecond), kind::turn, over.node, static_cast<std::uint32_t>(of));
}

void world::deliver(peer_id peer, connection const& over, bool to_hub, frame&& message) {
  if (to_hub) {
    if (how_.lies_every != 0) remember(message);
    observe_at_hub(peer, over, message);
    hub_->receive(now_, peer, std::move(message), out_);
    after_hub();
  } else if (over.of_worker) {
    auto& node = workers_[over.node];
    if (node.generation != over.generation || node.core == nullptr) return;
    if (how_.drivers) return arrive_at_worker(over.node, std::move(message));
    node.core->receive(now_, peer, std::move(message), out_);
    after_worker(over.node);
  } else {
    auto& node = clients_[over.node];
    if (node.generation != over.generation || node.core == nullptr) return;
    node.core->receive(now_, peer, std::move(message), out_);
    after_client(over.node);
  }
}

peer_id world::open_connection(bool of_worker, std::uint32_t node, std::uint32_t generation) {
  connection made;
  made.of_worker = of_worker;
  made.node = node;
  made.generation = generation;
  if (!of_worker) made.life = clients_[node].life;
  made.open_at_node = made.open_at_hub = true;
  made.narrow = happens(how_.narrow);
  if (of_worker ? workers_[node].abandoned : clients_[node].abandoned)
    made.cut_until = cut_of_abandoned(node);
  connections_.push_back(made);
  return connections_.size();
}

}  // namespace yonder::core::simulation
