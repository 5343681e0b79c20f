// SPDX-License-Identifier: Apache-2.0
#include "src/http/service.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <utility>

#include "src/http/endpoints.hpp"
#include "src/http/service_context.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

credential_ref everybody() {
  static auto const all = std::make_shared<credential const>(credential{.name = "everybody", .admin = true});
  return all;
}

// "example.org" of "example.org:80" and "[::1]" of "[::1]:80".
std::string_view without_port(std::string_view host) {
  if (host.starts_with('[')) return host.substr(0, std::min(host.find(']') + 1, host.size()));
  return host.substr(0, host.find(':'));
}

// A name that begins like an address is a name: anybody may own it, and have it resolve to here.
bool is_loopback_name(std::string_view host) {
  std::string const name(without_port(host));
  in_addr address{};
  return name == "localhost" || name == "[::1]" ||
         (::inet_pton(AF_INET, name.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127);
}

response too_many(std::string_view detail) {
  auto answer = problem(429, "too_many_requests", detail);
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

// Which file, and what about it, is for who runs this.
response no_keys() {
  auto answer = problem(
      503, "keys_unusable",
      "the file of keys cannot be read, so that nobody is let in; on its stderr this gateway has said why");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

void allow_origin(response& answer, std::string_view origin) {
  answer.fields.emplace_back("Access-Control-Allow-Origin", origin);
  answer.fields.emplace_back("Access-Control-Expose-Headers", "Yonder-Call, Location, Retry-After");
  answer.fields.emplace_back("Vary", "Origin");
}

constexpr std::string_view problem_type = "application/problem+json";

// The members of a problem that are text, by name.
std::string text_in(detail::json_document& problem, std::string_view name) {
  auto const& nodes = problem.nodes();
  for (auto at = std::uint32_t{1}; at < nodes[0].next; at = nodes[at + 1].next)
    if (problem.equals(nodes[at], name)) return problem.unescaped(nodes[at + 1]);
  return "";
}

// What went wrong as OpenAI's clients and those of text-embeddings-inference look for it, beside the problem.
void add_clients_words(std::string_view route, std::string& body) {
  bool const is_openai = route == "/v1/embeddings" || route.starts_with("/v1/models");
  if (!is_openai && route != "/predict" && route != "/rerank") return;
  detail::json_document problem(body, {});
  auto const detail = text_in(problem, "detail"), code = text_in(problem, "code");
  json_object more;
  if (is_openai) {
    json_object error;
    error.text("message", detail).text("type", code).raw("param", "null").text("code", code);
    more.raw("error", std::move(error).finish());
  } else {
    more.text("error", detail).text("error_type", code);
  }
  body.back() = ',';
  body += std::string_view(std::move(more).finish()).substr(1);
}

}  // namespace

service::service(yonder::detail::engine_ref engine, http_options options, std::unique_ptr<key_file> keys,
                 bool is_tls, std::function<void()> wake)
    : engine_(std::move(engine)),
      options_(std::move(options)),
      keys_(std::move(keys)),
      is_tls_(is_tls),
      proxies_(options_.trusted_proxies),
      calls_({}, wake, [this](call_handle const& ended) { count(ended); }),
      side_(std::move(wake)) {
  for (auto const* one : all_endpoints()) {
    switch (one->is) {
      case detail::endpoint_entry::kind::task: endpoints_.emplace(one->name, one); break;
      case detail::endpoint_entry::kind::embeddings: models_.emplace(one->name, one); break;
      case detail::endpoint_entry::kind::predictions: predictor_ = one; break;
      case detail::endpoint_entry::kind::ranking: ranker_ = one; break;
    }
  }
  samples_ = sampler(all_endpoints());
}

response no_room() {
  auto answer =
      problem(503, to_string(errc::overloaded),
              "so many bytes wait to be read, to be written or to be taken that there is no room for these");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

response draining() {
  auto answer = problem(503, "draining", "this gateway ends and takes no more work");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

// Takes the target apart, or refuses it.
bool service::aim(context& in) {
  auto parsed = parse_target(in.asked.target, in.asked.field("host"));
  if (!parsed) {
    reply(in, problem(400, "bad_target", "the target is no path: no '.' or '..' and no broken escapes"));
    return false;
  }
  in.target = std::move(*parsed);
  return true;
}

void service::handle(request const& asked, exchange_ref const& from, time_point now) {
  context in{.asked = asked, .from = from, .now = now};
  if (asked.target == "*" && asked.method == "OPTIONS")
    return reply(in, {.status = 204, .type = "", .fields = {{"Allow", "GET, HEAD, POST, DELETE, OPTIONS"}}});
  if (!aim(in)) return;
  if (auto failed = failure_in([&] { dispatch(in); })) reply(in, std::move(*failed));
}

std::optional<std::uint64_t> service::admit(request const& asked, exchange_ref const& from, time_point now) {
  context in{.asked = asked, .from = from, .now = now};
  if (!aim(in)) return std::nullopt;
  auto const has_route = !routes_for(in).empty();
  if (!enter(in, asked.method, has_route)) return std::nullopt;
  return !needs_no_key(in) ? options_.max_body_bytes
                           : std::min<std::uint64_t>(most_of_strangers, options_.max_body_bytes);
}

// What can be asked at a path, by method; empty: there is nothing.
std::vector<service::route> service::routes_for(context& in) const {
  auto const& path = in.target.path;
  auto const at = [&](auto... segment) {
    std::size_t i = 0;
    if (path.size() != sizeof...(segment)) return false;
    auto const matches = [&](std::string_view wanted) {
      auto const& found = path[i++];
      return wanted == found || (wanted == "*" && !found.empty());
    };
    if (!(matches(segment) && ...)) return false;
    in.route.clear();
    ((in.route += std::string("/") + (std::string_view(segment) == "*" ? "{}" : segment)), ...);
    if (path.size() > 2) in.id = path[2];
    return true;
  };
  if (at("")) return {{"GET", &service::show_page}};
  if (at("page.css")) return {{"GET", &service::show_style}};
  if (at("page.js")) return {{"GET", &service::show_script}};
  if (at("v1", "session")) return {{"POST", &service::begin_session}, {"DELETE", &service::end_session}};
  if (at("v1", "status")) return {{"GET", &service::show_status}};
  if (at("v1", "usage")) return {{"GET", &service::show_usage}};
  if (at("v1", "pools")) return {{"GET", &service::list_pools}};
  if (at("v1", "workers")) return {{"GET", &service::list_workers}};
  if (at("v1", "maps")) return {{"GET", &service::list_maps}};
  if (at("v1", "calls", "*", "explain")) return {{"GET", &service::explain_call}};
  if (at("v1", "calls", "*", "logs")) return {{"GET", &service::show_logs}};
  if (at("v1", "calls", "*", "correction")) return {{"POST", &service::correct_call}};
  if (at("v1", "calls")) return {{"GET", &service::list_calls}};
  if (at("healthz")) return {{"GET", &service::show_health}};
  if (at("readyz")) return {{"GET", &service::show_readiness}};
  if (at("metrics")) return {{"GET", &service::show_metrics}};
  if (at("openapi.json")) return {{"GET", &service::show_openapi}};
  if (at("v1", "schedules")) return {{"GET", &service::list_schedules}};
  for (auto const* const change : {"pause", "resume", "fire"})
    if (at("v1", "schedules", "*", change)) return {{"POST", &service::change_schedule}};
  if (at("v1", "embeddings")) return {{"POST", &service::embed, true}};
  if (at("v1", "models")) return {{"GET", &service::list_models}};
  if (path.size() > 2 && path[0] == "v1" &&
      path[1] == "models") {  // OpenAI's clients leave slashes as they are
    in.route = "/v1/models/{}";
    in.id = path[2];
    for (std::size_t i = 3; i < path.size(); ++i) in.id += "/" + path[i];
    return {{"GET", &service::show_model}};
  }
  if (at("predict")) return {{"POST", &service::predict, true}};
  if (at("rerank")) return {{"POST", &service::rerank, true}};
  if (at("v1", "tasks")) return {{"GET", &service::list_tasks}};
  if (at("v1", "tasks", "*")) return {{"POST", &service::call_task, true}};
  if (at("v1", "tasks", "*", "spawn")) return {{"POST", &service::spawn_task, true}};
  if (at("v1", "tasks", "*", "batch")) return {{"POST", &service::call_batch, true}};
  if (at("v1", "calls", "*")) return {{"GET", &service::show_call}, {"DELETE", &service::cancel_call}};
  return {};
}

bool service::is_public(context const& in) { return in.route == "/healthz" || in.route == "/readyz"; }

bool service::needs_no_key(context const& in) {
  return is_public(in) || (in.route == "/v1/session" && in.asked.method == "POST");
}

// Whether whoever asks may ask here at all, and who it is; else it has been refused.
bool service::enter(context& in, std::string_view method, bool has_route) {
  auto const refuse = [&](response&& answer) {
    reply(in, std::move(answer));
    return false;
  };
  in.outside = outside_of(
      in.asked.fields,
      {.client = std::string(in.asked.peer), .is_tls = is_tls_, .host = std::string(in.asked.field("host"))},
      proxies_);
  if (!in.outside.fault.empty()) return refuse(problem(400, "bad_forwarded", in.outside.fault));
  if (!is_public(in) && !admits_origin(in))
    return refuse(
        problem(403, "foreign_origin",
                "a page of another origin, or a foreign Host, may not ask here (http_options::origins)"));
  if (in.asked.method == "OPTIONS" && has_route) {  // needs no key, and has no effect
    in.who = everybody();
    return true;
  }
  in.who = needs_no_key(in) ? everybody() : authenticate(in);
  if (in.who == nullptr && !keys_->is_usable(in.now)) return refuse(strangers_answer(in, no_keys()));
  if (in.who == nullptr && in.route == "/" && method == "GET")
    return refuse(strangers_answer(in, sign_in_page()));
  if (in.who == nullptr) {
    auto answer = problem(401, "unauthorized", "this needs a key: Authorization: Bearer KEY");
    answer.fields.emplace_back("WWW-Authenticate", "Bearer");
    return refuse(strangers_answer(in, std::move(answer)));
  }
  return true;
}

void service::dispatch(context& in) {
  auto const routes = routes_for(in);
  std::string methods;
  for (auto const& one : routes)
    methods += std::string(one.method) + (one.method == "GET" ? ", HEAD, " : ", ");
  methods += "OPTIONS";
  auto const method = in.asked.method == "HEAD" ? std::string_view("GET") : in.asked.method;
  auto const found =
      std::find_if(routes.begin(), routes.end(), [&](auto const& one) { return one.method == method; });
  if (!enter(in, method, !routes.empty())) return;
  if (in.asked.method == "OPTIONS" && !routes.empty()) {
    response answer{.status = 204, .type = "", .fields = {{"Allow", methods}}};
    if (!in.asked.field("origin").empty()) {
      answer.fields.emplace_back("Access-Control-Allow-Methods", methods);
      answer.fields.emplace_back(
          "Access-Control-Allow-Headers",
          "Authorization, Content-Type, Idempotency-Key, Traceparent, Yonder-Deadline");
      answer.fields.emplace_back("Access-Control-Max-Age", "600");
    }
    return reply(in, std::move(answer));
  }
  if (routes.empty())
    return reply(in, problem(404, "not_found", "there is nothing at this path; /openapi.json lists what is"));
  if (found == routes.end()) {
    auto answer = problem(405, "method_not_allowed", "this path takes " + methods);
    answer.fields.emplace_back("Allow", methods);
    return reply(in, std::move(answer));
  }
  if (!needs_no_key(in) && !within_rate(*in.who, in.now)) {
    return reply(in, too_many("this key asks more often than http_options::requests_per_second"));
  }
  if (draining_ && found->begins_calls) return reply(in, draining());
  (this->*found->run)(in);
}

// Where a browser says so: of our own origin or one that is let in. Without keys the name that we were called
// by must be one of this machine, lest a page's own name be made to stand for it.
bool service::admits_origin(context const& in) const {
  if (keys_ == nullptr && !is_loopback_name(in.outside.host)) return false;
  auto const origin = in.asked.field("origin");
  if (origin.empty()) return true;
  auto const own = (in.outside.is_tls ? "https://" : "http://") + in.outside.host;
  return origin == own ||
         std::find(options_.origins.begin(), options_.origins.end(), origin) != options_.origins.end();
}

credential_ref service::authenticate(context const& in) const {
  if (keys_ == nullptr) return everybody();
  constexpr std::string_view scheme = "bearer ";
  auto value = in.asked.field("authorization");
  auto const is_bearer =
      std::equal(scheme.begin(), scheme.end(), value.begin(),
                 value.begin() + static_cast<std::ptrdiff_t>(std::min(scheme.size(), value.size())),
                 [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b + 32 : b); });
  if (!is_bearer || value.empty()) {  // a proxy's own, say
    return find_session(in);
  }
  value.remove_prefix(scheme.size());
  value.remove_prefix(std::min(value.find_first_not_of(' '), value.size()));
  return keys_->find(value, in.now);
}

credential_ref service::find_session(context const& in) const {
  // What the page is made of tells nothing. All else it asks with a field that no other page can send, and
  // with a word that no other server of the host is sent.
  bool const is_page = in.asked.method != "POST" && in.asked.method != "DELETE" &&
                       (in.route == "/" || in.route == "/page.css" || in.route == "/page.js");
  auto const word = in.asked.field("yonder-page");
  for (auto const id : session_ids(in.asked, in.outside)) {
    auto const* const key = is_page ? sessions_.find(id, in.now) : sessions_.find(id, word, in.now);
    if (key != nullptr) return keys_->find(*key, in.now);
  }
  return nullptr;
}

bool service::may_still_see(credential const& who, one_call const& call, time_point now) const {
  if (keys_ == nullptr) return true;
  auto const still = keys_->find(who.secret, now);
  return still != nullptr && (still->admin || still->name == call.owner);
}

bool service::may_still_ask(credential const& who, time_point now) const {
  if (keys_ == nullptr) return true;
  auto const still = keys_->find(who.secret, now);
  return still != nullptr && still->has_rights_of(who);
}

bool service::within_rate(credential const& who, time_point now) {
  return take_token(by_key_, who.name, now);
}

bool service::take_token(buckets& from, std::string const& whose, time_point now) const {
  auto const rate = options_.requests_per_second;
  if (rate <= 0) return true;
  auto const burst = std::max(1.0, rate);
  auto const place = from.try_emplace(whose, bucket{burst, now}).first;
  auto& own = place->second;
  own.tokens = std::min(burst, own.tokens + rate * std::chrono::duration<double>(now - own.since).count());
  own.since = now;
  if (own.tokens < 1) return false;
  own.tokens -= 1;
  return true;
}

// Anybody may come from any number of addresses, which are not kept for ever.
response service::strangers_answer(context const& in, response&& refusal) {
  constexpr std::size_t most_addresses = 10'000;
  if (by_address_.size() >= most_addresses) by_address_.clear();
  return take_token(by_address_, in.outside.client, in.now)
             ? std::move(refusal)
             : too_many("this address asks without a key more often than http_options::requests_per_second");
}

void service::count_and_mark(context const& in, response& answer) {
  metrics_.request(in.route, answer.status);
  auto const origin = in.asked.field("origin");
  if (std::find(options_.origins.begin(), options_.origins.end(), origin) != options_.origins.end())
    allow_origin(answer, origin);
}

void service::mark_refusal(response& answer, std::string_view origin) {
  auto const asked = request_from(origin);
  count_and_mark({.asked = asked, .from = {}, .now = {}}, answer);
}

void service::reply(context& in, response&& answer) {
  constexpr unsigned first_error = 400;
  if (answer.status < first_error && !in.from->has_room(answer.body.size())) answer = no_room();
  if (answer.type == problem_type) add_clients_words(in.route, answer.body);
  count_and_mark(in, answer);
  in.from->answer(std::move(answer));
}

std::shared_ptr<void> service::mark_of_waiting() const {
  ++*waiting_;
  return {waiting_.get(), [count = waiting_](void*) { --*count; }};
}

// When it is known whether its result can be said.
void service::count(call_handle const& call) {
  auto const& ended = *call;
  if (ended.endpoint == nullptr || ended.is_being_written || look_beside(call)) return;
  ended.is_counted = true;
  look_at_result(ended);
  auto const* const failure = ended.failure();
  metrics_.call_ended(ended.endpoint->name, failure != nullptr ? failure->code : errc{},
                      *ended.ended - ended.begun);
  write_down(ended);
}

// Once, when it has ended and nobody takes more of it.
void service::write_down(one_call const& call) {
  if (!call.ended || !call.sampled || call.sampled->being_read) return;
  samples_.ended(call);
  call.sampled.reset();
}

void service::show_health(context& in) { reply(in, {.body = R"({"status":"ok"})"}); }

void service::show_readiness(context& in) {
  if (draining_) return reply(in, draining());
  if (keys_ != nullptr && !keys_->is_usable(in.now)) return reply(in, no_keys());
  reply(in, {.body = R"({"status":"ready"})"});
}

void service::show_metrics(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not read metrics"));
  reply(in, {.type = "text/plain; version=0.0.4; charset=utf-8",
             .body = metrics_.text(calls_.running(), snapshot(), yonder::detail::has_own_hub(*engine_),
                                   yonder::detail::schedules_of(*engine_, false))});
}

runtime_snapshot service::snapshot() {
  auto seen = yonder::detail::snapshot_of(*engine_);
  metrics_.gather_unserved(seen);
  return seen;
}

void service::show_openapi(context& in) {
  std::vector<detail::endpoint_entry const*> shown;
  for (auto const& [name, one] : endpoints_)
    if (in.who->may_call(name)) shown.push_back(one);
  for (auto const& [name, one] : models_)
    if (in.who->may_call(name)) shown.push_back(one);
  for (auto const* const one : {predictor_, ranker_})
    if (one != nullptr && in.who->may_call(one->name)) shown.push_back(one);
  reply(in, {.body = openapi_document(shown)});
}

void service::list_tasks(context& in) {
  std::string names;
  for (auto const& [name, one] : endpoints_) {
    if (!in.who->may_call(name)) continue;
    names += names.empty() ? "" : ",";
    detail::append_string(names, name);
  }
  reply(in, {.body = R"({"tasks":[)" + names + "]}"});
}

}  // namespace yonder::http
