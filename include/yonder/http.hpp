// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/stream_poll.hpp"
#include "yonder/detail/task_parameters.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/json_reader.hpp"
#include "yonder/http/json_schema.hpp"
#include "yonder/http/json_writer.hpp"
#include "yonder/task.hpp"

// Tasks over HTTP: what is declared here can be called at POST /v1/tasks/{name} where a runtime serves
// (runtime_options::http, or --yonder-serve ADDRESS). docs/http.md. Needs yonder::http to be linked.
namespace yonder::http {

namespace detail {

// What a text's vector is, and how many tokens the text had; 0: not known.
struct embedding {
  std::vector<float> values;
  std::uint64_t tokens = 0;
};
struct scored_label {
  std::string label;
  float score = 0;
};

// What the gateway knows of one task. Static storage.
struct endpoint_entry {
  enum class kind : unsigned char { task, embeddings, predictions, ranking };
  kind is;
  std::string_view name;  // within the path, or of the model
  yonder::detail::task_entry const* task;
  options const& (*settings)();
  std::string_view (*needs)();  // what its workers have to be like

  // The call of the arguments that the value at `place` says; of a model, of the text that is there. Throws
  // json_error. Null: the task streams, or takes a pair of texts.
  outgoing (*begin)(json_document& document, std::uint32_t place, options const& settings);
  // Appends what a task that has ended well returned, as JSON. Throws json_error, codec_error. Null: the task
  // streams.
  void (*write)(yonder::detail::reply const& result, std::string& out);
  // The same for one parameter, or a result, that is bytes: as they are. Null: it is none.
  outgoing (*begin_octets)(std::string_view bytes, options const& settings);
  void (*write_octets)(yonder::detail::reply const& result, std::string& out);

  // Of a task that streams: makes the call, and appends one item of it as JSON. Null for others.
  yonder::detail::call_ref (*stream)(yonder::detail::engine_ref const& where, json_document& document,
                                     std::uint32_t place, options const& settings);
  void (*write_item)(yonder::detail::stream_part::item const& item, decode_limits limits, std::string& out);

  // Of a model.
  embedding (*read_embedding)(yonder::detail::reply const& result);
  std::vector<scored_label> (*read_labels)(yonder::detail::reply const& result);

  // Of a model that ranks: the call of a query and a text, and what it gave.
  outgoing (*begin_pair)(std::string query, std::string text, options const& settings) = nullptr;
  float (*read_score)(yonder::detail::reply const& result) = nullptr;

  // Schemas of the arguments, and of what write() or write_item() writes.
  std::string (*argument_schema)(schema_set& set);
  std::string (*result_schema)(schema_set& set);

  // Of the task's parameters, in order. Empty: an object is the only argument itself, as a model's text is.
  std::span<std::string_view const> names{};

  endpoint_entry* next = nullptr;
};

YONDER_API void add_endpoint(endpoint_entry& entry) noexcept;
YONDER_API void remove_endpoint(endpoint_entry& entry) noexcept;

class endpoint_registration {
 public:
  explicit endpoint_registration(endpoint_entry& entry) noexcept : entry_(entry) { add_endpoint(entry); }
  ~endpoint_registration() { remove_endpoint(entry_); }
  endpoint_registration(endpoint_registration const&) = delete;
  endpoint_registration& operator=(endpoint_registration const&) = delete;

 private:
  endpoint_entry& entry_;
};

// What octets can stand for.
template <class T>
inline constexpr bool is_octets = false;
template <class E, class A>
inline constexpr bool is_octets<std::vector<E, A>> = is_byte<E>;

// The most memory that the arguments of a JSON text may take.
constexpr std::size_t budget_for(std::size_t bytes) { return (std::size_t{64} << 20) + 16 * bytes; }

// A task as an endpoint's, whose task is `Task`.
template <auto const& Task, class Parameters>
struct served_task;

template <auto const& Task, class... P>
struct served_task<Task, type_list<P...>> {
  using type = std::remove_cvref_t<decltype(Task)>;
  using result = typename type::result;
  using values = std::tuple<wire_type_t<P>...>;
  static constexpr bool streams = is_stream<result>;
  static_assert((!is_input_stream<std::remove_cvref_t<P>> && ...),
                "yonder: a task that takes an input_stream has no endpoint: a request has an end");

