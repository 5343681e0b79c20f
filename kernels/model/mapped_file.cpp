// SPDX-License-Identifier: Apache-2.0
#include "model/mapped_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

[[noreturn]] void fail(std::filesystem::path const& path, std::string found) {
  throw ml::missing_file({path.string(), std::move(found), "a readable regular file",
                          "check the path, and that the whole model was downloaded"});
}

class descriptor {
 public:
  explicit descriptor(std::filesystem::path const& path)
      : value_(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {
    if (value_ < 0) fail(path, std::generic_category().message(errno));
  }
  descriptor(descriptor const&) = delete;
  descriptor& operator=(descriptor const&) = delete;
  ~descriptor() { ::close(value_); }

  int get() const noexcept { return value_; }

 private:
  int value_;
};

// What git leaves in place of a large file where git-lfs is not installed:
// https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
bool is_lfs_pointer(std::string_view text) noexcept {
  return text.size() < 1024 && text.starts_with("version https://git-lfs.github.com/spec/");
}

}  // namespace

mapped_file::mapped_file(std::filesystem::path const& path) {
  descriptor const file(path);
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) fail(path, std::generic_category().message(errno));
  if (!S_ISREG(status.st_mode)) fail(path, "a folder or a special file");
  auto const size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) fail(path, std::generic_category().message(errno));
  bytes_ = {static_cast<std::byte const*>(address), size};
  if (!is_lfs_pointer(text())) return;
  ::munmap(address, size);
  bytes_ = {};
  throw ml::malformed_file(
      {path.string(), "a git-lfs pointer (\"version https://git-lfs...\"), not the file itself",
       "the bytes that it stands for", "run git lfs pull in the repository, or download the file again"});
}

mapped_file::mapped_file(mapped_file&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

mapped_file& mapped_file::operator=(mapped_file&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

mapped_file::~mapped_file() {
  if (!bytes_.empty()) ::munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace yonder::kernels
