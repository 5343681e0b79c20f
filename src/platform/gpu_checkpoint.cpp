// SPDX-License-Identifier: Apache-2.0
#include "src/platform/gpu_checkpoint.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>
#include <string>

namespace yonder::platform {
namespace {

// As cuda.h lays out CUcheckpointLockArgs.
struct lock_arguments {
  std::uint32_t timeout_ms = 10'000;
  std::uint32_t reserved_0 = 0;
  std::uint64_t reserved_1[7] = {};
};
static_assert(sizeof(lock_arguments) == 64);

// The driver that this process has loaded; it stays so.
class driver {
 public:
  driver() : library_(::dlopen("libcuda.so.1", RTLD_NOLOAD | RTLD_LAZY)) {}
  driver(driver const&) = delete;
  driver& operator=(driver const&) = delete;
  ~driver() {
    if (library_ != nullptr) ::dlclose(library_);
  }

  explicit operator bool() const noexcept { return library_ != nullptr; }

  // Of this process, with arguments that may be null. Throws.
  void call(char const* name, void* arguments = nullptr) const {
    auto const code = try_call(name, arguments);
    if (code == missing)
      throw std::runtime_error(std::string("the CUDA driver has no ") + name + "; it is of 570 and later");
    if (code != 0)
      throw std::runtime_error(std::string(name) + " failed: " + name_of(code) + " (" + std::to_string(code) +
                               ")");
  }
  int try_call(char const* name, void* arguments = nullptr) const noexcept {
    auto* const function = reinterpret_cast<int (*)(int, void*)>(::dlsym(library_, name));
    return function == nullptr ? missing : function(::getpid(), arguments);
  }

 private:
  static constexpr int missing = -1;

  std::string name_of(int code) const {
    auto* const function = reinterpret_cast<int (*)(int, char const**)>(::dlsym(library_, "cuGetErrorName"));
    char const* name = nullptr;
    if (function == nullptr || function(code, &name) != 0 || name == nullptr) return "an error";
    return name;
  }

  void* library_;
};

}  // namespace

bool release_gpus() {
  driver const cuda;
  if (!cuda) return false;
  lock_arguments how;
  cuda.call("cuCheckpointProcessLock", &how);
  try {
    cuda.call("cuCheckpointProcessCheckpoint");
  } catch (...) {
    cuda.try_call("cuCheckpointProcessUnlock");
    throw;
  }
  return true;
}

void restore_gpus() {
  driver const cuda;
  if (!cuda) throw std::runtime_error("the CUDA driver's library is not loaded any more");
  cuda.call("cuCheckpointProcessRestore");
  cuda.call("cuCheckpointProcessUnlock");
}

}  // namespace yonder::platform
