// SPDX-License-Identifier: Apache-2.0
#include "src/core/metadata.hpp"

#include "src/core/crc32c.hpp"
#include "src/core/items.hpp"
#include "src/core/metadata_fields.hpp"
#include "src/core/trace.hpp"

#include <algorithm>

namespace yonder::core {

using namespace fields;

namespace {

constexpr std::uint32_t policy_idempotent = 1;
constexpr std::uint32_t policy_durable = 2;

void put_function(byte_buffer& body, function_info const& info) {
  auto const name = std::string_view(info.name).substr(0, max_name_size);
  auto const schema = std::string_view(info.schema).substr(0, max_text_size);
  auto* const at = begin_field(body, tag::offered_function, 10 + name.size() + schema.size());
  store_le(at, info.signature);
  store_le(at + 8, static_cast<std::uint16_t>(name.size()));
  std::memcpy(at + 10, name.data(), name.size());
  std::memcpy(at + 10 + name.size(), schema.data(), schema.size());
}

bool get_function(bytes_view value, function_info& info) {
  if (value.size() < 10) return false;
  info.signature = load_le<std::uint64_t>(value.data());
  auto const name_size = load_le<std::uint16_t>(value.data() + 8);
  if (name_size == 0 || name_size > max_name_size || name_size > value.size() - 10) return false;
  info.name = text_of(value.subspan(10, name_size));
  return get_text(value.subspan(10 + name_size), info.schema);
}

void put_remaining(byte_buffer& body, duration time) {
  if (time == never) return;
  put_numbers(body, tag::remaining, static_cast<std::uint64_t>(std::max<duration>(0, time) / microsecond));
}

// A frame whose body is being written.
struct draft {
  header head;
  byte_buffer body;
};

draft begin(frame_type type) {
  draft made;
  made.head.type = type;
  return made;
}

frame finish(draft&& made, std::span<std::byte const> payload = {}) {
  made.head.metadata_size = static_cast<std::uint32_t>(made.body.size());
  made.body.append(payload.data(), payload.size());
  return {made.head, std::move(made.body), {}};
}

bool get_policy(bytes_view value, call_policy& policy) {
  std::uint32_t flags = 0;
  if (value.size() != 16 || !get_microseconds(value.subspan(8), policy.timeout)) return false;
  get_numbers(value.first(8), policy.retries, flags);
  policy.idempotent = (flags & policy_idempotent) != 0;
  policy.durable = (flags & policy_durable) != 0;
  return (flags & ~(policy_idempotent | policy_durable)) == 0;
}

bool get_parent(bytes_view value, attempt_key& parent) {
  return get_numbers(value, parent.call.session, parent.call.number, parent.attempt, parent.epoch) &&
         parent.attempt != 0;
}

bool get_level(bytes_view value, stream_level& level) { return get_numbers(value, level.items, level.bytes); }

void put_level(byte_buffer& body, tag what, stream_level const& level) {
  put_numbers(body, what, level.items, level.bytes);
}

// The terms of a stream are one or two fields.
bool get_stream(tag what, bytes_view value, std::optional<stream_terms>& terms) {
  if (!terms) terms.emplace();
  return get_level(value, what == tag::stream ? terms->allowed : terms->begin);
}

constexpr std::size_t argument_size = 17;

bool get_arguments(bytes_view value, std::vector<awaited_argument>& arguments) {
  if (value.empty() || value.size() % argument_size != 0 || value.size() > max_awaited * argument_size)
    return false;
  for (; !value.empty(); value = value.subspan(argument_size)) {
    std::uint8_t sole = 0;
    auto& one = arguments.emplace_back();
    get_numbers(value.first(argument_size), one.number, one.offset, one.buffer, sole);
    one.sole = sole != 0;
  }
  return true;
}

bool get_batching(bytes_view value, batch_policy& batching) {
  return value.size() == 28 && get_numbers(value.first(4), batching.max_items) && batching.max_items != 0 &&
         get_microseconds(value.subspan(4, 8), batching.max_wait) &&
         get_numbers(value.subspan(12), batching.max_weight, batching.weight);
}

bool get_priority(bytes_view value, call_turn& turn) { return get_numbers(value, turn.priority.emplace()); }

bool get_key(bytes_view value, std::string_view& key) {
  return !value.empty() && get_text(value, key, max_key_size);
}

bool get_fairness(bytes_view value, call_turn& turn) {
  return value.size() > 4 && get_numbers(value.first(4), turn.weight) &&
         get_key(value.subspan(4), turn.fairness_key);
}

bool get_idempotency(bytes_view value, idempotency_terms& terms) {
  return value.size() > digest_size && get_text(value.first(digest_size), terms.digest) &&
         get_key(value.subspan(digest_size), terms.key);
}

bool get_role(bytes_view value, peer_role& role) {
  std::uint8_t number = 0;
  if (!get_numbers(value, number)) return false;
  role = static_cast<peer_role>(number);
  return role == peer_role::client || role == peer_role::worker;
}

bool get_code(bytes_view value, errc& code) {
  std::uint16_t number = 0;
  if (!get_numbers(value, number) || number == 0) return false;
  code = static_cast<errc>(number);
  return true;
}

bool get_transfer(bytes_view value, transfer_message& transfer) {
  if (value.size() < 17 || (value.size() - 9) % 8 != 0) return false;
  std::uint8_t type = 0;
  get_numbers(value.first(9), type, transfer.head.metadata_size, transfer.checksum);
  transfer.head.type = static_cast<frame_type>(type);
  for (auto left = value.subspan(9); !left.empty(); left = left.subspan(8))
    transfer.sizes.push_back(load_le<std::uint64_t>(left.data()));
  transfer.head.buffer_count = static_cast<std::uint32_t>(transfer.sizes.size() - 1);
  switch (transfer.head.type) {
    case frame_type::call:
    case frame_type::assign:
    case frame_type::result:
    case frame_type::stream_items:
    case frame_type::error: return transfer.head.metadata_size <= transfer.sizes.front();
    default: return false;
  }
}

bool get_limits(bytes_view value, frame_limits& limits) {
  return get_numbers(value, limits.max_frame_bytes, limits.max_buffers) &&
         limits.max_frame_bytes >= min_frame_bytes;
}

constexpr std::int32_t no_status = -1;

void put_predecessor(byte_buffer& body, predecessor const& one) {
  put_numbers(body, tag::predecessor, one.session, one.epoch, one.started, one.signal,
              one.exit_status.value_or(no_status));
  put_present_text(body, tag::predecessor_reason, one.reason, max_name_size);
  put_present_text(body, tag::predecessor_stderr, one.stderr_tail);
}

bool get_predecessor(bytes_view value, predecessor& one) {
  std::int32_t status = no_status;
  if (!get_numbers(value, one.session, one.epoch, one.started, one.signal, status)) return false;
  if (status != no_status) one.exit_status = status;
  return true;
}

bool get_held(bytes_view value, std::vector<held_attempt>& all) {
  constexpr std::size_t before_time = 20, before_ticket = before_time + 8;
  auto& one = all.emplace_back();
  if (all.size() > max_functions || (value.size() != before_ticket && value.size() != before_ticket + 4))
    return false;
  auto const has_ticket = value.size() != before_ticket;
  return get_numbers(value.first(before_time), one.call.session, one.call.number, one.attempt) &&
         get_microseconds(value.subspan(before_time, 8), one.ran) &&
         (!has_ticket || get_numbers(value.subspan(before_ticket), one.ticket));
}

void put_build(byte_buffer& body, program_build const& one) {
  auto const name = std::string_view(one.program).substr(0, max_name_size);
  auto* const at = begin_field(body, tag::build, 8 + name.size());
  store_le(at, one.build);
  if (!name.empty()) std::memcpy(at + 8, name.data(), name.size());
}

bool get_build(bytes_view value, program_build& one) {
  return value.size() >= 8 && get_numbers(value.first(8), one.build) &&
         get_text(value.subspan(8), one.program, max_name_size);
}

bool get_offered(bytes_view value, std::vector<function_info>& functions) {
  if (functions.size() >= max_functions) return false;
  return get_function(value, functions.emplace_back());
}

}  // namespace

void write_call(byte_buffer& body, std::string_view function, call_policy const& policy,
                std::string_view traceparent) {
  put_text(body, tag::function, function, max_name_size);
  if (policy.retries != 0 || policy.idempotent || policy.durable || policy.timeout != 0) {
    auto const flags = (policy.idempotent ? policy_idempotent : 0U) | (policy.durable ? policy_durable : 0U);
    auto const timeout = policy.timeout / microsecond + (policy.timeout % microsecond != 0);
    put_numbers(body, tag::policy, policy.retries, flags, static_cast<std::uint64_t>(timeout));
  }
  put_present_text(body, tag::traceparent, traceparent, max_name_size);
}

std::string_view read_traceparent(bytes_view metadata) {
  std::string_view text;
  read_fields(metadata, [&](tag what, bytes_view value) {
    if (what == tag::traceparent) text = text_of(value);
    return field::taken;
  });
  return is_traceparent(text) ? text : std::string_view();
}

void write_parent(byte_buffer& body, attempt_key const& parent) {
  put_numbers(body, tag::parent, parent.call.session, parent.call.number, parent.attempt, parent.epoch);
}

void write_requirements(byte_buffer& body, std::string_view needs) {
  put_present_text(body, tag::requirements, needs, max_requirements_size);
}

void write_turn(byte_buffer& body, call_turn const& turn) {
  if (turn.priority) put_numbers(body, tag::priority, *turn.priority);
  if (!turn.fairness_key.empty()) {
    auto const size = turn.fairness_key.size();
    auto* const at = begin_field(body, tag::fairness, 4 + size);
    store_le(at, turn.weight);
    std::memcpy(at + 4, turn.fairness_key.data(), size);
  }
  put_present_text(body, tag::order, turn.order_key, max_key_size);
}

void write_pinned(byte_buffer& body, std::uint64_t build) { put_numbers(body, tag::pinned, build); }

void write_batching(byte_buffer& body, batch_policy const& batching) {
  put_numbers(body, tag::batching, batching.max_items,
              static_cast<std::uint64_t>(batching.max_wait / microsecond), batching.max_weight,
              batching.weight);
}

bool read_call(bytes_view metadata, call_message& message) {
  auto const good = read_fields(metadata, [&](tag what, bytes_view value) {
    switch (what) {
      case tag::function: return taken_if(get_text(value, message.function, max_name_size));
      case tag::policy: return taken_if(get_policy(value, message.policy));
      case tag::batching: return taken_if(get_batching(value, message.batching));
      case tag::requirements: return taken_if(get_text(value, message.requirements, max_requirements_size));
      case tag::parent: return taken_if(get_parent(value, message.parent));
      case tag::priority: return taken_if(get_priority(value, message.turn));
      case tag::fairness: return taken_if(get_fairness(value, message.turn));
      case tag::order: return taken_if(get_key(value, message.turn.order_key));
      case tag::arguments: return taken_if(get_arguments(value, message.arguments));
      case tag::idempotency: return taken_if(get_idempotency(value, message.idempotency));
      case tag::schedule: return taken_if(!value.empty() && get_text(value, message.schedule));
      case tag::callback: return taken_if(get_callback(value, message.callback));
      case tag::pinned: return taken_if(message.says_build = get_numbers(value, message.build.build));
      case tag::referred: return field::taken;  // its worker reads it: values.hpp
      case tag::retry: {
        retry_terms terms;
        return taken_if(get_retry(value, terms));
      }
      case tag::stream:
      case tag::stream_begin: return taken_if(get_stream(what, value, message.stream));
      default: return field::unknown;
    }
  });
  return good && !message.function.empty();
}

void write_arguments(byte_buffer& body, std::span<awaited_argument const> arguments) {
  auto* at = begin_field(body, tag::arguments, argument_size * arguments.size());
  for (auto const& one : arguments) {
    store_le(at, one.number);
    store_le(at + 8, one.offset);
    store_le(at + 12, one.buffer);
    store_le(at + 16, static_cast<std::uint8_t>(one.sole));
    at += argument_size;
  }
}

void copy_without_arguments(byte_buffer& body, bytes_view metadata) {
  read_fields(metadata, [&](tag what, bytes_view value) {
    if (what != tag::arguments && what != tag::referred) put(body, what, value);
    return field::taken;
  });
}

void write_stream(byte_buffer& body, stream_terms const& terms) {
  put_level(body, tag::stream, terms.allowed);
  if (terms.begin != stream_level{}) put_level(body, tag::stream_begin, terms.begin);
}

frame with_stream(frame const& message, stream_terms const& terms) {
  byte_buffer body;
  body.reserve(message.body.size() + 2 * (field_head_size + 16));
  read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::stream && what != tag::stream_begin) put(body, what, value);
    return field::taken;
  });
  write_stream(body, terms);
  frame made{message.head, {}, message.buffers};
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(message.payload().data(), message.payload().size());
  made.body = std::move(body);
  return made;
}

