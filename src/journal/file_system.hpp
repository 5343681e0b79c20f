// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

// What a journal asks of its folder. Nothing here decides anything: tests put a folder in its place that
// loses, tears and reorders what was not synced. All throw std::system_error.
namespace yonder::journal {

class file {
 public:
  virtual ~file() = default;
  // Any thread. How many bytes there were; fewer than asked: the file ends.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> to) const = 0;
  // How many bytes were taken: some of them at least.
  virtual std::size_t write(std::uint64_t offset, std::span<std::byte const> bytes) = 0;
  virtual void truncate(std::uint64_t size) = 0;
  virtual std::uint64_t size() const = 0;
  // What was written, and the size, are there after a power loss; the file's name need not be.
  virtual void sync() = 0;
};

class file_system {
 public:
  enum class access : std::uint8_t { read, write, create };  // create: it must not be there

  virtual ~file_system() = default;
  virtual std::vector<std::string> list() const = 0;
  virtual std::unique_ptr<file> open(std::string const& name, access how) const = 0;
  virtual void rename(std::string const& from, std::string const& to) = 0;
  virtual void remove(std::string const& name) = 0;
  // The names that were made, renamed and removed are so after a power loss.
  virtual void sync() = 0;
  // For words.
  virtual std::string path(std::string const& name) const = 0;
};

}  // namespace yonder::journal
