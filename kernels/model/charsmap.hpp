// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/aligned_text.hpp"
#include "model/text_buffer.hpp"

namespace yonder::kernels {

// SentencePiece's precompiled_charsmap (nmt_nfkc, say), as Hugging Face's Precompiled normalizer runs it: a
// grapheme cluster of less than 6 bytes is replaced as a whole by what its shortest known beginning stands
// for, the letters of others one by one. Text in and out is valid UTF-8.
class charsmap {
 public:
  // The bytes of a double array of darts-clone (their count first), and of the replacements, each ended by a
  // zero byte. Throws std::invalid_argument, which says what is wrong.
  explicit charsmap(std::string_view blob);

  std::string operator()(std::string_view text) const;
  // The same, with what each letter came from.
  void operator()(aligned_letters& letters) const;
  // Appends what becomes of one grapheme cluster.
  void change(std::string_view cluster, text_buffer& out) const;
  // A letter that stands alone.
  bool changes(std::string_view letter) const noexcept { return find(letter).has_value(); }

 private:
  // What stands for the shortest beginning of `piece` that is known; nothing where none is.
  std::optional<std::string_view> find(std::string_view piece) const noexcept;
  template <class Replace, class Keep>
  void rewrite(std::string_view cluster, Replace&& replace, Keep&& keep) const;

  std::vector<std::uint32_t> units_;
  std::string replacements_;
  std::array<bool, 128> stays_{};  // of ASCII, where nothing follows that is not
};

}  // namespace yonder::kernels
