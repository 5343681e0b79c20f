// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/config.hpp"
#include "model/json.hpp"

// What the readers of each family's config.json share. All throw ml::model_error.
namespace yonder::kernels {

inline constexpr std::uint64_t max_extent = 1U << 24;  // of any one dimension of a model

activation parse_activation(json_view const& config, char const* key);

// Where config.json is silent, the class of transformers has a default.
std::size_t parse_extent(json_view const& config, char const* key, std::size_t fallback);

// Something that is added to a variance.
float parse_epsilon(json_view const& config, char const* key, double fallback);

encoder_config parse_modernbert(json_view const& config);

}  // namespace yonder::kernels
