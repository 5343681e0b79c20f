// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/http/compare/order.hpp"

namespace yonder::http::compare {

using command_line = std::vector<std::string>;

// A folder in which containers find this program and the libraries that it has loaded, and nothing else; it
// goes with its owner.
class root_folder {
 public:
  // Empty folders for the paths in `with` are made, too. Throws std::exception.
  root_folder(std::string const& program, command_line const& with);
  ~root_folder();
  root_folder(root_folder const&) = delete;
  root_folder& operator=(root_folder const&) = delete;

  std::string const& path() const noexcept { return path_; }
  // Where an archive of it may be, which goes with it.
  std::string archive() const { return path_ + ".tar"; }
  // That nothing else on this machine has.
  std::string name() const;
  // What runs the program within.
  command_line command() const;

 private:
  std::string path_;
  bool has_loader_ = false;
};

struct environment {
  std::string name;
  command_line command;    // starts this program there, to be told by its stdin what to do
  bool in_process = true;  // its worker is a thread
  bool is_here = true;     // what it takes, this machine takes
  // What has to run well before, and is not measured; and what is to run behind that, however it ended.
  std::vector<command_line> before{};
  std::vector<command_line> after{};
};

bool is_on_path(std::string const& program);

// All that are asked for, in the order in which they are shown. `program`: starts this program.
std::vector<environment> environments_of(order const& wanted, command_line const& program,
                                         root_folder const& root);

}  // namespace yonder::http::compare
