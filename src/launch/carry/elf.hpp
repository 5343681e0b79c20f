// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::launch {

// What a program, or a shared library, says of itself to whoever loads it.
struct elf_facts {
  std::uint16_t machine = 0;                                // EM_X86_64, EM_AARCH64
  std::string loader{};                                     // its path; empty: it is started without one
  std::string own_name{};                                   // of a library, by which others ask for it
  std::vector<std::string> libraries{};                     // that it asks for
  std::map<std::string, std::set<std::string>> versions{};  // "GLIBC_2.34" and its like, by library
  unsigned x86_level = 0;  // as its linker was told: 2, 3 or 4 for x86-64-v2, …; 0: nothing
};

// Bytes of a file from there on: `size` of them, or as many as there are.
using file_reader = std::function<std::string(std::uint64_t at, std::size_t size)>;

// Of a 64-bit, little-endian ELF file, which may hold anything, and change meanwhile. Returns what is wrong
// with it; empty: nothing. Throws what `file` throws.
std::string read_elf(file_reader const& file, elf_facts& facts);
std::string read_elf(std::string_view file, elf_facts& facts);

// What uname calls such a machine; empty: not known.
std::string machine_name(std::uint16_t machine);

}  // namespace yonder::launch
