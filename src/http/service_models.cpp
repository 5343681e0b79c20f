// SPDX-License-Identifier: Apache-2.0
//
// Models as other servers' clients ask for them: POST /v1/embeddings and GET /v1/models as in OpenAI's
// interface, POST /predict and POST /rerank as in Hugging Face's text-embeddings-inference.
#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

using detail::json_document;
using detail::json_error;
using detail::json_kind;

constexpr std::size_t most_texts = 2048;
constexpr std::size_t most_named = 64;  // calls of a request, in its answer's head

// The elements of an array, or the names of an object's members, whose values are behind them.
std::vector<std::uint32_t> elements_of(json_document& document, std::uint32_t place) {
  auto const& nodes = document.nodes();
  bool const is_object = nodes[place].kind == json_kind::object;
  std::vector<std::uint32_t> elements;
  for (auto at = place + 1; at < nodes[place].next; at = nodes[is_object ? at + 1 : at].next)
    elements.push_back(at);
  return elements;
}

[[noreturn]] void refuse_member(std::string_view member, std::string const& words) {
  throw json_error("/" + std::string(member), words);
}

// The members of an object that have one of these names, in their order; 0: it is not there. Others, and a
// second one, are refused.
template <std::size_t N>
std::array<std::uint32_t, N> members_of(json_document& document,
                                        std::array<std::string_view, N> const& names) {
  auto const& nodes = document.nodes();
  if (nodes[0].kind != json_kind::object)
    throw json_error("", "expected an object, found " + std::string(detail::words_for(nodes[0].kind)));
  std::array<std::uint32_t, N> found{};
  for (auto const at : elements_of(document, 0)) {
    auto const place =
        static_cast<std::size_t>(std::find_if(names.begin(), names.end(),
                                              [&](auto name) { return document.equals(nodes[at], name); }) -
                                 names.begin());
    if (place == N) throw json_error("", "the member '" + document.unescaped(nodes[at]) + "' is unknown");
    if (found[place] != 0) refuse_member(names[place], "the member is there twice");
    if (nodes[at + 1].kind != json_kind::null) found[place] = at + 1;
  }
  return found;
}

std::string text_at(json_document& document, std::uint32_t place, std::string_view member) {
  if (place == 0) throw json_error("", "the member '" + std::string(member) + "' is missing");
  auto const& node = document.nodes()[place];
  if (node.kind != json_kind::string)
    refuse_member(member, "expected a string, found " + std::string(detail::words_for(node.kind)));
  return document.unescaped(node);
}

bool is_true(json_document& document, std::uint32_t place, std::string_view member) {
  if (place == 0) return false;
  auto const& node = document.nodes()[place];
  if (node.kind != json_kind::boolean)
    refuse_member(member, "expected a boolean, found " + std::string(detail::words_for(node.kind)));
  return node.is_true;
}

void check_count(std::size_t texts, std::string_view member) {
  if (texts == 0) refuse_member(member, "there is no text");
  if (texts > most_texts)
    refuse_member(member, "there are " + std::to_string(texts) + " texts; at most " +
                              std::to_string(most_texts) + " can be asked for at once");
}

// Where the texts of an array of strings are.
std::vector<std::uint32_t> texts_of_array(json_document& document, std::uint32_t array,
                                          std::string const& member, std::string_view advice) {
  auto const& nodes = document.nodes();
  auto texts = elements_of(document, array);
  check_count(texts.size(), member);
  for (std::size_t i = 0; i < texts.size(); ++i)
    if (nodes[texts[i]].kind != json_kind::string)
      refuse_member(member + "/" + std::to_string(i),
                    "expected a string, found " + std::string(detail::words_for(nodes[texts[i]].kind)) +
                        std::string(advice));
  return texts;
}

// Where the texts of an "input" are: one, or an array of them.
std::vector<std::uint32_t> input_texts(json_document& document, std::uint32_t input) {
  if (input == 0) throw json_error("", "the member 'input' is missing");
  auto const& nodes = document.nodes();
  if (nodes[input].kind == json_kind::string) return {input};
  if (nodes[input].kind != json_kind::array)
    refuse_member("input", "expected a string or an array of strings, found " +
                               std::string(detail::words_for(nodes[input].kind)));
  return texts_of_array(document, input, "input", "; texts are taken, not tokens");
}

