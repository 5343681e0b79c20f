// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"

namespace yonder::http {
namespace {

using seconds = std::chrono::duration<double>;

constexpr std::string_view json_type = "application/json";
constexpr std::size_t most_in_batch = 10'000;

std::chrono::nanoseconds as_nanoseconds(double value) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(seconds(value));
}

// Whether a Content-Type names it, whatever its parameters.
bool is_media(std::string_view field, std::string_view type) {
  field = field.substr(0, field.find(';'));
  while (field.ends_with(' ')) field.remove_suffix(1);
  return is_same_name(field, type);
}

bool accepts(std::string_view field, std::string_view type) { return field.find(type) != field.npos; }

// A request that outlives the one it was made of.
struct kept_request {
  std::string method, target, peer, body;
  std::vector<std::pair<std::string, std::string>> fields;
  request asked;

  kept_request(request const& from, exchange& of)
      : method(from.method), target(from.target), peer(from.peer) {
    for (auto const& [name, value] : from.fields) fields.emplace_back(name, value);
    if (!of.take_body(body)) body = from.body;
    asked = {.method = method, .target = target, .fields = {}, .body = body, .peer = peer};
    for (auto const& [name, value] : fields) asked.fields.emplace_back(name, value);
  }
  kept_request(kept_request const&) = delete;
  kept_request& operator=(kept_request const&) = delete;
};

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

request request_from(std::string_view origin) {
  request asked;
  asked.fields.emplace_back("origin", origin);
  return asked;
}

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

// Why a request's body, of which a step makes something, is refused.
template <class Step>
std::optional<response> refusal_in(Step step) try {
  step();
  return std::nullopt;
} catch (detail::json_error const& error) {
  return json_error_response(error);
} catch (std::bad_alloc const&) {
  throw;
} catch (...) {
  return problem(400, "bad_arguments", words_of_current_exception());
}

bool service::with_json(context& in, std::function<void(detail::json_document&)> const& step) const {
  if (!is_media(in.asked.field("content-type"), json_type)) {
    const_cast<service*>(this)->reply(
        in, problem(415, "unsupported_media_type", "the body has to be application/json"));
    return false;
  }
  auto refused = refusal_in([&] {
    detail::json_document document(in.asked.body, {});
    step(document);
  });
  if (refused) const_cast<service*>(this)->reply(in, std::move(*refused));
  return !refused;
}

// The arguments of one call, or why they are none. On any thread.
std::optional<response> service::read_arguments(request const& asked, wanted_call& wanted) const {
  auto const& to = *wanted.endpoint;
  auto const type = asked.field("content-type");
  wanted.wants_octets = to.write_octets != nullptr && accepts(asked.field("accept"), octets);
  auto const is_written_down = wanted.is_read_beside && samples_.has(to);
  auto const as_octets = is_media(type, octets) && to.begin_octets != nullptr;
  if (!as_octets && !is_media(type, json_type) && !(type.empty() && asked.body.empty()))
    return problem(415, "unsupported_media_type",
                   to.begin_octets != nullptr
                       ? "the arguments have to be application/json or application/octet-stream"
                       : "the arguments have to be application/json");
  auto refused = refusal_in([&] {
    if (as_octets) {
      wanted.content = to.begin_octets(asked.body, wanted.settings);
      if (is_written_down) wanted.sampled.push_back(samples_.octets(to, asked.body));
      return;
    }
    detail::json_document document(asked.body.empty() ? "[]" : asked.body, {});
    if (to.stream != nullptr)
      wanted.streaming = begun_stream(to.stream(engine_, document, 0, wanted.settings));
    else
      wanted.content = to.begin(document, 0, wanted.settings);
    if (is_written_down) wanted.sampled.push_back(samples_.arguments(to, document, 0));
  });
  if (!refused && !asked.field("idempotency-key").empty()) wanted.identity = digest_of_call(wanted);
  return refused;
}

// Goes on with what a request brings when that was read: at once, or, where it is large, when a thread beside
// has done so; meanwhile others are answered. `read`: on any thread, without changing anything else.
void service::read_then(context& in, wanted_call&& wanted, reader const& read, on_read const& then) {
  // Octets are copied; to hash or to write them down takes longer.
  auto const is_quick = is_media(in.asked.field("content-type"), octets) &&
                        in.asked.field("idempotency-key").empty() &&
                        (wanted.endpoint == nullptr || !samples_.has(*wanted.endpoint));
  if (in.asked.body.size() < large_json || is_quick) {
    if (auto refused = read(in.asked, wanted)) return reply(in, std::move(*refused));
    return then(in, wanted);
  }
  if (!side_.has_room(in.who->name, in.asked.body.size())) return reply(in, no_room());
  struct reading {
    kept_request kept;
    context later;
    wanted_call wanted;
    std::optional<response> refused;
    std::shared_ptr<void> mark;

    reading(context const& at, wanted_call&& what, std::shared_ptr<void> waits)
        : kept(at.asked, *at.from),
          later{kept.asked, at.from, at.now, at.target, at.route, at.outside, at.who, at.id},
          wanted(std::move(what)),
          mark(std::move(waits)) {
      wanted.is_read_beside = true;
    }
  };
  auto const one = std::make_shared<reading>(in, std::move(wanted), mark_of_waiting());
  auto work = [this, one, read] {
    if (one->later.from->is_gone || draining_) return;
    auto failed = failure_in([&] { one->refused = read(one->kept.asked, one->wanted); });
    if (failed) one->refused = std::move(failed);
  };
  auto go_on = [this, one, then] {
    if (one->later.from->is_gone) return;
    one->later.now = told_at_;
    if (one->refused) return reply(one->later, std::move(*one->refused));
    auto failed = failure_in([&] {
      if (!may_still_ask(*one->later.who, told_at_)) return reply(one->later, key_is_gone());
      if (draining_) return reply(one->later, draining());
      then(one->later, one->wanted);
    });
    if (failed) reply(one->later, std::move(*failed));
  };
  side_.run({in.who->name, in.from.get(), one->kept.body.size(), std::move(work), std::move(go_on)});
}

bool service::when_written(call_handle const& call, exchange_ref const& from, std::string const& whose,
                           std::function<void()> then) {
  if (!is_large(*call)) {
    then();
    return true;
  }
  auto const bytes = result_bytes(*call);
  if (!side_.has_room(whose, bytes)) return false;
  struct writing {
    yonder::detail::reply result;
    std::string json, why;
    bool was_tried = false, is_written = false;
  };
  auto const one = std::make_shared<writing>(writing{yonder::detail::take_reply(*call->call), {}, {}});
  auto const nobody_waits = [from] { return from != nullptr && from->is_gone; };
  auto work = [one, call, nobody_waits] {
    if (nobody_waits()) return;
    one->was_tried = true;
    try {
      one->why = write_json(*call->endpoint, one->result, one->json);
      one->is_written = one->why.empty();
    } catch (...) {  // without memory: whoever writes it next says so
    }
  };
  auto go_on = [this, one, call, nobody_waits, then = std::move(then)] {
    call->said = call->said || one->was_tried;
    if (!one->why.empty()) call->unspeakable = unspeakable(*call, one->why);
    if (one->is_written) call->json = std::move(one->json);
    auto const end = [&] {
      call->json.reset();
      if (std::exchange(call->is_being_written, false) && !call->is_counted) count(call);
    };
    try {
      if (!nobody_waits()) then();
    } catch (...) {
      end();
      throw;
    }
    end();
  };
  side_.run({whose, nullptr, bytes, std::move(work), std::move(go_on)});
  call->is_being_written = !call->is_counted;
  return true;
}

// Of a result that nobody has asked for, and perhaps nobody will: one that is not very large is written
// beside, to know whether it can be.
bool service::look_beside(call_handle const& call) {
  constexpr std::size_t most = std::size_t{1} << 20;
  return !call->said && is_large(*call) && result_bytes(*call) <= most &&
         when_written(call, nullptr, call->owner, [mark = mark_of_waiting()] {});
}

// What has become of a call, behind the status and the fields of `head`.
void service::tell_state(context& in, call_handle const& call, response&& head) {
  auto say = [this, call, head = std::move(head), from = in.from, route = in.route,
              origin = std::string(in.asked.field("origin")), mark = mark_of_waiting()] {
    auto const asked = request_from(origin);
    context later{.asked = asked, .from = from, .now = {}, .route = route};
    auto answer = head;
    auto failed = failure_in([&] { answer.body = state_of(*call).body; });
    reply(later, failed ? std::move(*failed) : std::move(answer));
  };
  if (!when_written(call, in.from, in.who->name, std::move(say))) reply(in, no_room());
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
  sample(*call, in.asked, wanted);
  return call;
}

// What it was asked, where that is to be written down: its arguments have been read once.
void service::sample(one_call const& call, request const& asked, wanted_call const& wanted) const {
  if (!samples_.wants(call)) return;
  if (!wanted.sampled.empty()) return void(call.sampled.emplace(sampled_call{wanted.sampled.front()}));
  if (is_media(asked.field("content-type"), octets) && call.endpoint->begin_octets != nullptr) {
    call.sampled.emplace(sampled_call{samples_.octets(*call.endpoint, asked.body)});
    return;
  }
  detail::json_document document(asked.body.empty() ? "[]" : asked.body, {});
  call.sampled.emplace(sampled_call{samples_.arguments(*call.endpoint, document, 0)});
}

// What somebody says of a call that was written down.
void service::correct_call(context& in) {
  if (!is_media(in.asked.field("content-type"), json_type))
    return reply(in, problem(415, "unsupported_media_type", "the body has to be application/json"));
  auto const unknown = [this](context& asked) {
    reply(asked, problem(404, "unknown_call",
                         "no call of this id was written down here of late, or it is another key's: "
                         "yonder::http::samples says which calls are"));
  };
  auto const* const without = samples_.correctable(in.id, *in.who);
  if (without == nullptr) return unknown(in);
  read_then(
      in, {},
      [without](request const& asked, wanted_call& its) {
        return refusal_in([&] {
          detail::json_document document(asked.body, {});
          its.sampled.push_back(without->write("correction", document, 0));
        });
      },
      [this, unknown](context& later, wanted_call& its) {
        if (!samples_.correct(later.id, *later.who, its.sampled.front())) return unknown(later);
        reply(later, {.status = 204, .type = ""});
      });
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
  auto const& content = wanted.identity;
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

// Rather than that it goes on.
bool service::ends_with_gateway(one_call const& call) const { return lets_go_ && !call.durable; }

// Holds the request until the call has ended, or the time to wait is over.
void service::answer_when_ended(context& in, wanted_call const& wanted, call_handle const& call) {
  auto const wait = time_to_hold(wanted);
  struct held {
    service* self;
    exchange_ref from;
    std::string route, origin;
    bool as_octets;
    call_handle call;
    std::string whose;
    std::shared_ptr<void> mark;

    // In place of a result for which there is no room: it is kept.
    response later() const {
      self->calls_.keep(call);
      auto said = no_room();
      said.fields.emplace_back("Location", "/v1/calls/" + call->id());
      return said;
    }
    void answer(bool timed_out) const {
      response said;
      if (timed_out && self->ends_with_gateway(*call)) {
        said = cut_short();
      } else if (auto failed =
                     failure_in([&] { said = timed_out ? state_of(*call) : result_of(*call, as_octets); })) {
        said = std::move(*failed);
      } else if (timed_out) {
        said.status = 202;
        said.fields.emplace_back("Location", "/v1/calls/" + call->id());
      }
      say(from->has_room(said.body.size()) ? std::move(said) : later());
    }
    void say(response&& said) const {
      auto const asked = request_from(origin);
      context in{.asked = asked, .from = from, .now = {}, .route = route};
      self->reply(in, std::move(said));
    }
  };
  auto then = [one = held{this, in.from, in.route, std::string(in.asked.field("origin")), wanted.wants_octets,
                          call, in.who->name, mark_of_waiting()}](one_call&, bool timed_out) {
    one.from->waiters.clear();
    if (timed_out) one.self->calls_.keep(one.call);
    if (timed_out || one.as_octets) return one.answer(timed_out);
    if (!one.self->when_written(one.call, one.from, one.whose, [one] { one.answer(false); }))
      one.say(one.later());
  };
  if (wait <= wait.zero() && !call->ended) return then(*call, true);
  hold(in, call, in.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait),
       std::move(then));
}

// A deadline ends a call by itself, a little later perhaps.
std::chrono::nanoseconds service::time_to_hold(wanted_call const& wanted) const {
  auto const hold = wanted.wait.value_or(options_.max_wait);
  if (wanted.wait || !wanted.settings.deadline) return hold;
  return std::max(hold, *wanted.settings.deadline + std::chrono::seconds(5));
}

void service::call_task(context& in) {
  wanted_call wanted{.endpoint = endpoint_of(in)};
  if (wanted.endpoint == nullptr || !read_settings(in, wanted)) return;
  if (wanted.endpoint->stream != nullptr) return stream_task(in, std::move(wanted));
  read_then(
      in, std::move(wanted),
      [this](request const& asked, wanted_call& its) { return read_arguments(asked, its); },
      [this](context& later, wanted_call& its) {
        if (auto const call = start_once(later, its)) answer_when_ended(later, its, call);
      });
}

void service::spawn_task(context& in) {
  wanted_call wanted{.endpoint = endpoint_of(in)};
  if (wanted.endpoint == nullptr || !is_no_stream(in, wanted) || !read_settings(in, wanted)) return;
  read_then(
      in, std::move(wanted),
      [this](request const& asked, wanted_call& its) { return read_arguments(asked, its); },
      [this](context& later, wanted_call& its) {
        auto const call = start_once(later, its);
        if (call == nullptr) return;
        calls_.keep(call);
        tell_state(later, call, {.status = 202, .fields = {{"Location", "/v1/calls/" + call->id()}}});
      });
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
  if (call->ended || hold <= hold.zero() || draining_) return tell_state(in, call, {});
  wait_for(in, call, in.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(hold),
           [this, from = in.from, route = in.route, origin = std::string(in.asked.field("origin")),
            who = in.who, until = in.now + hold, call, mark = mark_of_waiting()](one_call& one, bool) {
             from->waiters.clear();
             auto const asked = request_from(origin);
             context later{.asked = asked, .from = from, .now = {}, .route = route, .who = who};
             if (!may_still_see(*who, one, one.ended.value_or(until))) return reply(later, key_is_gone());
             tell_state(later, call, {});
           });
}

void service::cancel_call(context& in) {
  auto const call = calls_.find(in.id, *in.who);
  if (call == nullptr)
    return reply(in, problem(404, "unknown_call",
                             "no call of this id is known here, or no longer, or it is another key's"));
  bool const was_running = !call->ended;
  yonder::detail::cancel(*call->call);
  tell_state(in, call, {.status = was_running ? 202U : 200U});
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
  read_then(
      in, std::move(wanted),
      [this](request const& asked, wanted_call& its) { return read_batch(asked, its); },
      [this](context& later, wanted_call& its) { begin_batch(later, its); });
}

// The arguments of each of its calls, or why some are none. On any thread.
std::optional<response> service::read_batch(request const& asked, wanted_call& wanted) const {
  std::optional<response> refused;
  auto failed = refusal_in([&] {
    detail::json_document document(asked.body, {});
    auto const& whole = document.nodes()[0];
    if (whole.kind != detail::json_kind::array) {
      refused = problem(400, "bad_arguments", "a batch has to be an array, of each call's arguments");
    } else if (whole.size > most_in_batch) {
      refused = problem(400, to_string(errc::too_large),
                        "a batch has at most " + std::to_string(most_in_batch) + " calls");
    }
    for (std::uint32_t place = 1; !refused && place < document.nodes()[0].next;
         place = document.nodes()[place].next) {
      try {
        wanted.batch.push_back(wanted.endpoint->begin(document, place, wanted.settings));
        if (samples_.has(*wanted.endpoint))
          wanted.sampled.push_back(samples_.arguments(*wanted.endpoint, document, place));
      } catch (detail::json_error const& error) {
        refused = json_error_response(error, "/" + std::to_string(wanted.batch.size()));
      }
    }
  });
  return failed ? std::move(failed) : std::move(refused);
}

void service::begin_batch(context& in, wanted_call& wanted) {
  struct gathered {
    std::vector<std::string> answers;
    std::size_t missing = 0;
    std::size_t bytes = 0;
    bool timed_out = false;
    std::shared_ptr<void> mark{};
  };
  auto const all = std::make_shared<gathered>();
  auto& contents = wanted.batch;
  if (contents.empty()) return reply(in, {.body = "[]"});
  all->answers.resize(contents.size());
  all->missing = contents.size();
  all->mark = mark_of_waiting();
  auto const wait = std::chrono::duration_cast<std::chrono::steady_clock::duration>(time_to_hold(wanted));
  auto const origin = std::string(in.asked.field("origin"));
  for (std::size_t i = 0; i < contents.size(); ++i) {
    auto const call = begin(in, *wanted.endpoint, wanted.settings, std::move(contents[i]));
    if (samples_.wants(*call)) call->sampled.emplace(sampled_call{std::move(wanted.sampled[i])});
    auto take = [this, all, i, call, from = in.from, route = in.route, origin](bool timed_out,
                                                                               bool finds_no_room = false) {
      auto& one = *call;
      constexpr std::size_t most = std::size_t{64} << 20;  // of all of them
      auto const is_cut_short = timed_out && ends_with_gateway(one);
      auto const waits = timed_out || finds_no_room || all->bytes > most;
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
    auto then = [this, call, take = std::move(take), from = in.from, whose = in.who->name](one_call&,
                                                                                           bool timed_out) {
      if (timed_out) return take(true);
      if (!when_written(call, from, whose, [take] { take(false); })) take(false, true);
    };
    if (wait <= wait.zero() && !call->ended)
      then(*call, true);
    else
      hold(in, call, in.now + wait, std::move(then));
  }
}

}  // namespace yonder::http
