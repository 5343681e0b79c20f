// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>
#include <type_traits>

#include "yonder/call.hpp"
#include "yonder/detail/structure.hpp"
#include "yonder/runtime.hpp"

namespace yonder {

// A call that somebody has made before, here or in another process with the same credential: by its id, as
// call::id() gives it and parse_call_id() reads it. It is waited for like one of our own, and its outcome may
// be there already: a hub with a journal keeps those of durable calls (options::durable) until one get() has
// had it, or runtime_options::result_ttl is over. cancel() ends the call.
//
// get() throws error: unknown_call where the hub has no such call of this credential, or has it no longer,
// and signature_mismatch where the task does not return an R.
template <class R>
call<R> find(call_id const& id, detail::engine_ref const& where) {
  using returned = std::conditional_t<std::is_void_v<R>, std::tuple<>, R>;
  return call<R>(detail::find_call(where, id.session, id.number, &detail::structure_text<returned>));
}
template <class R>
call<R> find(call_id const& id) {
  return find<R>(id, detail::current_engine());
}
template <class R>
call<R> find(call_id const& id, runtime const& where) {
  return find<R>(id, where.engine());
}

}  // namespace yonder
