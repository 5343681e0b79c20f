// SPDX-License-Identifier: Apache-2.0
#include <yonder/version.hpp>

int main() { return yonder::library_version() == yonder::header_version ? 0 : 1; }
