// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <functional>
#include <limits>
#include <new>
#include <span>
#include <typeinfo>

#include "yonder/detail/byte_buffer.hpp"
#include "yonder/detail/codec_construct.hpp"
#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_rare.hpp"
#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::detail {

// What bytes may ask of whoever decodes them. The budget counts what is allocated before the bytes that fill
// it have been seen, at its size in memory; what a user's own constructors allocate is theirs to bound.
struct decode_limits {
  std::size_t bytes = 0;  // runtime_options::max_decoded_bytes; 0: 64 MiB and 16 times the input
  unsigned depth = 64;    // of objects within objects
};

// The elements of an Owned (a string, or a vector of numbers) for somebody who only looks at them: where the
// bytes lie, which outlive it, or in a copy where they are not aligned there.
template <class Owned>
struct block_view {
  typename Owned::value_type const* data = nullptr;
  std::size_t size = 0;
  Owned copy{};
};

// cereal's input archive over what `writer` wrote. Every byte is hostile: each rule of codec_fault is checked
// before memory is taken or a value is made. After an exception the archive is of no further use.
class reader : public archive_base {
 public:
  using is_loading = std::true_type;
  using is_saving = std::false_type;

  YONDER_API reader(std::span<std::byte const> head, std::span<buffer const> buffers,
                    decode_limits limits = {});

  template <class... T>
  [[gnu::always_inline]] reader& operator()(T&&... values) {
    (get(values), ...);
    return *this;
  }
  template <class T>
  reader& operator&(T&& value) {
    get(value);
    return *this;
  }
  template <class T>
  reader& operator>>(T&& value) {
    get(value);
    return *this;
  }

  void load_binary(void* data, std::size_t size) {
    auto block = cereal::binary_data(data, size);
    get(block);
  }

  // To be called once all is read.
  void finish() const {
    if (at_ != end_ || !buffers_.empty()) throw_trailing(offset(), left(), buffers_.size());
    if (rare_.has_deferments()) throw_lost_deferment(offset());
  }

  std::size_t offset() const { return static_cast<std::size_t>(at_ - begin_); }

  // The version of T in the bytes, for cereal's own functions.
  template <class T>
  std::uint32_t loadClassVersion() {  // NOLINT(readability-identifier-naming): cereal's name
    if (auto const* known = rare_.version_of(typeid(T))) return *known;
    std::uint32_t found{};
    get(found);
    if (found > version_of<T>())
      throw_bad_version(offset() - sizeof found, typeid(T), found, version_of<T>());
    rare_.remember_version(typeid(T), found);
    return found;
  }

 private:
  std::size_t left() const { return static_cast<std::size_t>(end_ - at_); }

  [[gnu::always_inline]] std::byte const* take(std::size_t size) {
    if (size > left()) [[unlikely]]
      throw_truncated(offset(), size, left());
    at_ += size;
    return at_ - size;
  }