  static options const& settings() { return Task.settings(); }
  static std::string_view needs() {
    if constexpr (requires { Task.needs(); })
      return Task.needs();
    else
      return {};
  }

  // The call of these arguments.
  static outgoing call_of(values&& arguments, options const& how) {
    return std::apply(
        [&](auto&... each) {
          batch_terms batch;
          if constexpr (has_batches<type>) batch = Task.batch_of(each...);
          auto call = begin_call(type::entry(), how, needs(), batch);
          encode_owned(call.content, std::move(each)...);
          return call;
        },
        arguments);
  }
};

template <fixed_string Name, auto const& Task, class Parameters, fixed_string... Names>
struct endpoint_record;

template <fixed_string Name, auto const& Task, class... P, fixed_string... Names>
struct endpoint_record<Name, Task, type_list<P...>, Names...> {
  using served = served_task<Task, type_list<P...>>;
  using task_type = typename served::type;
  using result = typename served::result;
  static constexpr std::array<std::string_view, sizeof...(Names)> names{Names.view()...};
  // Without names, an object is the only argument itself.
  static constexpr bool takes_object = sizeof...(P) == 1 && sizeof...(Names) == 0;

  static typename served::values read(json_document& document, std::uint32_t place) {
    auto const found = document.nodes()[place].kind;
    json_reader reader(document, budget_for(document.text().size()));
    typename served::values values;
    std::apply(
        [&](auto&... each) {
          if constexpr (takes_object) {
            if (found == json_kind::object) return (reader.get_at(place, each), ...);
          }
          if (found == json_kind::array)
            reader.get_parts(place, std::array<std::string_view, 0>(), each...);
          else
            reader.get_parts(place, names, each...);
        },
        values);
    return values;
  }

  static outgoing begin(json_document& document, std::uint32_t place, options const& settings) {
    return served::call_of(read(document, place), settings);
  }
  static void write(reply const& reply, std::string& out) {
    if constexpr (std::is_void_v<result>)
      out += "null";
    else if constexpr (!served::streams)
      json_writer(out).put_here(decode<result>(reply.payload, reply.buffers, reply.limits));
  }

  static outgoing begin_octets(std::string_view bytes, options const& settings) {
    if constexpr (takes_octets) {
      using first = std::tuple_element_t<0, typename served::values>;
      auto const* const data = reinterpret_cast<typename first::value_type const*>(bytes.data());
      return served::call_of({first(data, data + bytes.size())}, settings);
    } else {
      return {};
    }
  }
  static void write_octets(reply const& reply, std::string& out) {
    if constexpr (is_octets<result>) {
      auto const value = decode<result>(reply.payload, reply.buffers, reply.limits);
      out.append(reinterpret_cast<char const*>(value.data()), value.size());
    }
  }
  static constexpr bool takes_octets =
      !served::streams && sizeof...(P) == 1 && (is_octets<wire_type_t<P>> && ...);

  static call_ref stream(engine_ref const& where, json_document& document, std::uint32_t place,
                         options const& settings) {
    encoded arguments;
    auto values = read(document, place);
    std::apply([&](auto&... each) { encode_owned(arguments, std::move(each)...); }, values);
    return submit_stream(where, task_type::entry(), settings, served::needs(), std::move(arguments));
  }
  static void write_item(stream_part::item const& item, decode_limits limits, std::string& out) {
    if constexpr (served::streams)
      json_writer(out).put_here(decode<stream_item_t<result>>(item.bytes, item.buffers, limits));
  }

  static std::string argument_schema(schema_set& set) {
    schema_reader reader(set);
    return reader.arguments<wire_type_t<P>...>(names);
  }
  static std::string result_schema(schema_set& set) {
    if constexpr (std::is_void_v<result>)
      return R"({"type":"null"})";
    else if constexpr (served::streams)
      return schema_reader(set).schema_of<stream_item_t<result>>();
    else
      return schema_reader(set).schema_of<result>();
  }