frame make_control(frame_type type) {
  frame message;
  message.head.type = type;
  return message;
}

frame make_drain(duration remaining) {
  auto made = begin(frame_type::drain);
  put_remaining(made.body, remaining);
  return finish(std::move(made));
}

bool read_drain(frame const& message, duration& remaining) {
  remaining = never;
  return read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::remaining ? taken_if(get_microseconds(value, remaining)) : field::unknown;
  });
}

frame make_wait(wait_message const& message) {
  auto made = begin(frame_type::waiting);
  made.head.call = message.parent.call;
  made.head.attempt = message.parent.attempt;
  put_numbers(made.body, tag::wait, message.parent.epoch, message.told.ended, message.told.streamed);
  return finish(std::move(made));
}

frame make_progress(progress_report const& report) {
  auto made = begin(frame_type::progress);
  auto const text = std::string_view(report.text).substr(0, max_progress_text);
  auto* const at = begin_field(made.body, tag::progress, 4 + text.size());
  store_le(at, report.millionths);
  if (!text.empty()) std::memcpy(at + 4, text.data(), text.size());
  return finish(std::move(made));
}

bool read_progress(frame const& message, progress_report& report) {
  bool has_report = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::progress) return field::unknown;
    return taken_if(has_report = value.size() >= 4 && get_numbers(value.first(4), report.millionths) &&
                                 report.millionths <= 1'000'000 &&
                                 get_text(value.subspan(4), report.text, max_progress_text));
  });
  return good && has_report && message.payload().empty() && message.buffers.empty();
}

