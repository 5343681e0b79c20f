// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/http/forwarded.hpp"
#include "src/http/service.hpp"
#include "src/http/target.hpp"
#include "src/runtime/orders.hpp"

// What the files service*.cpp share.
namespace yonder::http {

// One request on its way through the service.
struct service::context {
  request const& asked;
  exchange_ref from;
  time_point now;
  parsed_target target{};
  std::string route = "none";  // for metrics
  request_outside outside{};   // as the client sent it
  credential_ref who{};
  std::string id{};  // a segment of the path
};

// A stream that was begun: it is cancelled with this, unless somebody reads it by then.
class begun_stream {
 public:
  begun_stream() = default;
  explicit begun_stream(yonder::detail::call_ref call) noexcept : call_(std::move(call)) {}
  begun_stream(begun_stream&&) noexcept = default;
  begun_stream& operator=(begun_stream&& other) noexcept {
    std::swap(call_, other.call_);
    return *this;
  }
  ~begun_stream() {
    if (call_) yonder::detail::cancel(*call_);
  }
  yonder::detail::call_ref const& call() const noexcept { return call_; }
  void is_read() noexcept { call_.reset(); }

 private:
  yonder::detail::call_ref call_{};
};

// What a request wants of a task.
struct service::wanted_call {
  detail::endpoint_entry const* endpoint = nullptr;
  options settings{};
  yonder::detail::outgoing content{};
  begun_stream streaming{};  // in place of the content
  std::optional<std::chrono::nanoseconds> wait{};
  bool wants_octets = false;
  bool is_read_beside = false;
  digest identity{};                              // under an Idempotency-Key: of the task and its arguments
  std::vector<yonder::detail::outgoing> batch{};  // in place of the content, of each
  std::vector<std::string> sampled{};             // the arguments of each, as they are written down
};

// How the task's own failure, or ours to say what it returned, is told.
response failure_response(error_details const& error, std::string const& id);
// For how long a hub may think of what it is asked about itself.
constexpr auto hub_patience = std::chrono::seconds(5);
// Why it has not answered, or not well. Empty: it has.
std::optional<response> hub_failure(one_call const& asked, bool timed_out);

// What is read of the body of somebody who has shown no key.
inline constexpr std::uint64_t most_of_strangers = 8 << 10;

// To whom would begin a call while the gateway ends.
response draining();
// In place of an answer that would take too much memory beside others.
response no_room();
// Of a call that runs while its gateway ends.
response cut_short();
// What is left of a request when it is answered later.
request request_from(std::string_view origin);

// The answer for a call that has ended, or is on its way.
response result_of(one_call& call, bool as_octets);
response state_of(one_call& call);
// The same without the result.
json_object summary_of(one_call const& call);
// Appends what a call of that endpoint, or model, has returned, as JSON. Throws as endpoint_entry::write.
void append_result(detail::endpoint_entry const& endpoint, yonder::detail::reply const& result,
                   std::string& out);
// Whether the result of one that has ended can be said in JSON, where that is not known: one_call::failure().
// Not of a large one.
void look_at_result(one_call const& call);
inline constexpr std::string_view octets = "application/octet-stream";
// What is larger is read, and written, beside the gateway's thread.
inline constexpr std::size_t large_json = std::size_t{64} << 10;
// Whether what it has returned is, and was not written yet.
bool is_large(one_call const& call);
// An element of a batch's answer; the same of one that goes on.
std::string outcome_of(one_call& call);
std::string unfinished(one_call const& call);
// Appends what it has returned. Why it cannot be said; empty: it can.
std::string write_json(detail::endpoint_entry const& endpoint, yonder::detail::reply const& result,
                       std::string& out);
error_details unspeakable(one_call const& call, std::string const& why);
// How far its task has said that it is, as JSON; empty: it has said nothing.
std::string progress_of(one_call const& call);

// What the page's cookies of that server hold: ids of sessions, to be looked for.
std::vector<std::string_view> session_ids(request const& asked, request_outside const& server);
response sign_in_page();
// For whoever asked with a key that is none any more.
response key_is_gone();

// Of what a call has printed: a character whose bytes were read at two times is in one piece. What the last
// piece has begun, where more may come, is returned.
std::optional<yonder::detail::printed_page::entry> join_characters(
    std::vector<yonder::detail::printed_page::entry>& all, bool goes_on);

std::string openapi_document(std::vector<detail::endpoint_entry const*> const& endpoints);

}  // namespace yonder::http
