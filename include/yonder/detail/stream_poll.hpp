// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/streaming.hpp"

// Streams for whoever has no thread that could wait for their items.
namespace yonder::detail {

// Makes the call of a task that returns a generator; its reader takes the default window. `arguments`: owned.
YONDER_API call_ref submit_stream(engine_ref const& where, task_entry const& task, options const& settings,
                                  std::string_view needs, encoded&& arguments);

// From now on `told` runs whenever items have come, as that of tell_when_done(); null: no longer.
YONDER_API void tell_of_items(call_state& call, void (*told)(void*), void* argument);

// Of such a call: the next items, if they are there. What was taken before is done with. False: there are
// none, and there will not be where the call has ended.
YONDER_API bool take_items(call_state& call, stream_part& part);

// What an item of it may take when it is decoded.
YONDER_API decode_limits decoding_limits(call_state const& call);

}  // namespace yonder::detail
