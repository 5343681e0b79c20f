// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <typeinfo>

#include "yonder/detail/codec_kinds.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::detail {

// What an archive needs for versioned classes, virtual bases and deferred members only: made when first
// needed.
class rare_state {
 public:
  struct deferment {
    void* archive;
    void const* object;
    void (*run)(void* archive, void const* object);
  };

  rare_state() = default;
  rare_state(rare_state const&) = delete;
  rare_state& operator=(rare_state const&) = delete;
  ~rare_state() {
    if (parts_ != nullptr) [[unlikely]]
      release();
  }

  // Null if the class was not met yet.
  YONDER_API std::uint32_t const* version_of(std::type_info const& type) const;
  YONDER_API void remember_version(std::type_info const& type, std::uint32_t number);

  // True for the first time within the object that is `depth` objects deep.
  YONDER_API bool enter_base(std::type_info const& type, void const* address, unsigned depth);
  void leave_object(unsigned depth) {
    if (parts_ != nullptr) [[unlikely]]
      forget_bases(depth);
  }

  YONDER_API void defer(deferment later);
  YONDER_API bool has_deferments() const;
  YONDER_API void run_deferments();

 private:
  struct parts;

  parts& make();
  YONDER_API void release();
  YONDER_API void forget_bases(unsigned depth);

  parts* parts_ = nullptr;
};

// What all archives have in common.
class archive_base : public cereal::yonder_archive {
 public:
  archive_base(archive_base const&) = delete;
  archive_base& operator=(archive_base const&) = delete;

  // Serializes what was wrapped in cereal::defer so far.
  // NOLINTNEXTLINE(readability-identifier-naming): cereal's name
  void serializeDeferments() { rare_.run_deferments(); }

  // What an archive of Boost's has besides: nothing is tracked here, and no type need be known beforehand.
  template <class T>
  void register_type(T const* = nullptr) {}
  unsigned get_library_version() const { return 0; }
  void reset_object_address(void const*, void const*) {}

 protected:
  archive_base() = default;
  ~archive_base() = default;

  rare_state rare_;
};

// cereal registers versions per file that includes it, the same in each; Boost per class.
template <class T>
std::uint32_t version_of() {
  if constexpr (serialization_of<T>.how == form::boost)
    return boost_way<T>::version;
  else
    return cereal::detail::Version<T>::version;
}

}  // namespace yonder::detail
