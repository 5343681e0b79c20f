// SPDX-License-Identifier: Apache-2.0
#include "cpu/machine.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <unistd.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#endif
#if defined(__AARCH64EL__) && defined(__linux__)
#include <sys/auxv.h>
#endif

namespace yonder::kernels::cpu {
namespace {

#if defined(__x86_64__)

struct leaf {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;

  leaf(unsigned number, unsigned part) noexcept { __get_cpuid_count(number, part, &eax, &ebx, &ecx, &edx); }
};

bool has(unsigned word, unsigned bit) noexcept { return (word >> bit & 1U) != 0; }

// Linux gives a process the tiles' registers on request (arch_prctl, ARCH_REQ_XCOMP_PERM,
// XFEATURE_XTILEDATA).
bool tiles_granted() noexcept {
#if defined(__linux__)
  return ::syscall(SYS_arch_prctl, 0x1023, 18) == 0;
#else
  return false;
#endif
}

machine detect() noexcept {
  machine found;
  bool const halves = has(leaf(1, 0).ecx, 29);  // F16C, which __builtin_cpu_supports() does not know
  found.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 && halves;
  found.avx512 = found.avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                 __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                 __builtin_cpu_supports("avx512vl") != 0;
  leaf const features(7, 0);
  unsigned const more = features.eax >= 1 ? leaf(7, 1).eax : 0;
  found.avx_vnni = found.avx2 && has(more, 4);
  if (!found.avx512) return found;
  found.avx512_vnni = has(features.ecx, 11);
  found.avx512_bf16 = has(more, 5);
  bool const tiles = has(features.edx, 22) && has(features.edx, 24) && has(features.edx, 25);
  found.amx = tiles && found.avx512_vnni && found.avx512_bf16 && tiles_granted();
  return found;
}

#elif defined(__AARCH64EL__) && defined(__linux__)

// HWCAP_ASIMDDP, HWCAP2_I8MM and HWCAP2_BF16, which older headers lack.
machine detect() noexcept {
  auto const has = [](unsigned long type, unsigned bit) { return (::getauxval(type) >> bit & 1U) != 0; };
  machine found;
  found.dot_product = has(AT_HWCAP, 20);
  found.i8mm = has(AT_HWCAP2, 13);
  found.bf16 = has(AT_HWCAP2, 14);
  return found;
}

#else

machine detect() noexcept { return {}; }

#endif

std::size_t ask_for_cache() noexcept {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  long const bytes = ::sysconf(_SC_LEVEL2_CACHE_SIZE);
  if (bytes > 0) return static_cast<std::size_t>(bytes);
#endif
  return std::size_t{2} << 20;
}

}  // namespace

std::size_t second_level_cache() noexcept {
  static std::size_t const found = ask_for_cache();
  return found;
}

machine const& this_machine() noexcept {
  static machine const found = detect();
  return found;
}

}  // namespace yonder::kernels::cpu
