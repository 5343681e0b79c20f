// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstring>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/codec.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/member_names.hpp"

namespace yonder::http::detail {

using namespace yonder::detail;

// Bytes are text in base64, not an array of numbers.
template <class T>
inline constexpr bool is_byte =
    std::is_same_v<std::remove_cv_t<T>, std::byte> || std::is_same_v<std::remove_cv_t<T>, unsigned char>;

// Whether null means something for a T.
template <class T>
inline constexpr bool is_nullable = kind_of<T> == kind::optional || kind_of<T> == kind::unique_pointer;

// Maps whose keys are text are objects.
template <class T>
concept text_keyed = requires {
  typename T::mapped_type;
  requires std::is_same_v<typename T::key_type, std::string>;
};

// cereal's input archive over a JSON value. What the functions of a class name (CEREAL_NVP) are members of an
// object, in any order; what they do not name are elements of an array: the first that is read decides.
// Members of a plain aggregate have its names. docs/http.md has the form of each type. Every byte is hostile,
// as to codec_reader.hpp: values are bounded by the document, their memory by the budget. Throws json_error.
class json_reader : public archive_base {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  // `budget`: the most memory that values may take, beyond the text.
  json_reader(json_document& document, std::size_t budget) : document_(document), budget_(budget) {}

  template <class... T>
  json_reader& operator()(T&&... values) {
    (get(values), ...);
    return *this;
  }
  template <class T>
  json_reader& operator&(T&& value) {
    get(value);
    return *this;
  }
  template <class T>
  json_reader& operator>>(T&& value) {
    get(value);
    return *this;
  }

  void load_binary(void* data, std::size_t size) {
    auto block = cereal::binary_data(data, size);
    get(block);
  }

  template <class T>
  std::uint32_t loadClassVersion() {  // NOLINT(readability-identifier-naming): cereal's name
    return version_of<T>();
  }

  // The value at `place` of the document as a T.
  template <class T>
  void get_at(std::uint32_t place, T& value) {
    auto const outer = std::exchange(at_, place);
    get_here(value);
    at_ = outer;
  }

  // The elements of the array, or the members of these names of the object, at `place`.
  template <std::size_t N, class... T>
  void get_parts(std::uint32_t place, std::array<std::string_view, N> const& names, T&... values) {
    scope inner(*this, place);
    std::size_t i = 0;
    ((i < N ? get_named(names[i++], values) : get_next(values)), ...);
    inner.close();
  }

 private:
  // An object or an array whose parts are being read.
  struct scope {
    scope(json_reader& reader, std::uint32_t at) : reader_(reader), outer(reader.scope_), place(at) {
      if (++reader.depth_ > default_depth) reader.fail("objects are nested too deep");
      reader.scope_ = this;
    }
    ~scope() {
      reader_.scope_ = outer;
      --reader_.depth_;
    }
    scope(scope const&) = delete;
    scope& operator=(scope const&) = delete;

    // All that is there must have been read.
    void close() { reader_.finish(*this); }

   private:
    json_reader& reader_;

   public:
    scope* outer;
    std::uint32_t place;
    std::uint32_t next =
        0;  // the element to be read next, or the member that is looked at first; 0: undecided
    std::uint32_t taken = 0;  // parts that were read
    bool is_object = false;
    bool reading = false;  // a part: the one of this name, or the last that was taken
    std::string_view name{};
  };

  json_node& node(std::uint32_t place) { return document_.nodes()[place]; }
  json_node& here() { return node(at_); }

  [[noreturn]] YONDER_API void fail(std::string const& words) const;
  [[noreturn]] YONDER_API void fail_kind(char const* expected);
  YONDER_API void finish(scope& closing);
  YONDER_API void open(scope& one, bool as_object);
  // The place of a member's value, or 0.
  YONDER_API std::uint32_t find(scope& one, std::string_view name);
  YONDER_API std::uint32_t next_element(scope& one);
  YONDER_API std::string pointer() const;
  YONDER_API double number_here();
  YONDER_API float float_here();
  YONDER_API std::string text_here();
  YONDER_API std::vector<std::byte> bytes_here();

  void expect(json_kind wanted, char const* words) {
    if (here().kind != wanted) fail_kind(words);
  }

  void charge(std::size_t count, std::size_t each) {
    if (count > budget_ / each) fail("it would take more memory than its size allows");
    budget_ -= count * each;
  }

