// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <typeinfo>

#include "yonder/codec.hpp"
#include "yonder/detail/byte_buffer.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::detail {

// What a worker needs to run a task: decodes the arguments, within `limits`, calls the function, encodes the
// result behind what `result` holds already. Throws what the task throws, and codec_error for bytes that do
// not decode.
using task_invoker = void (*)(std::span<std::byte const> arguments, std::span<buffer const> buffers,
                              decode_limits limits, encoded& result);

// A type whose symbol holds the function's: there, all compilers spell it alike.
template <auto Function>
struct symbol_of {};

// One task of this program. Static storage; linked into the registry while its image is loaded.
struct task_entry {
  std::string_view name;
  std::uint64_t (*signature)();  // hash of the argument and result structure
  std::string (*structure)();    // the same in words
  task_invoker invoke;
  void const* image;             // which executable or shared library it is from
  std::type_info const* symbol;  // symbol_of its function
  bool has_deduced_name;         // none is stated
  task_entry* next = nullptr;
};

// One exception type that comes back as itself.
struct exception_entry {
  std::string_view name;
  // Appends the state of `thrown`, all of it inline, if it is exactly of this type; else returns false.
  // Throws what its save function throws.
  bool (*encode)(std::exception const& thrown, encoded& state);
  void (*raise)(std::span<std::byte const> state);  // throws it; returns if its state does not make one
  std::type_info const* type;
  bool has_deduced_name;  // none is stated
  exception_entry* next = nullptr;
};

// Filled during static initialization and by dlopen; read-only once a runtime stands.
class registration {
 public:
  YONDER_API explicit registration(task_entry& entry) noexcept;
  YONDER_API explicit registration(exception_entry& entry) noexcept;
  YONDER_API ~registration();
  registration(registration const&) = delete;
  registration& operator=(registration const&) = delete;

 private:
  task_entry* task_ = nullptr;
  exception_entry* exception_ = nullptr;
};

// Its address tells images apart: every executable and shared library has its own.
[[gnu::visibility("hidden")]] inline constexpr char image_tag = 0;

}  // namespace yonder::detail
