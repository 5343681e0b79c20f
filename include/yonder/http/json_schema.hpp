// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <typeindex>
#include <typeinfo>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/json_reader.hpp"
#include "yonder/http/member_names.hpp"

namespace yonder::http::detail {

// The schemas (JSON Schema 2020-12) of a document's classes, by the names under which others refer to them.
class schema_set {
 public:
  // The name of a class, and whether it is new: its schema is then to be set.
  YONDER_API std::pair<std::string, bool> enter(std::type_info const& type);
  void set(std::string const& name, std::string schema) { schemas_[name] = std::move(schema); }
  std::map<std::string, std::string> const& schemas() const noexcept { return schemas_; }

 private:
  std::map<std::type_index, std::string> names_;
  std::map<std::string, std::string> schemas_;
};

// cereal's input archive that reads nothing, as structure_reader: it runs the functions of a class to see
// what they name, and describes what json_reader would take.
class schema_reader : public archive_base {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  explicit schema_reader(schema_set& set) : set_(set) {}

  template <class... T>
  schema_reader& operator()(T&&... values) {
    (get(values), ...);
    return *this;
  }
  template <class T>
  schema_reader& operator&(T&& value) {
    get(value);
    return *this;
  }
  template <class T>
  schema_reader& operator>>(T&& value) {
    get(value);
    return *this;
  }
  void load_binary(void*, std::size_t) { unnamed(std::string(base64)); }

  template <class T>
  std::uint32_t loadClassVersion() {  // NOLINT(readability-identifier-naming): cereal's name
    return version_of<T>();
  }

  // What a task of parameters P… takes.
  template <class... P, std::size_t N>
  std::string arguments(std::array<std::string_view, N> const& names) {
    scope listed{.is_array = true};
    scope_ = &listed;
    (unnamed(schema_of<P>()), ...);
    auto schema = finished(listed);
    if constexpr (N == 0 && sizeof...(P) == 1) {
      constexpr bool is_object =
          ((kind_of<P> == kind::user || text_keyed<P> || kind_of<P> == kind::variant) && ...);
      if constexpr (is_object) schema = either((schema_of<P>(), ...), schema);
    } else {
      scope by_name{.is_object = true};
      scope_ = &by_name;
      std::size_t i = 0;
      if constexpr (N != 0) (named(names[i++], schema_of<P>(), !is_nullable<P>), ...);
      schema = N != 0 || sizeof...(P) == 0 ? either(finished(by_name), schema) : schema;
    }
    scope_ = nullptr;
    return schema;
  }

  template <class T>
  std::string schema_of() {
    constexpr kind k = kind_of<T>;
    if constexpr (has_schema<T>) {
      return "{}";  // what is read depends on values
    } else if constexpr (k == kind::number) {
      return number_schema<T>();
    } else if constexpr (k == kind::boolean) {
      return R"({"type":"boolean"})";
    } else if constexpr (k == kind::string) {
      return string_schema<T>();
    } else if constexpr (k == kind::vector) {
      if constexpr (is_byte<typename T::value_type>) return std::string(base64);
      return array_of(schema_of<typename T::value_type>());
    } else if constexpr (k == kind::bool_vector) {
      return array_of(R"({"type":"boolean"})");
    } else if constexpr (k == kind::valarray) {
      return array_of(schema_of<typename T::value_type>());
    } else if constexpr (k == kind::array) {
      using element = std::remove_cvref_t<decltype(std::declval<T&>()[0])>;
      constexpr std::size_t size = sizeof(T) / sizeof(element);
      if constexpr (is_byte<element>) return std::string(base64);
      return array_of(schema_of<element>(), std::is_same_v<T, std::array<element, 0>> ? 0 : size);
    } else if constexpr (k == kind::tuple) {
      return tuple_schema(static_cast<T const*>(nullptr));
    } else if constexpr (k == kind::optional) {
      return nullable<typename T::value_type>();
    } else if constexpr (k == kind::unique_pointer) {
      return nullable<std::remove_const_t<typename T::element_type>>();
    } else if constexpr (k == kind::variant) {
      return variant_schema(static_cast<T const*>(nullptr));
    } else if constexpr (k == kind::bitset) {
      return R"({"type":"string","pattern":"^[01]*$"})";
    } else if constexpr (k == kind::associative) {
      return associative_schema<T>();
    } else if constexpr (k == kind::enumeration) {
      return schema_of<minimal_value_t<T>>();
    } else if constexpr (k == kind::user) {
      if constexpr (is_minimal<T>)
        return schema_of<minimal_value_t<T>>();
      else
        return class_schema<T>();
    } else {
      return R"({"type":"object","maxProperties":0})";
    }
  }

