// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <span>
#include <tuple>
#include <typeinfo>
#include <vector>

#include "yonder/detail/byte_buffer.hpp"
#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_rare.hpp"
#include "yonder/detail/codec_travels.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::detail {

inline constexpr unsigned default_depth = 64;

// Encoded values: the inline bytes, and the large blocks that travel beside them.
struct encoded {
  byte_buffer head;
  std::vector<buffer> buffers;
};

// What becomes of a large block (a contiguous array of numbers of at least `out_of_band_size` bytes).
struct block_policy {
  // Borrow blocks that belong to the value itself, which must then outlive the sending. Blocks that a save
  // function made for the occasion are copied all the same.
  bool borrow = true;
  // Where there is one, what it points to owns the value, and is kept by every borrowed block. It outlives
  // the use of the policy.
  std::shared_ptr<void const> const* holder = nullptr;
  std::size_t out_of_band_size = default_out_of_band_size;
};

// Memory for one object, apart from the object's type: what a unit with a task compiles less of.
struct kept_memory {
  std::shared_ptr<void const> owner;
  void* place;
  void (**destroy)(void*);  // to be set once the object stands: the last owner calls it
  YONDER_API ~kept_memory();
};
YONDER_API kept_memory keep(std::size_t size, std::size_t alignment);

// cereal's output archive over `encoded`; appends to what is there. Integers and floating point numbers are
// little-endian of their own width (`long` has 8 bytes here and on every platform that we serve), sizes are
// 64 bits, a bool one byte. docs/codec.md has the form of each type.
class writer : public archive_base {
 public:
  using is_loading = std::false_type;
  using is_saving = std::true_type;

  explicit writer(encoded& out, block_policy policy = {}) : out_(out), policy_(policy) {}

  template <class... T>
  [[gnu::always_inline]] writer& operator()(T&&... values) {
    (put(values), ...);
    return *this;
  }
  template <class T>
  writer& operator&(T&& value) {
    put(value);
    return *this;
  }
  template <class T>
  writer& operator<<(T&& value) {
    put(value);
    return *this;
  }

  void save_binary(void const* data, std::size_t size) { put(cereal::binary_data(data, size)); }

  // `value`, whose parts may be borrowed.
  template <class T>
  [[gnu::always_inline]] void put_whole(T const& value) {
    stable_ = extent::of(&value, sizeof(T));
    put(value);
  }
  // The text or the numbers of a view, as a string or a vector.
  template <class C, class Traits>
  void put_whole(std::basic_string_view<C, Traits> text) {
    put_elements(text.data(), text.size(), true);
  }
  template <class T, std::size_t N>
  void put_whole(std::span<T, N> elements) {
    put_elements(elements.data(), elements.size(), true);
  }

  // `value`, which may be gone after the call: the large blocks of an rvalue are moved to where they live on.
  template <class T>
  void put_owned(T&& value) {
    using object = std::remove_cvref_t<T>;
    if constexpr (!std::is_lvalue_reference_v<T> && !block_element<object> &&
                  kind_of<object> != kind::enumeration) {
      if (may_hold_large_block(value)) return put_moved(std::move(value));
    }
    auto const outer = policy_;
    policy_.borrow = false;
    put_whole(value);
    policy_ = outer;
  }

  // To be called once all is written.
  void finish() const {
    if (rare_.has_deferments()) throw_lost_deferment(out_.head.size());
  }

 private:
  // The addresses of an object of the caller's: a block that one of its own members holds is there until the
  // end.
  struct extent {
    std::uintptr_t begin = 0;
    std::uintptr_t size = 0;

    static extent of(void const* data, std::size_t size) {
      return {reinterpret_cast<std::uintptr_t>(data), size};
    }
    // Whatever the standard library's containers hand over is an element of theirs.
    static constexpr extent everything() { return {0, ~std::uintptr_t{0}}; }
    bool has(void const* address) const { return reinterpret_cast<std::uintptr_t>(address) - begin < size; }
    bool is_everything() const { return size == ~std::uintptr_t{0}; }
  };

  template <class T>
  bool may_hold_large_block(T const& value) const {
    if constexpr (requires { requires block_element<std::remove_cvref_t<decltype(*value.data())>>; })
      return value.size() * sizeof(*value.data()) >= policy_.out_of_band_size;
    return true;
  }

  template <class T>
  void put_moved(T&& value) {
    using object = std::remove_const_t<T>;
    auto const memory = keep(sizeof(object), alignof(object));
    auto* const kept = ::new (memory.place) object(std::move(value));
    *memory.destroy = [](void* gone) { static_cast<object*>(gone)->~object(); };
    auto const outer = policy_;
    policy_.borrow = true;
    policy_.holder = &memory.owner;
    put_whole(*kept);
    policy_ = outer;
  }