  static constinit inline endpoint_entry entry{.is = endpoint_entry::kind::task,
                                               .name = Name.view().empty() ? task_type::name : Name.view(),
                                               .task = &task_type::entry(),
                                               .settings = &served::settings,
                                               .needs = &served::needs,
                                               .begin = served::streams ? nullptr : &begin,
                                               .write = served::streams ? nullptr : &write,
                                               .begin_octets = takes_octets ? &begin_octets : nullptr,
                                               .write_octets = is_octets<result> ? &write_octets : nullptr,
                                               .stream = served::streams ? &stream : nullptr,
                                               .write_item = served::streams ? &write_item : nullptr,
                                               .read_embedding = nullptr,
                                               .read_labels = nullptr,
                                               .argument_schema = &argument_schema,
                                               .result_schema = &result_schema,
                                               .names = names};
  static inline endpoint_registration const registered{entry};
};

// A task of one text, as a model: `Kind` says which.
template <endpoint_entry::kind Kind, fixed_string Name, auto const& Task, class Parameters>
struct model_record;

template <endpoint_entry::kind Kind, fixed_string Name, auto const& Task, class P>
struct model_record<Kind, Name, Task, type_list<P>> {
  using served = served_task<Task, type_list<P>>;
  using result = typename served::result;
  static_assert(std::is_same_v<wire_type_t<P>, std::string>, "yonder: a model's task takes one text");

  static outgoing begin(json_document& document, std::uint32_t place, options const& settings) {
    typename served::values text;
    json_reader(document, budget_for(document.text().size())).get_at(place, std::get<0>(text));
    return served::call_of(std::move(text), settings);
  }

  static embedding read_embedding(reply const& reply) {
    auto value = decode<result>(reply.payload, reply.buffers, reply.limits);
    if constexpr (requires { embedding{std::move(value.values), value.tokens}; })
      return {std::move(value.values), value.tokens};
    else
      return {std::move(value)};
  }
  static std::vector<scored_label> read_labels(reply const& reply) {
    std::vector<scored_label> labels;
    for (auto& one : decode<result>(reply.payload, reply.buffers, reply.limits))
      labels.push_back({std::move(one.label), one.score});
    return labels;
  }

  static constexpr auto embedding_reader() {
    if constexpr (Kind == endpoint_entry::kind::embeddings)
      return &read_embedding;
    else
      return nullptr;
  }
  static constexpr auto label_reader() {
    if constexpr (Kind == endpoint_entry::kind::predictions)
      return &read_labels;
    else
      return nullptr;
  }
  static constinit inline endpoint_entry entry{.is = Kind,
                                               .name = Name.view().empty() ? served::type::name : Name.view(),
                                               .task = &served::type::entry(),
                                               .settings = &served::settings,
                                               .needs = &served::needs,
                                               .begin = &begin,
                                               .write = nullptr,
                                               .begin_octets = nullptr,
                                               .write_octets = nullptr,
                                               .stream = nullptr,
                                               .write_item = nullptr,
                                               .read_embedding = embedding_reader(),
                                               .read_labels = label_reader(),
                                               .argument_schema = nullptr,
                                               .result_schema = nullptr};
  static inline endpoint_registration const registered{entry};
};

// A task of a pair of texts, as a model that ranks.
template <auto const& Task, class Parameters>
struct ranking_record;

template <auto const& Task, class P>
struct ranking_record<Task, type_list<P>> {
  using served = served_task<Task, type_list<P>>;
  using pair = wire_type_t<P>;
  static_assert(
      requires(std::string text) {
        pair{text, text};
      },
      "yonder: a task that ranks takes an aggregate of two texts, the query first");
  static_assert(std::is_convertible_v<typename served::result, float>, "yonder: its result is a score");

