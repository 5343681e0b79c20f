// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/json.hpp"

namespace yonder::kernels {

enum class key_effect : std::uint8_t {
  honoured,  // its value takes part in the numbers
  refused,   // a value that would change a number is an ml::unsupported_model
  harmless   // no value of it changes a number here
};

// One key of one of the JSON files of a model's folder; docs/models.md has the same table.
struct known_key {
  char const* file;
  char const* key;  // inside objects with dots; "*" for every other key at its place
  key_effect effect;
  // Of a refused key: the values that change nothing, as a JSON array, absent and null apart; null where code
  // decides. A refused "*" means that a key that is not listed is refused.
  char const* allowed;
  char const* note;  // for readers of the table
};

std::span<known_key const> known_keys() noexcept;

// Throws ml::unsupported_model for the refused keys of `value`, an object of `file` whose keys stand in the
// table after `where` ("" or "model.", say).
void check_keys(json_view const& value, std::string_view file, std::string const& where = {});

}  // namespace yonder::kernels
