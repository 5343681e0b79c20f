// SPDX-License-Identifier: Apache-2.0
// expect: what is batched takes one std::span<T const>
// compilers: GNU
#include <vector>
#include <yonder/batched.hpp>

std::vector<int> doubled(std::vector<int> const& numbers);
inline constexpr yonder::batched<doubled> doubled_one;

int main() { return doubled_one.remote(1); }
