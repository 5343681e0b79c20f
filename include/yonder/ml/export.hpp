// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user may call across a shared library's border; all else is compiled with hidden visibility.
#define YONDER_KERNELS_API __attribute__((visibility("default")))
