// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/json_reader.hpp"
#include "yonder/http/member_names.hpp"

namespace yonder::http::detail {

// cereal's output archive that writes what json_reader reads. Throws json_error for text that is not UTF-8.
class json_writer : public archive_base {
 public:
  using is_loading = std::false_type;
  using is_saving = std::true_type;

  explicit json_writer(std::string& out) : out_(out) {}

  template <class... T>
  json_writer& operator()(T&&... values) {
    (put(values), ...);
    return *this;
  }
  template <class T>
  json_writer& operator&(T&& value) {
    put(value);
    return *this;
  }
  template <class T>
  json_writer& operator<<(T&& value) {
    put(value);
    return *this;
  }

  void save_binary(void const* data, std::size_t size) { put(cereal::binary_data(data, size)); }

  // The whole value.
  template <class T>
  void put_here(T const& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (k == kind::number) {
      put_number(value);
    } else if constexpr (k == kind::user) {
      put_object(value);
    } else if constexpr (k == kind::empty) {
      out_ += "{}";
    } else if constexpr (k != kind::none) {
      put_special(value, std::integral_constant<kind, k>{});
    }
  }

 private:
  // An object or an array whose parts are being written.
  struct scope {
    explicit scope(json_writer& writer) : writer_(writer), outer_(writer.scope_) {
      if (++writer.depth_ > default_depth) throw json_error("", "objects are nested too deep");
      writer.scope_ = this;
    }
    ~scope() {
      writer_.scope_ = outer_;
      --writer_.depth_;
    }
    scope(scope const&) = delete;
    scope& operator=(scope const&) = delete;

    void close() { writer_.out_ += !decided ? "{}" : is_object ? "}" : "]"; }

    bool decided = false;
    bool is_object = false;
    std::size_t parts = 0;

   private:
    json_writer& writer_;
    scope* outer_;
  };

  void open(bool as_object) {
    if (scope_->decided) return;
    scope_->decided = true;
    scope_->is_object = as_object;
    out_ += as_object ? '{' : '[';
  }
  void begin_part() {
    if (scope_->parts++ != 0) out_ += ',';
  }
  void begin_member(std::string_view name) {
    begin_part();
    append_string(out_, name);
    out_ += ':';
  }

  template <class T>
  void put(T const& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<T>) {
      boost_way<T>::apply(*this, value);
    } else if constexpr (k == kind::name_value) {
      put_named(value.name, value.value);
    } else if constexpr (k == kind::size_tag) {
      open(false);
    } else if constexpr (k == kind::base) {
      put_base(*value.base_ptr);
    } else if constexpr (k == kind::virtual_base) {
      if (rare_.enter_base(typeid(T), value.base_ptr, depth_)) put_base(*value.base_ptr);
    } else if constexpr (k == kind::deferred) {
      put(value.value);
    } else if constexpr (must_travel<T, false>::value) {
      open(false);
      if (scope_->is_object) return put_named("value" + std::to_string(scope_->parts), value);
      begin_part();
      put_here(value);
    }
  }

  template <class T>
  void put_named(std::string_view name, T const& value) {
    if constexpr (kind_of<T> == kind::deferred) {
      put_named(name, value.value);
    } else {
      open(true);
      if (scope_->is_object)
        begin_member(name);
      else
        begin_part();
      put_here(value);
    }
  }

  template <class T>
  void put_base(T const& base) {
    if constexpr (must_travel<T, false>::value && kind_of<T> == kind::user)
      put_members(base);
    else
      put(base);
  }

  template <class T>
  void put_number(T value) {
    if constexpr (std::is_same_v<T, std::byte>)
      append_unsigned(out_, std::to_integer<unsigned>(value));
    else if constexpr (std::is_same_v<T, float>)
      append_float(out_, value);
    else if constexpr (std::is_floating_point_v<T>)
      append_double(out_, value);
    else if constexpr (std::is_signed_v<T>)
      append_signed(out_, static_cast<std::int64_t>(value));
    else
      append_unsigned(out_, static_cast<std::uint64_t>(value));
  }

  template <class T>
  void put_object(T const& object) {
    if constexpr (is_minimal<T>) {
      put_minimal(object);
    } else {
      scope inner(*this);
      put_members(object);
      inner.close();
      rare_.leave_object(depth_);
    }
  }

  template <class T>
  void put_members(T const& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (s.how == form::aggregate) {
      constexpr auto const& names = member_names<T>;
      visit_members<names.size()>(object, [this](auto const&... member) {
        std::size_t i = 0;
        (this->put_named(names[i++], member), ...);
      });
    } else if constexpr (s.versioned) {
      lookup::call_save<s.how>(*this, object, version_of<T>());
    } else {
      lookup::call_save<s.how>(*this, object);
    }
  }

  template <class T>
  void put_minimal(T const& object) {
    constexpr serialization s = serialization_of<T>;
    encoded nowhere;
    writer const other(nowhere);
    if constexpr (s.versioned)
      put_here(lookup::call_save_minimal<s.how>(other, object, version_of<T>()));
    else
      put_here(lookup::call_save_minimal<s.how>(other, object));
  }

