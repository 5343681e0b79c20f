// SPDX-License-Identifier: Apache-2.0
//
// The program's schedules: seen by whoever may measure, paused, resumed and fired by admins.
#include <array>
#include <charconv>
#include <chrono>
#include <ctime>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/schedule.hpp"

namespace yonder::http {
namespace {

using yonder::detail::schedule_change;

// "2026-11-29T07:00:00Z" (RFC 3339)
std::string text_of(std::chrono::system_clock::time_point at) {
  auto const whole = std::chrono::system_clock::to_time_t(at);
  tm parts{};
  ::gmtime_r(&whole, &parts);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string said(schedule_snapshot const& one) {
  auto const number = [](std::uint64_t value) { return static_cast<std::int64_t>(value); };
  json_object object;
  object.number("id", number(one.id))
      .text("name", one.name)
      .text("when", one.when)
      .boolean("paused", one.paused);
  object.number("running", one.running).number("runs", number(one.runs)).number("failed", number(one.failed));
  object.number("skipped", number(one.skipped));
  if (!one.last_error.empty()) object.text("last_error", one.last_error);
  if (one.next) object.text("next", text_of(*one.next));
  return std::move(object).finish();
}

response unknown_schedule() {
  return problem(404, "unknown_schedule", "no schedule has this id; GET /v1/schedules lists them");
}

}  // namespace

void service::list_schedules(context& in) {
  if (!in.who->may_measure()) return reply(in, problem(403, "forbidden", "this key may not see schedules"));
  auto const in_json = [](auto const& some) {
    std::string all;
    for (auto const& one : some) all += (all.empty() ? "" : ",") + said(one);
    return all;
  };
  auto own = in_json(yonder::detail::schedules_of(*engine_, false));
  if (yonder::detail::has_own_hub(*engine_)) return reply(in, {.body = "[" + own + "]"});
  ask_hub(in, yonder::detail::ask_for_schedules(engine_),
          [this, own, in_json](context& later, auto const& answer) {
            auto const kept = in_json(yonder::detail::schedules_in(answer));
            reply(later, {.body = "[" + own + (own.empty() || kept.empty() ? "" : ",") + kept + "]"});
          });
}

// One that a hub elsewhere keeps.
void service::change_kept_schedule(context& in, std::uint64_t id, yonder::detail::schedule_change change) {
  ask_hub(in, yonder::detail::ask_to_change(engine_, id, change),
          [this, id](context& later, auto const& answer) {
            if (!yonder::detail::has_changed(answer)) return reply(later, unknown_schedule());
            later.now = std::chrono::steady_clock::now();
            ask_hub(later, yonder::detail::ask_for_schedules(engine_),
                    [this, id](context& last, auto const& listed) {
                      for (auto const& one : yonder::detail::schedules_in(listed))
                        if (one.id == id) return reply(last, {.body = said(one)});
                      reply(last, unknown_schedule());
                    });
          });
}

void service::change_schedule(context& in) {
  if (!in.who->admin) return reply(in, problem(403, "forbidden", "this key may not change schedules"));
  auto const& word = in.target.path.back();
  auto const change = word == "pause"    ? schedule_change::pause
                      : word == "resume" ? schedule_change::resume
                                         : schedule_change::fire;
  std::uint64_t id = 0;
  auto const read = std::from_chars(in.id.data(), in.id.data() + in.id.size(), id);
  bool const is_number = read.ec == std::errc() && read.ptr == in.id.data() + in.id.size();
  if (is_number && yonder::detail::is_kept_elsewhere(*engine_, id))
    return change_kept_schedule(in, id, change);
  if (!is_number || !yonder::detail::change_schedule(*engine_, id, change))
    return reply(in, unknown_schedule());
  for (auto const& one : yonder::detail::schedules_of(*engine_, false))
    if (one.id == id) return reply(in, {.body = said(one)});
  reply(in, problem(404, "unknown_schedule", "the schedule has been stopped meanwhile"));
}

}  // namespace yonder::http
