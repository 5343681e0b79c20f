// SPDX-License-Identifier: Apache-2.0
//
// What the page in src/http/page asks for, and the page itself.
#include <algorithm>
#include <limits>
#include <utility>

#include "src/http/page.hpp"
#include "src/http/service.hpp"
#include "src/http/service_context.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

constexpr std::size_t most_listed = 100;

response page_file(std::string_view type, std::string_view text) {
  return {.type = std::string(type),
          .body = std::string(text),
          .fields = {
              {"Content-Security-Policy",
               "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
               "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"},
              {"Referrer-Policy", "same-origin"}}};
}

std::string as_object(yonder::detail::named_texts const& texts) {
  json_object object;
  for (auto const& [name, value] : texts) object.text(name, value);
  return std::move(object).finish();
}

std::string usage_in_json(usage_snapshot const& row) {
  json_object one;
  one.text("day", row.day).text("task", row.task).text("credential", row.credential).text("key", row.key);
  one.number("attempts", static_cast<std::int64_t>(row.attempts));
  for (auto const& [name, time] :
       {std::pair("worker_seconds", row.worker_time), std::pair("gpu_seconds", row.gpu_time)}) {
    std::string number;
    detail::append_double(number, std::chrono::duration<double>(time).count());
    one.raw(name, number);
  }
  return std::move(one).finish();
}

std::string pool_in_json(pool_snapshot const& pool) {
  json_object one;
  one.text("name", pool.name).text("needs", pool.needs);
  std::pair<std::string_view, std::size_t> const numbers[]{{"min", pool.min},
                                                           {"max", pool.max},
                                                           {"buffer", pool.buffer},
                                                           {"max_queue", pool.max_queue},
                                                           {"workers", pool.workers},
                                                           {"idle_workers", pool.idle_workers},
                                                           {"starting_workers", pool.starting_workers},
                                                           {"parked_workers", pool.parked_workers},
                                                           {"queued", pool.queued}};
  for (auto const& [name, value] : numbers) one.number(name, static_cast<std::int64_t>(value));
  one.text("why", pool.why);
  return std::move(one).finish();
}

std::string map_in_json(yonder::detail::map_seen const& map) {
  json_object one;
  auto const whole = [&](std::string_view name, std::uint64_t value) {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    one.number(name, static_cast<std::int64_t>(std::min(value, most)));
  };
  auto const real = [&](std::string_view name, double value) {
    std::string number;
    detail::append_double(number, value);
    one.raw(name, number);
  };
  auto const lasted = std::chrono::duration<double>(map.elapsed).count();
  one.text("id", map.id).text("task", map.task);
  whole("done", map.done);
  whole("failed", map.failed);
  if (map.total) whole("total", *map.total);
  if (auto const fraction = map.fraction()) real("fraction", *fraction);
  real("seconds", lasted);
  if (lasted > 0) real("per_second", static_cast<double>(map.done) / lasted);
  if (auto const left = map.left()) real("seconds_left", std::chrono::duration<double>(*left).count());
  one.text("credential", map.credential);
  return std::move(one).finish();
}

// Browsers know no ports in cookies: the servers of a host would take each other's for their own. Over TLS
// nobody else of the host, or of its domain, can set it ("__Host-").
std::string cookie_of(request_outside const& server) {
  std::string name = server.is_tls ? "__Host-yonder_session" : "yonder_session";
  auto const colon = server.host.rfind(':');
  if (colon == server.host.npos || colon + 1 == server.host.size()) return name;
  auto const port = std::string_view(server.host).substr(colon + 1);
  if (port.find_first_not_of("0123456789") == port.npos) (name += '_') += port;
  return name;
}

std::string set_cookie(request_outside const& server, std::string_view value, std::string_view more) {
  return cookie_of(server) + "=" + std::string(value) + "; Path=/; HttpOnly; SameSite=Strict" +
         std::string(more) + (server.is_tls ? "; Secure" : "");
}

}  // namespace

