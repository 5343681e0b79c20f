// SPDX-License-Identifier: Apache-2.0
#pragma once

// What this process has on its GPUs, by the CUDA driver's checkpoint calls (CUDA Driver API, "CUDA
// Checkpointing"; driver 570 and later).
namespace yonder::platform {

// Moves all of it to this process's memory, and lets go of the GPUs. From then on whatever asks CUDA for
// anything waits, until it is restored. False: the driver's library is not loaded, so that there is nothing.
// Throws std::runtime_error where the driver cannot do it, and everything is as it was.
bool release_gpus();

// After that: brings it back to the same GPUs. Throws std::runtime_error: it is lost, or must be tried again.
void restore_gpus();

}  // namespace yonder::platform
