// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/cargo.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <limits>
#include <span>
#include <stdexcept>
#include <utility>

#include "src/core/session_secret.hpp"
#include "src/launch/carry/elf.hpp"
#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"
#include "yonder/file.hpp"

namespace yonder::launch {
namespace {

[[noreturn]] void refuse(std::string const& file, std::string const& why) {
  throw std::runtime_error("'" + file + "' cannot be carried: " + why);
}

struct stat status_of(int file) {
  struct stat status {};
  if (::fstat(file, &status) != 0) platform::throw_errno("fstat");
  return status;
}

constexpr std::size_t read_size = std::size_t{1} << 20;

std::string in_digits(std::array<std::uint8_t, 32> const& hash) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (auto const byte : hash)
    for (auto const half : {byte >> 4, byte & 15}) text += digits[half];
  return text;
}

std::span<std::uint8_t const> bytes_of(std::string_view text) {
  return {reinterpret_cast<std::uint8_t const*>(text.data()), text.size()};
}

}  // namespace

std::string sha256_of(std::string_view bytes) { return in_digits(core::sha256(bytes_of(bytes))); }

std::int64_t written_at(int file) {
  auto const at = status_of(file).st_mtim;
  return std::int64_t{at.tv_sec} * 1'000'000'000 + at.tv_nsec;
}

std::string read_piece(int file, std::string const& name, std::uint64_t at, std::size_t size) {
  std::string piece(size, '\0');
  std::size_t count = 0;
  while (count < size && at + count <= std::uint64_t{std::numeric_limits<off_t>::max()}) {
    auto const more = platform::retry(
        [&] { return ::pread(file, piece.data() + count, size - count, static_cast<off_t>(at + count)); });
    if (more < 0) platform::throw_errno(name.c_str());
    if (more == 0) break;
    count += static_cast<std::size_t>(more);
  }
  piece.resize(count);
  return piece;
}

namespace {

// What the loader of a program says; it does not run the program.
std::string list_libraries(std::string const& loader, std::string const& program) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) platform::throw_errno("pipe2");
  platform::unique_fd const readable(ends[0]);
  platform::unique_fd writable(ends[1]);
  auto const child =
      platform::spawn({.path = loader, .arguments = {loader, "--list", program}, .output = writable.get()});
  writable.reset();
  std::string printed;
  std::array<char, 4096> text{};
  for (;;) {
    auto const count = platform::retry([&] { return ::read(readable.get(), text.data(), text.size()); });
    if (count <= 0) break;
    printed.append(text.data(), static_cast<std::size_t>(count));
  }
  auto const how = child.wait();
  if (how.known && (how.signal != 0 || how.status != 0))
    refuse(program, loader + " --list " + platform::to_string(how) + ": " + printed);
  return printed;
}