frame make_printed(std::string_view text, std::uint64_t skipped, std::uint32_t count) {
  auto made = begin(frame_type::printed);
  if (skipped != 0) put_numbers(made.body, tag::skipped, skipped);
  auto message = finish(std::move(made));
  set_item_count(message, count);
  auto body = byte_buffer::copy_of(message.body);
  body.append(text.data(), std::min(text.size(), max_printed_text));
  message.body = std::move(body);
  return message;
}

bool read_printed(frame const& message, std::uint64_t& skipped) {
  skipped = 0;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::skipped ? taken_if(get_numbers(value, skipped)) : field::unknown;
  });
  auto const size = message.payload().size();
  return good && message.buffers.empty() && size <= max_printed_text && (size != 0 || skipped != 0);
}

frame make_stream_credit(stream_level const& level) {
  auto made = begin(frame_type::stream_credit);
  put_level(made.body, tag::stream, level);
  return finish(std::move(made));
}

bool read_stream_credit(frame const& message, stream_level& level) {
  bool has_level = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::stream ? taken_if(has_level = get_level(value, level)) : field::unknown;
  });
  return good && has_level;
}

frame make_end(frame_type type, std::uint64_t items) {
  auto made = begin(type);
  put_numbers(made.body, tag::position, items);
  return finish(std::move(made));
}

