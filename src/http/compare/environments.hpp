// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/http/compare/order.hpp"

namespace yonder::http::compare {

// A folder in which containers find this program and the libraries that it has loaded, and nothing else; it
// goes with its owner.
class root_folder {
 public:
  // Empty folders for the paths in `with` are made, too. Throws std::exception.
  root_folder(std::string const& program, std::vector<std::string> const& with);
  ~root_folder();
  root_folder(root_folder const&) = delete;
  root_folder& operator=(root_folder const&) = delete;

  std::string const& path() const noexcept { return path_; }
  // What runs the program within.
  std::vector<std::string> command() const;

 private:
  std::string path_;
  bool has_loader_ = false;
};

struct environment {
  std::string name;
  std::vector<std::string> command;  // starts this program there, to be told by its stdin what to do
  bool in_process = true;            // its worker is a thread
  bool is_here = true;               // what it takes, this machine takes
};

// All that are asked for, in the order in which they are shown. `program`: starts this program.
std::vector<environment> environments_of(order const& wanted, std::vector<std::string> const& program,
                                         root_folder const& root);

}  // namespace yonder::http::compare
