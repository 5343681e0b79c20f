// SPDX-License-Identifier: Apache-2.0
#include "model/charsmap.hpp"

#include <stdexcept>

#include "model/grapheme.hpp"
#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

constexpr std::size_t longest_cluster = 5;  // bytes, to be looked up as a whole

// A unit of darts-clone's double array.
bool has_value(std::uint32_t unit) noexcept { return (unit >> 8 & 1) != 0; }
std::uint32_t value_of(std::uint32_t unit) noexcept { return unit & 0x7FFFFFFFU; }
std::uint32_t label_of(std::uint32_t unit) noexcept { return unit & 0x800000FFU; }
std::size_t offset_of(std::uint32_t unit) noexcept {
  return std::size_t{unit >> 10} << ((unit & 1U << 9) >> 6);
}

std::uint32_t read_little(char const* bytes) noexcept {
  std::uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

std::size_t count_letters(std::string_view text) noexcept {
  std::size_t count = 0;
  for (char const byte : text) count += (static_cast<unsigned char>(byte) & 0xC0) != 0x80 ? 1 : 0;
  return count;
}

// The changes that Hugging Face's NormalizedString gets: a letter in the place of one and of -change after
// it, or (1) one more.
struct letter_change {
  char32_t code;
  std::ptrdiff_t change;
};

class letter_changes {
 public:
  void keep(char32_t code) { all_.push_back({code, 0}); }

  void replace(std::string_view before, std::string_view after) {
    auto const surplus = static_cast<std::ptrdiff_t>(count_letters(after)) -
                         static_cast<std::ptrdiff_t>(count_letters(before));
    for (std::size_t at = 0; at < after.size();) {
      auto const [code, bytes] = unicode::decode(after.data() + at);
      all_.push_back({code, 0});
      at += bytes;
    }
    for (std::ptrdiff_t i = 0; i < surplus; ++i)
      all_[all_.size() - 1 - static_cast<std::size_t>(i)].change = 1;
    if (surplus < 0 && !all_.empty()) all_.back().change += surplus;
  }

  aligned_letters apply(aligned_letters const& from) const {
    aligned_letters to;
    to.reserve(all_.size());
    std::size_t taken = 0;
    for (auto const& [code, change] : all_) {
      if (change > 0) {
        to.push_back({code, taken == 0 ? byte_span{} : from[std::min(taken, from.size()) - 1].origin});
      } else {
        to.push_back({code, from[std::min(taken, from.size() - 1)].origin});
        taken += 1 + static_cast<std::size_t>(-change);
      }
    }
    return to;
  }

 private:
  std::vector<letter_change> all_;
};

}  // namespace

charsmap::charsmap(std::string_view blob) {
  std::size_t const bytes = blob.size() < 4 ? 0 : read_little(blob.data());
  if (bytes < 4 || bytes % 4 != 0 || bytes > blob.size() - 4) {
    throw std::invalid_argument(std::to_string(blob.size()) + " bytes without a double array");
  }
  for (std::size_t at = 4; at < 4 + bytes; at += 4) units_.push_back(read_little(blob.data() + at));
  replacements_ = blob.substr(4 + bytes);
  if (unicode::find_invalid_utf8(replacements_)) {
    throw std::invalid_argument("replacements that are not UTF-8");
  }
  for (std::size_t byte = 1; byte < stays_.size(); ++byte) {
    char const letter = static_cast<char>(byte);
    stays_[byte] = letter != '\r' && letter != '\n' && !find({&letter, 1});
  }
}

std::optional<std::string_view> charsmap::find(std::string_view piece) const noexcept {
  std::size_t at = offset_of(units_.front());
  for (char const each : piece) {
    auto const byte = static_cast<unsigned char>(each);
    at ^= byte;
    if (byte == 0 || at >= units_.size() || label_of(units_[at]) != byte) return std::nullopt;
    auto const unit = units_[at];
    at ^= offset_of(unit);
    if (!has_value(unit)) continue;
    std::size_t const begin = at < units_.size() ? value_of(units_[at]) : replacements_.size();
    auto const all = std::string_view(replacements_);
    bool const inside = begin < all.size() && (static_cast<unsigned char>(all[begin]) & 0xC0) == 0x80;
    if (begin > all.size() || inside) return std::nullopt;
    return all.substr(begin, std::min(all.find('\0', begin), all.size()) - begin);
  }
  return std::nullopt;
}

// Of one cluster: replace(before, after) and keep(letter).
template <class Replace, class Keep>
void charsmap::rewrite(std::string_view cluster, Replace&& replace, Keep&& keep) const {
  if (cluster.size() <= longest_cluster) {
    if (auto const found = find(cluster)) return replace(cluster, *found);
  }
  for (std::size_t at = 0; at < cluster.size();) {
    auto const letter = cluster.substr(at, unicode::decode(cluster.data() + at).bytes);
    if (auto const found = find(letter)) {
      replace(letter, *found);
    } else {
      keep(letter);
    }
    at += letter.size();
  }
}

void charsmap::change(std::string_view cluster, text_buffer& out) const {
  auto const put = [&out](std::string_view bytes) { out.append(bytes); };
  rewrite(
      cluster, [&](std::string_view, std::string_view after) { put(after); }, put);
}

std::string charsmap::operator()(std::string_view text) const {
  text_buffer out;
  out.room(text.size() + text.size() / 8);
  auto const put = [&out](std::string_view bytes) { out.append(bytes); };
  auto const replace = [&](std::string_view, std::string_view after) { put(after); };
  auto const stays = [&](std::size_t at) {
    auto const byte = static_cast<unsigned char>(text[at]);
    return byte < stays_.size() && stays_[byte];
  };
  auto const is_ascii = [&](std::size_t at) { return static_cast<signed char>(text[at]) >= 0; };
  for (std::size_t at = 0; at < text.size();) {
    std::size_t end = at;
    while (end < text.size() && stays(end)) ++end;
    if (end != at && end < text.size() && !is_ascii(end)) --end;  // the last one may begin a cluster
    if (end != at) {
      put(text.substr(at, end - at));
      at = end;
      continue;
    }
    auto const cluster = text.substr(at, unicode::grapheme_bytes(text.substr(at)));
    rewrite(cluster, replace, put);
    at += cluster.size();
  }
  return std::string(out.view());
}

void charsmap::operator()(aligned_letters& letters) const {
  std::string text;
  for (auto const& letter : letters) unicode::append(text, letter.code);
  letter_changes changes;
  auto const replace = [&](std::string_view before, std::string_view after) {
    changes.replace(before, after);
  };
  auto const keep = [&](std::string_view letter) { changes.keep(unicode::decode(letter.data()).code); };
  for (std::string_view left = text; !left.empty();) {
    auto const cluster = left.substr(0, unicode::grapheme_bytes(left));
    rewrite(cluster, replace, keep);
    left.remove_prefix(cluster.size());
  }
  if (!letters.empty()) letters = changes.apply(letters);
}

}  // namespace yonder::kernels
