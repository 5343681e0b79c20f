// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <type_traits>
#include <utility>

#include "yonder/codec.hpp"
#include "yonder/task.hpp"

// For the tests of programs that have tasks.
namespace yonder::testing {

// Calls the task in this process as a worker would: arguments and result go through the codec, so that what
// they lose on the way is seen. Throws codec_error, and what the task throws.
template <class Task, class... A>
typename Task::result round_trip(Task const& task, A&&... a) {
  auto const request = task.encoded_arguments(std::forward<A>(a)...);
  detail::encoded reply;
  task.entry().invoke(request.head.bytes(), request.buffers, {}, reply);
  if constexpr (!std::is_void_v<typename Task::result>)
    return detail::decode<typename Task::result>(reply.head.bytes(), reply.buffers);
}

}  // namespace yonder::testing
