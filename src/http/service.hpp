// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/http/calls.hpp"
#include "src/http/forwarded.hpp"
#include "src/http/keys.hpp"
#include "src/http/message.hpp"
#include "src/http/metrics.hpp"
#include "src/http/page_sessions.hpp"
#include "src/http/samples.hpp"
#include "src/http/side_thread.hpp"
#include "yonder/http_options.hpp"
#include "yonder/schedule.hpp"

namespace yonder::http {

// One request that is to be answered once, later perhaps.
class exchange {
 public:
  exchange() = default;
  virtual ~exchange() = default;
  exchange(exchange const&) = delete;
  exchange& operator=(exchange const&) = delete;
  virtual void answer(response&& answer) = 0;
  // The request's body, where it may be had: its bytes stay where they are as long as `body` does.
  virtual bool take_body(std::string& /*body*/) { return false; }
  // Whether an answer of so many bytes can wait to be written, beside others' that do.
  virtual bool has_room(std::size_t bytes) const noexcept = 0;

  // An answer in parts, for whose length nobody knows: its head, which goes with the first part.
  virtual void begin(response&& head) = 0;
  // `written`: called when the next part may follow, unless whoever asked is gone. Null: this was the last.
  virtual void send(std::string&& part, std::function<void()> written) = 0;

  std::vector<std::uint64_t> waiters{};  // of the call_table, while it waits
  std::atomic<bool> is_gone = false;     // whoever asked; read on any thread
};
using exchange_ref = std::shared_ptr<exchange>;

// What requests ask is done here, without a socket: on one thread, but for what call_table says. docs/http.md
// has the routes.
class service {
 public:
  // `keys`: null where everybody may do everything. `wake`: as of call_table.
  service(yonder::detail::engine_ref engine, http_options options, std::unique_ptr<key_file> keys,
          bool is_tls, std::function<void()> wake);

  // `asked` and what it views need not outlive the call.
  void handle(request const& asked, exchange_ref const& from, time_point now);
  // Of a request whose body is still to come: how long that may be. Nothing: it was refused, which `from` is
  // told.
  std::optional<std::uint64_t> admit(request const& asked, exchange_ref const& from, time_point now);
  // Whoever asked is gone.
  void abandon(exchange& from);

  // What is answered to what was received and is no request, or too large: `origin`, as far as it was read.
  void mark_refusal(response& answer, std::string_view origin);

  // Calls that requests have begun may wait for each other, to leave together: until this sends them. To be
  // called before the thread sleeps.
  void send_held();

  void take_told(time_point now) {
    calls_.take_told(now);
    told_at_ = now;
    side_.take_done();
  }
  void tick(time_point now) { calls_.tick(now); }
  std::optional<time_point> next_deadline() const { return calls_.next_deadline(); }

  // The hub's idempotency keys hold for longer than this process: they stand behind its own from now on.
  void use_keys_of_hub() noexcept { keys_outlive_ = true; }

  // No longer ready for further requests; those that come and would wait for a call are answered at once with
  // what is known.
  void drain() noexcept { draining_ = true; }
  // Those that wait are, too.
  void let_go() {
    lets_go_ = true;
    calls_.let_go();
  }
  std::size_t waiting() const noexcept { return *waiting_; }
  std::size_t running() const noexcept { return calls_.running(); }

 private:
  struct context;
  struct wanted_call;
  class event_stream;
  class log_stream;
  struct text_calls;
  struct model_call;
  struct held_request;
  // What is answered for what the calls of a model returned.
  using result_writer = std::function<std::string(std::vector<yonder::detail::reply> const&)>;
  using handler = void (service::*)(context&);
  struct route {
    std::string_view method;
    handler run;
    bool begins_calls = false;
  };

  static bool is_public(context const& in);
  static bool needs_no_key(context const& in);
  bool enter(context& in, std::string_view method, bool has_route);
  void dispatch(context& in);
  bool aim(context& in);
  credential_ref authenticate(context const& in) const;
  credential_ref find_session(context const& in) const;
  // Whether whoever asked for something of that call may still have it: his key may have gone since.
  bool may_still_see(credential const& who, one_call const& call, time_point now) const;
  // Whether its key is there, and may do what it might when the request came.
  bool may_still_ask(credential const& who, time_point now) const;
  bool admits_origin(context const& in) const;
  bool within_rate(credential const& who, time_point now);
  // For who brought no key that is one.
  response strangers_answer(context const& in, response&& refusal);
  std::vector<route> routes_for(context& in) const;

  runtime_snapshot snapshot();

