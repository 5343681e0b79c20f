// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"

namespace yonder::http {
namespace {

using seconds = std::chrono::duration<double>;

constexpr std::string_view octets = "application/octet-stream";
constexpr std::string_view json_type = "application/json";
constexpr std::size_t most_in_batch = 10'000;

std::chrono::nanoseconds as_nanoseconds(double value) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(value));
}

// "application/json" of "application/json; charset=utf-8".
// Whether a Content-Type names it, whatever its parameters.
bool is_media(std::string_view field, std::string_view type) {
  field = field.substr(0, field.find(';'));
  while (field.ends_with(' ')) field.remove_suffix(1);
  return is_same_name(field, type);
}

bool accepts(std::string_view field, std::string_view type) { return field.find(type) != field.npos; }

error_details unspeakable(one_call const& call, std::string const& why) {
  return {.code = errc::undecodable,
          .message = "the result cannot be said in JSON: " + why,
          .task = std::string(call.endpoint->name),
          .attempt = 1};
}

// The result as JSON, or why there is none.
std::optional<error_details> write_result(one_call const& call, std::string& out) {
  if (auto const* const failure = yonder::detail::failure_of(*call.call)) return *failure;
  auto const size = out.size();
  call.said = true;
  try {
    call.endpoint->write(yonder::detail::take_reply(*call.call), out);
    return std::nullopt;
  } catch (std::bad_alloc const&) {
    throw;
  } catch (...) {
    out.resize(size);
    call.unspeakable = unspeakable(call, words_of_current_exception());
    return call.unspeakable;
  }
}

response json_error_response(detail::json_error const& error, std::string const& prefix = "") {
  auto object = problem_object(400, "bad_arguments", error.what());
  object.text("pointer", prefix + error.pointer());
  return {.status = 400, .type = "application/problem+json", .body = std::move(object).finish()};
}

// The keys of all that call here are one credential's there.
std::string key_at_hub(std::string const& owner, std::string_view key) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (auto const byte : digest_of(owner + '\n' + std::string(key)))
    (text += digits[byte >> 4]) += digits[byte & 15];
  return text;
}

}  // namespace