 private:
  // Padded, and no bits beyond the last byte.
  static constexpr std::string_view base64 =
      R"({"type":"string","contentEncoding":"base64","pattern":"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]==|)"
      R"([A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=)?$"})";

  // What the functions of a class read.
  struct scope {
    bool is_object = false;
    bool is_array = false;
    bool is_container = false;  // of any number of equal elements
    std::size_t parts = 0;
    std::string properties{};
    std::string required{};
    std::string elements{};
  };

  YONDER_API static std::string integer_schema(std::string const& least, std::string const& most,
                                               unsigned bits, bool is_signed);
  // JSON has no numbers for some of them.
  static std::string floating_schema(std::string const& format, std::string const& bounds) {
    return R"({"anyOf":[{"type":"number","format":")" + format + "\"" + bounds +
           R"(},{"enum":["NaN","Infinity","-Infinity"]}]})";
  }
  YONDER_API static std::string array_of(std::string const& element, std::size_t size = ~std::size_t{0});
  YONDER_API static std::string either(std::string const& schema, std::string const& other);
  YONDER_API static std::string finished(scope const& seen);
  YONDER_API void named(std::string_view name, std::string const& schema, bool needed);
  YONDER_API void unnamed(std::string const& schema);

  template <class T>
  static std::string number_schema() {
    if constexpr (std::is_floating_point_v<T>)
      return sizeof(T) == 4
                 ? floating_schema("float",
                                   R"(,"minimum":-3.4028234663852886e38,"maximum":3.4028234663852886e38)")
                 : floating_schema("double", "");
    else if constexpr (std::is_same_v<T, std::byte>)
      return integer_schema("0", "255", 8, false);
    else
      return integer_schema(std::to_string((std::numeric_limits<T>::min)()),
                            std::to_string((std::numeric_limits<T>::max)()), 8 * sizeof(T),
                            std::is_signed_v<T>);
  }

  template <class T>
  std::string string_schema() {
    using character = typename T::value_type;
    if constexpr (std::is_same_v<character, char> || std::is_same_v<character, char8_t>)
      return R"({"type":"string"})";
    return array_of(schema_of<character>());
  }

  template <class... P, template <class...> class C>
  std::string tuple_schema(C<P...> const*) {
    scope seen{.is_array = true};
    auto* const outer = std::exchange(scope_, &seen);
    (unnamed(schema_of<P>()), ...);
    scope_ = outer;
    return finished(seen);
  }

  template <class T>
  std::string nullable() {
    if constexpr (is_nullable<T>) return R"({"type":"array","maxItems":1,"items":)" + schema_of<T>() + "}";
    return either(schema_of<T>(), R"({"type":"null"})");
  }

  template <template <class...> class Variant, class... P>
  std::string variant_schema(Variant<P...> const*) {
    std::string all;
    std::size_t index = 0;
    ((all += (all.empty() ? "" : ",") + std::string(R"({"type":"object","properties":{"index":{"const":)") +
             std::to_string(index++) + R"(},"value":)" + schema_of<P>() +
             (is_nullable<P> ? R"(},"required":["index"],"additionalProperties":false})"
                             : R"(},"required":["index","value"],"additionalProperties":false})")),
     ...);
    return R"({"oneOf":[)" + all + "]}";
  }

  template <class T>
  std::string associative_schema() {
    if constexpr (text_keyed<T>)
      return R"({"type":"object","additionalProperties":)" + schema_of<typename T::mapped_type>() + "}";
    else if constexpr (requires { typename T::mapped_type; })
      return array_of(entry_schema<typename T::key_type, typename T::mapped_type>());
    else
      return array_of(schema_of<typename T::key_type>());
  }

  template <class K, class V>
  std::string entry_schema() {
    scope seen{.is_object = true};
    auto* const outer = std::exchange(scope_, &seen);
    named("key", schema_of<K>(), !is_nullable<K>);
    named("value", schema_of<V>(), !is_nullable<V>);
    scope_ = outer;
    return finished(seen);
  }

  // A class is described once, and referred to. Containers of the standard library are described where they
  // stand.
  template <class T>
  std::string class_schema() {
    if constexpr (origin_of<T> == origin::std) {
      return described<T>();
    } else {
      auto const [name, is_new] = set_.enter(typeid(T));
      if (is_new) set_.set(name, described<T>());
      return R"({"$ref":"#/components/schemas/)" + name + "\"}";
    }
  }

  template <class T>
  std::string described() {
    if constexpr (std::is_default_constructible_v<T>) {
      scope seen;
      auto* const outer = std::exchange(scope_, &seen);
      bool known = true;
      try {
        get_members(*std::make_unique<T>());
      } catch (...) {
        known = false;  // it takes no zeros: anything may do
      }
      scope_ = outer;
      return known ? finished(seen) : "{}";
    } else {
      return "{}";  // a class with load_and_construct
    }
  }

  template <class T>
  void get_members(T& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (s.how == form::aggregate) {
      constexpr auto const& names = member_names<T>;
      visit_members<names.size()>(object, [this](auto&... member) {
        std::size_t i = 0;
        (this->get_named(names[i++], member), ...);
      });
    } else if constexpr (s.versioned) {
      lookup::call_load<s.how>(*this, object, version_of<T>());
    } else {
      lookup::call_load<s.how>(*this, object);
    }
  }

  template <class T>
  void get(T& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<std::remove_const_t<T>>) {
      boost_way<std::remove_const_t<T>>::apply(*this, value);
    } else if constexpr (k == kind::name_value) {
      get_named(value.name, value.value);
    } else if constexpr (k == kind::size_tag) {
      scope_->is_container = true;
      value.size = 1;
    } else if constexpr (k == kind::base || k == kind::virtual_base) {
      if (k == kind::base || rare_.enter_base(typeid(T), value.base_ptr, 1)) get_base(*value.base_ptr);
    } else if constexpr (k == kind::deferred) {
      get(const_cast<std::remove_const_t<std::remove_reference_t<decltype(value.value)>>&>(value.value));
    } else if constexpr (k == kind::binary_data) {
      unnamed(std::string(base64));
    } else if constexpr (k == kind::map_item) {
      unnamed(entry_schema<std::remove_cvref_t<decltype(value.key)>,
                           std::remove_cvref_t<decltype(value.value)>>());
    } else if constexpr (must_travel<T, false>::value) {
      unnamed(schema_of<T>());
    }
  }

  template <class T>
  void get_named(std::string_view name, T& value) {
    constexpr kind k = kind_of<std::remove_const_t<T>>;
    if constexpr (k == kind::deferred)
      get_named(name, const_cast<std::remove_const_t<std::remove_reference_t<decltype(value.value)>>&>(
                          value.value));
    else if constexpr (k == kind::binary_data)
      named(name, std::string(base64), true);
    else
      named(name, schema_of<T>(), !is_nullable<T>);
  }

  template <class T>
  void get_base(T& base) {
    if constexpr (must_travel<T, false>::value && kind_of<T> == kind::user)
      get_members(base);
    else
      get(base);
  }

  schema_set& set_;
  scope* scope_ = nullptr;
};

}  // namespace yonder::http::detail

template <class T>
struct cereal::traits::is_input_serializable<cereal::BinaryData<T>, yonder::http::detail::schema_reader>
    : std::true_type {};