frame make_stream_items(std::uint64_t first, std::span<std::uint32_t const> sizes,
                        std::span<std::byte const> values, std::vector<buffer> buffers) {
  auto made = begin(frame_type::stream_items);
  put_numbers(made.body, tag::position, first);
  if (sizes.size() > 1) write_items(made.body, sizes);
  auto message = finish(std::move(made), values);
  message.head.buffer_count = static_cast<std::uint32_t>(buffers.size());
  message.buffers = std::move(buffers);
  return message;
}

bool read_position(frame const& message, std::uint64_t& position) {
  bool has_position = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::position ? taken_if(has_position = get_numbers(value, position)) : field::unknown;
  });
  return good && has_position;
}

bool read_wait(frame const& message, wait_message& wait) {
  wait.parent.call = message.head.call;
  wait.parent.attempt = message.head.attempt;
  bool has_wait = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::wait) return field::unknown;
    return taken_if(has_wait = get_numbers(value, wait.parent.epoch, wait.told.ended, wait.told.streamed));
  });
  return good && has_wait && wait.parent.attempt != 0;
}

frame make_hello(hello_message const& message) {
  auto made = begin(frame_type::hello);
  put_numbers(made.body, tag::role, static_cast<std::uint8_t>(message.role));
  put_numbers(made.body, tag::session, message.session);
  if (message.secret != session_secret{})
    put_numbers(made.body, tag::secret, message.secret[0], message.secret[1]);
  put_numbers(made.body, tag::versions, message.lowest_version, message.highest_version);
  put_numbers(made.body, tag::process, message.process);
  put_present_text(made.body, tag::name, message.name, max_name_size);
  if (message.start_token != 0) put_numbers(made.body, tag::start_token, message.start_token);
  if (message.concurrency != 1) put_numbers(made.body, tag::concurrency, message.concurrency);
  put_numbers(made.body, tag::frame_limits, message.limits.max_frame_bytes, message.limits.max_buffers);
  if (message.predecessor.session != 0) put_predecessor(made.body, message.predecessor);
  put_remaining(made.body, message.remaining);
  put_present_text(made.body, tag::gpus, message.gpus, max_name_size);
  if (message.made_of.build != 0) put_build(made.body, message.made_of);
  for (auto const& info : message.functions) put_function(made.body, info);
  for (auto const& one : message.held) {
    auto const ran = static_cast<std::uint64_t>(one.ran / microsecond);
    if (one.ticket == 0)
      put_numbers(made.body, tag::held, one.call.session, one.call.number, one.attempt, ran);
    else
      put_numbers(made.body, tag::held, one.call.session, one.call.number, one.attempt, ran, one.ticket);
  }
  return finish(std::move(made));
}

