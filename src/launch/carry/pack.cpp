// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "src/launch/carry/cargo.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::launch {
namespace {

constexpr std::size_t tar_block = 512;
constexpr std::size_t piece_size = std::size_t{4} << 20;
constexpr int compression_level = 3;

// libzstd where there is one, by the part of its interface that has not changed since 1.0 (zstd.h): no
// program must be linked with it.
class zstd_library {
 public:
  zstd_library() {
    auto* const library = ::dlopen("libzstd.so.1", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return;
    bound_ = reinterpret_cast<decltype(bound_)>(::dlsym(library, "ZSTD_compressBound"));
    compress_ = reinterpret_cast<decltype(compress_)>(::dlsym(library, "ZSTD_compress"));
    is_error_ = reinterpret_cast<decltype(is_error_)>(::dlsym(library, "ZSTD_isError"));
  }

  bool is_there() const noexcept { return bound_ != nullptr && compress_ != nullptr && is_error_ != nullptr; }
  // A frame of its own: frames follow one another.
  std::string frame(std::string_view bytes) const {
    std::string made(bound_(bytes.size()), '\0');
    auto const size = compress_(made.data(), made.size(), bytes.data(), bytes.size(), compression_level);
    if (is_error_(size) != 0) throw std::runtime_error("libzstd did not compress what is to be carried");
    made.resize(size);
    return made;
  }

 private:
  std::size_t (*bound_)(std::size_t) = nullptr;
  std::size_t (*compress_)(void*, std::size_t, void const*, std::size_t, int) = nullptr;
  unsigned (*is_error_)(std::size_t) = nullptr;
};

// Of POSIX's ustar: a plain file, which its owner may read.
std::string tar_header(std::string const& name, std::uint64_t size) {
  std::string block(tar_block, '\0');
  auto const put = [&](std::size_t at, std::string_view text) { text.copy(block.data() + at, text.size()); };
  char digits[16];
  std::snprintf(digits, sizeof digits, "%011llo", static_cast<unsigned long long>(size));
  if (size >= std::uint64_t{1} << 33U) throw std::runtime_error("a file of 8 GiB or more cannot be carried");
  put(0, name);
  put(100, "0000400");
  put(108, "0000000"), put(116, "0000000");
  put(124, digits);
  put(136, "00000000000");
  put(148, "        ");
  put(156, "0");
  put(257, std::string_view("ustar\00000", 8));
  unsigned sum = 0;
  for (char const c : block) sum += static_cast<unsigned char>(c);
  std::snprintf(digits, sizeof digits, "%06o", sum);
  put(148, std::string_view(digits, 7));
  return block;
}

// Its hash would be wrong there: that is said before it has travelled.
[[noreturn]] void changed(std::string const& name) {
  throw std::runtime_error("'" + name +
                           "' has changed since this program read it, and cannot be carried any more: "
                           "start the program anew, which then carries what is there");
}

class archive_writer {
 public:
  archive_writer(bool compressed, std::stop_token stop)
      : stop_(std::move(stop)), file_(::memfd_create("yonder-cargo", MFD_CLOEXEC)) {
    if (!file_) platform::throw_errno("memfd_create");
    if (compressed) compressed = (zstd_ = zstd_library()).is_there();
    is_compressed_ = compressed;
  }

  void add(std::string const& name, std::string_view bytes) {
    write(tar_header(name, bytes.size()));
    write(bytes);
    write(std::string((tar_block - bytes.size() % tar_block) % tar_block, '\0'));
  }
  void add(cargo_file const& one) {
    if (written_at(one.file->get()) != one.written) changed(one.name);
    write(tar_header(one.hash, one.size));
    for (std::uint64_t at = 0; at < one.size;) {
      if (stop_.stop_requested()) throw std::runtime_error("this program ends: nothing is carried any more");
      auto const wanted = std::min<std::uint64_t>(piece_size, one.size - at);
      auto const piece = read_piece(one.file->get(), one.name, at, wanted);
      if (piece.size() < wanted) changed(one.name);
      write(piece);
      at += wanted;
    }
    if (written_at(one.file->get()) != one.written) changed(one.name);
    write(std::string((tar_block - one.size % tar_block) % tar_block, '\0'));
  }
  pack_result finish() {
    write(std::string(2 * tar_block, '\0'));
    flush();
    if (::lseek(file_.get(), 0, SEEK_SET) != 0) platform::throw_errno("lseek");
    return {std::move(file_), is_compressed_, size_};
  }

 private:
  void write(std::string_view bytes) {
    kept_ += bytes;
    if (kept_.size() >= piece_size) flush();
  }
  void flush() {
    if (is_compressed_) kept_ = zstd_.frame(kept_);
    size_ += kept_.size();
    for (std::string_view left = kept_; !left.empty();) {
      auto const count = platform::retry([&] { return ::write(file_.get(), left.data(), left.size()); });
      if (count < 0) platform::throw_errno("what is to be carried");
      left.remove_prefix(static_cast<std::size_t>(count));
    }
    kept_.clear();
  }

  std::stop_token stop_;
  platform::unique_fd file_;
  zstd_library zstd_;
  bool is_compressed_ = false;
  std::string kept_;
  std::uint64_t size_ = 0;
};

}  // namespace

pack_result pack(cargo const& all, std::set<std::string> const& there, bool compressed,
                 std::stop_token stop) {
  archive_writer archive(compressed, std::move(stop));
  archive.add("sums", all.sums);
  std::set<std::string> added;
  for (auto const& one : all.files)
    if (!there.contains(one.hash) && added.insert(one.hash).second) archive.add(one);
  return archive.finish();
}

}  // namespace yonder::launch
