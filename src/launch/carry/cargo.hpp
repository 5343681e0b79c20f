// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "src/platform/unique_fd.hpp"

namespace yonder::launch {

// What a machine must have for a program that is carried there.
struct cargo_needs {
  std::string machine{};              // as uname calls it
  std::string loader{};               // a path; empty: none
  std::string glibc{};                // the oldest that will do, "2.34"; empty: none
  std::string libstdcxx{};            // of one that does not travel: the newest of its versions, "3.4.30"
  std::set<std::string> libraries{};  // that do not travel
  std::set<std::string> cpu{};        // features, as /proc/cpuinfo calls them
  unsigned cuda = 0;                  // of which version its runtime is, the first number; 0: none
};

// A file that travels. It is held open: it stays what it is if another one takes its place.
struct cargo_file {
  std::string name;  // there: the program's own, that by which a library is asked for, or a path below it
  std::string hash;  // SHA-256
  std::uint64_t size = 0;
  std::shared_ptr<platform::unique_fd> file;
  std::int64_t written = 0;  // when it was changed last, as of stat, in ns: where that is another, so is it
};

// A program, the shared libraries that it is loaded with but those of the system itself (glibc, and what
// comes with a driver), and files that it reads: these are named "files" and their whole path.
struct cargo {
  std::vector<cargo_file> files;  // the program first
  std::string sums;               // a line for each, "hash  name", as sha256sum has them
  std::string id;                 // the hash of these lines: names all of it
  cargo_needs needs;

  std::string const& program() const noexcept { return files.front().name; }
  std::uint64_t size() const noexcept;
};

// The file that execvp(3) would run: a name without a slash is looked for in the folders of PATH, and nowhere
// else. Throws std::runtime_error where none has it.
std::string program_file(std::string const& program);

// Reads it; takes a while. `program`: as program_file() has it. `files`: folders, too, with all that is
// in them. Throws std::runtime_error, which says what is wrong with which file, or that it was stopped.
cargo load_cargo(std::string const& program, std::vector<std::string> const& files = {},
                 std::stop_token stop = {});
// So many files of that kind at once: their names and hashes stand in command lines.
inline constexpr std::size_t most_files = 1000;

// What a file says when it was changed last, in ns. Throws std::system_error.
std::int64_t written_at(int file);

// Bytes of a file from `at` on: `size` of them, or as many as there are. A file that gets shorter meanwhile
// does no harm, as it would do where it is mapped. `name`: for std::system_error, which is thrown.
std::string read_piece(int file, std::string const& name, std::uint64_t at, std::size_t size);

// SHA-256, in small hexadecimal digits: what files are named by that travel.
std::string sha256_of(std::string_view bytes);

// Whether a library of that name belongs to a machine, and stays there.
bool is_of_system(std::string_view library);

// What `ld.so --list` has printed: where libraries were found, by name. Throws std::runtime_error.
std::map<std::string, std::string> libraries_in(std::string_view printed, std::string const& loader);

// "2.34" of {"GLIBC_2.4", "GLIBC_2.34"}: the newest that begins so; empty: there is none.
std::string newest_version(std::set<std::string> const& versions, std::string_view begin);
// Whether `one` is older than `other`: "2.9" than "2.34".
bool is_older(std::string_view one, std::string_view other);

// A tar archive of those of its files whose hash is not in `there`, named by their hashes, and of its sums as
// "sums". As zstd has it where that is wanted, and there is one (pack_result::is_compressed).
struct pack_result {
  platform::unique_fd archive;  // to be read from its beginning
  bool is_compressed = false;
  std::uint64_t size = 0;  // of the archive, as it travels
};
// Takes a while. Throws std::runtime_error, also where a file has changed since it was loaded, or where it
// was stopped; std::system_error.
pack_result pack(cargo const& all, std::set<std::string> const& there, bool compressed,
                 std::stop_token stop = {});

}  // namespace yonder::launch
