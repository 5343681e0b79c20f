// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub.hpp"

#include <cstdint>
#include <span>
#include <string>

// What the journal holds of an out::append beside its kind, its call and how many items it is about.
namespace yonder::core {

// What is written by it, and a reader must know: earlier ones are read, later ones are not.
inline constexpr std::uint16_t journal_schema = 5;

// What stands before the frame's body and its buffers, which follow it in this order; empty: nothing does.
std::string encode_record(out::append const& record);

// `record` has its kind. False: that is not what encode_record() of this schema wrote.
bool decode_record(std::span<std::byte const> bytes, recovered_record& record,
                   std::uint16_t schema = journal_schema);

}  // namespace yonder::core
