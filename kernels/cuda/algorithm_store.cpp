// SPDX-License-Identifier: Apache-2.0
#include "cuda/algorithm_store.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <system_error>
#include <thread>
#include <utility>

namespace yonder::kernels::cuda {
namespace {

constexpr std::size_t most_bytes = std::size_t{4} << 20;
constexpr std::size_t digits_of_word = 16;

class descriptor {
 public:
  descriptor(std::filesystem::path const& file, int flags)
      : value_(::open(file.c_str(), flags | O_CLOEXEC, 0600)) {}
  descriptor(descriptor const&) = delete;
  descriptor& operator=(descriptor const&) = delete;
  ~descriptor() {
    if (value_ >= 0) ::close(value_);  // and its lock with it
  }

  bool is_open() const noexcept { return value_ >= 0; }
  int get() const noexcept { return value_; }

 private:
  int value_;
};

// Not for ever: a holder may be stopped, or a server of files gone.
bool lock_file(int file) {
  constexpr int tries = 100;
  for (int i = 0; i < tries; ++i) {
    if (::flock(file, LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string read_all(int from) {
  std::string text(most_bytes, '\0');
  std::size_t used = 0;
  for (ssize_t got = 1; got > 0 && used < text.size(); used += static_cast<std::size_t>(got > 0 ? got : 0))
    got = ::pread(from, text.data() + used, text.size() - used, static_cast<off_t>(used));
  text.resize(used);
  return text;
}

std::optional<kept_algorithm> parse(std::string_view digits) {
  kept_algorithm found{};
  if (digits.size() != found.size() * digits_of_word) return std::nullopt;
  for (auto& word : found) {
    auto const* const end = digits.data() + digits_of_word;
    if (std::from_chars(digits.data(), end, word, 16).ptr != end) return std::nullopt;
    digits.remove_prefix(digits_of_word);
  }
  return found;
}

std::string line_of(std::string_view key, kept_algorithm const& chosen) {
  constexpr char digits[] = "0123456789abcdef";
  std::string line(key);
  line += '\t';
  for (std::uint64_t const word : chosen) {
    for (int shift = 60; shift >= 0; shift -= 4) line += digits[word >> shift & 15U];
  }
  return line + '\n';
}

std::optional<kept_algorithm> find_in(std::string_view text, std::string_view key) {
  while (!text.empty()) {
    std::size_t const end = text.find('\n');
    if (end == std::string_view::npos) break;  // a line that is not whole
    std::string_view const line = text.substr(0, end);
    if (line.size() > key.size() && line.starts_with(key) && line[key.size()] == '\t') {
      if (auto const found = parse(line.substr(key.size() + 1))) return found;
    }
    text.remove_prefix(end + 1);
  }
  return std::nullopt;
}

bool append(int to, std::string const& text, std::string const& line) {
  if (text.size() + line.size() + 1 > most_bytes) return false;
  std::string const whole = (text.empty() || text.back() == '\n' ? "" : "\n") + line;
  return ::write(to, whole.data(), whole.size()) == static_cast<ssize_t>(whole.size());
}

std::filesystem::path file_of_user() {
  auto const folder = [](char const* name) {
    char const* const value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  auto cache = folder("XDG_CACHE_HOME");
  if (!cache.is_absolute()) cache = folder("HOME").is_absolute() ? folder("HOME") / ".cache" : "";
  return cache.empty() ? cache : cache / "yonder" / "cublaslt-algorithms";
}

}  // namespace

algorithm_store& algorithm_store::of_user() {
  static algorithm_store one(file_of_user());
  return one;
}

algorithm_store::algorithm_store(std::filesystem::path file) : file_(std::move(file)) {}

std::optional<kept_algorithm> algorithm_store::find(std::string_view key) {
  std::lock_guard const lock(mutex_);
  if (file_.empty()) return std::nullopt;
  descriptor const file(file_, O_RDONLY);
  return file.is_open() ? find_in(read_all(file.get()), key) : std::nullopt;
}

std::optional<kept_algorithm> algorithm_store::keep(std::string_view key, kept_algorithm const& chosen) {
  std::lock_guard const lock(mutex_);
  if (file_.empty()) return std::nullopt;
  std::error_code ignored;
  std::filesystem::create_directories(file_.parent_path(), ignored);
  descriptor const file(file_, O_RDWR | O_CREAT | O_APPEND);
  if (!file.is_open() || !lock_file(file.get())) return std::nullopt;
  std::string const text = read_all(file.get());
  if (auto const earlier = find_in(text, key)) return earlier;
  if (!append(file.get(), text, line_of(key, chosen))) return std::nullopt;
  return chosen;
}

}  // namespace yonder::kernels::cuda