// The texts of "texts".
std::vector<std::string> ranked_texts(json_document& document, std::uint32_t texts) {
  if (texts == 0) throw json_error("", "the member 'texts' is missing");
  auto const& nodes = document.nodes();
  if (nodes[texts].kind != json_kind::array)
    refuse_member("texts",
                  "expected an array of strings, found " + std::string(detail::words_for(nodes[texts].kind)));
  std::vector<std::string> all;
  for (auto const place : texts_of_array(document, texts, "texts", ""))
    all.push_back(document.unescaped(nodes[place]));
  return all;
}

// Where the texts of "inputs" are: one, or an array of arrays of one. An array of strings is one input there,
// of a text or of a pair of them.
std::vector<std::uint32_t> inputs_texts(json_document& document, std::uint32_t inputs, bool& is_single) {
  if (inputs == 0) throw json_error("", "the member 'inputs' is missing");
  auto const& nodes = document.nodes();
  auto const wrong = [&](std::uint32_t place, std::string const& member) {
    refuse_member(member, nodes[place].kind == json_kind::array && nodes[place].size == 2
                              ? "pairs of texts are not taken; a batch is an array of arrays of one text"
                              : "expected a string, or an array of arrays of one string");
  };
  auto const only_text = [&](std::uint32_t place, std::string const& member) {
    if (nodes[place].kind != json_kind::array || nodes[place].size != 1 ||
        nodes[place + 1].kind != json_kind::string)
      wrong(place, member);
    return place + 1;
  };
  if (nodes[inputs].kind == json_kind::string) {
    is_single = true;
    return {inputs};
  }
  is_single = nodes[inputs].kind != json_kind::array ||
              (nodes[inputs].size != 0 && nodes[inputs + 1].kind == json_kind::string);
  if (is_single) return {only_text(inputs, "inputs")};
  auto texts = elements_of(document, inputs);
  check_count(texts.size(), "inputs");
  for (std::size_t i = 0; i < texts.size(); ++i)
    texts[i] = only_text(texts[i], "inputs/" + std::to_string(i));
  return texts;
}

void append_vector(std::string& out, std::vector<float> const& values, bool as_base64) {
  static_assert(std::endian::native == std::endian::little);  // as that form has its numbers
  if (as_base64) return detail::append_base64(out, std::as_bytes(std::span(values)));
  out += '[';
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (i != 0) out += ',';
    detail::append_float(out, values[i]);
  }
  out += ']';
}

void append_labels(std::string& out, std::vector<detail::scored_label> labels) {
  std::stable_sort(labels.begin(), labels.end(), [](auto& a, auto& b) { return a.score > b.score; });
  out += '[';
  for (auto const& one : labels) {
    std::string score;
    detail::append_float(score, one.score);
    if (&one != &labels.front()) out += ',';
    json_object object;
    object.raw("score", score).text("label", one.label);
    out += std::move(object).finish();
  }
  out += ']';
}

// The best first; of several as good, in their order. `texts`: none, or those that go back with their scores.
std::string write_ranking(std::vector<float> const& scores, std::vector<std::string> const& texts) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return scores[a] > scores[b]; });
  std::string out = "[";
  for (auto const index : order) {
    if (out.size() > 1) out += ',';
    std::string score;
    detail::append_float(score, scores[index]);
    json_object object;
    object.number("index", static_cast<std::int64_t>(index)).raw("score", score);
    if (!texts.empty()) object.text("text", texts[index]);
    out += std::move(object).finish();
  }
  return out + "]";
}

}  // namespace

void append_result(detail::endpoint_entry const& endpoint, yonder::detail::reply const& result,
                   std::string& out) {
  if (endpoint.read_embedding != nullptr)
    append_vector(out, endpoint.read_embedding(result).values, false);
  else if (endpoint.read_labels != nullptr)
    append_labels(out, endpoint.read_labels(result));
  else if (endpoint.read_score != nullptr)
    detail::append_float(out, endpoint.read_score(result));
  else
    endpoint.write(result, out);
}

// The calls of one request that are answered together.
struct service::text_calls {
  std::vector<call_handle> all;
  std::size_t missing = 0;
  bool timed_out = false;
  std::shared_ptr<void> mark;
};

// One of them, and its arguments as they are written down.
struct service::model_call {
  yonder::detail::outgoing content;
  std::function<std::string()> arguments;
};

std::vector<service::model_call> service::calls_of_texts(wanted_call const& wanted, json_document& document,
                                                         std::vector<std::uint32_t> const& texts) const {
  std::vector<model_call> asked;
  for (auto const place : texts) {
    asked.push_back(
        {wanted.endpoint->begin(document, place, wanted.settings),
         [&, model = wanted.endpoint, place] { return samples_.arguments(*model, document, place); }});
  }
  return asked;
}

