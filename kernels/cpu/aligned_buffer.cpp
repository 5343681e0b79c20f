// SPDX-License-Identifier: Apache-2.0
#include "cpu/aligned_buffer.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace yonder::kernels::cpu::detail {
namespace {

constexpr std::size_t cache_line = 64;
constexpr std::size_t huge_page = std::size_t{2} << 20;

}  // namespace

void free_memory::operator()(std::byte* memory) const noexcept { std::free(memory); }

owned_memory allocate_zeros(std::size_t bytes) {
  bool const large = bytes >= huge_page;
  std::size_t const alignment = large ? huge_page : cache_line;
  if (bytes > SIZE_MAX - alignment) throw std::bad_alloc();
  std::size_t const size = (bytes + alignment - 1) / alignment * alignment;
  void* const memory = std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  owned_memory owner(static_cast<std::byte*>(memory));
#if defined(MADV_HUGEPAGE)
  if (large) ::madvise(memory, size, MADV_HUGEPAGE);  // a hint: without it the pages are small
#endif
  std::memset(memory, 0, size);
  return owner;
}

}  // namespace yonder::kernels::cpu::detail
