// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/values.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <deque>
#include <new>
#include <utility>

#include "src/core/crc32c.hpp"
#include "src/core/little_endian.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"

namespace yonder::detail {
namespace {

constexpr std::size_t piece_alignment = 64;
constexpr std::size_t pieces_at_once = 16;  // of one value
constexpr std::size_t values_at_once = core::max_wishes / pieces_at_once;
constexpr std::size_t most_parts = std::size_t{1} << 16;
constexpr auto patience = std::chrono::seconds(60);  // until the owner has sent what was asked for

std::size_t aligned(std::size_t size) noexcept {
  return (size + piece_alignment - 1) / piece_alignment * piece_alignment;
}

// Of all tickets and handles, which outlive engines: for ever.
std::mutex& tickets_mutex() {
  static auto* const made = [] {
    auto* const mutex = new std::mutex;
    platform::hold_while_forking(*mutex);
    return mutex;
  }();
  return *made;
}
std::map<core::value_key, std::weak_ptr<value_ticket>>& live_tickets() {
  static auto* const made = new std::map<core::value_key, std::weak_ptr<value_ticket>>;
  return *made;
}
ticket_ref live_ticket(core::value_key const& key) {
  auto const found = live_tickets().find(key);
  return found == live_tickets().end() ? nullptr : found->second.lock();
}

core::value_key key_of(value_link const& link) noexcept { return {link.owner, link.number}; }

// Of this thread; made with its first reference.
struct noted_references {
  std::vector<value_ref> encoded;
  std::vector<std::weak_ptr<value_handle>> decoded;
};
constinit thread_local noted_references* noted = nullptr;
noted_references& note() {
  static thread_local std::unique_ptr<noted_references> const own = std::make_unique<noted_references>();
  noted = own.get();
  return *own;
}

// What this thread asks of a hub meanwhile is not a task's.
class outside_of_task {
 public:
  outside_of_task() noexcept : outer_(std::exchange(runtime_detail::current_call(), nullptr)) {}
  ~outside_of_task() { runtime_detail::current_call() = outer_; }
  outside_of_task(outside_of_task const&) = delete;
  outside_of_task& operator=(outside_of_task const&) = delete;

