// SPDX-License-Identifier: Apache-2.0
//
// Requests that wait for calls.
#include <algorithm>
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"

namespace yonder::http {

void service::wait_for(context& in, call_handle const& call, time_point until, on_end then) {
  if (auto const number = calls_.wait(call, until, std::move(then)); number != 0)
    in.from->waiters.push_back(number);
}

// One that waits for a call of its own.
struct service::held_request {
  exchange_ref from;
  std::string route, origin;
  credential_ref who;
  call_handle call;
  time_point begun, until;
  time_point looks;   // at whether its key is still one
  std::size_t place;  // of its number among the exchange's; none: it has none yet
  on_end then;

  static constexpr auto none = std::size_t(-1);
};

// As wait_for(), of a call that the request has begun. Whose key goes meanwhile is refused, and of what he
// waits for ends what nobody else does.
void service::hold(context& in, call_handle const& call, time_point until, on_end then) {
  if (keys_ == nullptr) return wait_for(in, call, until, std::move(then));
  hold_on(std::make_shared<held_request>(
      held_request{in.from, in.route, std::string(in.asked.field("origin")), in.who, call, in.now, until,
                   in.now, held_request::none, std::move(then)}));
}

void service::hold_on(std::shared_ptr<held_request> const& one) {
  constexpr auto look_again = std::chrono::seconds(15);
  static constexpr auto soon = std::chrono::seconds(1);  // the file of keys was looked at as late as that
  one->looks = std::min<time_point>(one->until, one->looks + look_again);
  auto const number = calls_.wait(one->call, one->looks, [this, one](one_call& call, bool timed_out) {
    auto const now = timed_out ? one->looks : *call.ended;
    if (!lets_go_ && now - one->begun >= soon && !may_still_see(*one->who, call, now))
      return turn_away(*one, call);
    if (timed_out && !lets_go_ && one->looks < one->until) return hold_on(one);
    one->then(call, timed_out);
  });
  if (number == 0) return;
  auto& numbers = one->from->waiters;
  if (one->place == held_request::none) {
    one->place = numbers.size();
    numbers.push_back(number);
  } else {
    numbers[one->place] = number;
  }
}

void service::turn_away(held_request& one, one_call& call) {
  if (call.waiters.empty() && !call.kept) yonder::detail::cancel(*call.call);
  forget_waiters(*one.from);
  auto const asked = request_from(one.origin);
  context later{.asked = asked, .from = one.from, .now = {}, .route = one.route};
  reply(later, key_is_gone());
}

void service::abandon(exchange& from) {
  from.is_gone = true;
  side_.forget(&from);
  forget_waiters(from);
}

void service::forget_waiters(exchange& from) {
  for (auto const waiter : std::exchange(from.waiters, {})) calls_.forget(waiter);
}

}  // namespace yonder::http
