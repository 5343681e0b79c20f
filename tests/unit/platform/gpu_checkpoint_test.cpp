// SPDX-License-Identifier: Apache-2.0
#include "src/platform/gpu_checkpoint.hpp"

#include <dlfcn.h>
#include <doctest/doctest.h>

#include <stdexcept>
#include <string>

namespace platform = yonder::platform;

namespace {

// The fake driver, loaded as a program that uses CUDA has the real one.
class loaded_driver {
 public:
  explicit loaded_driver(char const* fails = "") : library_(::dlopen(YONDER_FAKE_CUDA, RTLD_NOW)) {
    REQUIRE(library_ != nullptr);
    find<void(char const*)>("fake_cuda_fails")(fails);
  }
  ~loaded_driver() { ::dlclose(library_); }
  loaded_driver(loaded_driver const&) = delete;
  loaded_driver& operator=(loaded_driver const&) = delete;

  std::string calls() const { return find<char const*()>("fake_cuda_calls")(); }

 private:
  template <class Function>
  Function* find(char const* name) const {
    return reinterpret_cast<Function*>(::dlsym(library_, name));
  }
  void* library_;
};

std::string failure_of(void (*call)()) {
  try {
    call();
  } catch (std::runtime_error const& error) {
    return error.what();
  }
  return "it did not fail";
}

}  // namespace

TEST_CASE("a process that has not loaded the driver has nothing on a GPU") {
  CHECK_FALSE(platform::release_gpus());
  CHECK(failure_of(&platform::restore_gpus) == "the CUDA driver's library is not loaded any more");
}

TEST_CASE(
    "what is on the GPUs is checkpointed behind the driver's lock, and restored before it is unlocked") {
  loaded_driver const driver;
  CHECK(platform::release_gpus());
  CHECK(driver.calls() == "lock 10000, checkpoint");
  platform::restore_gpus();
  CHECK(driver.calls() == "lock 10000, checkpoint, restore, unlock");
}

TEST_CASE("what the driver refuses is told by its name, and leaves the process as it was") {
  {
    loaded_driver const driver("checkpoint");
    CHECK(failure_of([] { platform::release_gpus(); }) ==
          "cuCheckpointProcessCheckpoint failed: CUDA_ERROR_NOT_SUPPORTED (801)");
    CHECK(driver.calls() == "lock 10000, checkpoint, unlock");
  }
  loaded_driver const driver;
  CHECK(failure_of(&platform::restore_gpus) ==
        "cuCheckpointProcessRestore failed: CUDA_ERROR_ILLEGAL_STATE (401)");
  CHECK(platform::release_gpus());
  platform::restore_gpus();
}
