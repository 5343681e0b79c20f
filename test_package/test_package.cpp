// SPDX-License-Identifier: Apache-2.0
#include <yonder/yonder.hpp>

int twice(int number) { return 2 * number; }
inline constexpr yonder::task<twice> doubled;

int main() { return doubled.local(21) == 42 && yonder::library_version() == yonder::header_version ? 0 : 1; }