bool is_program(std::string const& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

// As a file there, and as a line of sha256sum.
std::string plain_name(std::string const& wanted, std::string const& file) {
  if (wanted.empty() || wanted.front() == '.' || wanted.find_first_of("/\\\n\r\t ") != std::string::npos)
    refuse(file, "its name has a blank, a backslash or such in it, or begins with a dot");
  if (wanted == "files" || wanted == "sums") refuse(file, "a program that is carried cannot be called that");
  return wanted;
}

// Below its program's folder, as a line of sha256sum that a shell reads.
std::string deep_name(std::filesystem::path const& path) {
  auto const name = "files" + path.string();
  if (name.find_first_of("\\\n\r\t") != std::string::npos || name.back() == ' ')
    refuse(path, "its name has a line break, a tab or a backslash in it, or ends with a blank");
  return name;
}

void add_versions(elf_facts const& facts, std::map<std::string, std::set<std::string>>& all) {
  for (auto const& [library, versions] : facts.versions)
    all[library].insert(versions.begin(), versions.end());
}

// What compilers name by these macros; a program is compiled as this library is, or says it by its linker.
std::set<std::string> cpu_features(unsigned x86_level) {
  std::set<std::string> found;
#if defined(__AVX512F__)
  x86_level = std::max(x86_level, 4U);
#elif defined(__AVX2__)
  x86_level = std::max(x86_level, 3U);
#elif defined(__SSE4_2__)
  x86_level = std::max(x86_level, 2U);
#endif
#if defined(__AVX512BF16__)
  found.insert("avx512_bf16");
#endif
#if defined(__AVX512VNNI__)
  found.insert("avx512_vnni");
#endif
  if (x86_level >= 2) found.insert({"cx16", "popcnt", "sse4_2", "ssse3"});
  if (x86_level >= 3) found.insert({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "movbe"});
  if (x86_level >= 4) found.insert({"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"});
  return found;
}

unsigned cuda_of(std::set<std::string> const& libraries) {
  constexpr std::string_view runtime = "libcudart.so.";
  for (auto const& one : libraries) {
    if (!one.starts_with(runtime)) continue;
    unsigned major = 0;
    std::from_chars(one.data() + runtime.size(), one.data() + one.size(), major);
    return major;
  }
  return 0;
}

class cargo_loader {
 public:
  explicit cargo_loader(std::stop_token stop) : stop_(std::move(stop)) {}

  cargo take(std::string const& program, std::vector<std::string> const& files) {
    auto const facts = add(program, own_name(program));
    all_.needs.machine = machine_name(facts.machine);
    all_.needs.loader = facts.loader;
    auto level = facts.x86_level;
    std::set<std::string> asked(facts.libraries.begin(), facts.libraries.end());
    if (!facts.loader.empty()) {
      auto const listed = list_libraries(facts.loader, program);
      for (auto const& [name, path] : libraries_in(listed, facts.loader)) {
        asked.insert(name);
        if (is_of_system(name))
          all_.needs.libraries.insert(name);
        else
          level = std::max(level, add(path, plain_name(name, path)).x86_level);
      }
    }
    all_.needs.cpu = cpu_features(level);
    all_.needs.cuda = cuda_of(asked);
    std::set<std::string> glibc;
    for (auto const& [library, versions] : versions_)
      if (is_of_system(library)) glibc.insert(versions.begin(), versions.end());
    all_.needs.glibc = newest_version(glibc, "GLIBC_");
    all_.needs.libstdcxx = newest_version(versions_["libstdc++.so.6"], "GLIBCXX_");
    for (auto const& one : files) add_named(one);
    for (auto const& one : all_.files) all_.sums += one.hash + "  " + one.name + "\n";
    all_.id = sha256_of(all_.sums);
    return std::move(all_);
  }

 private:
  static std::string own_name(std::string const& program) {
    std::error_code ignored;
    auto const link = std::filesystem::read_symlink(program, ignored).filename().string();
    auto name = program.starts_with("/proc/") ? link : std::filesystem::path(program).filename().string();
    constexpr std::string_view gone = " (deleted)";
    if (program.starts_with("/proc/") && name.ends_with(gone)) name.resize(name.size() - gone.size());
    return plain_name(name, program);
  }

  elf_facts add(std::string const& path, std::string name) {
    elf_facts facts;
    add_file(path, std::move(name), [&](file_reader const& file) {
      if (auto wrong = read_elf(file, facts); !wrong.empty()) refuse(path, wrong);
    });
    add_versions(facts, versions_);
    return facts;
  }

  template <class Look>
  void add_file(std::string const& path, std::string name, Look look) {
    auto file =
        std::make_shared<platform::unique_fd>(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    if (!*file) refuse(path, std::strerror(errno));
    if (!S_ISREG(status_of(file->get()).st_mode)) refuse(path, "it is no regular file");
    auto const written = written_at(file->get());
    look([&](std::uint64_t at, std::size_t size) { return read_piece(file->get(), path, at, size); });
    core::sha256_state hash;
    std::uint64_t size = 0;
    for (;;) {
      if (stop_.stop_requested()) refuse(path, "this program ends");
      auto const piece = read_piece(file->get(), path, size, read_size);
      if (piece.empty()) break;
      hash.add(bytes_of(piece));
      size += piece.size();
    }
    auto const after = status_of(file->get());
    if (static_cast<std::uint64_t>(after.st_size) != size || written_at(file->get()) != written)
      refuse(path, "it has changed while it was read; name a copy of it that nobody writes to");
    all_.files.push_back({std::move(name), in_digits(hash.digest()), size, std::move(file), written});
  }

  // A file, or all that is in a folder; links are what they lead to.
  void add_named(std::string const& named) {
    namespace fs = std::filesystem;
    auto const path = fs::path(yonder::file(named).name());
    std::vector<fs::path> found;
    std::error_code fault;
    auto const see = [&](fs::path const& one) {
      auto const is = fs::status(one);
      if (fs::is_directory(is)) return;
      if (!fs::is_regular_file(is)) refuse(one, "it is neither a file nor a folder");
      if (found.push_back(one); found.size() + all_.files.size() > most_files)
        refuse(named, "with it more than " + std::to_string(most_files) +
                          " files would travel; put them into one, an archive, say");
    };
    if (!fs::exists(path, fault)) refuse(path, fault ? fault.message() : "it is not there");
    see(path);
    if (fs::is_directory(path))
      for (auto const& one :
           fs::recursive_directory_iterator(path, fs::directory_options::follow_directory_symlink))
        see(one.path());
    std::sort(found.begin(), found.end());
    for (auto const& one : found) {
      auto name = deep_name(one);
      auto const is_same = [&](cargo_file const& other) { return other.name == name; };
      if (std::any_of(all_.files.begin(), all_.files.end(), is_same)) continue;
      add_file(one, std::move(name), [](file_reader const&) {});
    }
  }

  std::stop_token stop_;
  cargo all_;
  std::map<std::string, std::set<std::string>> versions_;
};

}  // namespace

std::uint64_t cargo::size() const noexcept {
  std::uint64_t all = 0;
  for (auto const& one : files) all += one.size;
  return all;
}

std::string program_file(std::string const& program) {
  if (program.empty() || program.find('/') != std::string::npos) return program;
  auto const* const path = ::getenv("PATH");
  for (std::string_view left = path == nullptr ? "/bin:/usr/bin" : path;;) {
    auto const end = std::min(left.find(':'), left.size());
    auto const folder = left.substr(0, end);
    auto file = (folder.empty() ? "." : std::string(folder)) + "/" + program;
    if (is_program(file)) return file;
    if (end == left.size()) break;
    left.remove_prefix(end + 1);
  }
  std::error_code ignored;
  refuse(program, std::filesystem::exists(program, ignored)
                      ? "no folder of PATH has such a program; for the one in the current folder write './" +
                            program + "'"
                      : "no folder of PATH has such a program; write its path, as in './" + program + "'");
}

// The loader, which is asked, would take itself for what it is to look at.
cargo load_cargo(std::string const& program, std::vector<std::string> const& files, std::stop_token stop) {
  return cargo_loader(std::move(stop))
      .take(program == "/proc/self/exe" ? "/proc/" + std::to_string(::getpid()) + "/exe"
                                        : program_file(program),
            files);
}

// glibc's parts fit one another and the kernel's loader only; a driver's its kernel module.
bool is_of_system(std::string_view library) {
  constexpr std::array<std::string_view, 17> names{
      "libc.so.",       "libm.so.",      "libpthread.so.",   "libdl.so.",
      "librt.so.",      "libresolv.so.", "libutil.so.",      "libnsl.so.1",
      "libanl.so.",     "libmvec.so.",   "libthread_db.so.", "libBrokenLocale.so.",
      "linux-vdso.so.", "ld-linux",      "libnss_",          "libcuda.so.",
      "libnvidia-"};
  return std::any_of(names.begin(), names.end(), [&](auto one) { return library.starts_with(one); });
}

// "	libzmq.so.5 => /usr/lib/libzmq.so.5 (0x00007f…)", "	libx.so => not found", "
// /lib64/ld-linux… (0x…)".
std::map<std::string, std::string> libraries_in(std::string_view printed, std::string const& loader) {
  std::map<std::string, std::string> found;
  while (!printed.empty()) {
    auto const end = std::min(printed.find('\n'), printed.size());
    auto line = printed.substr(0, end);
    printed.remove_prefix(std::min(end + 1, printed.size()));
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    auto const address = line.rfind(" (0x");
    auto const arrow = line.find(" => ");
    if (arrow == std::string_view::npos) {
      std::string const name(line.substr(0, address));
      auto const is_path = name.find('/') != std::string::npos;
      if (address == std::string_view::npos || !is_path || name == loader ||
          is_of_system(std::filesystem::path(name).filename().string()))
        continue;
      throw std::runtime_error(
          "the library '" + name +
          "' is asked for by its path, not by its name: it cannot be carried; link by -l, or with a soname");
    }
    std::string name(line.substr(0, arrow));
    if (address == std::string_view::npos || address <= arrow)
      throw std::runtime_error("the library '" + name + "' is not found here either: " + std::string(line));
    found[std::move(name)] = std::string(line.substr(arrow + 4, address - arrow - 4));
  }
  return found;
}

bool is_older(std::string_view one, std::string_view other) {
  while (!one.empty() || !other.empty()) {
    unsigned a = 0, b = 0;
    auto const next = [](std::string_view& text, unsigned& number) {
      auto const end = std::from_chars(text.data(), text.data() + text.size(), number).ptr;
      text.remove_prefix(std::min(static_cast<std::size_t>(end - text.data()) + 1, text.size()));
    };
    next(one, a), next(other, b);
    if (a != b) return a < b;
  }
  return false;
}

std::string newest_version(std::set<std::string> const& versions, std::string_view begin) {
  std::string newest;
  for (auto const& one : versions) {
    if (!one.starts_with(begin) || one.size() == begin.size()) continue;
    auto number = one.substr(begin.size());
    if (number.front() < '0' || number.front() > '9') continue;  // GLIBC_PRIVATE
    if (is_older(newest, number)) newest = std::move(number);
  }
  return newest;
}

}  // namespace yonder::launch
