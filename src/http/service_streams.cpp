// SPDX-License-Identifier: Apache-2.0
//
// Tasks that stream, and calls that are watched: what comes of them is server-sent events (HTML Living
// Standard, section 9.2).
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

constexpr std::string_view event_type = "text/event-stream";
constexpr auto quiet_time = std::chrono::seconds(15);       // then a comment says that it goes on
constexpr std::size_t most_sampled = std::size_t{1} << 20;  // bytes of a stream's items

bool admits_events(std::string_view accept) {
  for (auto const type : {event_type, std::string_view("text/*"), std::string_view("*/*")})
    if (accept.empty() || accept.find(type) != accept.npos) return true;
  return false;
}

}  // namespace

// One such answer. What holds it: whoever waits for the call's end, and what is being written. `watches`: the
// call goes on without it, and the end is what became of it.
class service::event_stream : public std::enable_shared_from_this<event_stream> {
 public:
  event_stream(service& owner, context const& in, call_handle call, bool watches)
      : watches_(watches),
        owner_(owner),
        from_(in.from),
        route_(in.route),
        origin_(in.asked.field("origin")),
        who_(in.who),
        call_(std::move(call)),
        until_(in.now),
        alive_(owner.alive_),
        mark_(owner.mark_of_waiting()) {
    if (!watches_ && call_->sampled) call_->sampled->being_read = true;
  }
  ~event_stream() {
    if (!alive_.expired()) stop_reading();
  }
  event_stream(event_stream const&) = delete;
  event_stream& operator=(event_stream const&) = delete;

  void start() {
    owner_.calls_.watch(call_, [me = weak_from_this(), kept = watches_ ? nullptr : shared_from_this()] {
      auto const still = me.lock();
      if (still) still->advance();
      return still != nullptr;
    });
    wait();
  }

 private:
  // Until the call ends, or has been quiet for long.
  void wait() {
    until_ += quiet_time;
    auto const number = owner_.calls_.wait(
        call_, until_, [me = shared_from_this()](one_call&, bool timed_out) { me->waited(timed_out); });
    if (number == 0) return;
    waiter_ = number;
    from_->waiters.push_back(number);
  }

  // Whoever waited here waits no more: its connection may have another request by now.
  void stop_waiting() {
    auto const number = std::exchange(waiter_, 0);
    std::erase(from_->waiters, number);
    owner_.calls_.forget(number);
  }

  void waited(bool timed_out) {
    std::erase(from_->waiters, std::exchange(waiter_, 0));
    if (!timed_out) return advance();
    if (owner_.draining_)
      return give_up(problem_object(503, "draining", "this gateway ends, and the call with it").finish());
    if (!owner_.may_still_see(*who_, *call_, until_)) return give_up(key_is_gone().body);
    if (!writing_ && !over_) send(":\n\n");
    wait();
  }

  void give_up(std::string const& why) {
    end("error", why);
    if (!watches_) yonder::detail::cancel(*call_->call);
  }

  // What was taken of it is all that is in its sample.
  void stop_reading() {
    if (watches_ || !call_->sampled || !std::exchange(call_->sampled->being_read, false)) return;
    owner_.write_down(*call_);
  }

  // Goes on where nothing is being written.
  void advance() {
    if (writing_ || over_) return;
    yonder::detail::stream_part part;
    if (!watches_ && yonder::detail::take_items(*call_->call, part)) return send_items(part);
    if (auto event = progress_event(); !event.empty()) return send(std::move(event));
    if (call_->ended) watches_ ? finish_watching() : finish();
  }

  // How far it is, if that was not said yet.
  std::string progress_event() {
    auto so_far = call_->ended ? std::string() : progress_of(*call_);
    if (so_far.empty() || so_far == told_) return {};
    told_ = so_far;
    return "event: progress\ndata: " + so_far + "\n\n";
  }

  void finish_watching() {
    if (std::exchange(finishes_, true)) return;
    auto say = [me = shared_from_this()] {
      response state;
      auto const failed = failure_in([&] { state = state_of(*me->call_); });
      me->end(failed ? "error" : "end", failed ? failed->body : state.body);
    };
    if (!owner_.when_written(call_, from_, who_->name, std::move(say))) end("error", no_room().body);
  }

  void send_items(yonder::detail::stream_part& part) {
    std::string events, fault;
    auto const limits = yonder::detail::decoding_limits(*call_->call);
    if (auto failed = failure_in([&] { fault = write_items(part, limits, events); })) fault = failed->body;
    if (fault.empty()) return send(std::move(events));
    yonder::detail::cancel(*call_->call);
    end("error", fault, std::move(events));
  }

