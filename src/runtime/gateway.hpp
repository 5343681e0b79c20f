// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/http_options.hpp"

namespace yonder::http {

// Serves tasks over HTTP on threads of its own, from open() until it is destroyed: before its runtime is.
class gateway {
 public:
  virtual ~gateway() = default;
  // "http://127.0.0.1:8000"
  virtual std::string address() const = 0;
  // It is about to end: it takes no further connections and begins no calls; those on their way go on. On any
  // thread.
  virtual void drain() = 0;
};

// What a gateway has to know of its runtime.
struct gateway_terms {
  std::string keys_folder{};  // where http_options::keys is by default
  bool keys_outlive = false;  // the idempotency keys of its hub hold for longer than this process
  std::size_t workers = 0;    // of this process, at most: connections leave them descriptors
};

// Sends spans to a collector. Used by one thread.
class span_poster {
 public:
  enum class fate : std::uint8_t {
    taken,
    later,    // it was not reached, or is busy: the same may be sent again
    refused,  // it never will be taken
  };
  virtual ~span_poster() = default;
  // `body`: JSON. `why`: in words, where it was not taken. Returns within some seconds.
  virtual fate post(std::string const& body, std::string& why) = 0;
};

struct poster_options {
  std::string endpoint;                                           // the whole address
  std::string named_by;                                           // as it was told, for errors
  std::vector<std::pair<std::string, std::string>> fields{};      // of each request
  std::chrono::milliseconds patience = std::chrono::seconds(10);  // with each
};

// What a program was given behind --yonder-compare, and what it needs of the runtime for that.
struct compare_request {
  std::vector<std::string> arguments;
  std::vector<std::string> program;  // starts it once more; empty: that is not known
  std::function<detail::engine_ref(bool in_process)> start;
  std::function<void(detail::engine_ref const&)> stop;  // returns once its workers have ended
};

// Implemented by a library that the core does not know.
class gateway_factory {
 public:
  // Throws usage_error.
  virtual std::unique_ptr<gateway> open(detail::engine_ref engine, http_options const& options,
                                        gateway_terms const& terms) const = 0;
  // Throws usage_error: the endpoint is no address.
  virtual std::unique_ptr<span_poster> open_poster(poster_options const& how) const = 0;
  // Measures a task in several environments. Returns the exit status. Throws usage_error.
  virtual int compare(compare_request const& how) const = 0;

 protected:
  ~gateway_factory() = default;
};

// Of the library yonder::http: Boost.Beast.
YONDER_API gateway_factory const& beast_gateway();

}  // namespace yonder::http
