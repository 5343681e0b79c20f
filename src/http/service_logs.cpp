// SPDX-License-Identifier: Apache-2.0
//
// What calls print: as it is, or as server-sent events to the call's end.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>
#include <vector>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"
#include "src/runtime/orders.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

constexpr std::string_view log_event_type = "text/event-stream";
constexpr auto between_looks = std::chrono::milliseconds(200);
constexpr int quiet_looks = 75;  // then a comment says that it goes on

// `bytes`: of the text, before what is no UTF-8 was replaced.
std::string in_json(yonder::detail::printed_page::entry const& one) {
  json_object made;
  made.number("at", static_cast<std::int64_t>(one.at))
      .number("bytes", static_cast<std::int64_t>(one.text.size()))
      .text("worker", one.worker)
      .text("text", one.text);
  return std::move(made).finish();
}

using piece = yonder::detail::printed_page::entry;

// How many bytes at its end are of a character that goes on.
std::size_t begun_character(std::string_view text) {
  for (std::size_t size = 1; size <= std::min<std::size_t>(3, text.size()); ++size) {
    auto const byte = static_cast<unsigned char>(text[text.size() - size]);
    if ((byte & 0xc0U) == 0x80) continue;
    auto const whole = byte >= 0xf5 ? 1U : byte >= 0xf0 ? 4U : byte >= 0xe0 ? 3U : byte >= 0xc0 ? 2U : 1U;
    return size < whole ? size : 0;
  }
  return 0;
}

piece cut_off(piece& from, std::size_t size) {
  auto const begin = from.text.size() - size;
  piece tail{from.at + begin, from.worker, from.text.substr(begin)};
  from.text.resize(begin);
  return tail;
}

}  // namespace

std::optional<piece> join_characters(std::vector<piece>& all, bool goes_on) {
  std::optional<piece> held;
  for (std::size_t i = 0; i < all.size(); ++i) {
    auto const size = begun_character(all[i].text);
    if (size == 0) continue;
    if (i + 1 == all.size()) {
      if (goes_on) held = cut_off(all[i], size);
      continue;
    }
    auto& next = all[i + 1];
    if (next.worker != all[i].worker || next.at != all[i].at + all[i].text.size()) continue;
    auto tail = cut_off(all[i], size);
    next.at = tail.at;
    next.text.insert(0, tail.text);
  }
  std::erase_if(all, [](piece const& one) { return one.text.empty(); });
  return held;
}

// One such answer. What holds it: whoever waits for more, and what is being written.
class service::log_stream : public std::enable_shared_from_this<log_stream> {
 public:
  log_stream(service& owner, context const& in, call_handle call, std::uint64_t after)
      : owner_(owner),
        from_(in.from),
        route_(in.route),
        origin_(in.asked.field("origin")),
        who_(in.who),
        call_(std::move(call)),
        after_(after),
        mark_(owner.mark_of_waiting()) {}

  // Asks for what it has printed since.
  void advance() {
    if (owner_.draining_)
      return end("event: error\ndata: " +
                 problem_object(503, "draining", "this gateway ends; the call may go on").finish() + "\n\n");
    last_look_ = call_->ended.has_value();  // it has printed before it ended
    auto const now = std::chrono::steady_clock::now();
    if (!owner_.may_still_see(*who_, *call_, now))
      return end("event: error\ndata: " + key_is_gone().body + "\n\n");
    wait_for(owner_.calls_.ask(
                 yonder::detail::ask_for_printed(owner_.engine_, yonder::detail::id_of(*call_->call), after_),
                 now),
             now + hub_patience,
             [](log_stream& me, one_call& asked, bool timed_out) { me.take(asked, timed_out); });
  }

