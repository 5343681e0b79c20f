// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

// The one place that states the version; CMake reads these three lines.
#define YONDER_VERSION_MAJOR 0
#define YONDER_VERSION_MINOR 1
#define YONDER_VERSION_PATCH 0

namespace yonder {

// Of the library, by Semantic Versioning.
struct version_number {
  int major;  // before 1.0 this is 0,
  int minor;  // and a new minor version may break the interface
  int patch;  // mends only

  friend constexpr bool operator==(version_number const&, version_number const&) = default;
};

/// The version of the headers that this translation unit was compiled with.
inline constexpr version_number header_version{YONDER_VERSION_MAJOR, YONDER_VERSION_MINOR,
                                               YONDER_VERSION_PATCH};

/// The version of the library that this program was linked with.
[[nodiscard]] YONDER_API version_number library_version() noexcept;

}  // namespace yonder