  // Why one of them cannot be said in JSON; empty: all can. `out` has whole events, also where this throws.
  std::string write_items(yonder::detail::stream_part& part, yonder::detail::decode_limits limits,
                          std::string& out) {
    while (!part.empty()) {
      auto const size = out.size();
      try {
        out += "data: ";
        call_->endpoint->write_item(part.next(), limits, out);
        sample_item(std::string_view(out).substr(size + 6));
        out += "\n\n";
      } catch (std::bad_alloc const&) {
        out.resize(size);
        throw;
      } catch (...) {
        out.resize(size);
        return problem_object(500, to_string(errc::undecodable),
                              "an item cannot be said in JSON: " + words_of_current_exception())
            .finish();
      }
    }
    return {};
  }

  void sample_item(std::string_view json) {
    if (!call_->sampled || call_->sampled->cut) return;
    auto& kept = call_->sampled->items;
    if (kept.size() + json.size() > most_sampled) return void(call_->sampled->cut = true);
    (kept += kept.empty() ? "" : ",") += json;
  }

  void finish() {
    auto const* const failure = yonder::detail::failure_of(*call_->call);
    if (failure == nullptr) return end("end", "null");
    if (begun_) return end("error", std::move(problem_object(*failure).text("call", call_->id())).finish());
    over_ = true;
    stop_reading();
    auto answer = failure_response(*failure, call_->id());
    answer.fields.emplace_back("Yonder-Call", call_->id());
    with_context([&](context& in) { owner_.reply(in, std::move(answer)); });
  }

  void end(std::string_view event, std::string const& data, std::string&& before = {}) {
    if (std::exchange(over_, true)) return;
    stop_waiting();
    stop_reading();
    last_ = std::move(before) + "event: " + std::string(event) + "\ndata: " + data + "\n\n";
    if (!writing_) send_last();
  }

  void send_last() {
    begin();
    from_->send(std::move(last_), nullptr);
  }

  void send(std::string&& events) {
    begin();
    writing_ = true;
    from_->send(std::move(events), [me = shared_from_this()] {
      me->writing_ = false;
      me->over_ ? me->send_last() : me->advance();
    });
  }

  void begin() {
    if (std::exchange(begun_, true)) return;
    response head{.type = std::string(event_type) + "; charset=utf-8",
                  .fields = {{"Yonder-Call", call_->id()}}};
    with_context([&](context& in) { owner_.count_and_mark(in, head); });
    from_->begin(std::move(head));
  }

  template <class Step>
  void with_context(Step step) {
    auto const asked = request_from(origin_);
    context in{.asked = asked, .from = from_, .now = {}, .route = route_};
    step(in);
  }

  bool const watches_;
  service& owner_;
  exchange_ref from_;
  std::string route_, origin_;
  credential_ref who_;
  call_handle call_;
  time_point until_;
  std::weak_ptr<void> alive_;  // of the owner
  std::uint64_t waiter_ = 0;   // 0: none
  std::shared_ptr<void> mark_;
  bool begun_ = false;    // its head is on its way
  bool writing_ = false;  // what follows has to wait
  bool over_ = false;
  bool finishes_ = false;  // its end is being written, perhaps
  std::string last_{};
  std::string told_{};  // of its progress
};

// How far the call is, and then what became of it, as events. False: that is not asked for.
bool service::watch_call(context& in, call_handle const& call) {
  if (in.asked.method != "GET" || in.asked.field("accept").find(event_type) == std::string_view::npos)
    return false;
  if (draining_)
    reply(in, draining());
  else
    std::make_shared<event_stream>(*this, in, call, true)->start();
  return true;
}

void service::stream_task(context& in, wanted_call&& wanted) {
  if (!in.asked.field("idempotency-key").empty())
    return reply(in, problem(400, "bad_request", "a stream takes no Idempotency-Key: it is read once"));
  if (!admits_events(in.asked.field("accept")))
    return reply(in, problem(406, "not_acceptable",
                             "'" + in.id +
                                 "' streams: its items come as text/event-stream, which Accept does "
                                 "not name"));
  read_then(
      in, std::move(wanted),
      [this](request const& asked, wanted_call& its) { return read_arguments(asked, its); },
      [this](context& later, wanted_call& its) {
        auto const call = calls_.begin(*its.endpoint, its.streaming.call(), later.who->name, later.now);
        sample(*call, later.asked, its);
        std::make_shared<event_stream>(*this, later, call, false)->start();
        its.streaming.is_read();
      });
}

bool service::is_no_stream(context& in, wanted_call const& wanted) {
  if (wanted.endpoint->stream == nullptr) return true;
  reply(in, problem(404, "not_found",
                    "'" + in.id + "' streams: it is called at POST /v1/tasks/" + in.id +
                        ", whose answer has the items, and neither spawned nor called in batches"));
  return false;
}

}  // namespace yonder::http
