// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <typeinfo>
#include <utility>

#include "yonder/detail/export.hpp"
#include "yonder/service_options.hpp"

namespace yonder::detail {

// A class that says itself what it has on a GPU: see yonder::service.
template <class T>
concept has_gpu_hooks = requires(T& object) {
  object.release_gpu();
  object.restore_gpu();
};

// What a worker has made before its first call: one object of its service's class.
class service_slot {
 public:
  service_slot() = default;
  service_slot(service_slot const&) = delete;
  service_slot& operator=(service_slot const&) = delete;
  ~service_slot() { clear(); }

  template <class T, class Make>
  void fill(Make make) {
    clear();
    object_ = make();
    destroy_ = [](void* object) noexcept { delete static_cast<T*>(object); };
    type_ = &typeid(T);
    if constexpr (has_gpu_hooks<T>) {
      release_gpu_ = [](void* object) { static_cast<T*>(object)->release_gpu(); };
      restore_gpu_ = [](void* object) { static_cast<T*>(object)->restore_gpu(); };
    } else {
      release_gpu_ = restore_gpu_ = nullptr;
    }
  }
  bool has_hooks() const noexcept { return object_ != nullptr && release_gpu_ != nullptr; }
  void release_gpu() const { release_gpu_(object_); }
  void restore_gpu() const { restore_gpu_(object_); }
  void clear() noexcept {
    if (auto* const object = std::exchange(object_, nullptr); object != nullptr) destroy_(object);
  }
  bool empty() const noexcept { return object_ == nullptr; }
  // Null: it holds none of that class.
  template <class T>
  T* get() const noexcept {
    return object_ != nullptr && *type_ == typeid(T) ? static_cast<T*>(object_) : nullptr;
  }

 private:
  void* object_ = nullptr;
  void (*destroy_)(void*) noexcept = nullptr;
  void (*release_gpu_)(void*) = nullptr;
  void (*restore_gpu_)(void*) = nullptr;
  std::type_info const* type_ = nullptr;
};

// Of the worker whose attempt this thread runs; null outside of one.
YONDER_API service_slot* current_service() noexcept;

// What tells a hub which workers a service's calls need: the key of its pool.
struct service_terms {
  std::string_view name;
  std::uint64_t signature = 0;
  unsigned concurrency = 1;
  service_options settings;
  std::string_view arguments;  // of the constructor, encoded
};
YONDER_API std::string encode_terms(service_terms const& terms);

[[noreturn]] YONDER_API void throw_no_instance(std::string_view method);

}  // namespace yonder::detail