  template <class T>
  [[gnu::always_inline]] void get(T& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<std::remove_const_t<T>>) {
      boost_way<std::remove_const_t<T>>::apply(*this, value);
    } else if constexpr (std::is_const_v<T> && kind_of<std::remove_const_t<T>> != kind::deferred) {
      static_assert(!std::is_const_v<T>, "yonder: a const object cannot be loaded into");
    } else if constexpr (!must_travel<T, false>::value) {
      return;
    } else if constexpr (k == kind::number) {
      std::memcpy(&value, take(sizeof value), sizeof value);
    } else if constexpr (k == kind::boolean) {
      value = to_bool(*take(1));
    } else if constexpr (std::is_same_v<T, std::string>) {
      get_text(value);
    } else if constexpr (k == kind::string || k == kind::vector) {
      get_elements(value);
    } else if constexpr (k == kind::array) {
      get_array(std::data(value), std::size(value));
    } else if constexpr (k == kind::tuple) {
      std::apply([this](auto&... part) { (this->get(part), ...); }, value);
    } else if constexpr (k == kind::name_value) {
      get(value.value);
    } else if constexpr (k == kind::user) {
      get_object(value);
    } else if constexpr (k != kind::empty) {
      get_special(value, std::integral_constant<kind, k>{});
    }
  }

  bool to_bool(std::byte found) const {
    if (found > std::byte{1}) [[unlikely]]
      throw_bad_bool(offset() - 1, std::to_integer<unsigned>(found));
    return found == std::byte{1};
  }

  // A number of things that take `each` bytes of memory, and are followed by at least `wire` bytes each.
  [[gnu::always_inline]] std::size_t get_count(std::size_t each, std::size_t wire) {
    std::uint64_t count{};
    std::memcpy(&count, take(sizeof count), sizeof count);
    if (wire != 0 && count > left() / wire) [[unlikely]]
      throw_truncated(offset(), count, left());
    charge(count, each);
    return static_cast<std::size_t>(count);
  }

  [[gnu::always_inline]] void charge(std::uint64_t count, std::size_t each) {
    if (count > budget_ / each) [[unlikely]]
      throw_over_budget(offset(), count, each, budget_);
    budget_ -= static_cast<std::size_t>(count) * each;
  }

  // The bytes of a block that the writer called put_block for.
  [[gnu::always_inline]] std::byte const* get_block(std::size_t size) {
    return size < marked_block_size ? take(size) : get_large_block(size);
  }
  YONDER_API std::byte const* get_large_block(std::size_t size);

  // As get_elements() does: a unit with a task is spared what std::string is made of.
  YONDER_API void get_text(std::string& to);

  template <class E>
  static bool is_aligned(std::byte const* at) {
    return reinterpret_cast<std::uintptr_t>(at) % alignof(E) == 0;
  }

  template <class E>
  void copy_block(E* to, std::byte const* from, std::size_t count) {
    if constexpr (kind_of<E> == kind::boolean) {
      for (std::size_t i = 0; i < count; ++i) to[i] = to_bool(from[i]);
    } else if (count != 0) {
      std::memcpy(to, from, count * sizeof(E));
    }
  }

  // The fewest bytes that an E takes on the wire, as far as is known without its functions.
  template <class E>
  static constexpr std::size_t least_size() {
    if constexpr (block_element<E>) return sizeof(E);
    constexpr kind k = kind_of<E>;
    return k == kind::string || k == kind::vector ? sizeof(std::uint64_t) : 0;
  }

  template <class Container>
  void get_elements(Container& to) {
    using element = typename Container::value_type;
    if constexpr (block_element<element>) {
      get_block_into(to);
    } else {
      auto const count = get_count(sizeof(element), least_size<element>());
      to.clear();
      to.reserve(count);
      for (std::size_t i = 0; i < count; ++i) get(to.emplace_back());
    }
  }

  // A string or a vector of numbers. The block is there before memory is taken for it, and is copied without
  // being zeroed first where it happens to be aligned.
  template <class Container>
  void get_block_into(Container& to) {
    using element = typename Container::value_type;
    auto const count = get_count(sizeof(element), 0);
    auto const* const from = get_block(count * sizeof(element));
    if (is_aligned<element>(from)) {
      auto const* const first = reinterpret_cast<element const*>(from);
      to.assign(first, first + count);
    } else {
      to.resize(count);
      copy_block(to.data(), from, count);
    }
  }

  template <class Owned>
  void get(block_view<Owned>& to) {
    using element = typename Owned::value_type;
    to.size = get_count(sizeof(element), 0);
    auto const* const from = get_block(to.size * sizeof(element));
    if (is_aligned<element>(from)) {
      to.data = reinterpret_cast<element const*>(from);
    } else {
      to.copy.resize(to.size);
      copy_block(to.copy.data(), from, to.size);
      to.data = to.copy.data();
    }
  }

  template <class E>
  void get_array(E* elements, std::size_t count) {
    if constexpr (block_element<E>) {
      copy_block(elements, get_block(count * sizeof(E)), count);
    } else {
      for (std::size_t i = 0; i < count; ++i) get(elements[i]);
    }
  }

  // What a container of the standard library takes for one element: nodes, and the block that an empty deque
  // allocates. Zero where T is no container: a size tag then counts the bytes that follow.
  template <class T>
  static constexpr std::size_t node_size() {
    if constexpr (requires { sizeof(typename T::value_type); }) {
      return sizeof(typename T::value_type) + (allocates_when_empty<typename T::value_type>() ? 704 : 64);
    }
    return 0;
  }
  template <class T>
  static constexpr bool allocates_when_empty() {
    return requires(T & t) { t.pop_front(), t.shrink_to_fit(); }
    || requires { typename T::container_type; };
  }

  template <class T>
  [[gnu::always_inline]] void get_object(T& object) {
    if (++depth_ > limits_.depth) [[unlikely]]
      throw_too_deep(offset(), limits_.depth);
    auto const outer = node_size_;
    node_size_ = node_size<T>();
    get_members(object);
    node_size_ = outer;
    rare_.leave_object(depth_);
    --depth_;
  }

  template <class T>
  [[gnu::always_inline]] void get_members(T& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (is_minimal<T>) {
      get_minimal(object);
    } else if constexpr (s.versioned) {
      lookup::call_load<s.how>(*this, object, loadClassVersion<T>());
    } else {
      lookup::call_load<s.how>(*this, object);
    }
  }

  template <class T>
  void get_minimal(T& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (s.versioned) {
      auto const version = loadClassVersion<T>();
      minimal_value_t<T> value{};
      get(value);
      lookup::call_load_minimal<s.how>(*this, object, value, version);
    } else {
      minimal_value_t<T> value{};
      get(value);
      lookup::call_load_minimal<s.how>(*this, object, value);
    }
  }

  template <class T>
  void get_special(T& value, std::integral_constant<kind, kind::enumeration>) {
    get_minimal(value);
  }
  template <class T>
  void get_special(T& bits, std::integral_constant<kind, kind::bool_vector>) {
    auto const count = get_count(1, 1);
    auto const* const from = take(count);
    bits.resize(count);
    for (std::size_t i = 0; i < count; ++i) bits[i] = to_bool(from[i]);
  }
  template <class T, class D>
  void get_special(std::unique_ptr<T, D>& pointer, std::integral_constant<kind, kind::unique_pointer>) {
    using pointee = std::remove_const_t<T>;
    bool valid{};
    get(valid);
    pointer.reset();
    if (!valid) return;
    charge(1, sizeof(pointee) + 16);
    if constexpr (cereal::traits::has_load_and_construct<pointee, reader>::value) {
      if (++depth_ > limits_.depth) throw_too_deep(offset(), limits_.depth);
      pointer.reset(load_and_construct<pointee>(*this));
      --depth_;
    } else {
      std::unique_ptr<pointee, D> made(new pointee());
      get(*made);
      pointer = std::move(made);
    }
  }
  template <class T>
  void get_special(T& optional, std::integral_constant<kind, kind::optional>) {
    bool has{};
    get(has);
    optional.reset();
    if (!has) return;
    optional.emplace();
    get(*optional);
  }
  template <template <class...> class Variant, class... T>
  void get_special(Variant<T...>& variant, std::integral_constant<kind, kind::variant>) {
    std::uint32_t index{};
    get(index);
    if (index >= sizeof...(T)) throw_bad_index(offset() - sizeof index, index, sizeof...(T) - 1);
    get_alternative(variant, index, std::index_sequence_for<T...>{});
  }
  template <template <class...> class Variant, class... T, std::size_t... I>
  void get_alternative(Variant<T...>& variant, std::size_t index, std::index_sequence<I...>) {
    (void)((I == index ? (get_one<I, T>(variant), true) : false) || ...);
  }
  template <std::size_t I, class T, class Variant>
  void get_one(Variant& variant) {
    if constexpr (requires { variant.which(); }) {
      T value{};
      get(value);
      variant = std::move(value);
    } else {
      get(variant.template emplace<I>());
    }
  }
  template <class T>
  void get_special(T& elements, std::integral_constant<kind, kind::valarray>) {
    using element = typename T::value_type;
    auto const count = get_count(sizeof(element), 0);
    if constexpr (block_element<element>) {
      auto const* const from = get_block(count * sizeof(element));
      elements.resize(count);
      if (count != 0) copy_block(&elements[0], from, count);
    } else {
      elements.resize(count);
      for (auto& each : elements) get(each);
    }
  }
  template <class T>
  void get_special(T& bits, std::integral_constant<kind, kind::bitset>) {
    auto const* const from = take((bits.size() + 7) / 8);
    for (std::size_t i = 0; i < bits.size(); ++i)
      bits[i] = (std::to_integer<unsigned>(from[i / 8]) >> i % 8 & 1) != 0;
  }
  // Equal keys keep their order, which cereal's own function turns round.
  template <class T>
  void get_special(T& container, std::integral_constant<kind, kind::associative>) {
    auto const count = get_count(node_size<T>(), least_size<typename T::key_type>());
    container.clear();
    for (std::size_t i = 0; i < count; ++i) {
      typename T::key_type key{};
      get(key);
      if constexpr (requires { typename T::mapped_type; }) {
        typename T::mapped_type value{};
        get(value);
        container.emplace_hint(container.end(), std::move(key), std::move(value));
      } else {
        container.emplace_hint(container.end(), std::move(key));
      }
    }
  }
  template <class T>
  void get_special(cereal::SizeTag<T>& tag, std::integral_constant<kind, kind::size_tag>) {
    auto const count = node_size_ != 0 ? get_count(node_size_, 0) : get_count(64, 1);
    tag.size = static_cast<std::remove_reference_t<T>>(count);
  }
  template <class T>
  void get_special(cereal::BinaryData<T>& block, std::integral_constant<kind, kind::binary_data>) {
    using element =
        std::remove_cv_t<std::remove_all_extents_t<std::remove_pointer_t<std::remove_reference_t<T>>>>;
    auto const* const from = get_block(block.size);
    if constexpr (std::is_same_v<element, bool>) {
      copy_block(static_cast<bool*>(block.data), from, block.size);
    } else if (block.size != 0) {
      std::memcpy(block.data, from, block.size);
    }
  }
  template <class K, class V>
  void get_special(cereal::MapItem<K, V>& item, std::integral_constant<kind, kind::map_item>) {
    get(item.key);
    get(item.value);
  }
  template <class T>
  void get_special(cereal::base_class<T>& base, std::integral_constant<kind, kind::base>) {
    get_base(*base.base_ptr);
  }
  template <class T>
  void get_special(cereal::virtual_base_class<T>& base, std::integral_constant<kind, kind::virtual_base>) {
    if (rare_.enter_base(typeid(T), base.base_ptr, depth_)) get_base(*base.base_ptr);
  }
  template <class T>
  void get_special(cereal::DeferredData<T> const& later, std::integral_constant<kind, kind::deferred>) {
    static_assert(std::is_lvalue_reference_v<T>, "yonder: cereal::defer needs an object that outlives it");
    using object = std::remove_reference_t<T>;
    rare_.defer({this, &later.value, [](void* ar, void const* p) {
                   static_cast<reader*>(ar)->get(*static_cast<object*>(const_cast<void*>(p)));
                 }});
  }

  template <class T>
  void get_base(T& base) {
    if constexpr (must_travel<T, false>::value && kind_of<T> == kind::user) {
      get_members(base);
    } else {
      get(base);
    }
  }

  std::byte const* begin_;
  std::byte const* at_;
  std::byte const* end_;
  std::span<buffer const> buffers_;  // those not yet read
  std::size_t budget_;
  decode_limits limits_;
  std::size_t node_size_ = 0;  // see node_size()
  unsigned depth_ = 0;
};

// Reads exactly one T, in place: `value` is unspecified after an exception.
template <class T>
void decode_to(T& value, std::span<std::byte const> head, std::span<buffer const> buffers,
               decode_limits limits = {}) {
  reader ar(head, buffers, limits);
  try {
    ar(value);
    ar.finish();
  } catch (...) {
    rethrow_as_codec_error(ar.offset(), typeid(T));
  }
}

// Throws codec_error. Several values that were encoded one after the other are one std::tuple.
template <class T>
T decode(std::span<std::byte const> head, std::span<buffer const> buffers, decode_limits limits = {}) {
  T value{};
  decode_to(value, head, buffers, limits);
  return value;
}

}  // namespace yonder::detail
