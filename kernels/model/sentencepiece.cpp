// SPDX-License-Identifier: Apache-2.0
#include "model/sentencepiece.hpp"

#include <bit>
#include <cmath>
#include <utility>

#include "model/tokenizer_limits.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

// Protocol buffers' wire format, a message's fields one after the other.
class message {
 public:
  struct field {
    std::uint64_t number;
    std::uint64_t value;     // of a number, 32 or 64 bits, or of any length
    std::string_view bytes;  // of text, bytes or a message
    bool has_bytes;
  };

  message(std::string_view bytes, std::string const& file) : left_(bytes), file_(file) {}

  // Throws ml::malformed_file.
  template <class Each>
  void for_each(Each&& each) {
    while (!left_.empty()) {
      std::uint64_t const key = varint();
      field found{key >> 3, 0, {}, false};
      switch (key & 7) {
        case 0: found.value = varint(); break;
        case 1: found.value = fixed(8); break;
        case 2:
          found.bytes = take(varint());
          found.has_bytes = true;
          break;
        case 5: found.value = fixed(4); break;
        default: fail("a field of no known type");
      }
      each(found);
    }
  }

  message inside(field const& found) const {
    if (!found.has_bytes) fail("a number where a message belongs");
    return {found.bytes, file_};
  }
  [[noreturn]] void fail(std::string found) const {
    throw ml::malformed_file(
        {file_, std::move(found), "a model that SentencePiece wrote", "download the file again"});
  }

 private:
  std::string_view take(std::uint64_t bytes) {
    if (bytes > left_.size()) fail("an end before its time");
    auto const taken = left_.substr(0, static_cast<std::size_t>(bytes));
    left_.remove_prefix(taken.size());
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      auto const byte = static_cast<unsigned char>(take(1).front());
      value |= std::uint64_t{byte & 0x7FU} << shift;
      if (byte < 0x80) return value;
    }
    fail("a number of more than 64 bits");
  }

  std::uint64_t fixed(std::size_t bytes) {
    std::uint64_t value = 0;
    auto const taken = take(bytes);
    for (std::size_t i = bytes; i > 0; --i) value = value << 8 | static_cast<unsigned char>(taken[i - 1]);
    return value;
  }

  std::string_view left_;
  std::string const& file_;
};

// Field numbers of sentencepiece_model.proto.
constexpr std::uint64_t model_pieces = 1;
constexpr std::uint64_t model_normalizer = 3;
constexpr std::uint64_t piece_text = 1;
constexpr std::uint64_t piece_score = 2;
constexpr std::uint64_t piece_kind = 3;
constexpr std::uint64_t normalizer_charsmap = 2;

void read_piece(message from, sentencepiece_model& to) {
  scored_piece piece;
  std::uint64_t kind = 1;
  from.for_each([&](message::field const& field) {
    if (field.number == piece_text) piece.text = field.bytes;
    if (field.number == piece_score)
      piece.score = double{std::bit_cast<float>(static_cast<std::uint32_t>(field.value))};
    if (field.number == piece_kind) kind = field.value;
  });
  bool const usable = !piece.text.empty() && !unicode::find_invalid_utf8(piece.text) &&
                      std::isfinite(piece.score) && kind >= 1 && kind <= 6;
  if (!usable) from.fail("a piece without a text, a score or a known type");
  to.pieces.push_back(std::move(piece));
  to.kinds.push_back(static_cast<sentencepiece_model::kind>(kind));
}

}  // namespace

sentencepiece_model parse_sentencepiece_model(std::string_view bytes, std::string const& file) {
  sentencepiece_model model;
  message whole(bytes, file);
  whole.for_each([&](message::field const& field) {
    if (field.number == model_pieces) read_piece(whole.inside(field), model);
    if (field.number != model_normalizer) return;
    whole.inside(field).for_each([&](message::field const& part) {
      if (part.number == normalizer_charsmap) model.charsmap = part.bytes;
    });
  });
  if (model.pieces.empty() || model.pieces.size() > max_token_id) whole.fail("no pieces, or more than 2^24");
  return model;
}

}  // namespace yonder::kernels
