// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/task.hpp"

namespace yonder::detail {

// The parameters of whatever task it is: a function's, a service's method, a batched one.
template <class Task, auto Function, class Parameters>
Parameters parameters_of(verbs<Task, Function, Parameters> const&);
template <class Task, auto Function, class Parameters>
Parameters parameters_of(stream_verbs<Task, Function, Parameters> const&);

template <class Task>
using parameters_of_t = decltype(parameters_of(std::declval<Task const&>()));

}  // namespace yonder::detail
