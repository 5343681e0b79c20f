// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "src/http/calls.hpp"
#include "src/http/keys.hpp"
#include "src/platform/unique_fd.hpp"
#include "yonder/http/json.hpp"
#include "yonder/http/samples.hpp"

namespace yonder::http {

// JSON pointers of what is left out, "/arguments/text /result/*/label".
class redaction {
 public:
  // `names`: of the endpoint's parameters; empty: they have none. Throws yonder::error where one is no
  // pointer, or is about a parameter that is not there.
  explicit redaction(std::string_view pointers, std::span<std::string_view const> names = {});
  // The value at `place`, without spaces, with "[redacted]" in place of what is left out; `part`: what it is,
  // the first segment of the pointers. Arguments are the same, however the caller has said them. Where a
  // pointer goes on and the value does not, all of it is left out: a list, where it names members, and a text
  // or a number.
  std::string write(std::string_view part, detail::json_document& document, std::uint32_t place) const;
  // Whether a pointer is about something within that part.
  bool touches(std::string_view part) const noexcept;

 private:
  using path = std::vector<std::string_view>;
  bool leaves_out(path const& at) const noexcept;
  bool names_members(path const& at) const noexcept;
  bool goes_on(path const& at) const noexcept;
  void write(detail::json_document& document, std::uint32_t place, path& at, std::string& out) const;
  void add(std::vector<std::string> pointer, std::string_view as_said);
  std::string place_of(std::string name) const;

  std::vector<std::string_view> names_;
  std::vector<std::vector<std::string>> pointers_;  // of arguments by their places
};

// Lines that are appended to a file. One that is full becomes FILE.1, and those before it FILE.2 and so on;
// one that somebody has moved or deleted is made anew.
class rotated_file {
 public:
  rotated_file(std::string name, std::size_t max_bytes, unsigned files);
  // Why it was not written; empty: it was.
  std::string add(std::string const& line);

 private:
  std::string open();
  void rotate();
  bool is_in_place() const;

  std::string name_;
  std::size_t max_bytes_;
  unsigned files_;
  platform::unique_fd fd_;
  std::size_t size_ = 0;
};

// What a gateway writes down of calls. Used by its thread.
class sampler {
 public:
  sampler() = default;
  // Of the endpoints that have been declared to be sampled. Throws yonder::error where one cannot be.
  explicit sampler(std::vector<detail::endpoint_entry const*> const& endpoints);

  // Whether that call is written down when it has ended; then one_call::sampled is to be made.
  bool wants(one_call const& call) const;
  bool has(detail::endpoint_entry const& endpoint) const { return sources_.contains(&endpoint); }
  // As JSON, without what is left out.
  std::string arguments(detail::endpoint_entry const& endpoint, detail::json_document& document,
                        std::uint32_t place) const;
  std::string octets(detail::endpoint_entry const& endpoint, std::string_view bytes) const;
  // Its line.
  void ended(one_call const& call);

  // What is left out of a correction of that call; lives as long as this, and may be used on any thread.
  // Null: the call was not written down, or it is another credential's.
  redaction const* correctable(std::string const& id, credential const& who) const;
  // `correction`: as that writes it. False: it is not correctable by now.
  bool correct(std::string const& id, credential const& who, std::string const& correction);

 private:
  struct source {
    samples const* declared;
    redaction without;
    std::shared_ptr<rotated_file> file;
  };
  static std::string result(source const& by, one_call const& call);
  struct written {
    std::shared_ptr<source const> by;
    std::string owner;
  };
  void add(source const& by, std::string const& line);

  static constexpr std::size_t most_correctable = 100'000;  // calls, the latest

  std::map<detail::endpoint_entry const*, std::shared_ptr<source const>> sources_;  // of one name share one
  std::unordered_map<std::string, written> written_;
  std::deque<std::string> in_order_;
  bool complained_ = false;
};

}  // namespace yonder::http