bool read_hello(frame const& message, hello_message& hello) {
  bool has_role = false;
  bool has_session = false;
  bool has_versions = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    switch (what) {
      case tag::role: return taken_if(has_role = get_role(value, hello.role));
      case tag::session: return taken_if(has_session = get_numbers(value, hello.session));
      case tag::versions:
        return taken_if(has_versions = get_numbers(value, hello.lowest_version, hello.highest_version));
      case tag::secret: return taken_if(get_numbers(value, hello.secret[0], hello.secret[1]));
      case tag::process: return taken_if(get_numbers(value, hello.process));
      case tag::name: return taken_if(get_text(value, hello.name, max_name_size));
      case tag::start_token: return taken_if(get_numbers(value, hello.start_token));
      case tag::concurrency: return taken_if(get_numbers(value, hello.concurrency) && hello.concurrency != 0);
      case tag::frame_limits: return taken_if(get_limits(value, hello.limits));
      case tag::predecessor: return taken_if(get_predecessor(value, hello.predecessor));
      case tag::remaining: return taken_if(get_microseconds(value, hello.remaining));
      case tag::gpus: return taken_if(get_text(value, hello.gpus, max_name_size));
      case tag::predecessor_reason: return taken_if(get_text(value, hello.predecessor.reason, max_name_size));
      case tag::predecessor_stderr: return taken_if(get_text(value, hello.predecessor.stderr_tail));
      case tag::build: return taken_if(get_build(value, hello.made_of));
      case tag::offered_function: return taken_if(get_offered(value, hello.functions));
      case tag::held: return taken_if(get_held(value, hello.held));
      default: return field::unknown;
    }
  });
  return good && has_role && has_session && has_versions;
}