 private:
  void take(one_call& asked, bool timed_out) {
    if (owner_.draining_) return advance();
    std::string events;
    auto over = false;
    auto failed = hub_failure(asked, timed_out);
    if (!failed)
      failed = failure_in([&] {
        auto page = yonder::detail::printed_in(yonder::detail::take_reply(*asked.call));
        after_ = page.next;
        over = last_look_ && !page.more;
        if (held_) page.printed.insert(page.printed.begin(), std::move(*held_));
        held_ = join_characters(page.printed, !over);
        for (auto const& one : page.printed) events += "data: " + in_json(one) + "\n\n";
      });
    if (failed) return end(std::move(events) + "event: error\ndata: " + failed->body + "\n\n");
    if (over) return end(std::move(events) + "event: end\ndata: null\n\n");
    if (events.empty() && begun_ && ++quiet_ < quiet_looks) return pause();
    quiet_ = 0;
    send(events.empty() ? ":\n\n" : std::move(events));
  }

  // Until there may be more.
  void pause() {
    if (call_->ended) return advance();
    wait_for(call_, std::chrono::steady_clock::now() + between_looks,
             [](log_stream& me, one_call&, bool) { me.advance(); });
  }

  void wait_for(call_handle const& call, time_point until, void (*then)(log_stream&, one_call&, bool)) {
    auto const number =
        owner_.calls_.wait(call, until, [me = this->shared_from_this(), then](one_call& one, bool timed_out) {
          std::erase(me->from_->waiters, std::exchange(me->waiter_, 0));
          then(*me, one, timed_out);
        });
    if (number == 0) return;
    waiter_ = number;
    from_->waiters.push_back(number);
  }

  void send(std::string&& events) {
    begin();
    from_->send(std::move(events), [me = shared_from_this()] { me->pause(); });
  }
  void end(std::string&& events) {
    begin();
    from_->send(std::move(events), nullptr);
  }
  void begin() {
    if (std::exchange(begun_, true)) return;
    response head{.type = std::string(log_event_type) + "; charset=utf-8",
                  .fields = {{"Yonder-Call", call_->id()}}};
    auto const asked = request_from(origin_);
    context in{.asked = asked, .from = from_, .now = {}, .route = route_};
    owner_.count_and_mark(in, head);
    from_->begin(std::move(head));
  }

  service& owner_;
  exchange_ref from_;
  std::string route_, origin_;
  credential_ref who_;
  call_handle call_;
  std::uint64_t after_;
  std::optional<piece> held_{};  // the beginning of a character
  std::uint64_t waiter_ = 0;     // 0: none
  std::shared_ptr<void> mark_;
  int quiet_ = 0;
  bool last_look_ = false;
  bool begun_ = false;
};

void service::show_logs(context& in) {
  auto const call = calls_.find(in.id, *in.who);
  if (call == nullptr)
    return reply(in, problem(404, "unknown_call",
                             "no call of this id is known here, or no longer, or it is another key's"));
  std::uint64_t after = 0;
  if (auto const said = in.target.parameter("after")) {
    auto const text = *said;
    auto const read = std::from_chars(text.data(), text.data() + text.size(), after);
    if (read.ec != std::errc() || read.ptr != text.data() + text.size())
      return reply(in, problem(400, "bad_request", "after is a number, as `next` has it"));
  }
  if (in.asked.method == "GET" && in.asked.field("accept").find(log_event_type) != std::string_view::npos)
    return std::make_shared<log_stream>(*this, in, call, after)->advance();
  ask_hub(in, yonder::detail::ask_for_printed(engine_, yonder::detail::id_of(*call->call), after),
          [this, id = call->id()](context& later, auto const& answer) {
            auto page = yonder::detail::printed_in(answer);
            join_characters(page.printed, false);
            std::string printed;
            for (auto const& one : page.printed) printed += (printed.empty() ? "" : ",") + in_json(one);
            json_object made;
            made.text("call", id)
                .boolean("ended", page.ended)
                .raw("next", std::to_string(page.next))
                .raw("printed", "[" + printed + "]");
            reply(later, {.body = std::move(made).finish()});
          });
}

}  // namespace yonder::http
