// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <yonder/extern_task.hpp>
#include <yonder/yonder.hpp>

#define BENCH_FIVE(make, tens) make(tens##0) make(tens##1) make(tens##2) make(tens##3) make(tens##4)
#define BENCH_THIRTY(make) \
  BENCH_FIVE(make, 1)      \
  BENCH_FIVE(make, 2) BENCH_FIVE(make, 3) BENCH_FIVE(make, 4) BENCH_FIVE(make, 5) BENCH_FIVE(make, 6)

// A task with a structure of its own.
#define BENCH_TASK(n)                                 \
  struct message_##n {                                \
    std::string label;                                \
    float score = 0;                                  \
    template <class Archive>                          \
    void serialize(Archive& ar) {                     \
      ar(label, score);                               \
    }                                                 \
  };                                                  \
  message_##n classify_##n(message_##n const& value); \
  inline constexpr yonder::task<classify_##n> task_##n;

BENCH_THIRTY(BENCH_TASK)

#ifndef BENCH_IMPLICIT
#define BENCH_EXTERN(n) YONDER_EXTERN_TASK(task_##n);
BENCH_THIRTY(BENCH_EXTERN)
#endif
