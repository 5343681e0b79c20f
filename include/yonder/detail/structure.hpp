// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <typeinfo>
#include <vector>

#include "yonder/detail/codec_construct.hpp"
#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_rare.hpp"
#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/export.hpp"

namespace yonder {

template <class T>
struct schema;

namespace detail {

template <class T>
concept has_schema = requires {
  std::string_view(schema<T>::name);
};

// What a structure_reader has seen: text, and which classes it came from.
class structure_record {
 public:
  // Not inline: a unit with a task is spared what std::vector is made of.
  YONDER_API structure_record();
  YONDER_API structure_record(structure_record const& other);
  structure_record& operator=(structure_record const&) = delete;
  YONDER_API ~structure_record();

  YONDER_API void note(std::string_view word);
  YONDER_API void note(std::string_view word, std::size_t number);  // one word, such as "u32"
  // False if the class was met before: it is then noted by the number of its first time.
  [[nodiscard]] YONDER_API bool enter_class(std::type_info const& type);
  YONDER_API void leave_class();

  std::string const& text() const { return text_; }
  // The innermost class whose text spans position `at`, or else null.
  YONDER_API std::type_info const* class_at(std::size_t at) const;

 private:
  struct met {
    std::type_info const* type;
    std::size_t begin;
    std::size_t end;  // 0 while open
  };

  std::string text_;
  std::vector<met> classes_;
};

// cereal's input archive that reads nothing: it fills numbers with zeros or ones, containers with one
// element, and records what is asked for. The text has no type names in it: it is the same under every
// compiler.
class structure_reader : public archive_base {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  explicit structure_reader(bool ones) : ones_(ones) {}

  template <class... T>
  structure_reader& operator()(T&&... values) {
    (get(values), ...);
    return *this;
  }
  template <class T>
  structure_reader& operator&(T&& value) {
    get(value);
    return *this;
  }
  template <class T>
  structure_reader& operator>>(T&& value) {
    get(value);
    return *this;
  }

  void load_binary(void* data, std::size_t size) {
    auto block = cereal::binary_data(data, size);
    get(block);
  }

  // Records a T that it makes. A class that was met before is not made again: recursion ends here.
  template <class T>
  void visit() {
    fresh<T> const one;
    get(*one.object);
  }

  template <class T>
  std::uint32_t loadClassVersion() {  // NOLINT(readability-identifier-naming): cereal's name
    record_.note("v", version_of<T>());
    return version_of<T>();
  }

  structure_record const& record() const { return record_; }

 private:
  // As std::unique_ptr, which takes the compiler longer.
  template <class T>
  struct fresh {
    T* object = new T();
    fresh() = default;
    fresh(fresh const&) = delete;
    fresh& operator=(fresh const&) = delete;
    ~fresh() { delete object; }
  };

  void note(std::string_view word) { record_.note(word); }

  template <class T>
  void get(T& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<std::remove_const_t<T>>) {
      boost_way<std::remove_const_t<T>>::apply(*this, value);
    } else if constexpr (std::is_const_v<T> && kind_of<std::remove_const_t<T>> != kind::deferred) {
      static_assert(!std::is_const_v<T>, "yonder: a const object cannot be loaded into");
    } else if constexpr (!must_travel<T, false>::value) {
      return;
    } else if constexpr (has_schema<T>) {
      get_declared<T>();
    } else if constexpr (k == kind::number) {
      get_number(value);
    } else if constexpr (k == kind::user) {
      get_object(value);
    } else if constexpr (std::is_same_v<T, std::string>) {
      get_text(value);
    } else {
      get_special(value, std::integral_constant<kind, k>{});
    }
  }

  YONDER_API void get_text(std::string& text);

  template <class T>
  void get_declared() {
    if (!record_.enter_class(typeid(T))) return;
    note(schema<T>::name);
    if constexpr (requires { typename schema<T>::parts; }) {
      [this]<class... P>(std::type_identity<std::tuple<P...>>) {
        (this->template visit<P>(), ...);
      }(std::type_identity<typename schema<T>::parts>{});
    }
    record_.leave_class();
  }

