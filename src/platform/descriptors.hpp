// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

// Descriptors 0, 1 and 2 are a program's stdin, stdout and stderr, whoever opened what has these numbers.
namespace yonder::platform {

// Takes those of the three that are closed, so that nothing that is opened later becomes one of them. Using
// them fails as it did (EBADF).
void hold_standard_descriptors() noexcept;

// The same under a number that is none of the three, close-on-exec; nothing, with errno, where that fails or
// `fd` is nothing.
YONDER_API unique_fd above_standard(unique_fd fd) noexcept;

// Where nothing is to be read (O_RDONLY), or what is written goes nowhere (O_WRONLY): /dev/null, or where
// there is none, as in a bare chroot, a pipe without another end. Nothing, with errno, where that fails.
YONDER_API unique_fd open_nothing(int direction) noexcept;

// What a program that is started now would inherit, from `first` on.
std::vector<int> inheritable_descriptors(int first);

}  // namespace yonder::platform
