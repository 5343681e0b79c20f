// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// The keys that requests bring: a file of them, one a line: the key, a name for whoever has it, and what he
// may do, which is `call:TASK`, `call:*`, `metrics` and `admin` (everything, also what others have begun).
// '#' begins a comment.
namespace yonder::http {

using digest = std::array<std::uint8_t, 32>;
digest digest_of(std::string_view text);
// Of all of them, one behind the other.
digest digest_of(std::vector<std::string_view> const& parts);

// 256 random bits, in hexadecimal.
std::string drawn_secret();

// Whoever has a key.
struct credential {
  std::string name;
  bool admin = false;
  bool metrics = false;
  bool every_task = false;
  std::vector<std::string> tasks{};
  digest secret{};  // of the key

  bool may_call(std::string_view task) const;
  // Of the same owner, and no less.
  bool has_rights_of(credential const& other) const;
  bool may_measure() const noexcept { return admin || metrics; }
};
using credential_ref = std::shared_ptr<credential const>;

class key_file {
 public:
  // Makes the file, with one key that may do everything, where there is none: `made` is then true. Throws
  // usage_error where it is not this user's own, is open to others, or has a line that is none.
  explicit key_file(std::filesystem::path file);
  bool made() const noexcept { return made_; }

  // Whose key this is, or null. All keys are compared, in constant time. The file is read again when it has
  // changed, looked at once a second at most; one that has become unusable lets nobody in, and why is said
  // once, on stderr.
  credential_ref find(std::string_view key, std::chrono::steady_clock::time_point now) {
    return find(digest_of(key), now);
  }
  credential_ref find(digest const& key, std::chrono::steady_clock::time_point now);
  // Whether anybody is let in; likewise.
  bool is_usable(std::chrono::steady_clock::time_point now);

 private:
  void look(std::chrono::steady_clock::time_point now);
  void read();
  static credential_ref parse(std::filesystem::path const& file, std::string_view line, std::size_t number);

  std::filesystem::path file_;
  bool made_ = false;
  struct ::stat seen_ {};
  std::chrono::steady_clock::time_point looked_{};
  std::vector<credential_ref> entries_;
  std::string fault_{};  // that was said
};

}  // namespace yonder::http