frame make_welcome(welcome_message const& message) {
  auto made = begin(frame_type::welcome);
  put_numbers(made.body, tag::versions, message.version, message.version);
  put_numbers(made.body, tag::heartbeat, static_cast<std::uint64_t>(message.heartbeat / microsecond));
  put_numbers(made.body, tag::credit, message.credit.calls, message.credit.bytes);
  put_numbers(made.body, tag::frame_limits, message.limits.max_frame_bytes, message.limits.max_buffers);
  return finish(std::move(made));
}

frame make_notice(std::string_view text) {
  auto made = begin(frame_type::notice);
  put_text(made.body, tag::text, text, max_text_size);
  return finish(std::move(made));
}

bool read_notice(frame const& message, std::string_view& text) {
  return read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::text ? taken_if(get_text(value, text)) : field::unknown;
  });
}

frame make_credit(credit_window const& credit) {
  auto made = begin(frame_type::credit);
  put_numbers(made.body, tag::credit, credit.calls, credit.bytes);
  return finish(std::move(made));
}

bool read_credit(frame const& message, credit_window& credit) {
  bool has_credit = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::credit) return field::unknown;
    return taken_if(has_credit = get_numbers(value, credit.calls, credit.bytes));
  });
  return good && has_credit;
}

bool read_welcome(frame const& message, welcome_message& welcome) {
  bool has_version = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    std::uint16_t highest = 0;
    switch (what) {
      case tag::versions: return taken_if(has_version = get_numbers(value, welcome.version, highest));
      case tag::heartbeat: return taken_if(get_microseconds(value, welcome.heartbeat));
      case tag::credit: return taken_if(get_numbers(value, welcome.credit.calls, welcome.credit.bytes));
      case tag::frame_limits: return taken_if(get_limits(value, welcome.limits));
      default: return field::unknown;
    }
  });
  return good && has_version;
}

frame make_bye(bye_message const& message) {
  auto made = begin(frame_type::bye);
  put_numbers(made.body, tag::code, static_cast<std::uint16_t>(message.code));
  put_present_text(made.body, tag::text, message.text);
  return finish(std::move(made));
}

bool read_bye(frame const& message, bye_message& bye) {
  return read_fields(message.metadata(), [&](tag what, bytes_view value) {
    switch (what) {
      case tag::code: return taken_if(get_code(value, bye.code));
      case tag::text: return taken_if(get_text(value, bye.text));
      default: return field::unknown;
    }
  });
}

frame make_error(failure const& error) {
  auto made = begin(frame_type::error);
  auto& body = made.body;
  put_numbers(body, tag::code, static_cast<std::uint16_t>(error.code));
  put_present_text(body, tag::error_function, error.function, max_name_size);
  put_present_text(body, tag::error_type, error.type_name);
  put_present_text(body, tag::error_message, error.message);
  put_present_text(body, tag::error_worker, error.worker, max_name_size);
  if (error.signal != 0) put_numbers(body, tag::error_signal, std::int32_t{error.signal});
  if (error.exit_status) put_numbers(body, tag::error_exit, std::int32_t{*error.exit_status});
  put_present_text(body, tag::error_stderr, error.stderr_tail);
  made.head.attempt = error.attempt;
  if (error.shared) made.head.flags = flag_shared;
  return finish(std::move(made), error.payload);
}