response failure_response(error_details const& error, std::string const& id) {
  auto object = problem_object(error);
  object.text("call", id);
  response answer{
      .status = status_of(error), .type = "application/problem+json", .body = std::move(object).finish()};
  if (answer.status == 503) answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

request request_from(std::string_view origin) {
  request asked;
  asked.fields.emplace_back("origin", origin);
  return asked;
}

response result_of(one_call& call, bool as_octets) {
  response answer;
  if (as_octets && yonder::detail::failure_of(*call.call) == nullptr) {
    answer.type = octets;
    call.said = true;
    call.endpoint->write_octets(yonder::detail::take_reply(*call.call), answer.body);
  } else if (auto const error = write_result(call, answer.body)) {
    answer = failure_response(*error, call.id());
  }
  answer.fields.emplace_back("Yonder-Call", call.id());
  return answer;
}

std::string progress_of(one_call const& call) {
  progress_report so_far;
  if (!yonder::detail::latest_progress(*call.call, so_far)) return {};
  std::string fraction;
  detail::append_double(fraction, so_far.fraction);
  json_object object;
  object.raw("fraction", fraction).text("text", so_far.text);
  return std::move(object).finish();
}

json_object summary_of(one_call const& call) {
  auto const* const failure = call.ended ? call.failure() : nullptr;
  auto const* const state = !call.ended                        ? "running"
                            : failure == nullptr               ? "succeeded"
                            : failure->code == errc::cancelled ? "cancelled"
                                                               : "failed";
  json_object object;
  object.text("id", call.id()).text("task", call.endpoint->name).text("state", state);
  if (call.ended)
    object.number("milliseconds",
                  std::chrono::duration_cast<std::chrono::milliseconds>(*call.ended - call.begun).count());
  else if (auto const so_far = progress_of(call); !so_far.empty())
    object.raw("progress", so_far);
  return object;
}

response state_of(one_call& call) {
  std::string result;
  auto const error = call.ended ? write_result(call, result) : std::nullopt;
  auto object = summary_of(call);
  if (error)
    object.raw("error", problem_object(*error).finish());
  else if (call.ended)
    object.raw("result", result);
  return {.body = std::move(object).finish()};
}

// Nobody has asked for it yet, and perhaps nobody will: what is large is not written for that.
void look_at_result(one_call const& call) {
  constexpr std::size_t most = std::size_t{1} << 20;
  if (call.said || call.endpoint->write == nullptr || call.bytes > most) return;
  std::string unused;
  static_cast<void>(write_result(call, unused));
}

// An element of a batch's answer.
std::string outcome_of(one_call& call) {
  std::string result;
  auto const error = write_result(call, result);
  return error ? R"({"error":)" + problem_object(*error).finish() + "}" : R"({"result":)" + result + "}";
}

// Of a call that runs while its gateway ends.
response cut_short() {
  auto answer = problem(503, "draining", "this gateway ends, and the call with it, which had not ended");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

std::string unfinished(one_call const& call) { return R"({"call":)" + summary_of(call).finish() + "}"; }

// --- what is asked

detail::endpoint_entry const* service::endpoint_of(context& in) {
  auto const found = endpoints_.find(in.id);
  // Whoever may not call a task does not learn whether it is there.
  if (!in.who->may_call(in.id)) {
    reply(in, problem(403, "forbidden", "this key may not call '" + in.id + "'"));
    return nullptr;
  }
  if (found == endpoints_.end()) {
    reply(in, problem(404, to_string(errc::unknown_function),
                      "no task '" + in.id +
                          "' has a yonder::http::endpoint here; GET /v1/tasks lists those that have"));
    return nullptr;
  }
  return found->second;
}

bool service::read_settings(context& in, wanted_call& wanted) const {
  wanted.settings = wanted.endpoint->settings();
  auto const refuse = [&](std::string const& what) {
    const_cast<service*>(this)->reply(
        in, problem(400, "bad_request", what + " has to be a number of seconds, 2.5 say"));
    return false;
  };
  if (auto const deadline = in.asked.field("yonder-deadline"); !deadline.empty()) {
    auto const value = parse_seconds(deadline);
    if (!value) return refuse("the field Yonder-Deadline");
    auto const stated = as_nanoseconds(*value);
    wanted.settings.deadline =
        wanted.settings.deadline ? std::min(*wanted.settings.deadline, stated) : stated;
  }
  // Whoever has the key shares with the others, and what runs for it is counted.
  if (keys_ != nullptr && !wanted.settings.fairness_key && in.who->name.size() <= call_key::max_size)
    wanted.settings.fairness_key = in.who->name;
  // One that is none is as if it were not there (W3C Trace Context, 3.2.2.5).
  if (auto const trace = in.asked.field("traceparent"); yonder::detail::is_traceparent(trace))
    wanted.settings.traceparent = trace;
  if (auto const wait = in.target.parameter("wait")) {
    auto const value = parse_seconds(*wait);
    if (!value) return refuse("the parameter wait");
    wanted.wait = as_nanoseconds(*value);
  }
  return true;
}

// What a step makes of a request's body, or why it is refused: then false.
template <class Step>
bool service::accept(context& in, Step step) const try {
  step();
  return true;
} catch (detail::json_error const& error) {
  const_cast<service*>(this)->reply(in, json_error_response(error));
  return false;
} catch (std::bad_alloc const&) {
  throw;
} catch (...) {
  const_cast<service*>(this)->reply(in, problem(400, "bad_arguments", words_of_current_exception()));
  return false;
}

bool service::with_json(context& in, std::function<void(detail::json_document&)> const& step) const {
  if (!is_media(in.asked.field("content-type"), json_type)) {
    const_cast<service*>(this)->reply(
        in, problem(415, "unsupported_media_type", "the body has to be application/json"));
    return false;
  }
  return accept(in, [&] {
    detail::json_document document(in.asked.body, {});
    step(document);
  });
}

bool service::encode(context& in, wanted_call& wanted) const {
  auto const& to = *wanted.endpoint;
  auto const type = in.asked.field("content-type");
  wanted.wants_octets = to.write_octets != nullptr && accepts(in.asked.field("accept"), octets);
  if (is_media(type, octets) && to.begin_octets != nullptr)
    return accept(in, [&] { wanted.content = to.begin_octets(in.asked.body, wanted.settings); });
  if (!is_media(type, json_type) && !(type.empty() && in.asked.body.empty())) {
    const_cast<service*>(this)->reply(
        in, problem(415, "unsupported_media_type",
                    to.begin_octets != nullptr
                        ? "the arguments have to be application/json or application/octet-stream"
                        : "the arguments have to be application/json"));
    return false;
  }
  return accept(in, [&] {
    detail::json_document document(in.asked.body.empty() ? "[]" : in.asked.body, {});
    if (to.stream != nullptr)
      wanted.streaming = to.stream(engine_, document, 0, wanted.settings);
    else
      wanted.content = to.begin(document, 0, wanted.settings);
  });
}

call_handle service::begin(context const& in, detail::endpoint_entry const& endpoint, options const& settings,
                           yonder::detail::outgoing&& call) {
  if (settings.durable.value_or(false)) {  // which waits until it is accepted
    auto begun = calls_.begin(endpoint,
                              yonder::detail::submit(engine_, *endpoint.task, settings, std::move(call),
                                                     yonder::detail::departure::now),
                              in.who->name, in.now);
    begun->durable = true;
    return begun;
  }
  has_held_ = true;
  return calls_.begin(engine_, endpoint, settings, std::move(call), in.who->name, in.now);
}

void service::send_held() {
  if (std::exchange(has_held_, false)) yonder::detail::send_now(engine_);
}

call_handle service::start(context& in, wanted_call& wanted) {
  auto call = begin(in, *wanted.endpoint, wanted.settings, std::move(wanted.content));
  sample(*call, in.asked);
  return call;
}

// What it was asked, where that is to be written down: its arguments have been read once.
void service::sample(one_call const& call, request const& asked) const {
  if (!samples_.wants(call)) return;
  if (is_media(asked.field("content-type"), octets) && call.endpoint->begin_octets != nullptr) {
    call.sampled.emplace(sampled_call{samples_.octets(*call.endpoint, asked.body)});
    return;
  }
  detail::json_document document(asked.body.empty() ? "[]" : asked.body, {});
  call.sampled.emplace(sampled_call{samples_.arguments(*call.endpoint, document, 0)});
}

// What somebody says of a call that was written down.
void service::correct_call(context& in) {
  auto known = false;
  if (!with_json(in, [&](auto& document) { known = samples_.correct(in.id, *in.who, document); })) return;
  if (known) return reply(in, {.status = 204, .type = ""});
  reply(in, problem(404, "unknown_call",
                    "no call of this id was written down here of late, or it is another key's: "
                    "yonder::http::samples says which calls are"));
}

// Of the task and its arguments, however these were spelled.
digest service::digest_of_call(wanted_call const& wanted) {
  auto const text = [](std::byte const* data, std::size_t size) {
    return std::string_view(reinterpret_cast<char const*>(data), size);
  };
  auto const& [head, buffers] = wanted.content.content;
  auto const arguments = head.bytes().subspan(wanted.content.metadata_size);
  std::vector<std::string_view> parts{wanted.endpoint->name, "\n", text(arguments.data(), arguments.size())};
  for (auto const& one : buffers) parts.push_back(text(one.data, one.size));
  return digest_of(parts);
}

// The call under the request's idempotency key, begun by now; null: it was refused.
call_handle service::start_once(context& in, wanted_call& wanted) {
  auto const key = in.asked.field("idempotency-key");
  if (key.empty()) return start(in, wanted);
  constexpr std::size_t longest = 255;
  if (key.size() > longest ||
      std::any_of(key.begin(), key.end(), [](char c) { return c < '!' || c > '~'; })) {
    reply(in, problem(400, "bad_request", "the field Idempotency-Key has to be 1 to 255 visible characters"));
    return nullptr;
  }
  auto const content = digest_of_call(wanted);
  if (auto const known = calls_.find_key(in.who->name, std::string(key))) {
    if (known->content == content) return known;
    reply(in, problem(409, "idempotency_key_reused",
                      "this Idempotency-Key was used with another task or other arguments"));
    return nullptr;
  }
  if (!calls_.may_keep_under_key(in.who->name)) {
    auto full = problem(
        503, to_string(errc::overloaded),
        "as many calls as can be are kept under this caller's Idempotency-Keys, each for ten minutes");
    full.fields.emplace_back("Retry-After", "10");
    reply(in, std::move(full));
    return nullptr;
  }
  if (keys_outlive_) wanted.settings.idempotency_key = key_at_hub(in.who->name, key);
  auto call = start(in, wanted);
  calls_.set_key(call, std::string(key), content);
  return call;
}

// --- how it is answered

// Holds the request until the call has ended, or the time to wait is over.
// Rather than that it goes on.
bool service::ends_with_gateway(one_call const& call) const { return lets_go_ && !call.durable; }

void service::answer_when_ended(context& in, wanted_call const& wanted, call_handle const& call) {
  auto const hold = time_to_hold(wanted);
  struct held {
    service* self;
    exchange_ref from;
    std::string route, origin;
    bool as_octets;
    call_handle call;
    std::shared_ptr<void> mark;
  };
  auto then = [one = held{this, in.from, in.route, std::string(in.asked.field("origin")), wanted.wants_octets,
                          call, mark_of_waiting()}](one_call& waited, bool timed_out) {
    one.from->waiters.clear();
    if (timed_out) one.self->calls_.keep(one.call);
    response answer;
    if (timed_out && one.self->ends_with_gateway(waited)) {
      answer = cut_short();
    } else if (auto failed = failure_in(
                   [&] { answer = timed_out ? state_of(waited) : result_of(waited, one.as_octets); })) {
      answer = std::move(*failed);
    } else if (timed_out) {
      answer.status = 202;
      answer.fields.emplace_back("Location", "/v1/calls/" + waited.id());
    }
    if (!one.from->has_room(answer.body.size())) {
      one.self->calls_.keep(one.call);
      answer = no_room();
      answer.fields.emplace_back("Location", "/v1/calls/" + waited.id());
    }
    auto const asked = request_from(one.origin);
    context later{.asked = asked, .from = one.from, .now = {}, .route = one.route};
    one.self->reply(later, std::move(answer));
  };
  if (hold <= hold.zero() && !call->ended) return then(*call, true);
  wait_for(in, call, in.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(hold),
           std::move(then));
}

// A deadline ends a call by itself, a little later perhaps.
std::chrono::nanoseconds service::time_to_hold(wanted_call const& wanted) const {
  auto const hold = wanted.wait.value_or(options_.max_wait);
  if (wanted.wait || !wanted.settings.deadline) return hold;
  return std::max(hold, *wanted.settings.deadline + std::chrono::seconds(5));
}

void service::wait_for(context& in, call_handle const& call, time_point until, on_end then) {
  if (auto const number = calls_.wait(call, until, std::move(then)); number != 0)
    in.from->waiters.push_back(number);
}

void service::abandon(exchange& from) {
  for (auto const waiter : std::exchange(from.waiters, {})) calls_.forget(waiter);
}

void service::call_task(context& in) {
  wanted_call wanted{.endpoint = endpoint_of(in)};
  if (wanted.endpoint == nullptr || !read_settings(in, wanted)) return;
  if (wanted.endpoint->stream != nullptr) return stream_task(in, wanted);
  if (!encode(in, wanted)) return;
  if (auto const call = start_once(in, wanted)) answer_when_ended(in, wanted, call);
}

void service::spawn_task(context& in) {
  wanted_call wanted{.endpoint = endpoint_of(in)};
  if (wanted.endpoint == nullptr || !is_no_stream(in, wanted) || !read_settings(in, wanted) ||
      !encode(in, wanted))
    return;
  auto const call = start_once(in, wanted);
  if (call == nullptr) return;
  calls_.keep(call);
  auto answer = state_of(*call);
  answer.status = 202;
  answer.fields.emplace_back("Location", "/v1/calls/" + call->id());
  reply(in, std::move(answer));
}

void service::show_call(context& in) {
  auto const call = calls_.find(in.id, *in.who);
  if (call == nullptr)
    return reply(in, problem(404, "unknown_call",
                             "no call of this id is known here, or no longer, or it is another key's"));
  if (watch_call(in, call)) return;
  std::chrono::nanoseconds hold{};
  if (auto const wait = in.target.parameter("wait")) {
    auto const value = parse_seconds(*wait);
    if (!value)
      return reply(in,
                   problem(400, "bad_request", "the parameter wait has to be a number of seconds, 2.5 say"));
    hold = std::min(as_nanoseconds(*value), options_.max_wait);
  }
  if (call->ended || hold <= hold.zero() || draining_) return reply(in, state_of(*call));
  wait_for(in, call, in.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(hold),
           [this, from = in.from, route = in.route, origin = std::string(in.asked.field("origin")),
            who = in.who, until = in.now + hold, mark = mark_of_waiting()](one_call& one, bool) {
             from->waiters.clear();
             auto const asked = request_from(origin);
             context later{.asked = asked, .from = from, .now = {}, .route = route};
             if (!may_still_see(*who, one, one.ended.value_or(until))) return reply(later, key_is_gone());
             response answer;
             auto failed = failure_in([&] { answer = state_of(one); });
             reply(later, failed ? std::move(*failed) : std::move(answer));
           });
}

void service::cancel_call(context& in) {
  auto const call = calls_.find(in.id, *in.who);
  if (call == nullptr)
    return reply(in, problem(404, "unknown_call",
                             "no call of this id is known here, or no longer, or it is another key's"));
  bool const was_running = !call->ended;
  yonder::detail::cancel(*call->call);
  auto answer = state_of(*call);
  if (was_running) answer.status = 202;
  reply(in, std::move(answer));
}

// Every element of an array is the arguments of one call; the answer has what became of each.
void service::call_batch(context& in) {
  wanted_call wanted{.endpoint = endpoint_of(in)};
  if (wanted.endpoint == nullptr || !is_no_stream(in, wanted) || !read_settings(in, wanted)) return;
  if (!is_media(in.asked.field("content-type"), json_type))
    return reply(in, problem(415, "unsupported_media_type", "a batch has to be application/json"));
  if (!in.asked.field("idempotency-key").empty())
    return reply(in,
                 problem(400, "bad_request",
                         "a batch takes no Idempotency-Key, which is one call's: call each under its own"));
  struct gathered {
    std::vector<std::string> answers;
    std::size_t missing = 0;
    std::size_t bytes = 0;
    bool timed_out = false;
    std::shared_ptr<void> mark{};
  };
  auto const all = std::make_shared<gathered>();
  std::vector<yonder::detail::outgoing> contents;
  std::vector<std::string> sampled;
  try {
    detail::json_document document(in.asked.body, {});
    auto const& whole = document.nodes()[0];
    if (whole.kind != detail::json_kind::array)
      return reply(in, problem(400, "bad_arguments", "a batch has to be an array, of each call's arguments"));
    if (whole.size > most_in_batch)
      return reply(in, problem(400, to_string(errc::too_large),
                               "a batch has at most " + std::to_string(most_in_batch) + " calls"));
    std::size_t index = 0;
    for (std::uint32_t place = 1; place < document.nodes()[0].next;
         place = document.nodes()[place].next, ++index) {
      try {
        contents.push_back(wanted.endpoint->begin(document, place, wanted.settings));
        if (samples_.has(*wanted.endpoint))
          sampled.push_back(samples_.arguments(*wanted.endpoint, document, place));
      } catch (detail::json_error const& error) {
        return reply(in, json_error_response(error, "/" + std::to_string(index)));
      }
    }
  } catch (detail::json_error const& error) {
    return reply(in, json_error_response(error));
  } catch (std::bad_alloc const&) {
    throw;
  } catch (...) {
    return reply(in, problem(400, "bad_arguments", words_of_current_exception()));
  }
  if (contents.empty()) return reply(in, {.body = "[]"});
  all->answers.resize(contents.size());
  all->missing = contents.size();
  all->mark = mark_of_waiting();
  auto const hold = std::chrono::duration_cast<std::chrono::steady_clock::duration>(time_to_hold(wanted));
  auto const origin = std::string(in.asked.field("origin"));
  for (std::size_t i = 0; i < contents.size(); ++i) {
    auto const call = begin(in, *wanted.endpoint, wanted.settings, std::move(contents[i]));
    if (samples_.wants(*call)) call->sampled.emplace(sampled_call{std::move(sampled[i])});
    auto then = [this, all, i, call, from = in.from, route = in.route, origin](one_call& one,
                                                                               bool timed_out) {
      constexpr std::size_t most = std::size_t{64} << 20;  // of all of them
      auto const is_cut_short = timed_out && ends_with_gateway(one);
      auto const waits = timed_out || all->bytes > most;
      auto failed = failure_in([&] { all->answers[i] = waits ? unfinished(one) : outcome_of(one); });
      if (is_cut_short) failed = cut_short();
      if (failed) all->answers[i] = R"({"error":)" + failed->body + "}";
      if (waits) calls_.keep(call);
      all->bytes += all->answers[i].size();
      all->timed_out = all->timed_out || (waits && !is_cut_short);
      if (--all->missing != 0) return;
      from->waiters.clear();
      std::string body = "[";
      for (auto& answer : all->answers) (body += body.size() > 1 ? "," : "") += std::exchange(answer, {});
      body += "]";
      auto const asked = request_from(origin);
      context later{.asked = asked, .from = from, .now = {}, .route = route};
      reply(later, {.status = all->timed_out ? 202U : 200U, .body = std::move(body)});
    };
    if (hold <= hold.zero() && !call->ended)
      then(*call, true);
    else
      wait_for(in, call, in.now + hold, std::move(then));
  }
}

}  // namespace yonder::http
