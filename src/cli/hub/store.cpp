// SPDX-License-Identifier: Apache-2.0
#include "src/cli/hub/store.hpp"

#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <system_error>

namespace yonder::cli {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail_system(std::string const& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

class descriptor {
 public:
  descriptor(fs::path const& path, int flags) : file_(::open(path.c_str(), flags | O_CLOEXEC, 0666)) {
    if (file_ < 0) fail_system("cannot open " + path.string());
  }
  ~descriptor() { ::close(file_); }
  descriptor(descriptor const&) = delete;
  descriptor& operator=(descriptor const&) = delete;

  int get() const noexcept { return file_; }

 private:
  int file_;
};

// One process at a time brings a blob, the others wait: the lock that Hugging Face's tools take.
class blob_lock {
 public:
  explicit blob_lock(fs::path const& path) : file_(path, O_RDWR | O_CREAT) {
    while (::flock(file_.get(), LOCK_EX) != 0)
      if (errno != EINTR) fail_system("cannot lock " + path.string());
  }

 private:
  descriptor file_;
};

// SHA-256 of a file, or SHA-1 of the blob that git makes of it.
std::string hash_of(fs::path const& path, hub_file const& file) {
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  EVP_DigestInit_ex(context.get(), file.is_large() ? EVP_sha256() : EVP_sha1(), nullptr);
  if (!file.is_large()) {
    auto const head = "blob " + std::to_string(file.size);
    EVP_DigestUpdate(context.get(), head.c_str(), head.size() + 1);
  }
  std::ifstream from(path, std::ios::binary);
  std::array<char, 1 << 16> piece;
  while (from.read(piece.data(), piece.size()), from.gcount() > 0)
    EVP_DigestUpdate(context.get(), piece.data(), static_cast<std::size_t>(from.gcount()));
  std::array<unsigned char, EVP_MAX_MD_SIZE> sum;
  if (!from.is_open() || from.bad()) throw std::runtime_error("cannot read " + path.string());
  unsigned size = 0;
  EVP_DigestFinal_ex(context.get(), sum.data(), &size);
  std::string text;
  for (unsigned i = 0; i < size; ++i)
    text += {"0123456789abcdef"[sum[i] >> 4U], "0123456789abcdef"[sum[i] & 15U]};
  return text;
}

void write_all(int to, std::string_view bytes, fs::path const& path) {
  while (!bytes.empty()) {
    auto const written = ::write(to, bytes.data(), bytes.size());
    if (written < 0 && errno != EINTR) fail_system("cannot write " + path.string());
    if (written > 0) bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

// In one go: whoever reads it, and the disk, has what was there before or all of it.
void write_file(fs::path const& path, std::string_view bytes) {
  fs::path const made = path.string() + "." + std::to_string(::getpid());
  try {
    descriptor const to(made, O_WRONLY | O_CREAT | O_TRUNC);
    write_all(to.get(), bytes, made);
    if (::fsync(to.get()) != 0) fail_system("cannot write " + made.string());
    fs::rename(made, path);
  } catch (...) {
    std::error_code ignored;
    fs::remove(made, ignored);
    throw;
  }
}

// One model's folder of the cache, for one commit.
class repository {
 public:
  repository(hub const& from, model_name const& name, std::string commit, fs::path const& cache,
             download_watch const& watch)
      : from_(from), name_(name), commit_(std::move(commit)), watch_(watch) {
    std::string folder = "models--";
    for (char const c : name.id) folder += c == '/' ? std::string("--") : std::string(1, c);
    root_ = cache / folder;
    locks_ = cache / ".locks" / folder;
    for (auto const& each : {blobs(), snapshot(), locks_}) fs::create_directories(each);
  }

  fs::path snapshot() const { return root_ / "snapshots" / commit_; }

  void bring(hub_file const& file) const {
    blob_lock const lock(locks_ / (file.hash + ".lock"));
    auto const blob = blobs() / file.hash;
    if (!fs::exists(blob)) fetch(file, blob);
    watch_(file, file.size);
    link(file, blob);
  }

  void set_revision() const {
    if (name_.revision == commit_) return;
    auto const reference = root_ / "refs" / name_.revision;
    fs::create_directories(reference.parent_path());
    write_file(reference, commit_);
  }

 private:
  fs::path blobs() const { return root_ / "blobs"; }

  void fetch(hub_file const& file, fs::path const& blob) const {
    fs::path const begun = blob.string() + ".incomplete";
    {
      descriptor const to(begun, O_WRONLY | O_CREAT);
      std::uint64_t there = fs::file_size(begun);
      if (there > file.size) there = 0;
      if (there < file.size || file.size == 0) receive(file, to, begun, there);
      if (::fsync(to.get()) != 0) fail_system("cannot write " + begun.string());
    }
    if (fs::file_size(begun) != file.size || hash_of(begun, file) != file.hash) {
      fs::remove(begun);
      throw std::runtime_error(name_.id + "/" + file.path +
                               " arrived with another hash than the hub says, and was removed; try again");
    }
    fs::rename(begun, blob);
  }

  void receive(hub_file const& file, descriptor const& to, fs::path const& path, std::uint64_t there) const {
    from_.fetch(name_.id, commit_, file.path, there, [&](std::uint64_t offset) {
      if (::ftruncate(to.get(), static_cast<off_t>(offset)) != 0 ||
          ::lseek(to.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
        fail_system("cannot write " + path.string());
      return [&, there = offset](std::string_view piece) mutable {
        there += piece.size();
        if (there > file.size)
          throw std::runtime_error(name_.id + "/" + file.path + " is longer than the hub says; try again");
        write_all(to.get(), piece, path);
        watch_(file, there);
      };
    });
  }

  // Relative, so that the cache can be moved; replaced in one go where it led to another blob.
  void link(hub_file const& file, fs::path const& blob) const {
    auto const place = snapshot() / file.path;
    fs::create_directories(place.parent_path());
    auto const target = blob.lexically_relative(place.parent_path());
    std::error_code ignored;
    if (fs::is_symlink(place, ignored) && fs::read_symlink(place, ignored) == target) return;
    auto const made = place.string() + "." + std::to_string(::getpid());
    fs::remove(made);
    fs::create_symlink(target, made);
    fs::rename(made, place);
  }

  hub const& from_;
  model_name const& name_;
  std::string commit_;
  download_watch const& watch_;
  fs::path root_;
  fs::path locks_;
};

bool is_name_part(std::string_view part) {
  auto const plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  return !part.empty() && part.size() <= 96 && std::ranges::all_of(part, plain) && part.front() != '.' &&
         part.front() != '-' && part.find("--") == part.npos && part.find("..") == part.npos;
}

bool is_revision(std::string_view text) {
  for (auto left = text;;) {
    auto const part = left.substr(0, left.find('/'));
    if (!is_name_part(part)) return false;
    if (part.size() == left.size()) return true;
    left.remove_prefix(part.size() + 1);
  }
}

}  // namespace

model_name::model_name(std::string const& text) : id(text.substr(0, text.find('@'))) {
  if (id.size() != text.size()) revision = text.substr(id.size() + 1);
  auto const slash = id.find('/');
  bool const good = slash == id.npos ? is_name_part(id)
                                     : is_name_part(std::string_view(id).substr(0, slash)) &&
                                           is_name_part(std::string_view(id).substr(slash + 1));
  if (!good || !is_revision(revision))
    throw std::invalid_argument("'" + text + "' names no model; say ORG/NAME or ORG/NAME@REVISION");
}

bool is_of_use(std::string const& path) {
  if (path.starts_with("onnx/") || path.starts_with("openvino/")) return false;
  auto const ends = [&](std::string_view with) { return path.ends_with(with); };
  return ends(".json") || ends(".txt") || ends(".safetensors") || ends(".model");
}

fs::path download(hub const& from, model_name const& name, fs::path const& cache,
                  download_watch const& watch) {
  auto const commit = from.commit_of(name.id, name.revision);
  auto files = from.files_of(name.id, commit);
  std::erase_if(files, [](hub_file const& file) { return !is_of_use(file.path); });
  bool const weights =
      std::ranges::any_of(files, [](auto const& file) { return file.path.ends_with(".safetensors"); });
  if (!weights)
    throw std::runtime_error(name.id +
                             " has no .safetensors, which yonder::ml reads; choose a model that has them");
  repository const to(from, name, commit, cache, watch);
  for (auto const& file : files) to.bring(file);
  to.set_revision();
  return to.snapshot();
}

}  // namespace yonder::cli
