// SPDX-License-Identifier: Apache-2.0
#pragma once

// The libraries are compiled with hidden visibility: what a user may call across a shared library's border is
// marked with YONDER_API.
#define YONDER_API __attribute__((visibility("default")))
