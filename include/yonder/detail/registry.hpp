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

// One of several calls that run as one: its arguments, and what came of it.
struct batch_item {
  std::span<std::byte const> arguments;
  encoded result;
  std::exception_ptr error;
};
// The same for several. What it throws is of all of them.
using batch_invoker = void (*)(std::span<batch_item> items, decode_limits limits);

// A type whose symbol holds the function's: there, all compilers spell it alike.
template <auto Function>
struct symbol_of {};

// One task of this program. Static storage; linked into the registry while its image is loaded.
struct task_entry {
  std::string_view name;
  std::uint64_t (*signature)();       // hash of the argument and result structure
  std::string const& (*structure)();  // the same in words
  task_invoker invoke;
  void const* image;                     // which executable or shared library it is from
  std::type_info const* symbol;          // symbol_of its function
  bool has_deduced_name;                 // none is stated
  batch_invoker invoke_batch = nullptr;  // of a batched one
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

// The registry, of yonder::core. A program that is made of include/ alone has none, and these are null there:
// nothing in it asks for a task by its name.
[[gnu::weak]] YONDER_API void add_to_registry(task_entry& entry) noexcept;
[[gnu::weak]] YONDER_API void add_to_registry(exception_entry& entry) noexcept;
[[gnu::weak]] YONDER_API void remove_from_registry(task_entry& entry) noexcept;
[[gnu::weak]] YONDER_API void remove_from_registry(exception_entry& entry) noexcept;

// Filled during static initialization and by dlopen; read-only once a runtime stands.
class registration {
 public:
  explicit registration(task_entry& entry) noexcept : task_(&entry) { add(entry); }
  explicit registration(exception_entry& entry) noexcept : exception_(&entry) { add(entry); }
  ~registration() {
    if (task_ != nullptr) remove(*task_);
    if (exception_ != nullptr) remove(*exception_);
  }
  registration(registration const&) = delete;
  registration& operator=(registration const&) = delete;

 private:
  template <class Entry>
  static void add(Entry& entry) noexcept {
    void (*const function)(Entry&) noexcept = &add_to_registry;
    if (function != nullptr) function(entry);
  }
  template <class Entry>
  static void remove(Entry& entry) noexcept {
    void (*const function)(Entry&) noexcept = &remove_from_registry;
    if (function != nullptr) function(entry);
  }

  task_entry* task_ = nullptr;
  exception_entry* exception_ = nullptr;
};

// Its address tells images apart: every executable and shared library has its own.
[[gnu::visibility("hidden")]] inline constexpr char image_tag = 0;

}  // namespace yonder::detail
