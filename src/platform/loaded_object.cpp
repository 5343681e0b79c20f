// SPDX-License-Identifier: Apache-2.0
#include "src/platform/loaded_object.hpp"

#include <elf.h>
#include <link.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>

namespace yonder::platform {
namespace {

struct wanted_object {
  std::uintptr_t address = 0;
  bool found = false;
  loaded_object made;
};

std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

// Of notes that lie one behind the other.
std::string build_id_in(char const* at, std::size_t size) {
  while (size >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, at, sizeof note);
    auto const whole = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (whole > size) break;
    if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && std::memcmp(at + sizeof note, "GNU", 4) == 0)
      return {at + sizeof note + padded(note.n_namesz), note.n_descsz};
    at += whole;
    size -= whole;
  }
  return {};
}

int look(dl_phdr_info* one, std::size_t, void* told) {
  auto& wanted = *static_cast<wanted_object*>(told);
  std::span const segments(one->dlpi_phdr, one->dlpi_phnum);
  auto const holds = [&](auto const& segment) {
    auto const begin = one->dlpi_addr + segment.p_vaddr;
    return segment.p_type == PT_LOAD && wanted.address >= begin && wanted.address - begin < segment.p_memsz;
  };
  // The executable comes first.
  if (wanted.address != 0 && std::none_of(segments.begin(), segments.end(), holds)) return 0;
  wanted.found = true;
  if (one->dlpi_name != nullptr) wanted.made.file = one->dlpi_name;
  for (auto const& segment : segments) {
    if (segment.p_type != PT_NOTE) continue;
    // NOLINTNEXTLINE(performance-no-int-to-ptr): where the loader has put it
    auto id = build_id_in(reinterpret_cast<char const*>(one->dlpi_addr + segment.p_vaddr), segment.p_memsz);
    if (!id.empty()) wanted.made.build_id = std::move(id);
  }
  return 1;
}

}  // namespace

loaded_object object_at(void const* address) {
  wanted_object wanted{.address = reinterpret_cast<std::uintptr_t>(address), .made = {}};
  ::dl_iterate_phdr(&look, &wanted);
  if (wanted.made.file.empty()) wanted.made.file = "/proc/self/exe";
  return std::move(wanted.made);
}

}  // namespace yonder::platform