  static outgoing begin_pair(std::string query, std::string text, options const& settings) {
    return served::call_of(typename served::values(pair{std::move(query), std::move(text)}), settings);
  }
  static float read_score(reply const& reply) {
    return static_cast<float>(decode<typename served::result>(reply.payload, reply.buffers, reply.limits));
  }

  static constinit inline endpoint_entry entry{.is = endpoint_entry::kind::ranking,
                                               .name = served::type::name,
                                               .task = &served::type::entry(),
                                               .settings = &served::settings,
                                               .needs = &served::needs,
                                               .begin = nullptr,
                                               .write = nullptr,
                                               .begin_octets = nullptr,
                                               .write_octets = nullptr,
                                               .stream = nullptr,
                                               .write_item = nullptr,
                                               .read_embedding = nullptr,
                                               .read_labels = nullptr,
                                               .begin_pair = &begin_pair,
                                               .read_score = &read_score,
                                               .argument_schema = nullptr,
                                               .result_schema = nullptr};
  static inline endpoint_registration const registered{entry};
};

template <auto const& Task>
using served_parameters_t = parameters_of_t<std::remove_cvref_t<decltype(Task)>>;

}  // namespace detail

// As endpoint, under a name of its own: /v1/tasks/{Name}. For what several endpoints would have one name for,
// as the same method of two instances.
template <yonder::detail::fixed_string Name, auto const& Task, yonder::detail::fixed_string... Names>
class named_endpoint {
  using parameters = detail::served_parameters_t<Task>;
  using record = detail::endpoint_record<Name, Task, parameters, Names...>;
  template <class... P>
  static constexpr std::size_t count(yonder::detail::type_list<P...>) {
    return sizeof...(P);
  }
  static_assert(sizeof...(Names) == 0 || sizeof...(Names) == count(parameters()),
                "yonder: an endpoint names all parameters of its task, or none");

 public:
  constexpr named_endpoint() noexcept { (void)&record::registered; }
};

// Lets a task be called over HTTP, with the task's options. Declare it once, at namespace scope, beside the
// task:
//
//   inline constexpr yonder::task<get_sentiment> sentiment{{.retries = 3, .timeout = 5s}};
//   inline constexpr yonder::http::endpoint<sentiment, "text"> sentiment_over_http;
//
// Names: of the task's parameters, all or none. With names a request says {"text": "good job"}, and may say
// ["good job"], as it does without. A task of one parameter without a name takes an object as that. Of a
// service's method the task is that of one instance, a variable of static storage:
//
//   inline auto const to_german = translate.on(translator("de"));
//   inline constexpr yonder::http::named_endpoint<"to_german", to_german, "text"> to_german_over_http;
//
// A task that returns a generator answers with server-sent events, one for each item.
template <auto const& Task, yonder::detail::fixed_string... Names>
class endpoint : public named_endpoint<"", Task, Names...> {};

// Lets a task text → vector<float> answer POST /v1/embeddings, as clients of OpenAI's interface ask, for the
// model of this name. A result with members `values` and `tokens` says the tokens that are counted there.
template <auto const& Task, yonder::detail::fixed_string Model>
class embeddings {
  using record = detail::model_record<detail::endpoint_entry::kind::embeddings, Model, Task,
                                      detail::served_parameters_t<Task>>;
  static_assert(!Model.view().empty(), "yonder: the model has a name");

 public:
  constexpr embeddings() noexcept { (void)&record::registered; }
};

// Lets a task text → vector of objects with `label` and `score` answer POST /predict, as clients of
// text-embeddings-inference ask. One of a program.
template <auto const& Task>
class predictions {
  using record = detail::model_record<detail::endpoint_entry::kind::predictions, "", Task,
                                      detail::served_parameters_t<Task>>;

 public:
  constexpr predictions() noexcept { (void)&record::registered; }
};

// Lets a task (aggregate of query and text) → score answer POST /rerank, as clients of
// text-embeddings-inference ask. One of a program.
template <auto const& Task>
class ranking {
  using record = detail::ranking_record<Task, detail::served_parameters_t<Task>>;

 public:
  constexpr ranking() noexcept { (void)&record::registered; }
};

}  // namespace yonder::http