  void show_health(context& in);
  void show_readiness(context& in);
  void show_metrics(context& in);
  void show_openapi(context& in);
  void list_tasks(context& in);
  void show_page(context& in);
  void show_style(context& in);
  void show_script(context& in);
  void begin_session(context& in);
  void end_session(context& in);
  void show_status(context& in);
  void show_usage(context& in);
  void list_pools(context& in);
  void list_workers(context& in);
  void list_maps(context& in);
  void explain_call(context& in);
  void show_logs(context& in);
  void correct_call(context& in);
  void sample(one_call const& call, request const& asked, wanted_call const& wanted) const;
  void write_down(one_call const& call);
  // Asks the hub, wherever it is; `then` answers when it has answered well, or asks further.
  using on_answer = std::function<void(context& later, yonder::detail::reply const& answer)>;
  void ask_hub(context& in, yonder::detail::call_ref asked, on_answer then);
  void list_calls(context& in);
  void list_schedules(context& in);
  void change_schedule(context& in);
  void change_kept_schedule(context& in, std::uint64_t id, yonder::detail::schedule_change change);
  void embed(context& in);
  void list_models(context& in);
  void show_model(context& in);
  void predict(context& in);
  void rerank(context& in);
  void call_task(context& in);
  void spawn_task(context& in);
  void call_batch(context& in);
  void begin_batch(context& in, wanted_call& wanted);
  void show_call(context& in);
  void cancel_call(context& in);

  detail::endpoint_entry const* endpoint_of(context& in);
  bool read_settings(context& in, wanted_call& wanted) const;
  std::optional<response> read_arguments(request const& asked, wanted_call& wanted) const;
  std::optional<response> read_batch(request const& asked, wanted_call& wanted) const;
  using reader = std::function<std::optional<response>(request const& asked, wanted_call& wanted)>;
  using on_read = std::function<void(context& in, wanted_call& wanted)>;
  void read_then(context& in, wanted_call&& wanted, reader const& read, on_read const& then);
  // `then` goes on when the result of a call can be said without delay: at once, or, of one that has ended
  // with a large one, when a thread beside has written it, unless whoever asked is gone by then. False: too
  // much waits for that. `from`: null: nobody asks.
  bool when_written(call_handle const& call, exchange_ref const& from, std::string const& whose,
                    std::function<void()> then);
  bool look_beside(call_handle const& call);
  void tell_state(context& in, call_handle const& call, response&& head);
  bool is_no_stream(context& in, wanted_call const& wanted);
  void stream_task(context& in, wanted_call&& wanted);
  bool watch_call(context& in, call_handle const& call);
  bool with_json(context& in, std::function<void(detail::json_document&)> const& step) const;
  bool may_use(context& in, detail::endpoint_entry const* model, std::string const& name);
  std::vector<model_call> calls_of_texts(wanted_call const& wanted, detail::json_document& document,
                                         std::vector<std::uint32_t> const& texts) const;
  std::vector<model_call> calls_of_pairs(wanted_call const& wanted, std::string const& query,
                                         std::vector<std::string> const& texts) const;
  void call_model(context& in, wanted_call& wanted, std::vector<model_call> wanted_calls,
                  result_writer answer);
  static response answer_of(text_calls const& calls, result_writer const& answer);
  call_handle start(context& in, wanted_call& wanted);
  call_handle start_once(context& in, wanted_call& wanted);
  static digest digest_of_call(wanted_call const& wanted);
  call_handle begin(context const& in, detail::endpoint_entry const& endpoint, options const& settings,
                    yonder::detail::outgoing&& call);
  void answer_when_ended(context& in, wanted_call const& wanted, call_handle const& call);
  bool ends_with_gateway(one_call const& call) const;
  std::chrono::nanoseconds time_to_hold(wanted_call const& wanted) const;
  void wait_for(context& in, call_handle const& call, time_point until, on_end then);
  void hold(context& in, call_handle const& call, time_point until, on_end then);
  void hold_on(std::shared_ptr<held_request> const& one);
  void turn_away(held_request& one, one_call& call);
  void forget_waiters(exchange& from);
  void count_and_mark(context const& in, response& answer);
  void reply(context& in, response&& answer);
  // Of a request that waits: kept as long as it does.
  std::shared_ptr<void> mark_of_waiting() const;
  void count(call_handle const& call);

  yonder::detail::engine_ref engine_;
  http_options options_;
  bool keys_outlive_ = false;
  mutable std::unique_ptr<key_file> keys_;
  mutable page_sessions sessions_;
  bool is_tls_;
  proxy_list proxies_;
  std::map<std::string_view, detail::endpoint_entry const*> endpoints_;  // of tasks
  std::map<std::string_view, detail::endpoint_entry const*> models_;     // of /v1/embeddings
  detail::endpoint_entry const* predictor_ = nullptr;                    // of /predict
  detail::endpoint_entry const* ranker_ = nullptr;                       // of /rerank
  sampler samples_;
  metrics metrics_;
  call_table calls_;
  struct bucket {
    double tokens = 0;
    time_point since{};
  };
  using buckets = std::unordered_map<std::string, bucket>;
  bool take_token(buckets& from, std::string const& whose, time_point now) const;
  buckets by_key_;
  buckets by_address_;                  // of those without a key
  std::atomic<bool> draining_ = false;  // read on any thread
  bool lets_go_ = false;
  bool has_held_ = false;
  std::shared_ptr<std::size_t> waiting_ = std::make_shared<std::size_t>(0);  // may be outlived by marks
  std::shared_ptr<void> alive_ = std::make_shared<char>();                   // as long as this is
  time_point told_at_{};
  side_thread side_;  // ends before all else
};

}  // namespace yonder::http