  template <class T>
  void get_number(T& value) {
    value = static_cast<T>(ones_);
    if constexpr (std::is_same_v<T, char>) return note("char");  // signed here, unsigned on arm64
    record_.note(std::is_floating_point_v<T> ? "f" : std::is_signed_v<T> ? "i" : "u", 8 * sizeof value);
  }

  template <class T>
  void get_object(T& object) {
    if (!record_.enter_class(typeid(T))) return;
    get_members(object);
    record_.leave_class();
  }

  template <class T>
  void get_members(T& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (is_minimal<T>) {
      if constexpr (s.versioned) loadClassVersion<T>();
      visit<minimal_value_t<T>>();
    } else if constexpr (s.versioned) {
      lookup::call_load<s.how>(*this, object, loadClassVersion<T>());
    } else {
      lookup::call_load<s.how>(*this, object);
    }
  }

  // One element, which stays for ones and goes for zeros.
  template <class Container>
  void get_sequence(Container& to) {
    note("[");
    to.clear();
    if constexpr (kind_of<Container> == kind::bool_vector) {
      note("bool");
      to.assign(ones_, true);
    } else {
      get(to.emplace_back());
      if (!ones_) to.clear();
    }
    note("]");
  }

  template <class T>
  void get_special(T& value, std::integral_constant<kind, kind::boolean>) {
    value = ones_;
    note("bool");
  }
  template <class T>
  void get_special(T& value, std::integral_constant<kind, kind::enumeration>) {
    value = static_cast<T>(ones_);
    note("enum");
    visit<minimal_value_t<T>>();
  }
  template <class T>
  void get_special(T& text, std::integral_constant<kind, kind::string>) {
    text.assign(ones_, typename T::value_type('1'));
    record_.note("str", 8 * sizeof(typename T::value_type));
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::vector>) {
    get_sequence(elements);
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::bool_vector>) {
    get_sequence(elements);
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::array>) {
    record_.note("x", std::size(elements));
    if constexpr (requires { elements[0]; }) get_array(std::data(elements), std::size(elements));
  }
  template <class E>
  void get_array(E* elements, std::size_t count) {
    if (count == 0) return;
    get(elements[0]);
    if constexpr (block_element<E>)
      for (std::size_t i = 1; i < count; ++i) elements[i] = elements[0];
  }
  template <class T>
  void get_special(T& parts, std::integral_constant<kind, kind::tuple>) {
    note("(");
    std::apply([this](auto&... part) { (this->get(part), ...); }, parts);
    note(")");
  }
  template <class T, class D>
  void get_special(std::unique_ptr<T, D>& pointer, std::integral_constant<kind, kind::unique_pointer>) {
    using pointee = std::remove_const_t<T>;
    note("?");
    if constexpr (cereal::traits::has_load_and_construct<pointee, structure_reader>::value) {
      if (!record_.enter_class(typeid(pointee))) return;
      pointer.reset(load_and_construct<pointee>(*this));
      record_.leave_class();
    } else {
      std::unique_ptr<pointee, D> made(new pointee());
      get(*made);
      pointer = std::move(made);
    }
    if (!ones_) pointer.reset();
  }
  template <class T>
  void get_special(T& optional, std::integral_constant<kind, kind::optional>) {
    note("?");
    optional.emplace();
    get(*optional);
    if (!ones_) optional.reset();
  }
  template <template <class...> class Variant, class... T>
  void get_special(Variant<T...>&, std::integral_constant<kind, kind::variant>) {
    note("<");
    (visit<T>(), ...);
    note(">");
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::valarray>) {
    note("[");
    elements.resize(1);
    get(elements[0]);
    note("]");
  }
  template <class T>
  void get_special(T& bits, std::integral_constant<kind, kind::bitset>) {
    record_.note("bits", bits.size());
    if (ones_) bits.set();
  }
  template <class T>
  void get_special(T&, std::integral_constant<kind, kind::associative>) {
    note("{");
    note("#");
    visit<typename T::key_type>();
    if constexpr (requires { typename T::mapped_type; }) {
      note("=>");
      visit<typename T::mapped_type>();
    }
    note("}");
  }
  template <class T>
  void get_special(T& pair, std::integral_constant<kind, kind::name_value>) {
    note(pair.name);
    note(":");
    get(pair.value);
  }
  template <class T>
  void get_special(T& tag, std::integral_constant<kind, kind::size_tag>) {
    note("#");
    tag.size = 1;
  }
  template <class T>
  void get_special(cereal::BinaryData<T>& block, std::integral_constant<kind, kind::binary_data>) {
    using element =
        std::remove_cv_t<std::remove_all_extents_t<std::remove_pointer_t<std::remove_reference_t<T>>>>;
    note("raw");
    if constexpr (kind_of<element> == kind::number || kind_of<element> == kind::boolean) visit<element>();
    if (block.size != 0) std::memset(block.data, ones_, block.size);
  }
  template <class T>
  void get_special(T& item, std::integral_constant<kind, kind::map_item>) {
    get(item.key);
    note("=>");
    get(item.value);
  }
  template <class T>
  void get_special(cereal::base_class<T>& base, std::integral_constant<kind, kind::base>) {
    get_base(*base.base_ptr);
  }
  template <class T>
  void get_special(cereal::virtual_base_class<T>& base, std::integral_constant<kind, kind::virtual_base>) {
    note("virtual");
    get_base(*base.base_ptr);
  }
  template <class T>
  void get_special(cereal::DeferredData<T> const& later, std::integral_constant<kind, kind::deferred>) {
    using object = std::remove_reference_t<T>;
    note("later");
    rare_.defer({this, &later.value, [](void* ar, void const* p) {
                   static_cast<structure_reader*>(ar)->get(*static_cast<object*>(const_cast<void*>(p)));
                 }});
  }
  template <class T>
  void get_special(T&, std::integral_constant<kind, kind::empty>) {
    note("{}");
  }

