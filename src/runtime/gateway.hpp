// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

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
};

// Implemented by a library that the core does not know.
class gateway_factory {
 public:
  // `keys_folder`: where http_options::keys is by default. Throws usage_error.
  virtual std::unique_ptr<gateway> open(detail::engine_ref engine, http_options const& options,
                                        std::string const& keys_folder) const = 0;

 protected:
  ~gateway_factory() = default;
};

// Of the library yonder::http: Boost.Beast.
YONDER_API gateway_factory const& beast_gateway();

}  // namespace yonder::http