  template <class T>
  void put_special(T const& value, std::integral_constant<kind, kind::boolean>) {
    out_ += value ? "true" : "false";
  }
  template <class T>
  void put_special(T const& value, std::integral_constant<kind, kind::enumeration>) {
    put_minimal(value);
  }
  template <class T>
  void put_special(T const& text, std::integral_constant<kind, kind::string>) {
    using character = typename T::value_type;
    if constexpr (std::is_same_v<character, char>)
      append_string(out_, text);
    else if constexpr (std::is_same_v<character, char8_t>)
      append_string(out_, {reinterpret_cast<char const*>(text.data()), text.size()});
    else
      put_range(text);
  }
  template <class T>
  void put_special(T const& elements, std::integral_constant<kind, kind::vector>) {
    put_elements(elements.data(), elements.size());
  }
  template <class T>
  void put_special(T const& elements, std::integral_constant<kind, kind::array>) {
    put_elements(std::data(elements), std::size(elements));
  }
  template <class T>
  void put_special(T const& bits, std::integral_constant<kind, kind::bool_vector>) {
    begin_array();
    for (bool const bit : bits) element(bit);
    out_ += ']';
  }
  template <class T>
  void put_special(T const& parts, std::integral_constant<kind, kind::tuple>) {
    begin_array();
    std::apply([this](auto const&... part) { (this->element(part), ...); }, parts);
    out_ += ']';
  }
  template <class T>
  void put_special(T const& pointer, std::integral_constant<kind, kind::unique_pointer>) {
    put_nullable<std::remove_cvref_t<decltype(*pointer)>>(pointer);
  }
  template <class T>
  void put_special(T const& optional, std::integral_constant<kind, kind::optional>) {
    put_nullable<typename T::value_type>(optional);
  }
  template <class Value, class T>
  void put_nullable(T const& maybe) {
    if constexpr (is_nullable<Value>) {
      begin_array();
      if (maybe) element(*maybe);
      out_ += ']';
    } else if (maybe) {
      put_here(*maybe);
    } else {
      out_ += "null";
    }
  }
  struct alternative_writer {
    using result_type = void;  // asked for by Boost
    json_writer& ar;

    template <class T>
    void operator()(T const& alternative) const {
      ar.put_here(alternative);
    }
  };
  template <class T>
  void put_special(T const& variant, std::integral_constant<kind, kind::variant>) {
    alternative_writer const write{*this};
    out_ += "{\"index\":";
    if constexpr (requires { variant.which(); }) {
      append_unsigned(out_, static_cast<std::uint64_t>(variant.which()));
      out_ += ",\"value\":";
      variant.apply_visitor(write);
    } else {
      append_unsigned(out_, variant.index());
      out_ += ",\"value\":";
      visit(write, variant);
    }
    out_ += '}';
  }
  template <class T>
  void put_special(T const& elements, std::integral_constant<kind, kind::valarray>) {
    put_range(elements);
  }
  template <class T>
  void put_special(T const& bits, std::integral_constant<kind, kind::bitset>) {
    out_ += '"';
    for (std::size_t i = bits.size(); i-- > 0;) out_ += bits[i] ? '1' : '0';
    out_ += '"';
  }
  template <class T>
  void put_special(T const& container, std::integral_constant<kind, kind::associative>) {
    bool first = true;
    out_ += text_keyed<T> ? '{' : '[';
    for (auto const& each : container) {
      if (!std::exchange(first, false)) out_ += ',';
      if constexpr (text_keyed<T>) {
        append_string(out_, each.first);
        out_ += ':';
        put_here(each.second);
      } else if constexpr (requires { typename T::mapped_type; }) {
        put_entry(each.first, each.second);
      } else {
        put_here(each);
      }
    }
    out_ += text_keyed<T> ? '}' : ']';
  }
  template <class K, class V>
  void put_entry(K const& key, V const& value) {
    out_ += "{\"key\":";
    put_here(key);
    out_ += ",\"value\":";
    put_here(value);
    out_ += '}';
  }
  template <class T>
  void put_special(T const& block, std::integral_constant<kind, kind::binary_data>) {
    append_base64(out_, {static_cast<std::byte const*>(static_cast<void const*>(block.data)), block.size});
  }
  template <class K, class V>
  void put_special(cereal::MapItem<K, V> const& item, std::integral_constant<kind, kind::map_item>) {
    put_entry(item.key, item.value);
  }
  template <class T, kind K>
  void put_special(T const&, std::integral_constant<kind, K>) {
    static_assert(K == kind::raw_pointer, "yonder: this type has no form in JSON");
  }

  template <class E>
  void put_elements(E const* elements, std::size_t count) {
    if constexpr (is_byte<E>)
      append_base64(out_, std::as_bytes(std::span(elements, count)));
    else
      put_range(std::span(elements, count));
  }
  template <class Range>
  void put_range(Range const& range) {
    begin_array();
    for (auto const& each : range) element(each);
    out_ += ']';
  }
  void begin_array() {
    out_ += '[';
    fresh_ = true;
  }
  // Of an array without a scope of its own.
  template <class T>
  void element(T const& value) {
    if (!std::exchange(fresh_, false)) out_ += ',';
    put_here(value);
    fresh_ = false;
  }

  std::string& out_;
  scope* scope_ = nullptr;
  bool fresh_ = false;  // nothing of the array that was begun last is written
  unsigned depth_ = 0;
};

}  // namespace yonder::http::detail

template <class T>
struct cereal::traits::is_output_serializable<cereal::BinaryData<T>, yonder::http::detail::json_writer>
    : std::true_type {};
CEREAL_SETUP_ARCHIVE_TRAITS(yonder::http::detail::json_reader, yonder::http::detail::json_writer)
