// SPDX-License-Identifier: Apache-2.0
// expect: and returns std::vector<R> or
// compilers: GNU
#include <span>
#include <yonder/batched.hpp>

int sum(std::span<int const> numbers);
inline constexpr yonder::batched<sum> summed;

int main() { return summed.remote(1); }