  template <class T>
  [[gnu::always_inline]] void put(T const& value) {
    constexpr kind k = kind_of<T>;
    if constexpr (is_boost_wrapper<T>) {
      boost_way<T>::apply(*this, value);
    } else if constexpr (!must_travel<T, false>::value) {
      return;
    } else if constexpr (k == kind::number || k == kind::boolean) {
      std::memcpy(out_.head.extend(sizeof value), &value, sizeof value);
    } else if constexpr (k == kind::string || k == kind::vector) {
      put_elements(value.data(), value.size(), stable_.has(&value));
    } else if constexpr (k == kind::array) {
      put_array(std::data(value), std::size(value));
    } else if constexpr (k == kind::tuple) {
      std::apply([this](auto const&... part) { (this->put(part), ...); }, value);
    } else if constexpr (k == kind::name_value) {
      put_named(value);
    } else if constexpr (k == kind::user) {
      put_object(value);
    } else if constexpr (k != kind::empty) {
      put_special(value, std::integral_constant<kind, k>{});
    }
  }

  [[gnu::always_inline]] void put_size(std::uint64_t size) {
    std::memcpy(out_.head.extend(sizeof size), &size, sizeof size);
  }

  // `stable`: the elements are there until the sending has ended.
  template <class E>
  void put_elements(E const* elements, std::size_t count, bool stable) {
    put_size(count);
    if constexpr (block_element<E>) {
      put_block(elements, count * sizeof(E), stable);
    } else {
      auto const outer = std::exchange(stable_, stable ? extent::of(elements, count * sizeof(E)) : extent{});
      for (std::size_t i = 0; i < count; ++i) put(elements[i]);
      stable_ = outer;
    }
  }

  template <class E>
  void put_array(E const* elements, std::size_t count) {
    if constexpr (block_element<E>) {
      put_block(elements, count * sizeof(E), stable_.has(elements));
    } else {
      for (std::size_t i = 0; i < count; ++i) put(elements[i]);
    }
  }

  [[gnu::always_inline]] void put_block(void const* data, std::size_t size, bool stable) {
    if (size < marked_block_size) {
      out_.head.append(data, size);
    } else {
      put_large_block(data, size, stable);
    }
  }
  YONDER_API void put_large_block(void const* data, std::size_t size, bool stable);

  template <class T>
  [[gnu::always_inline]] void put_named(cereal::NameValuePair<T> const& pair) {
    if constexpr (std::is_lvalue_reference_v<T>) {
      put(pair.value);
    } else {  // a temporary
      auto const outer = std::exchange(stable_, {});
      put(pair.value);
      stable_ = outer;
    }
  }

  template <class T>
  [[gnu::always_inline]] void put_object(T const& object) {
    if (++depth_ > default_depth) throw_too_deep(out_.head.size(), default_depth);
    auto const outer = stable_;
    if constexpr (origin_of<T> == origin::std) {
      stable_ = stable_.has(&object) ? extent::everything() : extent{};
    } else if (stable_.is_everything()) {
      stable_ = extent::of(&object, sizeof object);
    }
    put_members(object);
    stable_ = outer;
    rare_.leave_object(depth_);
    --depth_;
  }

  template <class T>
  [[gnu::always_inline]] void put_members(T const& object) {
    constexpr serialization s = serialization_of<T>;
    if constexpr (is_minimal<T>) {
      put_minimal(object);
    } else if constexpr (s.versioned) {
      lookup::call_save<s.how>(*this, object, put_version<T>());
    } else {
      lookup::call_save<s.how>(*this, object);
    }
  }

  template <class T>
  void put_minimal(T const& object) {
    constexpr serialization s = serialization_of<T>;
    auto const outer = std::exchange(stable_, {});
    if constexpr (s.versioned) {
      put(lookup::call_save_minimal<s.how>(*this, object, put_version<T>()));
    } else {
      put(lookup::call_save_minimal<s.how>(*this, object));
    }
    stable_ = outer;
  }

  // Each class's version is written once.
  template <class T>
  std::uint32_t put_version() {
    auto const version = version_of<T>();
    if (rare_.version_of(typeid(T)) == nullptr) {
      rare_.remember_version(typeid(T), version);
      put(version);
    }
    return version;
  }

