// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

// Which build of which program a process is, and which workers a call may run on.
namespace yonder::core {

// As a hello says it.
struct program_build {
  std::string program{};    // the name of its file
  std::uint64_t build = 0;  // equal where the code is; 0: it was not told
};

// Of the build that a call asks for.
struct build_choice {
  std::uint64_t build = 0;  // 0: any
  std::uint64_t program =
      0;  // number_of() its name: workers of other programs may be of any; 0: they may not

  bool is_any() const noexcept { return build == 0; }
  friend bool operator==(build_choice const&, build_choice const&) = default;
};

// FNV-1a, and never 0.
inline std::uint64_t number_of(std::string_view program) noexcept {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (auto const letter : program) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001b3;
  return hash == 0 ? 1 : hash;
}

// Of calls that say nothing: not on another build of the caller's own program.
inline build_choice usual_choice(program_build const& caller) noexcept {
  return caller.build == 0 ? build_choice{} : build_choice{caller.build, number_of(caller.program)};
}

// Whether a worker that is made of this may run them.
inline bool takes(build_choice const& choice, program_build const& made_of) noexcept {
  if (choice.is_any() || made_of.build == choice.build) return true;
  return choice.program != 0 && (made_of.build == 0 || number_of(made_of.program) != choice.program);
}

}  // namespace yonder::core
