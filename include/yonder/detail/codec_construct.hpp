// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "yonder/detail/codec_error.hpp"
#include "yonder/detail/codec_kinds.hpp"

namespace yonder::detail {
struct construct_access {};
}  // namespace yonder::detail

namespace cereal::memory_detail {

// cereal::construct can be made by this template alone.
template <class T>
struct LoadAndConstructLoadWrapper<yonder::detail::construct_access, T> {
  explicit LoadAndConstructLoadWrapper(T* storage) : construct(storage) {}
  bool is_constructed() const { return construct.itsValid; }
  cereal::construct<T> construct;
};

}  // namespace cereal::memory_detail

namespace yonder::detail {

template <class Archive, class T>
void call_load_and_construct(Archive& ar, cereal::construct<T>& construct) {
  namespace traits = cereal::traits;
  if constexpr (traits::has_member_load_and_construct<T, Archive>::value) {
    cereal::access::load_and_construct<T>(ar, construct);
  } else if constexpr (traits::has_non_member_load_and_construct<T, Archive>::value) {
    cereal::LoadAndConstruct<T>::load_and_construct(ar, construct);
  } else if constexpr (traits::has_member_versioned_load_and_construct<T, Archive>::value) {
    cereal::access::load_and_construct<T>(ar, construct, ar.template loadClassVersion<T>());
  } else {
    cereal::LoadAndConstruct<T>::load_and_construct(ar, construct, ar.template loadClassVersion<T>());
  }
}

// A new T, for `delete`, from a class that has cereal's load_and_construct instead of a default constructor.
template <class T, class Archive>
T* load_and_construct(Archive& ar) {
  struct storage {
    T* at = std::allocator<T>().allocate(1);
    cereal::memory_detail::LoadAndConstructLoadWrapper<construct_access, T> object{at};

    ~storage() {
      if (at == nullptr) return;
      if (object.is_constructed()) std::destroy_at(at);
      std::allocator<T>().deallocate(at, 1);
    }
  } made;
  call_load_and_construct(ar, made.object.construct);
  if (!made.object.is_constructed()) throw_not_constructed();
  return std::exchange(made.at, nullptr);
}

}  // namespace yonder::detail