  // A part of the innermost scope, that has no name.
  template <class T>
  void get(T& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<std::remove_const_t<T>>) {
      boost_way<std::remove_const_t<T>>::apply(*this, value);
    } else if constexpr (k == kind::name_value) {
      get_named(value.name, value.value);
    } else if constexpr (k == kind::size_tag) {
      open(*scope_, false);
      value.size = static_cast<std::remove_reference_t<decltype(value.size)>>(node(scope_->place).size);
      charge(node(scope_->place).size, node_size_);
    } else if constexpr (k == kind::base) {
      get_base(*value.base_ptr);
    } else if constexpr (k == kind::virtual_base) {
      if (rare_.enter_base(typeid(T), value.base_ptr, depth_)) get_base(*value.base_ptr);
    } else if constexpr (k == kind::deferred) {
      get(const_cast<std::remove_const_t<std::remove_reference_t<decltype(value.value)>>&>(value.value));
    } else if constexpr (std::is_const_v<T>) {
      static_assert(!std::is_const_v<T>, "yonder: a const object cannot be loaded into");
    } else if constexpr (must_travel<T, false>::value) {
      get_next(value);
    }
  }

  template <class T>
  void get_next(T& value) {
    open(*scope_, scope_->next != 0 && scope_->is_object);
    if (scope_->is_object) return get_named("value" + std::to_string(scope_->taken), value);
    get_at(next_element(*scope_), value);
  }

  template <class T>
  void get_named(std::string_view name, T& value) {
    if constexpr (kind_of<std::remove_const_t<T>> == kind::deferred) {
      get_named(name, const_cast<std::remove_const_t<std::remove_reference_t<decltype(value.value)>>&>(
                          value.value));
    } else {
      open(*scope_, scope_->next == 0 || scope_->is_object);
      if (!scope_->is_object) return get_at(next_element(*scope_), value);
      auto const place = find(*scope_, name);
      if (place != 0) {
        get_at(place, value);
        scope_->reading = false;
        return;
      }
      if constexpr (is_nullable<T>)
        value.reset();
      else
        fail("the member '" + std::string(name) + "' is missing");
    }
  }

  template <class T>
  void get_base(T& base) {
    if constexpr (must_travel<T, false>::value && kind_of<T> == kind::user)
      get_members(base);
    else
      get(base);
  }

  // The value at at_.
  template <class T>
  void get_here(T& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (k == kind::number) {
      get_number(value);
    } else if constexpr (k == kind::user) {
      get_object(value);
    } else if constexpr (k == kind::empty) {
      scope inner(*this, at_);
      inner.close();
    } else if constexpr (k != kind::none) {
      get_special(value, std::integral_constant<kind, k>{});
    }
  }

  template <class T>
  void get_number(T& value) {
    if constexpr (std::is_same_v<T, float>) {
      value = float_here();
    } else if constexpr (std::is_floating_point_v<T>) {
      value = number_here();
    } else {
      expect(json_kind::number, "an integer");
      value = static_cast<T>(integer_here<T>());
    }
  }

  template <class T>
  auto integer_here() {
    auto const text = document_.text_of(here());
    try {
      if constexpr (std::is_same_v<T, std::byte>)
        return to_unsigned(text, 255);
      else if constexpr (std::is_signed_v<T>)
        return to_signed(text, (std::numeric_limits<T>::min)(), (std::numeric_limits<T>::max)());
      else
        return to_unsigned(text, (std::numeric_limits<T>::max)());
    } catch (json_error const& error) {
      fail(error.what());
    }
  }

  template <class T>
  void get_object(T& object) {
    if constexpr (is_minimal<T>) {
      get_minimal(object);
    } else {
      auto const outer = std::exchange(node_size_, element_size<T>());
      scope inner(*this, at_);
      get_members(object);
      inner.close();
      rare_.leave_object(depth_);
      node_size_ = outer;
    }
  }

  template <class T>
  static constexpr std::size_t element_size() {
    if constexpr (requires { sizeof(typename T::value_type); })
      return sizeof(typename T::value_type) + 704;  // as codec_reader.hpp: a deque's block
    return 64;
  }