  template <class T>
  void put_special(T const& value, std::integral_constant<kind, kind::enumeration>) {
    put_minimal(value);
  }
  template <class T>
  void put_special(T const& bits, std::integral_constant<kind, kind::bool_vector>) {
    put_size(bits.size());
    for (bool const bit : bits) put(bit);
  }
  template <class T>
  void put_special(T const& pointer, std::integral_constant<kind, kind::unique_pointer>) {
    put(pointer != nullptr);
    if (!pointer) return;
    auto const outer =
        std::exchange(stable_, stable_.has(&pointer) ? extent::of(pointer.get(), sizeof *pointer) : extent{});
    put(*pointer);
    stable_ = outer;
  }
  template <class T>
  void put_special(T const& optional, std::integral_constant<kind, kind::optional>) {
    put(optional.has_value());
    if (optional) put(*optional);
  }
  struct alternative_saver {
    using result_type = void;  // asked for by Boost
    writer& ar;

    template <class T>
    void operator()(T const& alternative) const {
      ar.put(alternative);
    }
  };
  template <class T>
  void put_special(T const& variant, std::integral_constant<kind, kind::variant>) {
    alternative_saver const save{*this};
    if constexpr (requires { variant.which(); }) {
      put(static_cast<std::uint32_t>(variant.which()));
      variant.apply_visitor(save);
    } else {
      put(static_cast<std::uint32_t>(variant.index()));
      visit(save, variant);
    }
  }
  template <class T>
  void put_special(T const& elements, std::integral_constant<kind, kind::valarray>) {
    if (elements.size() == 0) {
      put_size(0);
    } else {
      put_elements(&elements[0], elements.size(), stable_.has(&elements));
    }
  }
  template <class T>
  void put_special(T const& bits, std::integral_constant<kind, kind::bitset>) {
    for (std::size_t i = 0; i < bits.size(); i += 8) {
      unsigned byte = 0;
      for (std::size_t j = 0; j < 8 && i + j < bits.size(); ++j) byte |= unsigned{bits[i + j]} << j;
      put(static_cast<std::uint8_t>(byte));
    }
  }
  template <class T>
  void put_special(T const& container, std::integral_constant<kind, kind::associative>) {
    auto const outer = stable_;
    bool const stable = stable_.has(&container);
    put_size(container.size());
    for (auto const& each : container) {
      stable_ = stable ? extent::of(&each, sizeof each) : extent{};
      if constexpr (requires { typename T::mapped_type; }) {
        put(each.first);
        put(each.second);
      } else {
        put(each);
      }
    }
    stable_ = outer;
  }
  template <class T>
  void put_special(T const& tag, std::integral_constant<kind, kind::size_tag>) {
    put_size(tag.size);
  }
  template <class T>
  void put_special(T const& block, std::integral_constant<kind, kind::binary_data>) {
    put_block(block.data, block.size, stable_.has(block.data));
  }
  template <class K, class V>
  void put_special(cereal::MapItem<K, V> const& item, std::integral_constant<kind, kind::map_item>) {
    put(item.key);
    put(item.value);
  }
  template <class T>
  void put_special(cereal::base_class<T> const& base, std::integral_constant<kind, kind::base>) {
    put_base(*base.base_ptr);
  }
  template <class T>
  void put_special(cereal::virtual_base_class<T> const& base,
                   std::integral_constant<kind, kind::virtual_base>) {
    if (rare_.enter_base(typeid(T), base.base_ptr, depth_)) put_base(*base.base_ptr);
  }
  template <class T>
  void put_special(cereal::DeferredData<T> const& later, std::integral_constant<kind, kind::deferred>) {
    static_assert(std::is_lvalue_reference_v<T>, "yonder: cereal::defer needs an object that outlives it");
    using object = std::remove_reference_t<T>;
    rare_.defer({this, &later.value, [](void* ar, void const* p) {
                   static_cast<writer*>(ar)->put(*static_cast<object const*>(p));
                 }});
  }

  template <class T>
  void put_base(T const& base) {
    if constexpr (must_travel<T, false>::value && kind_of<T> == kind::user) {
      put_members(base);
    } else {
      put(base);
    }
  }

  encoded& out_;
  block_policy policy_;
  extent stable_;
  unsigned depth_ = 0;
};

// Appends the values; large blocks are borrowed from them.
template <class... T>
void encode(encoded& out, T const&... values) {
  writer ar(out);
  (ar.put_whole(values), ...);
  ar.finish();
}

// Appends the value with its large blocks: it needs no buffers to be decoded.
template <class T>
void encode_inline(encoded& out, T const& value) {
  writer ar(out, {.out_of_band_size = ~std::size_t{0}});
  ar.put_whole(value);
  ar.finish();
}

// Appends the values, which need not outlive the call: large blocks of rvalues are moved, those of lvalues
// copied.
template <class... T>
void encode_owned(encoded& out, T&&... values) {
  writer ar(out);
  (ar.put_owned(std::forward<T>(values)), ...);
  ar.finish();
}

}  // namespace yonder::detail
