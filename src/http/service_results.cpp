// SPDX-License-Identifier: Apache-2.0
//
// What is said of a call: its result, its failure, and how far it is.
#include <utility>

#include "src/http/service.hpp"
#include "src/http/service_context.hpp"

namespace yonder::http {

error_details unspeakable(one_call const& call, std::string const& why) {
  return {.code = errc::undecodable,
          .message = "the result cannot be said in JSON: " + why,
          .task = std::string(call.endpoint->name),
          .attempt = 1};
}

std::string write_json(detail::endpoint_entry const& endpoint, yonder::detail::reply const& result,
                       std::string& out) {
  auto const size = out.size();
  try {
    endpoint.write(result, out);
    return {};
  } catch (std::bad_alloc const&) {
    throw;
  } catch (...) {
    out.resize(size);
    auto why = words_of_current_exception();
    return why.empty() ? "it says nothing of why" : why;
  }
}

namespace {

// The result as JSON, or why there is none.
std::optional<error_details> write_result(one_call const& call, std::string& out) {
  if (auto const* const failure = yonder::detail::failure_of(*call.call)) return *failure;
  if (call.unspeakable) return call.unspeakable;
  call.said = true;
  if (call.json) {
    out.empty() ? void(out = std::move(*call.json)) : void(out += *call.json);
    call.json.reset();
    return std::nullopt;
  }
  auto const why = write_json(*call.endpoint, yonder::detail::take_reply(*call.call), out);
  if (!why.empty()) call.unspeakable = unspeakable(call, why);
  return call.unspeakable;
}

}  // namespace

bool is_large(one_call const& call) {
  if (!call.ended || call.endpoint->write == nullptr || call.failure() != nullptr || call.json) return false;
  return result_bytes(call) >= large_json;
}

response failure_response(error_details const& error, std::string const& id) {
  auto object = problem_object(error);
  object.text("call", id);
  response answer{
      .status = status_of(error), .type = "application/problem+json", .body = std::move(object).finish()};
  if (answer.status == 503) answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

response result_of(one_call& call, bool as_octets) {
  response answer;
  if (as_octets && yonder::detail::failure_of(*call.call) == nullptr) {
    answer.type = octets;
    call.said = true;
    call.endpoint->write_octets(yonder::detail::take_reply(*call.call), answer.body);
  } else if (auto const error = write_result(call, answer.body)) {
    answer = failure_response(*error, call.id());
  }
  answer.fields.emplace_back("Yonder-Call", call.id());
  return answer;
}

std::string progress_of(one_call const& call) {
  progress_report so_far;
  if (!yonder::detail::latest_progress(*call.call, so_far)) return {};
  std::string fraction;
  detail::append_double(fraction, so_far.fraction);
  json_object object;
  object.raw("fraction", fraction).text("text", so_far.text);
  return std::move(object).finish();
}

json_object summary_of(one_call const& call) {
  auto const* const failure = call.ended ? call.failure() : nullptr;
  auto const* const state = !call.ended                        ? "running"
                            : failure == nullptr               ? "succeeded"
                            : failure->code == errc::cancelled ? "cancelled"
                                                               : "failed";
  json_object object;
  object.text("id", call.id()).text("task", call.endpoint->name).text("state", state);
  if (call.ended)
    object.number("milliseconds",
                  std::chrono::duration_cast<std::chrono::milliseconds>(*call.ended - call.begun).count());
  else if (auto const so_far = progress_of(call); !so_far.empty())
    object.raw("progress", so_far);
  return object;
}

response state_of(one_call& call) {
  std::string result;
  auto const error = call.ended ? write_result(call, result) : std::nullopt;
  auto object = summary_of(call);
  if (error)
    object.raw("error", problem_object(*error).finish());
  else if (call.ended)
    object.raw("result", result);
  return {.body = std::move(object).finish()};
}

void look_at_result(one_call const& call) {
  if (call.said || call.endpoint->write == nullptr || is_large(call)) return;
  std::string unused;
  static_cast<void>(write_result(call, unused));
}

std::string outcome_of(one_call& call) {
  std::string result;
  auto const error = write_result(call, result);
  return error ? R"({"error":)" + problem_object(*error).finish() + "}" : R"({"result":)" + result + "}";
}

response cut_short() {
  auto answer = problem(503, "draining", "this gateway ends, and the call with it, which had not ended");
  answer.fields.emplace_back("Retry-After", "1");
  return answer;
}

std::string unfinished(one_call const& call) { return R"({"call":)" + summary_of(call).finish() + "}"; }

}  // namespace yonder::http
