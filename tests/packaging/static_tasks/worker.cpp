// SPDX-License-Identifier: Apache-2.0
#include <yonder/yonder.hpp>

int main(int argc, char** argv) { yonder::runtime here(argc, argv); }
