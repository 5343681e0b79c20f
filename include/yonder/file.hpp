// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "yonder/detail/export.hpp"

namespace yonder {

// A file, or a folder, that is named on one machine and read on another: an argument, or a part of one. What
// the `files` of a pool name (launch.toml, yonder::launch::pool) travels with the program to where its
// workers are started; a worker of this machine reads what is here.
//
//   std::size_t count_words(yonder::file const& text) { std::ifstream words(text.path()); … }
class file {
 public:
  file() = default;
  // A relative path is one of this process's working directory. Nothing is read.
  YONDER_API explicit file(std::string const& path);

  // As it was named: an absolute path, there.
  std::string const& name() const noexcept { return name_; }
  // Where it is on this machine: what was carried here, or else what stands under that very path. Throws
  // usage_error (bad_configuration) where neither is there, with what to do.
  YONDER_API std::string path() const;

  bool operator==(file const&) const = default;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(name_);
  }

 private:
  std::string name_;
};

namespace detail {

// Where what is named by an absolute path has been carried to this machine; otherwise the same.
YONDER_API std::string carried_path(std::string const& path);

}  // namespace detail
}  // namespace yonder