std::vector<std::string_view> session_ids(request const& asked, request_outside const& server) {
  auto const begin = cookie_of(server) + "=";
  std::vector<std::string_view> ids;
  auto rest = asked.field("cookie");
  while (!rest.empty()) {
    auto one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    one.remove_prefix(std::min(one.find_first_not_of(' '), one.size()));
    if (one.starts_with(begin)) ids.push_back(one.substr(begin.size()));
  }
  return ids;
}

response key_is_gone() {
  auto answer = problem(401, "unauthorized", "the key of this request is one no more");
  answer.fields.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

response sign_in_page() {
  auto answer = page_file("text/html; charset=utf-8", page::sign_in);
  answer.status = 401;
  answer.fields.emplace_back("WWW-Authenticate", "Bearer");
  return answer;
}

// In a tab that has a cookie, and not the word that goes with it, one signs in again.
void service::show_page(context& in) {
  if (keys_ != nullptr && in.target.parameter("sign_in")) return reply(in, sign_in_page());
  reply(in, page_file("text/html; charset=utf-8", page::index));
}
void service::show_style(context& in) { reply(in, page_file("text/css; charset=utf-8", page::style)); }
void service::show_script(context& in) {
  reply(in, page_file("text/javascript; charset=utf-8", page::script));
}

// Whoever has typed a key has a session, whose cookie no script can read and no other site's page can send.
// The word that goes with it is in a part of the address that browsers send to nobody.
void service::begin_session(context& in) {
  if (in.asked.body.size() > most_of_strangers)
    return reply(in, problem(413, "too_large", "a key and its name are shorter than this"));
  auto const form = parse_target("/?" + std::string(in.asked.body));
  auto const key = form ? std::string(form->parameter("key").value_or("")) : "";
  response answer{.status = 303, .type = "", .fields = {{"Location", "/"}}};
  if (keys_ != nullptr) {
    auto const who = keys_->find(key, in.now);
    if (who == nullptr) return reply(in, strangers_answer(in, sign_in_page()));
    // The browser has one cookie for all of its tabs.
    page_sessions::begun session;
    for (auto const id : session_ids(in.asked, in.outside))
      if (session.word.empty()) session = {std::string(id), sessions_.join(id, who->secret, in.now)};
    if (session.word.empty()) session = sessions_.begin(who->secret, in.now);
    answer.fields[0].second += "#" + session.word;
    answer.fields.emplace_back("Set-Cookie", set_cookie(in.outside, session.id, ""));
  }
  reply(in, std::move(answer));
}

void service::end_session(context& in) {
  for (auto const id : session_ids(in.asked, in.outside)) sessions_.end(id);
  reply(in,
        {.status = 204, .type = "", .fields = {{"Set-Cookie", set_cookie(in.outside, "", "; Max-Age=0")}}});
}

void service::show_status(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  // Of a hub elsewhere nothing is known here.
  if (!yonder::detail::has_own_hub(*engine_)) return reply(in, {.body = R"({"hub":"elsewhere","tasks":[]})"});
  auto const seen = snapshot();
  std::string tasks;
  for (auto const& task : seen.tasks) {
    auto const number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
    json_object one;
    one.text("name", task.name)
        .number("calls", number(task.calls))
        .number("succeeded", number(task.succeeded));
    one.number("failed", number(task.ended() - task.succeeded - task.cancelled))
        .number("cancelled", number(task.cancelled));
    std::string run;
    detail::append_double(run, std::chrono::duration<double>(task.run_time).count());
    one.raw("run_seconds", run);
    tasks += (tasks.empty() ? "" : ",") + std::move(one).finish();
  }
  json_object all;
  std::pair<std::string_view, std::size_t> const numbers[]{{"workers", seen.workers},
                                                           {"idle_workers", seen.idle_workers},
                                                           {"starting_workers", seen.starting_workers},
                                                           {"calls", seen.calls},
                                                           {"queued", seen.queued},
                                                           {"delayed", seen.delayed},
                                                           {"clients", seen.clients},
                                                           {"attempts", seen.attempts},
                                                           {"retries", seen.retries},
                                                           {"workers_lost", seen.workers_lost}};
  for (auto const& [name, value] : numbers) all.number(name, static_cast<std::int64_t>(value));
  if (draining_) all.number("draining", 1);  // and its hub with it
  all.raw("tasks", "[" + tasks + "]");
  reply(in, {.body = std::move(all).finish()});
}

std::optional<response> hub_failure(one_call const& asked, bool timed_out) {
  if (timed_out) return problem(504, to_string(errc::deadline_exceeded), "the hub has not answered in time");
  auto const* const failure = yonder::detail::failure_of(*asked.call);
  if (failure == nullptr) return std::nullopt;
  if (failure->code == errc::unauthorized)
    return problem(403, "forbidden", "the hub does not tell this gateway: " + failure->message);
  auto answer = problem(status_of(*failure), to_string(failure->code), failure->message);
  if (answer.status == 503) answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

void service::ask_hub(context& in, yonder::detail::call_ref asked, on_answer then) {
  auto const call = calls_.ask(std::move(asked), in.now);
  wait_for(
      in, call, in.now + hub_patience,
      [this, then = std::move(then), from = in.from, route = in.route,
       origin = std::string(in.asked.field("origin")),
       mark = mark_of_waiting()](one_call& answered, bool timed_out) {
        from->waiters.clear();
        auto const request = request_from(origin);
        context later{
            .asked = request, .from = from, .now = answered.ended.value_or(time_point()), .route = route};
        if (auto failed = hub_failure(answered, timed_out)) return reply(later, std::move(*failed));
        auto failed = failure_in([&] { then(later, yonder::detail::take_reply(*answered.call)); });
        if (failed) reply(later, std::move(*failed));
      });
}

void service::list_pools(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  ask_hub(in, yonder::detail::ask_for_pools(engine_), [this](context& later, auto const& answer) {
    std::string all;
    for (auto const& pool : yonder::detail::pools_in(answer))
      all += (all.empty() ? "" : ",") + pool_in_json(pool);
    reply(later, {.body = "[" + all + "]"});
  });
}

void service::list_workers(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  ask_hub(in, yonder::detail::ask_for_workers(engine_), [this](context& later, auto const& answer) {
    std::string all;
    for (auto const& worker : yonder::detail::workers_in(answer))
      all += (all.empty() ? "" : ",") + as_object(worker);
    reply(later, {.body = "[" + all + "]"});
  });
}

void service::list_maps(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  ask_hub(in, yonder::detail::ask_for_maps(engine_), [this](context& later, auto const& answer) {
    std::string all;
    for (auto const& map : yonder::detail::maps_in(answer))
      all += (all.empty() ? "" : ",") + map_in_json(map);
    reply(later, {.body = "[" + all + "]"});
  });
}

void service::explain_call(context& in) {
  auto const call = calls_.find(in.id, *in.who);
  if (call == nullptr)
    return reply(in, problem(404, "unknown_call",
                             "no call of this id is known here, or no longer, or it is another key's"));
  yonder::detail::named_texts const ended{{"call", call->id()}, {"state", "ended"}};
  if (yonder::detail::is_done(*call->call)) return reply(in, {.body = as_object(ended)});
  ask_hub(in, yonder::detail::ask_to_explain(engine_, yonder::detail::id_of(*call->call)),
          [this, ended](context& later, auto const& answer) {
            auto const said = yonder::detail::explained_in(answer);
            reply(later, {.body = as_object(said.empty() ? ended : said)});
          });
}

// By day, task, and whose calls.
void service::show_usage(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  ask_hub(in, yonder::detail::ask_for_usage(engine_), [this](context& later, auto const& answer) {
    std::string all;
    for (auto const& row : yonder::detail::usage_in(answer))
      all += (all.empty() ? "" : ",") + usage_in_json(row);
    reply(later, {.body = "[" + all + "]"});
  });
}

// The newest first, without their results.
void service::list_calls(context& in) {
  std::string all;
  for (auto const& call : calls_.list(*in.who, most_listed))
    all += (all.empty() ? "" : ",") + summary_of(*call).finish();
  reply(in, {.body = "[" + all + "]"});
}

}  // namespace yonder::http
