// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <typeinfo>
#include <vector>

#include "yonder/detail/codec_kinds.hpp"

namespace yonder::detail {

// What an archive needs only for versioned classes, virtual bases and deferred members: made when first
// needed.
template <class Archive>
class rare_state {
 public:
  struct version {
    std::type_info const* type;
    std::uint32_t number;
  };
  struct base {
    std::type_info const* type;
    void const* address;
    unsigned depth;
  };
  struct deferment {
    void const* object;
    void (*run)(Archive&, void const*);
  };

  std::uint32_t const* version_of(std::type_info const& type) const {
    for (auto const& known : versions_)
      if (*known.type == type) return &known.number;
    return nullptr;
  }
  void remember_version(std::type_info const& type, std::uint32_t number) {
    versions_.push_back({&type, number});
  }

  // True the first time within the object at `depth`.
  bool enter_base(std::type_info const& type, void const* address, unsigned depth) {
    for (auto const& known : bases_)
      if (known.address == address && *known.type == type) return false;
    bases_.push_back({&type, address, depth});
    return true;
  }
  void leave_object(unsigned depth) {
    while (!bases_.empty() && bases_.back().depth >= depth) bases_.pop_back();
  }

  void defer(deferment later) { deferments_.push_back(later); }
  bool has_deferments() const { return !deferments_.empty(); }
  void run_deferments(Archive& archive) {
    auto const now = std::exchange(deferments_, {});
    for (auto const& each : now) each.run(archive, each.object);
  }

 private:
  std::vector<version> versions_;
  std::vector<base> bases_;
  std::vector<deferment> deferments_;
};

// The members of all archives that come from rare_state, and cereal's names for them.
template <class Archive>
class archive_base : public cereal::yonder_archive {
 public:
  archive_base() = default;
  archive_base(archive_base const&) = delete;
  archive_base& operator=(archive_base const&) = delete;

  // Serializes what was wrapped in cereal::defer so far.
  void serializeDeferments() {  // NOLINT(readability-identifier-naming): cereal's name
    if (rare_) rare_->run_deferments(static_cast<Archive&>(*this));
  }

 protected:
  ~archive_base() = default;

  rare_state<Archive>& rare() {
    if (!rare_) rare_ = std::make_unique<rare_state<Archive>>();
    return *rare_;
  }
  std::uint32_t const* known_version(std::type_info const& type) const {
    return rare_ ? rare_->version_of(type) : nullptr;
  }
  void leave_object(unsigned depth) {
    if (rare_) [[unlikely]]
      rare_->leave_object(depth);
  }
  bool has_deferments() const { return rare_ && rare_->has_deferments(); }

  template <class T>
  void postpone(T& object, void (*run)(Archive&, void const*)) {
    rare().defer({&object, run});
  }

 private:
  std::unique_ptr<rare_state<Archive>> rare_;
};

// cereal binds the version of a class by a type of the including file's anonymous namespace, so each file
// asks anew.
template <class T>
std::uint32_t version_of() {
  return cereal::detail::Version<T>::version;
}

}  // namespace yonder::detail
