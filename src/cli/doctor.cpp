// SPDX-License-Identifier: Apache-2.0
#include "src/cli/doctor.hpp"

#include <cstdlib>
#include <iostream>

#if defined(YONDER_HAS_ML)
#include "yonder/ml/gpu.hpp"
#endif

namespace yonder::cli {

#if defined(YONDER_HAS_ML)
int doctor() {
  auto const found = ml::examine_gpu();
  std::cout << found.answer << '\n';
  for (auto const& fact : found.facts) std::cout << "  " << fact << '\n';
  return found.used ? EXIT_SUCCESS : EXIT_FAILURE;
}
#else
int doctor() {
  std::cout
      << "No GPU will be used: this yonder was built without models; type: cmake -DYONDER_WITH_ML=ON … and "
         "build again\n";
  return EXIT_FAILURE;
}
#endif

}  // namespace yonder::cli
