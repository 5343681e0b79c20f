// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/error.hpp"

// What a request asks and what is answered, without a socket.
namespace yonder::http {

// The same but for case, as names of fields are.
bool is_same_name(std::string_view a, std::string_view b) noexcept;

// Views into what whoever received it keeps until it is answered.
struct request {
  std::string_view method;
  std::string_view target;  // path and query, as sent
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  std::string_view body;
  std::string_view peer;  // the address of the caller

  // The value of the field of this name, in whatever case; empty: there is none.
  std::string_view field(std::string_view name) const noexcept;
};

struct response {
  unsigned status = 200;
  std::string type = "application/json";
  std::string body{};
  std::vector<std::pair<std::string, std::string>> fields{};
};

std::string_view reason_of(unsigned status) noexcept;

// Each byte that is no UTF-8 is U+FFFD.
std::string only_utf8(std::string_view text);

// A JSON object that is being written.
class json_object {
 public:
  // As only_utf8().
  json_object& text(std::string_view name, std::string_view value);
  json_object& number(std::string_view name, std::int64_t value) { return raw(name, std::to_string(value)); }
  json_object& boolean(std::string_view name, bool value) { return raw(name, value ? "true" : "false"); }
  // `json`: a whole value.
  json_object& raw(std::string_view name, std::string_view json);
  std::string finish() && { return std::move(out_) + (out_.empty() ? "{}" : "}"); }

 private:
  std::string out_;
};

// Problem details (RFC 9457): title, status, detail, and `code`, which is stable.
json_object problem_object(unsigned status, std::string_view code, std::string_view detail);
response problem(unsigned status, std::string_view code, std::string_view detail);

// In a catch block: what was thrown, in words. Classes of the program's may throw what they like.
std::string words_of_current_exception();

// What is answered where a step throws what nobody else takes: a class of the program's that fails as it is
// written, say. Empty: it did not throw.
template <class Step>
std::optional<response> failure_in(Step step) try {
  step();
  return std::nullopt;
} catch (std::bad_alloc const&) {
  return problem(503, to_string(errc::overloaded), "there is no memory for this");
} catch (...) {
  return problem(500, to_string(errc::failed), words_of_current_exception());
}

// The status that says how a call ended.
unsigned status_of(error_details const& error) noexcept;
json_object problem_object(error_details const& error);

}  // namespace yonder::http