  template <class T>
  void get_base(T& base) {
    note("base");
    get(base);
  }

  structure_record record_;
  bool ones_;
};

struct structure {
  std::string text;  // for people
  std::uint64_t hash;
  std::unique_ptr<codec_error const> unstable = nullptr;  // why there is none
};

// Both throw codec_error (unstable_structure): where the two disagree, and within a catch block.
YONDER_API structure compare_structures(structure_record const& zeros, structure_record const& ones);
[[noreturn]] YONDER_API void rethrow_unstable(structure_record const& record);

// The same of what `visit` visits; kept for ever, also that there is none. It does not throw that: of threads
// that wait for a static whose initialization throws, GCC 12's ThreadSanitizer wakes none. checked() throws
// it.
YONDER_API structure const& find_structure(void (*visit)(structure_reader&));
YONDER_API structure const& checked(structure const& found);

template <class... T>
void visit_all(structure_reader& ar) {
  (ar.visit<T>(), ...);
}

// Found at the first call, by any thread, and kept. Both throw codec_error (unstable_structure) where a type
// must specialize yonder::schema.
template <class... T>
structure const& structure_of() {
  static_assert(check_travels<T...>());
  static structure const& found = find_structure(&visit_all<T...>);
  return checked(found);
}

template <class... T>
std::uint64_t structure_hash() {
  return structure_of<T...>().hash;
}
template <class... T>
std::string const& structure_text() {
  return structure_of<T...>().text;
}

}  // namespace detail
}  // namespace yonder

template <class T>
struct cereal::traits::is_input_serializable<cereal::BinaryData<T>, yonder::detail::structure_reader>
    : std::true_type {};
