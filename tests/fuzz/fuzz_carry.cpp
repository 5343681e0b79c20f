// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "src/launch/carry/cargo.hpp"
#include "src/launch/carry/elf.hpp"
#include "src/launch/carry/far_machine.hpp"

// What a program says of itself, and what a machine, or a loader, prints: refused in words, or such that what
// is made of it is sound.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace yonder::launch;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  elf_facts facts;
  if (read_elf(text, facts).empty() && facts.libraries.size() > size) __builtin_trap();
  try {
    for (auto const& [name, path] : libraries_in(text, facts.loader))
      if (name.size() + path.size() > size) __builtin_trap();
  } catch (std::runtime_error const&) {
  }
  far_machine machine;
  if (!read_far_machine(text, machine).empty()) return 0;
  for (auto const& hash : machine.there)
    if (hash.size() != 64) __builtin_trap();
  cargo all;
  all.needs = {
      .machine = "x86_64", .loader = "/lib64/ld.so", .glibc = "2.31", .libstdcxx = "3.4.30", .cuda = 12};
  for (bool const carries : {false, true}) {
    auto const found = examine(all, machine, {.gpu = true, .carries = carries});
    auto refused = false;
    for (auto const& one : found) refused = refused || one.is == finding::verdict::refused;
    if (refused == refusal_of(found).empty()) __builtin_trap();
  }
  return 0;
}
