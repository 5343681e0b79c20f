// SPDX-License-Identifier: Apache-2.0
//
// Stands in for the CUDA driver's checkpoint calls, as cuda.h declares them: writes down what it is asked, in
// the order of the states that a process goes through.
#include <unistd.h>

#include <cstdint>
#include <cstring>
#include <string>

namespace {

std::string calls;
std::string fails;
enum class state : std::uint8_t { running, locked, checkpointed } now = state::running;

constexpr int illegal_state = 401;

int take(char const* name, int pid, state from, state to) {
  if (pid != ::getpid()) return 1;
  calls += (calls.empty() ? "" : ", ") + std::string(name);
  if (fails == name) return 801;
  if (now != from) return illegal_state;
  now = to;
  return 0;
}

}  // namespace

#pragma GCC visibility push(default)
extern "C" {

int cuCheckpointProcessLock(int pid, void const* arguments) {
  std::uint32_t timeout = 0;
  if (arguments != nullptr) std::memcpy(&timeout, arguments, sizeof timeout);
  auto const code = take("lock", pid, state::running, state::locked);
  calls += " " + std::to_string(timeout);
  return code;
}
int cuCheckpointProcessCheckpoint(int pid, void const*) {
  return take("checkpoint", pid, state::locked, state::checkpointed);
}
int cuCheckpointProcessRestore(int pid, void const*) {
  return take("restore", pid, state::checkpointed, state::locked);
}
int cuCheckpointProcessUnlock(int pid, void const*) {
  return take("unlock", pid, state::locked, state::running);
}
int cuGetErrorName(int code, char const** name) {
  *name = code == 801 ? "CUDA_ERROR_NOT_SUPPORTED" : "CUDA_ERROR_ILLEGAL_STATE";
  return 0;
}

char const* fake_cuda_calls() { return calls.c_str(); }
void fake_cuda_fails(char const* name) {
  fails = name;
  calls.clear();
}

}  // extern "C"
#pragma GCC visibility pop