 private:
  runtime_detail::call_context* outer_;
};

constexpr auto no_signature = [] { return std::uint64_t{0}; };
constinit task_entry serve_entry{core::serve_values, no_signature, nullptr, nullptr, nullptr, nullptr, false};
constinit task_entry fetch_entry{core::fetch_value, no_signature, nullptr, nullptr, nullptr, nullptr, false};
constinit task_entry give_entry{core::give_value, no_signature, nullptr, nullptr, nullptr, nullptr, false};
constinit task_entry hold_entry{core::hold_values, no_signature, nullptr, nullptr, nullptr, nullptr, false};
constinit task_entry drop_entry{core::drop_values, no_signature, nullptr, nullptr, nullptr, nullptr, false};

call_ref ask(engine& where, task_entry const& entry, std::string const& payload,
             options const& settings = {.idempotent = true}, std::optional<buffer> block = std::nullopt) {
  auto call = begin_call(entry, settings);
  call.content.head.append(payload.data(), payload.size());
  if (block) call.content.buffers.push_back(std::move(*block));
  return where.submit(entry, settings, std::move(call), departure::now);
}

error_details ended_runtime() {
  return {.code = errc::disconnected, .message = "the runtime of this value by reference has ended"};
}

// Memory for all of a value, which is not touched before it comes.
std::shared_ptr<std::byte> block_of(std::size_t size) {
  auto* const memory = static_cast<std::byte*>(
      ::operator new(std::max<std::size_t>(size, 1), std::align_val_t(piece_alignment)));
  return {memory, [](std::byte* gone) { ::operator delete(gone, std::align_val_t(piece_alignment)); }};
}

}  // namespace

// --- a value's bytes

whole_ref whole_of(encoded&& content) {
  static constexpr std::array<std::byte, piece_alignment> zeros{};
  auto made = std::make_shared<whole_value>();
  auto const parts = content.buffers.size() + 1;
  auto const sizes = aligned(sizeof(std::uint64_t) * (parts + 1));
  auto const first = std::make_shared<byte_buffer>();
  auto* at = first->extend(sizes);
  std::memset(at, 0, sizes);
  core::store_le(at, static_cast<std::uint64_t>(parts));
  core::store_le(at + 8, static_cast<std::uint64_t>(content.head.size()));
  for (std::size_t i = 0; i < content.buffers.size(); ++i)
    core::store_le(at + 16 + 8 * i, static_cast<std::uint64_t>(content.buffers[i].size));
  first->append(content.head.data(), content.head.size());
  made->head = first->bytes().subspan(sizes);
  made->buffers = std::move(content.buffers);
  auto const add = [&](buffer piece) {
    auto const rest = aligned(piece.size) - piece.size;
    made->size += piece.size + rest;
    made->checksum = core::crc32c(piece.bytes(), made->checksum);
    made->checksum = core::crc32c(std::span(zeros).first(rest), made->checksum);
    made->pieces.push_back(std::move(piece));
    if (rest != 0) made->pieces.push_back({zeros.data(), rest, std::make_shared<char>()});
  };
  add({first->data(), first->size(), first});
  for (auto const& block : made->buffers) add(block);
  return made;
}

whole_ref whole_of(std::shared_ptr<void const> block, std::byte const* bytes, std::size_t size) {
  if (size < 16) return nullptr;
  auto const parts = core::load_le<std::uint64_t>(bytes);
  if (parts == 0 || parts > most_parts) return nullptr;
  auto at = aligned(sizeof(std::uint64_t) * (static_cast<std::size_t>(parts) + 1));
  if (at > size) return nullptr;
  auto made = std::make_shared<whole_value>();
  for (std::size_t i = 0; i < parts; ++i) {
    auto const stated = core::load_le<std::uint64_t>(bytes + 8 * (i + 1));
    if (stated > size - at) return nullptr;
    auto const count = static_cast<std::size_t>(stated);
    if (i == 0)
      made->head = {bytes + at, count};
    else
      made->buffers.push_back({bytes + at, count, block});
    if (aligned(count) > size - at) return nullptr;
    at += aligned(count);
  }
  if (at != size) return nullptr;
  made->size = size;
  made->block = std::move(block);
  return made;
}

namespace {

// `size` bytes of it from `offset` on, without a copy where they lie in one of its pieces.
buffer slice_of(whole_value const& value, std::uint64_t offset, std::size_t size) {
  std::shared_ptr<std::byte> copy;
  std::size_t copied = 0;
  for (auto const& piece : value.pieces) {
    if (offset >= piece.size) {
      offset -= piece.size;
      continue;
    }
    auto const here = std::min<std::size_t>(piece.size - static_cast<std::size_t>(offset), size - copied);
    if (here == size) return {piece.data + offset, size, piece.owner};
    if (!copy) copy = block_of(size);
    std::memcpy(copy.get() + copied, piece.data + offset, here);
    copied += here;
    offset = 0;
    if (copied == size) break;
  }
  return {copy.get(), size, copy};
}

}  // namespace

// --- who has references

value_ticket::~value_ticket() {
  if (key.number == 0) return;
  {
    std::lock_guard const held(tickets_mutex());
    auto const found = live_tickets().find(key);
    if (found != live_tickets().end() && found->second.expired()) live_tickets().erase(found);
  }
  if (auto const store = from.lock()) store->give_back(key, count);
}

own_use::~own_use() {
  if (auto const store = of.lock()) store->no_longer_used(number);
}

std::vector<ticket_ref> tickets_for(std::shared_ptr<value_store> const& store,
                                    std::span<core::value_key const> keys) {
  std::vector<ticket_ref> made;
  made.reserve(keys.size());
  for (auto const& key : keys) {
    std::unique_lock held(tickets_mutex());
    auto ticket = live_ticket(key);
    if (!ticket) {
      ticket = std::make_shared<value_ticket>();
      live_tickets()[key] = ticket;
      ticket->from = store;
      ticket->key = key;
    }
    ++ticket->count;
    held.unlock();
    made.push_back(std::move(ticket));
  }
  return made;
}

std::vector<value_ref> outliving(std::vector<std::weak_ptr<value_handle>> const& decoded,
                                 std::vector<core::value_key>& keys) {
  std::vector<value_ref> live;
  for (auto const& one : decoded) {
    auto handle = one.lock();
    if (!handle || handle->own) continue;
    std::lock_guard const held(tickets_mutex());
    if (handle->ticket || !handle->link.number) continue;
    keys.push_back(key_of(handle->link));
    live.push_back(std::move(handle));
  }
  return live;
}

void give_tickets(std::shared_ptr<value_store> const& store, std::span<value_ref const> handles) {
  for (auto const& handle : handles) {
    auto const key = key_of(handle->link);
    auto given = tickets_for(store, std::span(&key, 1));
    std::lock_guard const held(tickets_mutex());
    std::swap(handle->ticket, given.front());
  }
}

std::vector<value_ref> take_encoded_references() {
  return noted == nullptr ? std::vector<value_ref>() : std::exchange(noted->encoded, {});
}
std::vector<std::weak_ptr<value_handle>> take_decoded_references() {
  return noted == nullptr ? std::vector<std::weak_ptr<value_handle>>() : std::exchange(noted->decoded, {});
}
bool has_references() noexcept {
  return noted != nullptr && !(noted->encoded.empty() && noted->decoded.empty());
}
void forget_references() noexcept {
  if (noted == nullptr) return;
  noted->encoded.clear();
  noted->decoded.clear();
}

// --- what the templates call

void begin_value() {
  if (noted != nullptr) noted->encoded.clear();
}

value_ref keep_value(engine_ref const& where, encoded&& content) {
  if (!where->is_ours())
    throw_error(
        {.code = errc::no_runtime, .message = "this process is a fork of the one that made the runtime"});
  auto const store = where->values();
  if (!store) throw_error(ended_runtime());
  return store->keep(std::move(content), take_encoded_references());
}

value_bytes bytes_of_value(value_ref const& value) {
  if (!value)
    throw_error({.code = errc::already_read,
                 .message = "this reference refers to no value: use one that put() or a task has returned"});
  auto store = value->store.lock();
  if (!store) store = current_engine()->values();
  if (!store) throw_error(ended_runtime());
  auto const whole = store->bring(value->link);
  return {whole->head, whole->buffers, store->decoding(), whole};
}

value_link link_of(value_ref const& value) {
  if (!value) return {};
  note().encoded.push_back(value);
  if (value->own)
    if (auto const store = value->store.lock()) store->leaves(value->link.number);
  return value->link;
}

value_ref value_of(value_link const& link) {
  if (link.number == 0) return nullptr;
  auto made = std::make_shared<value_handle>();
  made->link = link;
  {
    std::lock_guard const held(tickets_mutex());
    made->ticket = live_ticket(key_of(link));
  }
  auto store = made->ticket ? made->ticket->from.lock() : nullptr;
  if (!store) {
    try {
      store = current_engine()->values();
    } catch (error const&) {  // it is looked for again when the value is asked for
    }
  }
  made->store = store;
  if (store && link.owner == store->session()) made->own = store->use(link.number);
  if (runtime_detail::current_call() != nullptr) note().decoded.push_back(made);
  return made;
}

value_link peek(value_ref const& value) noexcept { return value ? value->link : value_link{}; }

void put_value(outgoing& call, value_ref const& value) {
  if (!value)
    throw_error(
        {.code = errc::already_read,
         .message = "an argument is a reference to no value: use one that put() or a task has returned"});
  if (!call.values) call.values = std::make_shared<outgoing_values>();
  auto& content = call.content;
  auto const link = link_of(value);
  call.values->arguments.push_back({{key_of(link), link.size, link.checksum},
                                    static_cast<std::uint32_t>(content.head.size() - call.metadata_size),
                                    static_cast<std::uint32_t>(content.buffers.size())});
  std::byte const place{};
  content.head.append(&place, 1);
}

// --- the store

value_store::~value_store() {
  if (thread_.joinable()) mark_.is_ours() ? thread_.join() : thread_.detach();
}

value_ref value_store::keep(encoded&& content, std::vector<value_ref>&& within) {
  auto const value = std::const_pointer_cast<whole_value>(whole_of(std::move(content)));
  value->of = std::move(within);
  auto made = std::make_shared<value_handle>();
  made->own = std::make_shared<own_use>();
  made->store = weak_from_this();
  lock const held(mutex_);
  if (stops_) throw_error(ended_runtime());
  std::uint64_t number = 0;
  while (number == 0 || own_.contains(number)) number = platform::random_number();
  made->link = {session_, number, value->size, value->checksum};
  own_[number] = {value, made->own, false};
  made->own->number = number;
  made->own->of = weak_from_this();
  return made;
}

decode_limits value_store::decoding() const {
  auto const where = engine_.lock();
  return where ? where->decoding() : decode_limits{};
}

void value_store::leaves(std::uint64_t number) {
  lock const held(mutex_);
  auto const found = own_.find(number);
  if (found == own_.end()) return;
  found->second.left = true;
  start();
}

std::shared_ptr<own_use> value_store::use(std::uint64_t number) {
  if (!mark_.is_ours()) return nullptr;
  lock const held(mutex_);
  auto const found = own_.find(number);
  if (found == own_.end()) return nullptr;
  auto use = found->second.use.lock();
  if (use) return use;
  use = std::make_shared<own_use>();
  use->number = number;
  use->of = weak_from_this();
  found->second.use = use;
  return use;
}

whole_ref value_store::own(std::uint64_t number) {
  lock const held(mutex_);
  auto const found = own_.find(number);
  return found == own_.end() ? nullptr : found->second.value;
}

// One thread brings it, others wait for that.
whole_ref value_store::bring(value_link const& link) {
  if (link.owner == session_) {
    if (auto value = own(link.number)) return value;
    throw_error({.code = errc::value_gone, .message = "this process has the value no more"});
  }
  if (link.size > most_bytes_)
    throw_error({.code = errc::too_large,
                 .message = "the value takes " + std::to_string(link.size) + " bytes; the limit is " +
                            std::to_string(most_bytes_) + " (runtime_options::max_value_bytes)"});
  auto const key = key_of(link);
  std::shared_ptr<fetching> mine;
  {
    lock held(mutex_);
    for (;;) {
      if (auto const found = found_.find(key); found != found_.end()) {
        brought_.splice(brought_.end(), brought_, found->second);
        return found->second->second;
      }
      auto const comes = coming_.find(key);
      if (comes == coming_.end()) break;
      auto const other = comes->second;
      changed_.wait(held, [&] { return other->done; });
      if (other->failure) throw_error(*other->failure);
      return other->value;
    }
    mine = std::make_shared<fetching>();
    coming_.emplace(key, mine);
    changed_.wait(held, [this] { return fetches_ < values_at_once; });
    ++fetches_;
  }
  try {
    mine->value = fetch(link);
  } catch (error const& failed) {
    mine->failure = failed.details();
  } catch (std::bad_alloc const&) {
    mine->failure = error_details{
        .code = errc::too_large,
        .message = "there is no memory for the value, which takes " + std::to_string(link.size) + " bytes"};
  }
  lock held(mutex_);
  --fetches_;
  coming_.erase(key);
  mine->done = true;
  changed_.notify_all();
  if (mine->failure) throw_error(*mine->failure);
  remember(held, key, mine->value);
  return mine->value;
}

void value_store::remember(lock&, core::value_key const& key, whole_ref const& value) {
  found_[key] = brought_.insert(brought_.end(), {key, value});
  bytes_ += value->size;
  while (bytes_ > most_bytes_ && brought_.size() > 1) {
    bytes_ -= brought_.front().second->size;
    found_.erase(brought_.front().first);
    brought_.pop_front();
  }
}

whole_ref value_store::fetch(value_link const& link) {
  auto const where = engine_.lock();
  if (!where || !where->is_ours()) throw_error(ended_runtime());
  outside_of_task const outside;
  auto const size = static_cast<std::size_t>(link.size);
  auto const block = block_of(size);
  struct part {
    std::size_t offset;
    std::size_t size;
    call_ref call;
  };
  std::deque<part> parts;
  struct cancel_rest {
    std::deque<part>& left;
    ~cancel_rest() {
      for (auto const& one : left) cancel(*one.call);
    }
  } const rest{parts};
  std::size_t asked = 0;
  std::uint32_t checksum = 0;
  options const settings{.deadline = patience, .idempotent = true};
  while (asked < size || !parts.empty()) {
    while (asked < size && parts.size() < pieces_at_once) {
      auto const next = std::min<std::size_t>(size - asked, core::value_piece);
      parts.push_back(
          {asked, next,
           ask(*where, fetch_entry,
               core::encode_wish({key_of(link), asked, static_cast<std::uint32_t>(next)}), settings)});
      asked += next;
    }
    auto const one = parts.front();
    wait(*one.call);
    if (auto const* const failure = failure_of(*one.call)) {
      auto told = *failure;
      told.task.clear();
      if (told.code == errc::deadline_exceeded)
        told.message = "the process that has the value by reference did not send it: " + told.message;
      throw_error(std::move(told));
    }
    auto const came = take_reply(*one.call).buffers;
    if (came.size() != 1 || came.front().size != one.size)
      throw_error({.code = errc::undecodable,
                   .message = "what came of a value by reference is not what was asked for"});
    std::memcpy(block.get() + one.offset, came.front().data, one.size);
    checksum = core::crc32c(came.front().bytes(), checksum);
    parts.pop_front();
  }
  auto value = checksum == link.checksum ? whole_of(block, block.get(), size) : nullptr;
  if (!value)
    throw_error(
        {.code = errc::undecodable, .message = "what came of a value by reference is not what was put"});
  return value;
}

void value_store::hold(core::call_id call, std::span<core::value_key const> keys) {
  auto const where = engine_.lock();
  if (!where || !where->is_ours()) throw_error(ended_runtime());
  outside_of_task const outside;
  for (; !keys.empty(); keys = keys.subspan(std::min(keys.size(), core::max_references))) {
    auto const some = keys.first(std::min(keys.size(), core::max_references));
    auto const asked = ask(*where, hold_entry, core::encode_hold({call, {some.begin(), some.end()}}));
    wait(*asked);
    if (auto const* const failure = failure_of(*asked))
      throw_error({.code = failure->code, .message = failure->message});
  }
  lock const held(mutex_);
  start();  // they are given back by it
}

void value_store::give_back(core::value_key const& key, std::uint32_t count) noexcept try {
  if (!mark_.is_ours()) return;
  lock const held(mutex_);
  drops_.push_back({key, count, false});
  start();
} catch (std::exception const&) {  // no memory, or no thread: it stays until this process ends
}

void value_store::no_longer_used(std::uint64_t number) noexcept try {
  if (!mark_.is_ours()) return;
  whole_ref gone;  // it goes without the lock
  lock const held(mutex_);
  auto const found = own_.find(number);
  if (found == own_.end() || found->second.use.lock()) return;
  if (found->second.left) {
    drops_.push_back({{session_, number}, 0, true});
    return start();
  }
  gone = std::move(found->second.value);
  own_.erase(found);
} catch (std::exception const&) {
}

// --- its thread

// Under the lock.
void value_store::start() {
  if (stops_) return;
  if (!std::exchange(runs_, true)) try {
      thread_ = platform::start_thread("yonder-values", [self = shared_from_this()] { self->run(); });
    } catch (...) {
      runs_ = false;
      throw;
    }
  changed_.notify_all();
}

void value_store::serve_ended(void* self) {
  auto& store = *static_cast<value_store*>(self);
  lock const held(store.mutex_);
  store.told_ = true;
  store.changed_.notify_all();
}

void value_store::run() {
  constexpr auto pause = std::chrono::seconds(1);  // after an attempt that failed
  call_ref served;
  lock held(mutex_);
  while (!stops_) {
    if (!drops_.empty()) {
      auto const count = std::min(drops_.size(), core::max_drops);
      std::vector<core::value_drop> const drops(drops_.begin(),
                                                drops_.begin() + static_cast<std::ptrdiff_t>(count));
      drops_.erase(drops_.begin(), drops_.begin() + static_cast<std::ptrdiff_t>(count));
      held.unlock();
      if (auto const where = engine_.lock()) ask(*where, drop_entry, core::encode_drops(drops));
      held.lock();
      continue;
    }
    if (!served) {
      told_ = false;
      held.unlock();
      if (auto const where = engine_.lock()) served = ask(*where, serve_entry, {});
      if (served && !tell_when_done(*served, &serve_ended, this)) serve_ended(this);
      held.lock();
      if (!served) return;
      continue;
    }
    if (!told_) {
      changed_.wait(held);
      continue;
    }
    auto const ended = std::exchange(served, nullptr);
    auto const* const failure = failure_of(*ended);
    if (failure == nullptr)
      take_events(held, ended);
    else if (failure->code == errc::unsatisfiable)
      return;  // a runtime that has no workers: nobody asks
    else
      changed_.wait_for(held, pause, [this] { return stops_; });
  }
  held.unlock();
  if (served) forget_to_tell(*served, &serve_ended, this);
}

void value_store::take_events(lock& held, call_ref const& served) {
  core::value_events events;
  if (!core::decode_events(take_reply(*served).payload, events)) return;
  std::vector<whole_ref> gone;  // they go without the lock
  for (auto const number : events.unused) {
    auto const found = own_.find(number);
    if (found == own_.end() || found->second.use.lock()) continue;
    gone.push_back(std::move(found->second.value));
    own_.erase(found);
  }
  if (events.wishes.empty() && events.unused.empty())  // a hub that did not know this process
    for (auto const& [number, one] : own_)
      if (one.left && one.use.expired()) drops_.push_back({{session_, number}, 0, true});
  std::vector<std::pair<core::value_events::wish, whole_ref>> wishes;
  for (auto const& wish : events.wishes) {
    auto const found = own_.find(wish.number);
    wishes.emplace_back(wish, found == own_.end() ? nullptr : found->second.value);
  }
  held.unlock();
  gone.clear();
  if (auto const where = engine_.lock())
    for (auto const& [wish, value] : wishes) give(where, wish, value);
  held.lock();
}

// What cannot be sent is not here, for whoever waits.
void value_store::give(engine_ref const& where, core::value_events::wish const& wish,
                       whole_ref const& value) {
  auto const known = value && wish.size != 0 && wish.size <= core::value_piece &&
                     wish.offset <= value->size && wish.size <= value->size - wish.offset;
  if (known) {
    auto const given = ask(*where, give_entry, core::encode_gift(wish.request, true), {.idempotent = true},
                           slice_of(*value, wish.offset, wish.size));
    if (!is_done(*given) || failure_of(*given) == nullptr) return;
  }
  ask(*where, give_entry, core::encode_gift(wish.request, false));
}

void value_store::stop() {
  {
    lock const held(mutex_);
    stops_ = true;
    changed_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

}  // namespace yonder::detail