  // What the functions of a class throw is said of the value that they were given.
  template <class Load>
  void loading(Load load) try {
    load();
  } catch (json_error const&) {
    throw;
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& refused) {
    fail(std::string("its type refuses it: ") + refused.what());
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
      loading([&] { lookup::call_load<s.how>(*this, object, version_of<T>()); });
    } else {
      loading([&] { lookup::call_load<s.how>(*this, object); });
    }
  }

  template <class T>
  void get_minimal(T& object) {
    constexpr serialization s = serialization_of<T>;
    minimal_value_t<T> value{};
    get_here(value);
    reader const other({}, {});
    loading([&] {
      if constexpr (s.versioned)
        lookup::call_load_minimal<s.how>(other, object, value, version_of<T>());
      else
        lookup::call_load_minimal<s.how>(other, object, value);
    });
  }

  template <class T>
  void get_special(T& value, std::integral_constant<kind, kind::boolean>) {
    expect(json_kind::boolean, "a boolean");
    value = here().is_true;
  }
  template <class T>
  void get_special(T& value, std::integral_constant<kind, kind::enumeration>) {
    get_minimal(value);
  }
  template <class T>
  void get_special(T& text, std::integral_constant<kind, kind::string>) {
    using character = typename T::value_type;
    if constexpr (std::is_same_v<character, char> || std::is_same_v<character, char8_t>) {
      auto const plain = text_here();
      text.assign(plain.begin(), plain.end());
    } else {
      get_elements(text);
    }
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::vector>) {
    if constexpr (is_byte<typename T::value_type>) {
      auto const bytes = bytes_here();
      elements.resize(bytes.size());
      if (!bytes.empty()) std::memcpy(elements.data(), bytes.data(), bytes.size());
    } else {
      get_elements(elements);
    }
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::bool_vector>) {
    each_element([&](std::uint32_t count) { elements.assign(count, false); },
                 [&](std::uint32_t i) {
                   bool one{};
                   get_here(one);
                   elements[i] = one;
                 });
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::array>) {
    using element = std::remove_cvref_t<decltype(*std::data(elements))>;
    if constexpr (is_byte<element>) {
      auto const bytes = bytes_here();
      if (bytes.size() != std::size(elements))
        fail("expected base64 of " + std::to_string(std::size(elements)) + " bytes");
      if (!bytes.empty()) std::memcpy(std::data(elements), bytes.data(), bytes.size());
    } else {
      expect(json_kind::array, "an array");
      if (here().size != std::size(elements))
        fail("expected an array of " + std::to_string(std::size(elements)) + " elements, found " +
             std::to_string(here().size));
      each_element([](std::uint32_t) {}, [&](std::uint32_t i) { get_here(std::data(elements)[i]); });
    }
  }
  template <class T>
  void get_special(T& parts, std::integral_constant<kind, kind::tuple>) {
    expect(json_kind::array, "an array");
    scope inner(*this, at_);
    std::apply([this](auto&... part) { (this->get_next(part), ...); }, parts);
    inner.close();
  }
  template <class T, class D>
  void get_special(std::unique_ptr<T, D>& pointer, std::integral_constant<kind, kind::unique_pointer>) {
    using pointee = std::remove_const_t<T>;
    pointer.reset();
    get_nullable<pointee>([&] {
      charge(1, sizeof(pointee) + 16);
      if constexpr (cereal::traits::has_load_and_construct<pointee, json_reader>::value) {
        scope inner(*this, at_);
        pointer.reset(load_and_construct<pointee>(*this));
        inner.close();
      } else {
        std::unique_ptr<pointee, D> made(new pointee());
        get_here(*made);
        pointer = std::move(made);
      }
    });
  }
  template <class T>
  void get_special(T& optional, std::integral_constant<kind, kind::optional>) {
    optional.reset();
    get_nullable<typename T::value_type>([&] {
      optional.emplace();
      get_here(*optional);
    });
  }
  // null, or what `make` reads; where that may be null itself, an array of none or one.
  template <class Value, class Make>
  void get_nullable(Make make) {
    if constexpr (is_nullable<Value>) {
      expect(json_kind::array, "an array of at most one element");
      if (here().size > 1) fail("expected an array of at most one element");
      each_element([](std::uint32_t) {}, [&](std::uint32_t) { make(); });
    } else if (here().kind != json_kind::null) {
      make();
    }
  }
  template <template <class...> class Variant, class... T>
  void get_special(Variant<T...>& variant, std::integral_constant<kind, kind::variant>) {
    expect(json_kind::object, "an object with the members index and value");
    scope inner(*this, at_);
    std::uint32_t index{};
    get_named("index", index);
    if (index >= sizeof...(T))
      fail("the index is " + std::to_string(index) + "; the last is " + std::to_string(sizeof...(T) - 1));
    get_alternative(variant, index, std::index_sequence_for<T...>{});
    inner.close();
  }
  template <template <class...> class Variant, class... T, std::size_t... I>
  void get_alternative(Variant<T...>& variant, std::size_t index, std::index_sequence<I...>) {
    (void)((I == index ? (get_one<I, T>(variant), true) : false) || ...);
  }
  template <std::size_t I, class T, class Variant>
  void get_one(Variant& variant) {
    if constexpr (requires { variant.which(); }) {
      T value{};
      get_named("value", value);
      variant = std::move(value);
    } else {
      get_named("value", variant.template emplace<I>());
    }
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::valarray>) {
    each_element([&](std::uint32_t count) { elements.resize(count); },
                 [&](std::uint32_t i) { get_here(elements[i]); }, sizeof(typename T::value_type));
  }
  template <class T>
  void get_special(T& bits, std::integral_constant<kind, kind::bitset>) {
    auto const text = text_here();
    if (text.size() != bits.size() || text.find_first_not_of("01") != text.npos)
      fail("expected a string of " + std::to_string(bits.size()) + " characters 0 and 1");
    for (std::size_t i = 0; i < bits.size(); ++i) bits[bits.size() - 1 - i] = text[i] == '1';
  }
  template <class T>
  void get_special(T& container, std::integral_constant<kind, kind::associative>) {
    container.clear();
    if constexpr (text_keyed<T>) {
      expect(json_kind::object, "an object");
      get_text_keyed(container);
    } else {
      each_element([](std::uint32_t) {}, [&](std::uint32_t) { get_entry(container); },
                   sizeof(typename T::value_type) + 64);
    }
  }
  template <class T>
  void get_text_keyed(T& container) {
    scope inner(*this, at_);
    open(inner, true);
    charge(here().size, sizeof(typename T::value_type) + 64);
    for (auto place = at_ + 1; place < here().next; place = node(place + 1).next) {
      auto const key = document_.unescaped(node(place));
      inner.name = key;
      inner.reading = true;
      typename T::mapped_type value{};
      get_at(place + 1, value);
      inner.reading = false;
      auto const before = container.size();
      container.emplace_hint(container.end(), key, std::move(value));
      if (container.size() == before) fail("the member '" + key + "' is there twice");
    }
  }
  template <class T>
  void get_entry(T& container) {
    typename T::key_type key{};
    if constexpr (requires { typename T::mapped_type; }) {
      typename T::mapped_type value{};
      expect(json_kind::object, "an object with the members key and value");
      scope inner(*this, at_);
      get_named("key", key);
      get_named("value", value);
      inner.close();
      container.emplace_hint(container.end(), std::move(key), std::move(value));
    } else {
      get_here(key);
      container.emplace_hint(container.end(), std::move(key));
    }
  }
  template <class T>
  void get_special(cereal::BinaryData<T>& block, std::integral_constant<kind, kind::binary_data>) {
    auto const bytes = bytes_here();
    if (bytes.size() != block.size) fail("expected base64 of " + std::to_string(block.size) + " bytes");
    using element =
        std::remove_cv_t<std::remove_all_extents_t<std::remove_pointer_t<std::remove_reference_t<T>>>>;
    if constexpr (std::is_same_v<element, bool>)
      for (auto const byte : bytes)
        if (byte > std::byte{1}) fail("expected bytes of 0 and 1");
    if (!bytes.empty()) std::memcpy(block.data, bytes.data(), bytes.size());
  }
  template <class K, class V>
  void get_special(cereal::MapItem<K, V>& item, std::integral_constant<kind, kind::map_item>) {
    expect(json_kind::object, "an object with the members key and value");
    scope inner(*this, at_);
    get_named("key", item.key);
    get_named("value", item.value);
    inner.close();
  }
  template <class T, kind K>
  void get_special(T&, std::integral_constant<kind, K>) {
    static_assert(K == kind::raw_pointer, "yonder: this type has no form in JSON");
  }

  template <class Container>
  void get_elements(Container& to) {
    each_element(
        [&](std::uint32_t count) {
          to.clear();
          to.reserve(count);
        },
        [&](std::uint32_t) {
          if constexpr (kind_of<Container> == kind::string) {
            typename Container::value_type one{};
            get_here(one);
            to.push_back(one);
          } else {
            get_here(to.emplace_back());
          }
        },
        sizeof(typename Container::value_type));
  }

  // The elements of the array at at_, of `size` bytes of memory each.
  template <class Begin, class Each>
  void each_element(Begin begin, Each each, std::size_t size = 1) {
    expect(json_kind::array, "an array");
    scope inner(*this, at_);
    open(inner, false);
    auto const count = here().size;
    charge(count, size);
    begin(count);
    for (std::uint32_t i = 0; i < count; ++i) {
      auto const outer = std::exchange(at_, next_element(inner));
      each(i);
      at_ = outer;
    }
  }

  json_document& document_;
  std::size_t budget_;
  std::uint32_t at_ = 0;
  scope* scope_ = nullptr;
  std::size_t node_size_ = 64;  // of an element of the container whose functions run
  unsigned depth_ = 0;
};

}  // namespace yonder::http::detail

template <class T>
struct cereal::traits::is_input_serializable<cereal::BinaryData<T>, yonder::http::detail::json_reader>
    : std::true_type {};
