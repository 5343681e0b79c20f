// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace yonder::platform {

// How this very program is started once more, without arguments: also where it was started through the
// dynamic loader (ld.so program), where /proc is missing, or after its file was moved.
class own_image {
 public:
  // With main's arguments, before anything changes the working directory.
  own_image(int argc, char** argv);

  struct command {
    std::string path;                    // empty: it is not known
    std::vector<std::string> arguments;  // argv, argv[0] included
  };
  command start() const;

 private:
  struct identity {
    dev_t device = 0;
    ino_t number = 0;
    friend bool operator==(identity const&, identity const&) = default;
  };
  static identity identity_of(std::string const& path) noexcept;

  std::string path_;
  identity file_;                       // what `path_` was at the start
  std::vector<std::string> arguments_;  // what stands before the program's own arguments
};

// Whether this process has more rights than whoever started it: set-user-id, set-group-id, capabilities of
// its file. Neither its environment nor its arguments are then to be trusted.
bool has_raised_rights() noexcept;

}  // namespace yonder::platform
