// SPDX-License-Identifier: Apache-2.0
#pragma once

// What cannot be compiled is refused here, and ends here: hundreds of errors would follow, and hide this one.
// So the headers that programs begin with include this one first.
#if __cplusplus < 202002L
#error "yonder: needs C++20: compile with -std=c++20 or later"
#include "yonder/stop_here"
#elif !defined(__GXX_RTTI)
#error "yonder: tasks and exceptions are found by their types: compile without -fno-rtti"
#include "yonder/stop_here"
#elif !defined(__cpp_exceptions)
#error "yonder: what a call ends with may be an exception: compile without -fno-exceptions"
#include "yonder/stop_here"
#endif

// The libraries are compiled with hidden visibility: what a user may call across a shared library's border is
// marked with YONDER_API.
#define YONDER_API __attribute__((visibility("default")))

// The functions of the codec and of the errors are compiled once, in yonder::core; its targets and .pc file
// say so by YONDER_LINKS_CORE, which spares every file of a program to compile them. Without it they are
// inline, and a program that uses only local() and the codec needs no library. Both ways may meet in one
// program.
#ifdef YONDER_LINKS_CORE
#define YONDER_FUNCTION
#else
#define YONDER_FUNCTION inline
#endif
