// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/own_build.hpp"

#include <errno.h>  // program_invocation_short_name

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <span>
#include <string>
#include <vector>

#include "src/core/session_secret.hpp"
#include "src/core/words.hpp"
#include "src/platform/loaded_object.hpp"
#include "src/runtime/registry.hpp"

namespace yonder::runtime_detail {
namespace {

// Of what its linker gave none: the SHA-256 of its file. Empty: that cannot be read either.
std::string id_of(platform::loaded_object const& one) {
  if (!one.build_id.empty()) return one.build_id;
  std::ifstream from(one.file, std::ios::binary);
  std::string const all{std::istreambuf_iterator<char>(from), {}};
  if (!from || all.empty()) return {};
  auto const digest = core::sha256({reinterpret_cast<std::uint8_t const*>(all.data()), all.size()});
  return {digest.begin(), digest.end()};
}

}  // namespace

core::program_build own_program_build() {
  auto places = images_of_tasks();
  places.push_back(nullptr);
  std::vector<std::string> ids;
  for (auto const* place : places) {
    ids.push_back(id_of(platform::object_at(place)));
    if (ids.back().empty()) return {};
  }
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::string all;
  for (auto const& one : ids) (all += static_cast<char>(one.size())) += one;
  return {::program_invocation_short_name, core::number_of(all)};
}

void tell_build_and_exit(std::string const& fault) {
  auto const own = fault.empty() ? own_program_build().build : 0;
  if (own == 0)
    std::fprintf(stderr, "yonder: %s\n",
                 fault.empty() ? "this program's own file cannot be read" : fault.c_str());
  else if (std::printf("%s\n", core::build_in_digits(own).c_str()) > 0 && std::fflush(stdout) == 0)
    std::exit(EXIT_SUCCESS);
  std::exit(fault.empty() ? EXIT_FAILURE : 2);
}

}  // namespace yonder::runtime_detail
