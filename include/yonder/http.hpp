// SPDX-License-Identifier: Apache-2.0
#pragma once

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
#include "yonder/detail/export.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/json_reader.hpp"
#include "yonder/http/json_schema.hpp"
#include "yonder/http/json_writer.hpp"
#include "yonder/task.hpp"

// Tasks over HTTP: what is declared here can be called at POST /v1/tasks/{name} where a runtime serves
// (runtime_options::http, or --yonder-serve ADDRESS). docs/http.md. Needs yonder::http to be linked.
namespace yonder::http {

namespace detail {

// What the gateway knows of one task. Static storage.
struct endpoint_entry {
  yonder::detail::task_entry const* task;
  options const& (*settings)() noexcept;

  // Appends the arguments that the value at `place` says. Throws json_error.
  void (*encode)(json_document& document, std::uint32_t place, encoded& content);
  // Appends what a task that has ended well returned, as JSON. Throws json_error, codec_error.
  void (*write)(yonder::detail::reply const& result, std::string& out);
  // The same for one parameter, or a result, that is bytes: as they are. Null: it is none.
  void (*encode_octets)(std::string_view bytes, encoded& content);
  void (*write_octets)(yonder::detail::reply const& result, std::string& out);

  // Schemas of what encode() takes and of what write() writes.
  std::string (*argument_schema)(schema_set& set);
  std::string (*result_schema)(schema_set& set);

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

template <class Task>
struct task_parts;
template <auto Function, yonder::detail::fixed_string Name>
struct task_parts<task<Function, Name>> {
  using signature = yonder::detail::signature_of<std::remove_cv_t<decltype(Function)>>;
  using result = typename signature::result;
  using parameters = typename signature::parameters;
};

// What octets can stand for.
template <class T>
inline constexpr bool is_octets = false;
template <class E, class A>
inline constexpr bool is_octets<std::vector<E, A>> = is_byte<E>;

// The most memory that the arguments of a JSON text may take.
constexpr std::size_t budget_for(std::size_t bytes) { return (std::size_t{64} << 20) + 16 * bytes; }

template <auto const& Task, class Parameters, yonder::detail::fixed_string... Names>
struct endpoint_record;

template <auto const& Task, class... P, yonder::detail::fixed_string... Names>
struct endpoint_record<Task, yonder::detail::type_list<P...>, Names...> {
  using task_type = std::remove_cvref_t<decltype(Task)>;
  using result = typename task_parts<task_type>::result;
  static constexpr std::array<std::string_view, sizeof...(Names)> names{Names.view()...};
  // Without names, an object is the only argument itself.
  static constexpr bool takes_object = sizeof...(P) == 1 && sizeof...(Names) == 0;

  static options const& settings() noexcept { return Task.settings(); }

  static void encode(json_document& document, std::uint32_t place, encoded& content) {
    auto const found = document.nodes()[place].kind;
    json_reader reader(document, budget_for(document.text().size()));
    std::tuple<wire_type_t<P>...> values;
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
    std::apply([&](auto&... each) { yonder::detail::encode_owned(content, std::move(each)...); }, values);
  }

  static void write(yonder::detail::reply const& reply, std::string& out) {
    if constexpr (std::is_void_v<result>)
      out += "null";
    else
      json_writer(out).put_here(decode<result>(reply.payload, reply.buffers, reply.limits));
  }

  static void encode_octets(std::string_view bytes, encoded& content) {
    if constexpr (sizeof...(P) == 1) {
      using first = std::tuple_element_t<0, std::tuple<wire_type_t<P>...>>;
      if constexpr (is_octets<first>) {
        auto const* const data = reinterpret_cast<typename first::value_type const*>(bytes.data());
        yonder::detail::encode_owned(content, first(data, data + bytes.size()));
      }
    }
  }
  static void write_octets(yonder::detail::reply const& reply, std::string& out) {
    if constexpr (is_octets<result>) {
      auto const value = decode<result>(reply.payload, reply.buffers, reply.limits);
      out.append(reinterpret_cast<char const*>(value.data()), value.size());
    }
  }
  static constexpr bool takes_octets = sizeof...(P) == 1 && (is_octets<wire_type_t<P>> && ...);

  static std::string argument_schema(schema_set& set) {
    schema_reader reader(set);
    return reader.arguments<wire_type_t<P>...>(names);
  }
  static std::string result_schema(schema_set& set) {
    if constexpr (std::is_void_v<result>)
      return R"({"type":"null"})";
    else
      return schema_reader(set).schema_of<result>();
  }

  static constinit inline endpoint_entry entry{&task_type::entry(),
                                               &settings,
                                               &encode,
                                               &write,
                                               takes_octets ? &encode_octets : nullptr,
                                               is_octets<result> ? &write_octets : nullptr,
                                               &argument_schema,
                                               &result_schema};
  static inline endpoint_registration const registered{entry};
};

}  // namespace detail

// Lets a task be called over HTTP, with the task's options. Declare it once, at namespace scope, beside the
// task:
//
//   inline constexpr yonder::task<get_sentiment> sentiment{{.retries = 3, .timeout = 5s}};
//   inline constexpr yonder::http::endpoint<sentiment, "text"> sentiment_over_http;
//
// Names: of the task's parameters, all or none. With names a request says {"text": "good job"}, and may say
// ["good job"], as it does without. A task of one parameter without a name takes an object as that.
template <auto const& Task, yonder::detail::fixed_string... Names>
class endpoint {
  using parts = detail::task_parts<std::remove_cvref_t<decltype(Task)>>;
  using record = detail::endpoint_record<Task, typename parts::parameters, Names...>;
  template <class... P>
  static constexpr std::size_t count(yonder::detail::type_list<P...>) {
    return sizeof...(P);
  }
  static_assert(sizeof...(Names) == 0 || sizeof...(Names) == count(typename parts::parameters()),
                "yonder: an endpoint names all parameters of its task, or none");

 public:
  constexpr endpoint() noexcept { (void)&record::registered; }
};

}  // namespace yonder::http
