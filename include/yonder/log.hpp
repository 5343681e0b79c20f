// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

namespace yonder {

// Takes what a runtime has to say: a function of one line, without its end. Copies share the function.
class log_sink {
 public:
  log_sink() noexcept = default;
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, log_sink> && std::is_invocable_v<F&, std::string_view>)
      log_sink(F function)  // NOLINT(google-explicit-constructor): as std::function
      : function_(std::make_shared<F>(std::move(function))),
        call_([](void* target, std::string_view line) { (*static_cast<F*>(target))(line); }) {}

  explicit operator bool() const noexcept { return function_ != nullptr; }
  void operator()(std::string_view line) const { call_(function_.get(), line); }

 private:
  std::shared_ptr<void> function_;
  void (*call_)(void*, std::string_view) = nullptr;
};

}  // namespace yonder
