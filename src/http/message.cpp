// SPDX-License-Identifier: Apache-2.0
#include "src/http/message.hpp"

#include <algorithm>

#include "yonder/exception.hpp"
#include "yonder/http/json.hpp"

namespace yonder::http {
namespace {

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

}  // namespace

std::string only_utf8(std::string_view text) {
  if (detail::is_utf8(text)) return std::string(text);
  std::string kept;
  for (std::size_t at = 0; at < text.size();) {
    std::size_t size = 1;
    while (size <= 4 && at + size <= text.size() && !detail::is_utf8(text.substr(at, size))) ++size;
    if (size > 4 || at + size > text.size()) {
      kept += "\xef\xbf\xbd";
      ++at;
      continue;
    }
    kept += text.substr(at, size);
    at += size;
  }
  return kept;
}

bool is_same_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view request::field(std::string_view name) const noexcept {
  for (auto const& [each, value] : fields)
    if (is_same_name(each, name)) return value;
  return {};
}

std::string_view reason_of(unsigned status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 201: return "Created";
    case 202: return "Accepted";
    case 204: return "No Content";
    case 303: return "See Other";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 411: return "Length Required";
    case 413: return "Content Too Large";
    case 415: return "Unsupported Media Type";
    case 422: return "Unprocessable Content";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    default: return "Unknown";
  }
}

json_object& json_object::text(std::string_view name, std::string_view value) {
  std::string quoted;
  detail::append_string(quoted, only_utf8(value));
  return raw(name, quoted);
}

json_object& json_object::raw(std::string_view name, std::string_view json) {
  out_ += out_.empty() ? "{\"" : ",\"";
  out_.append(name).append("\":").append(json);
  return *this;
}

json_object problem_object(unsigned status, std::string_view code, std::string_view detail) {
  json_object object;
  object.text("title", reason_of(status)).number("status", status).text("code", code).text("detail", detail);
  return object;
}

response problem(unsigned status, std::string_view code, std::string_view detail) {
  return {status, "application/problem+json", problem_object(status, code, detail).finish()};
}

std::string words_of_current_exception() {
  try {
    throw;
  } catch (codec_error const& error) {
    return error.details().message;
  } catch (std::exception const& error) {
    return yonder::detail::text_of(error);
  } catch (...) {
    return "not derived from std::exception";
  }
}

unsigned status_of(error_details const& error) noexcept {
  switch (error.code) {
    case errc::unknown_function: return 404;
    case errc::idempotency_key_reused:
    case errc::cancelled: return 409;
    case errc::too_large: return error.attempt == 0 ? 413 : 500;
    case errc::unsatisfiable:
    case errc::signature_mismatch: return 501;
    // It may have run: whoever stands between must not ask again.
    case errc::disconnected:
    case errc::worker_lost: return 502;
    case errc::worker_start_failed:
    case errc::hub_unreachable:
    case errc::overloaded: return 503;
    case errc::timed_out: return 504;
    // What was not even started can be asked for again.
    case errc::deadline_exceeded: return error.attempt == 0 ? 503 : 504;
    default: return 500;
  }
}

json_object problem_object(error_details const& error) {
  auto object = problem_object(status_of(error), to_string(error.code), error.message);
  if (!error.task.empty()) object.text("task", error.task);
  if (!error.type_name.empty()) object.text("exception", error.type_name);
  if (!error.stderr_tail.empty()) object.text("stderr", error.stderr_tail);
  if (error.attempt != 0) object.number("attempt", error.attempt);
  if (error.signal != 0) object.number("signal", error.signal);
  return object;
}

}  // namespace yonder::http
