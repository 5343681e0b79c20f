// SPDX-License-Identifier: Apache-2.0
#pragma once

// Instruction sets by the function: one binary runs on every x86-64, and one on every arm64, and nothing
// inline leaks into another file with more than it may use.
#if defined(__x86_64__)
#include <immintrin.h>
#define YONDER_WIDE_INSTRUCTIONS "avx512f,avx512dq,avx512bw,avx512vl,avx2,fma,f16c"
#if defined(__clang__)
#define YONDER_WIDE YONDER_WIDE_INSTRUCTIONS
#else
#define YONDER_WIDE YONDER_WIDE_INSTRUCTIONS ",prefer-vector-width=512"
#endif
#define YONDER_AVX2 [[gnu::target("avx2,fma,f16c")]]
#define YONDER_AVX_VNNI [[gnu::target("avxvnni,avx2,fma,f16c")]]
#define YONDER_AVX512 [[gnu::target(YONDER_WIDE)]]
#define YONDER_AVX512_BF16 [[gnu::target("avx512bf16," YONDER_WIDE)]]
#define YONDER_AVX512_VNNI [[gnu::target("avx512vnni," YONDER_WIDE)]]
#define YONDER_AMX [[gnu::target("amx-tile,amx-bf16,amx-int8")]]
#endif
#if defined(__AARCH64EL__)
#include <arm_neon.h>
#if defined(__clang__)
#define YONDER_ARM_TARGET(EXTENSION) [[gnu::target(EXTENSION)]]
#else
#define YONDER_ARM_TARGET(EXTENSION) [[gnu::target("arch=armv8.2-a+" EXTENSION)]]
#endif
#define YONDER_DOT_PRODUCT YONDER_ARM_TARGET("dotprod")
#define YONDER_BF16 YONDER_ARM_TARGET("bf16")
#define YONDER_I8MM YONDER_ARM_TARGET("i8mm")
#endif
