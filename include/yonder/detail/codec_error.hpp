// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <typeinfo>

#include "yonder/detail/export.hpp"
#include "yonder/error.hpp"

namespace yonder {

// Which rule the bytes, or the value, broke.
enum class codec_fault : std::uint8_t {
  truncated,           // the bytes end before the value does
  trailing,            // the value ends before the bytes or the buffers do
  too_deep,            // objects nested beyond limits::depth
  over_budget,         // decoding would allocate more than limits::bytes
  bad_bool,            // a bool that is neither 0 nor 1
  bad_value,           // an index, a version or a block that the type does not have
  rejected,            // the type's own load function threw
  unstable_structure,  // what is read depends on values: the type must specialize yonder::schema
};

// A value that cannot be encoded, or bytes that do not decode to what their structure promises. Its code is
// undecodable, but too_large for over_budget and bad_configuration for unstable_structure.
struct YONDER_API codec_error : error {
  codec_error(codec_fault fault, std::size_t offset, std::string const& words);
  codec_error(codec_error const&) noexcept = default;
  codec_error& operator=(codec_error const&) noexcept = default;
  ~codec_error() override;

  codec_fault fault;
  std::size_t offset;  // in bytes, within the inline part; 0 where none applies
};

namespace detail {

[[noreturn]] YONDER_API void throw_truncated(std::size_t offset, std::uint64_t needed, std::size_t left);
[[noreturn]] YONDER_API void throw_trailing(std::size_t offset, std::size_t bytes, std::size_t buffers);
[[noreturn]] YONDER_API void throw_too_deep(std::size_t offset, unsigned limit);
[[noreturn]] YONDER_API void throw_over_budget(std::size_t offset, std::uint64_t count, std::size_t each,
                                               std::size_t left);
[[noreturn]] YONDER_API void throw_bad_bool(std::size_t offset, unsigned found);
[[noreturn]] YONDER_API void throw_bad_index(std::size_t offset, std::uint64_t found, std::uint64_t last);
[[noreturn]] YONDER_API void throw_bad_version(std::size_t offset, std::type_info const& type,
                                               std::uint32_t found, std::uint32_t newest);
[[noreturn]] YONDER_API void throw_bad_block(std::size_t offset, std::size_t found, std::size_t expected);
[[noreturn]] YONDER_API void throw_lost_deferment(std::size_t offset);
[[noreturn]] YONDER_API void throw_not_constructed();

// Within a catch block: rethrows as codec_fault::rejected what a load function threw, std::bad_alloc as it
// is.
[[noreturn]] YONDER_API void rethrow_as_codec_error(std::size_t offset, std::type_info const& type);

}  // namespace detail
}  // namespace yonder