std::vector<service::model_call> service::calls_of_pairs(wanted_call const& wanted, std::string const& query,
                                                         std::vector<std::string> const& texts) const {
  std::vector<model_call> asked;
  for (auto const& text : texts) {
    asked.push_back({wanted.endpoint->begin_pair(query, text, wanted.settings), [&, model = wanted.endpoint] {
                       json_object pair;
                       pair.text("query", query).text("text", text);
                       auto const written = std::move(pair).finish();
                       json_document document(written, {});
                       return samples_.arguments(*model, document, 0);
                     }});
  }
  return asked;
}

// Makes these calls of the model, whose arguments are looked at before it returns. When all have ended well
// `answer` says what they gave.
void service::call_model(context& in, wanted_call& wanted, std::vector<model_call> wanted_calls,
                         result_writer answer) {
  auto const& model = *wanted.endpoint;
  auto const calls = std::make_shared<text_calls>();
  calls->missing = wanted_calls.size();
  calls->mark = mark_of_waiting();
  for (auto& each : wanted_calls) {
    auto const call = begin(in, model, wanted.settings, std::move(each.content));
    if (samples_.wants(*call)) call->sampled.emplace(sampled_call{each.arguments()});
    calls->all.push_back(call);
  }
  wanted.wait.reset();  // there is nothing that could be asked for later
  auto const until =
      in.now + std::chrono::duration_cast<std::chrono::steady_clock::duration>(time_to_hold(wanted));
  auto const then = [this, calls, answer = std::move(answer), from = in.from, route = in.route,
                     origin = std::string(in.asked.field("origin"))](one_call& one, bool timed_out) {
    if (timed_out) yonder::detail::cancel(*one.call);
    calls->timed_out = calls->timed_out || timed_out;
    if (--calls->missing != 0) return;
    from->waiters.clear();
    response said;
    if (auto failed = failure_in([&] { said = answer_of(*calls, answer); })) said = std::move(*failed);
    calls->all.clear();
    auto const asked = request_from(origin);
    context later{.asked = asked, .from = from, .now = {}, .route = route};
    reply(later, std::move(said));
  };
  for (auto const& call : std::vector(calls->all)) hold(in, call, until, then);
}

response service::answer_of(text_calls const& calls, result_writer const& answer) {
  if (calls.timed_out) {
    auto late = problem(503, to_string(errc::deadline_exceeded), "the model has not answered in time");
    late.fields.emplace_back("Retry-After", "1");
    return late;
  }
  std::vector<yonder::detail::reply> replies;
  std::string ids;
  for (auto const& call : calls.all) {
    if (auto const* const failure = yonder::detail::failure_of(*call->call))
      return failure_response(*failure, call->id());
    replies.push_back(yonder::detail::take_reply(*call->call));
    if (calls.all.size() <= most_named) (ids += ids.empty() ? "" : ", ") += call->id();
  }
  response said{.body = answer(replies)};
  if (!ids.empty()) said.fields.emplace_back("Yonder-Call", std::move(ids));
  return said;
}

bool service::may_use(context& in, detail::endpoint_entry const* model, std::string const& name) {
  // Whoever may not use a model does not learn whether it is there.
  if (!in.who->may_call(name)) {
    reply(in, problem(403, "forbidden", "this key may not call '" + name + "'"));
    return false;
  }
  if (model == nullptr) {
    reply(in, problem(404, "model_not_found",
                      "no model '" + name + "' is served here; GET /v1/models lists those that are"));
    return false;
  }
  return true;
}

