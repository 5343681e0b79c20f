// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"
#include "yonder/detail/export.hpp"

#include <compare>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Values that stay in the process that made them, and are known elsewhere by reference: what frames say of
// them, and what is asked of a hub, by calls of the names below, which it answers itself. The bytes go from
// process to process through it in pieces, of which it keeps none.
namespace yonder::core {

// Which value: the client session of the process that has it, and a number there that cannot be guessed.
struct value_key {
  std::uint64_t owner = 0;
  std::uint64_t number = 0;
  friend auto operator<=>(value_key const&, value_key const&) = default;
};

// As a reference has it.
struct value_place {
  value_key key;
  std::uint64_t size = 0;      // bytes, as it travels
  std::uint32_t checksum = 0;  // their CRC32C
};

// An argument that is such a value: its worker puts it in before the call runs. In the payload one byte
// stands in its place.
struct referred_argument {
  value_place value;
  std::uint32_t offset = 0;  // of that byte
  std::uint32_t buffer = 0;  // before which of them its own belong
};

inline constexpr std::size_t max_references = 1024;  // of one call or result
// What a process asks for at once: with its header it travels in one part, so that heartbeats pass it.
inline constexpr std::uint32_t value_piece = std::uint32_t{240} << 10;
inline constexpr std::size_t max_wishes = 64;  // that one session has under way

// What the next events are, of values that whoever asks has made: answered when there are some, or with none
// where it has not asked this hub before. It says then once more which values it does not need itself: a hub
// that was started anew knows nothing of them.
inline constexpr std::string_view serve_values = " serve";  // nothing -> value_events
inline constexpr std::string_view fetch_value = " fetch";   // a value_wish -> its bytes, as a buffer
inline constexpr std::string_view give_value = " give";     // u64 request, u8 known; a buffer -> nothing
inline constexpr std::string_view hold_values = " hold";    // a value_hold -> nothing
inline constexpr std::string_view drop_values = " drop";    // value_drops -> nothing
constexpr bool is_value_order(std::string_view function) noexcept {
  return function.starts_with(' ') &&
         (function == serve_values || function == fetch_value || function == give_value ||
          function == hold_values || function == drop_values);
}

struct value_wish {
  value_key key;
  std::uint64_t offset = 0;
  std::uint32_t size = 0;
};

struct value_events {
  struct wish {
    std::uint64_t request = 0;
    std::uint64_t number = 0;
    std::uint64_t offset = 0;
    std::uint32_t size = 0;
    friend bool operator==(wish const&, wish const&) = default;
  };
  std::vector<wish> wishes;
  std::vector<std::uint64_t> unused;  // numbers: nobody else has a reference to them
};

// Whoever says so has references to these. `call`: on behalf of the outcome of that call, which its attempt
// is about to give; number 0: by itself.
struct value_hold {
  call_id call;
  std::vector<value_key> keys;
};

// Whoever says so has so many references less, of those that it was given.
struct value_drop {
  value_key key;
  std::uint32_t count = 0;
  bool of_owner = false;  // it has made the value, and needs it no more itself
};
inline constexpr std::size_t max_drops = 4096;

std::string encode_wish(value_wish const& wish);
bool decode_wish(std::span<std::byte const> payload, value_wish& wish);
YONDER_API std::string encode_events(value_events const& events);
YONDER_API bool decode_events(std::span<std::byte const> payload, value_events& events);
std::string encode_gift(std::uint64_t request, bool known);
bool decode_gift(std::span<std::byte const> payload, std::uint64_t& request, bool& known);
YONDER_API std::string encode_hold(value_hold const& hold);
YONDER_API bool decode_hold(std::span<std::byte const> payload, value_hold& hold);
YONDER_API std::string encode_drops(std::span<value_drop const> drops);
YONDER_API bool decode_drops(std::span<std::byte const> payload, std::vector<value_drop>& drops);

// In the metadata of a call.
void write_referred(byte_buffer& body, std::span<referred_argument const> arguments);
// False: malformed, or not within the frame in order. None: there are none.
bool read_referred(frame const& message, std::vector<referred_argument>& arguments);
// The call with the values in their places, and without that field.
struct referred_value {
  referred_argument where;
  std::span<std::byte const> bytes;
  std::span<buffer const> buffers;
};
frame with_referred(frame const& message, std::span<referred_value const> values);

// In the metadata of a result: to which values it has references.
void write_references(byte_buffer& body, std::span<value_key const> keys);
// False: malformed. None: there are none.
bool read_references(std::span<std::byte const> metadata, std::vector<value_key>& keys);
// Whether it has any.
bool refers(frame const& result);

}  // namespace yonder::core
