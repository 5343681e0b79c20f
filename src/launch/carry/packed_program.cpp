// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/packed_program.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "src/launch/carry/cargo.hpp"
#include "src/launch/carry/far_machine.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::launch {
namespace {

void copy(int from, std::string const& file) {
  platform::unique_fd const to(::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (!to) platform::throw_errno(file.c_str());
  std::string piece(std::size_t{1} << 20, '\0');
  for (;;) {
    auto const count = platform::retry([&] { return ::read(from, piece.data(), piece.size()); });
    if (count < 0) platform::throw_errno("what is packed");
    if (count == 0) return;
    for (ssize_t at = 0; at < count;) {
      auto const written = platform::retry(
          [&] { return ::write(to.get(), piece.data() + at, static_cast<std::size_t>(count - at)); });
      if (written < 0) platform::throw_errno(file.c_str());
      at += written;
    }
  }
}

}  // namespace

packed_program pack_program(std::string const& program, std::vector<std::string> const& files,
                            std::string const& folder, std::string const& file) {
  auto const all = load_cargo(program, files);
  if (!file.empty()) copy(pack(all, {}, false).archive.get(), file);
  packed_program made{.id = all.id,
                      .loader = all.files.size() == 1 ? "" : all.needs.loader,
                      .glibc = all.needs.glibc,
                      .size = all.size(),
                      .take = far_script(far_step::take),
                      .start = far_script(far_step::start),
                      .take_words = {folder, "tar", all.id},
                      .start_words = {}};
  made.start_words = {folder, "0", all.id, made.loader, all.program()};
  return made;
}

}  // namespace yonder::launch
