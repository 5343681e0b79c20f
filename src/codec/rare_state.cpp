// SPDX-License-Identifier: Apache-2.0
#include <utility>
#include <vector>

#include "yonder/detail/codec_rare.hpp"

namespace yonder::detail {

struct rare_state::parts {
  struct version {
    std::type_info const* type;
    std::uint32_t number;
  };
  struct base {
    std::type_info const* type;
    void const* address;
    unsigned depth;
  };

  std::vector<version> versions;
  std::vector<base> bases;
  std::vector<deferment> deferments;
};

rare_state::parts& rare_state::make() {
  if (parts_ == nullptr) parts_ = new parts;
  return *parts_;
}

void rare_state::release() { delete parts_; }

std::uint32_t const* rare_state::version_of(std::type_info const& type) const {
  if (parts_ == nullptr) return nullptr;
  for (auto const& known : parts_->versions)
    if (*known.type == type) return &known.number;
  return nullptr;
}

void rare_state::remember_version(std::type_info const& type, std::uint32_t number) {
  make().versions.push_back({&type, number});
}

bool rare_state::enter_base(std::type_info const& type, void const* address, unsigned depth) {
  for (auto const& known : make().bases)
    if (known.address == address && *known.type == type) return false;
  parts_->bases.push_back({&type, address, depth});
  return true;
}

void rare_state::forget_bases(unsigned depth) {
  auto& bases = parts_->bases;
  while (!bases.empty() && bases.back().depth >= depth) bases.pop_back();
}

void rare_state::defer(deferment later) { make().deferments.push_back(later); }

bool rare_state::has_deferments() const { return parts_ != nullptr && !parts_->deferments.empty(); }

void rare_state::run_deferments() {
  if (parts_ == nullptr) return;
  for (auto const& each : std::exchange(parts_->deferments, {})) each.run(each.archive, each.object);
}

}  // namespace yonder::detail