void service::embed(context& in) {
  with_json(in, [&](json_document& document) {
    auto const [input, model, format, dimensions, user] =
        members_of<5>(document, {"input", "model", "encoding_format", "dimensions", "user"});
    auto const name = text_at(document, model, "model");
    auto const found = models_.find(name);
    wanted_call wanted{.endpoint = found == models_.end() ? nullptr : found->second};
    if (!may_use(in, wanted.endpoint, name) || !read_settings(in, wanted)) return;
    auto const form = format == 0 ? "float" : text_at(document, format, "encoding_format");
    if (form != "float" && form != "base64")
      refuse_member("encoding_format", "expected \"float\" or \"base64\", found \"" + form + "\"");
    if (dimensions != 0) refuse_member("dimensions", "vectors are not shortened here: leave it out");
    if (user != 0) (void)text_at(document, user, "user");
    call_model(in, wanted, calls_of_texts(wanted, document, input_texts(document, input)),
               [read = wanted.endpoint->read_embedding, name,
                as_base64 = form == "base64"](std::vector<yonder::detail::reply> const& replies) {
                 std::string data;
                 std::uint64_t tokens = 0;
                 for (std::size_t i = 0; i < replies.size(); ++i) {
                   auto const one = read(replies[i]);
                   data +=
                       i == 0 ? R"({"object":"embedding","index":)" : R"(,{"object":"embedding","index":)";
                   data += std::to_string(i) + R"(,"embedding":)";
                   append_vector(data, one.values, as_base64);
                   data += '}';
                   tokens += one.tokens;
                 }
                 json_object usage, all;
                 usage.number("prompt_tokens", static_cast<std::int64_t>(tokens))
                     .number("total_tokens", static_cast<std::int64_t>(tokens));
                 all.text("object", "list").raw("data", "[" + data + "]").text("model", name);
                 all.raw("usage", std::move(usage).finish());
                 return std::move(all).finish();
               });
  });
}

namespace {

std::string model_in_json(std::string_view name) {
  json_object model;
  model.text("id", name).text("object", "model").number("created", 0).text("owned_by", "yonder");
  return std::move(model).finish();
}

}  // namespace

void service::show_model(context& in) {
  auto const found = models_.find(in.id);
  if (may_use(in, found == models_.end() ? nullptr : found->second, in.id))
    reply(in, {.body = model_in_json(in.id)});
}

void service::list_models(context& in) {
  std::string all;
  for (auto const& [name, one] : models_)
    if (in.who->may_call(name)) all += (all.empty() ? "" : ",") + model_in_json(name);
  reply(in, {.body = R"({"object":"list","data":[)" + all + "]}"});
}

void service::predict(context& in) {
  if (predictor_ == nullptr)
    return reply(in, problem(404, "not_found", "no task here is declared for /predict (http::predictions)"));
  wanted_call wanted{.endpoint = predictor_};
  if (!may_use(in, predictor_, std::string(predictor_->name)) || !read_settings(in, wanted)) return;
  with_json(in, [&](json_document& document) {
    auto const [inputs, raw, truncate, direction] =
        members_of<4>(document, {"inputs", "raw_scores", "truncate", "truncation_direction"});
    if (is_true(document, raw, "raw_scores"))
      refuse_member("raw_scores", "scores are given, not what they are of");
    (void)is_true(document, truncate, "truncate");  // as the model's options say
    if (direction != 0) (void)text_at(document, direction, "truncation_direction");
    bool is_single = false;
    auto const texts = inputs_texts(document, inputs, is_single);
    call_model(
        in, wanted, calls_of_texts(wanted, document, texts),
        [read = predictor_->read_labels, is_single](std::vector<yonder::detail::reply> const& replies) {
          std::string all;
          for (auto const& one : replies) {
            if (!all.empty()) all += ',';
            append_labels(all, read(one));
          }
          return is_single ? all : "[" + all + "]";
        });
  });
}

void service::rerank(context& in) {
  if (ranker_ == nullptr)
    return reply(in, problem(404, "not_found", "no task here is declared for /rerank (http::ranking)"));
  wanted_call wanted{.endpoint = ranker_};
  if (!may_use(in, ranker_, std::string(ranker_->name)) || !read_settings(in, wanted)) return;
  with_json(in, [&](json_document& document) {
    auto const [query, given, raw, returned, truncate, direction] = members_of<6>(
        document, {"query", "texts", "raw_scores", "return_text", "truncate", "truncation_direction"});
    if (is_true(document, raw, "raw_scores"))
      refuse_member("raw_scores", "scores are given, not what they are of");
    (void)is_true(document, truncate, "truncate");  // as the model's options say
    if (direction != 0) (void)text_at(document, direction, "truncation_direction");
    auto const asked = text_at(document, query, "query");
    auto const texts = ranked_texts(document, given);
    auto const shown = is_true(document, returned, "return_text") ? texts : std::vector<std::string>();
    call_model(in, wanted, calls_of_pairs(wanted, asked, texts),
               [read = ranker_->read_score, shown](std::vector<yonder::detail::reply> const& replies) {
                 std::vector<float> scores;
                 for (auto const& one : replies) scores.push_back(read(one));
                 return write_ranking(scores, shown);
               });
  });
}

}  // namespace yonder::http