frame make_error(errc code, std::string_view function, std::string_view text) {
  auto made = begin(frame_type::error);
  put_numbers(made.body, tag::code, static_cast<std::uint16_t>(code));
  put_present_text(made.body, tag::error_function, function, max_name_size);
  put_present_text(made.body, tag::error_message, text);
  return finish(std::move(made));
}

frame make_error(failure& error, frame_limits const& most) {
  auto made = make_error(error);
  if (error.payload.empty() || within(most, made)) return made;
  error.payload = {};
  return make_error(error);
}

bool read_error_code(frame const& message, errc& code) {
  bool has_code = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    return what == tag::code ? taken_if(has_code = get_code(value, code)) : field::taken;
  });
  return good && has_code;
}

bool read_error(frame const& message, failure& error) {
  bool has_code = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    std::int32_t number = 0;
    switch (what) {
      case tag::code: return taken_if(has_code = get_code(value, error.code));
      case tag::error_function: return taken_if(get_text(value, error.function, max_name_size));
      case tag::error_type: return taken_if(get_text(value, error.type_name));
      case tag::error_message: return taken_if(get_text(value, error.message));
      case tag::error_worker: return taken_if(get_text(value, error.worker, max_name_size));
      case tag::error_signal:
        if (!get_numbers(value, number)) return field::bad;
        error.signal = number;
        return field::taken;
      case tag::error_exit:
        if (!get_numbers(value, number)) return field::bad;
        error.exit_status = number;
        return field::taken;
      case tag::error_stderr: return taken_if(get_text(value, error.stderr_tail));
      default: return field::unknown;
    }
  });
  if (!good || !has_code) return false;
  error.attempt = message.head.attempt;
  error.payload = byte_buffer::copy_of(message.payload());
  return true;
}

frame make_transfer(header const& head, frame const& message) {
  auto made = begin(frame_type::chunk);
  auto const type = head.type;
  made.head = head;
  made.head.type = frame_type::chunk;
  made.head.buffer_count = 0;
  auto const parts = 1 + message.buffers.size();
  auto* at = begin_field(made.body, tag::transfer, 9 + 8 * parts);
  store_le(at, static_cast<std::uint8_t>(type));
  store_le(at + 1, head.metadata_size);
  store_le(at + 5, crc32c(message.body.bytes().first(head.metadata_size)));
  at += 9;
  store_le(at, std::uint64_t{message.body.size()});
  for (auto const& one : message.buffers) store_le(at += 8, std::uint64_t{one.size});
  return finish(std::move(made));
}

bool read_transfer(frame const& message, transfer_message& transfer) {
  bool has_sizes = false;
  auto const good = read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::transfer) return field::unknown;
    if (has_sizes) return field::bad;
    return taken_if(has_sizes = get_transfer(value, transfer));
  });
  if (!good || !has_sizes) return false;
  auto const said = transfer.head;
  transfer.head = message.head;
  transfer.head.type = said.type;
  transfer.head.metadata_size = said.metadata_size;
  transfer.head.buffer_count = said.buffer_count;
  return true;
}

bool read_nothing(frame const& message) {
  return read_fields(message.metadata(), [](tag, bytes_view) { return field::unknown; });
}

void write_received(byte_buffer& body, bytes_view bitmap) { put(body, tag::received, bitmap); }

bool read_received(frame const& message, bytes_view& bitmap) {
  return read_fields(message.metadata(), [&](tag what, bytes_view value) {
    if (what != tag::received) return field::unknown;
    bitmap = value;
    return field::taken;
  });
}

}  // namespace yonder::core
