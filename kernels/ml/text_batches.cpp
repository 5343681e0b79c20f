// SPDX-License-Identifier: Apache-2.0
#include "ml/text_batches.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/thread_pool.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr std::size_t bytes_of_a_token = 4;           // about, in most languages
constexpr std::size_t bytes_worth_a_thread = 16'384;  // some 0.1 ms of work

// Takes texts of about so many bytes, at least one, off the front.
std::span<std::string_view const> take(std::span<std::string_view const>& texts, std::size_t bytes) {
  std::size_t count = 0;
  for (std::size_t taken = 0; count < texts.size() && taken < bytes; ++count)
    taken += texts[count].size() + 1;
  auto const front = texts.first(count);
  texts = texts.subspan(count);
  return front;
}

}  // namespace

cpu::token_batch text_batches::next(std::size_t limit) {
  cpu::token_batch batch;
  while (!empty()) {
    if (pieces_.empty()) tokenize_some(limit);
    if (!move_text(batch, limit)) break;
  }
  return batch;
}

// False where the next text does not fit.
bool text_batches::move_text(cpu::token_batch& to, std::size_t limit) {
  auto const& from = pieces_.front();
  auto const begin = static_cast<std::ptrdiff_t>(from.starts[moved_]);
  auto const end = static_cast<std::ptrdiff_t>(from.starts[moved_ + 1]);
  auto const tokens = static_cast<std::size_t>(end - begin);
  if (to.sequences() != 0 && to.tokens() + tokens > limit) return false;
  to.ids.insert(to.ids.end(), from.ids.begin() + begin, from.ids.begin() + end);
  to.type_ids.insert(to.type_ids.end(), from.type_ids.begin() + begin, from.type_ids.begin() + end);
  to.starts.push_back(to.ids.size());
  if (++moved_ == from.sequences()) {
    pieces_.pop_front();
    moved_ = 0;
  }
  return true;
}

// About as much as a batch takes.
void text_batches::tokenize_some(std::size_t limit) {
  auto some = take(texts_, limit * bytes_of_a_token);
  std::vector<std::span<std::string_view const>> shares;
  while (!some.empty()) shares.push_back(take(some, bytes_worth_a_thread));
  pieces_.resize(shares.size());
  cpu::thread_pool::shared().run(shares.size(), rules_.threads, [&](std::size_t share, std::size_t) {
    pieces_[share] = tokenize(shares[share]);
  });
}

cpu::token_batch text_batches::tokenize(std::span<std::string_view const> texts) const {
  cpu::token_batch batch;
  batch.starts.reserve(texts.size() + 1);
  for (auto const text : texts) {
    bool const cut = tokens_.append(text, rules_.cut, batch.ids, batch.type_ids);
    if (cut && !rules_.truncate) throw ml::text_too_long(rules_.cut.max_length);
    check_ids(std::span(batch.ids).subspan(batch.starts.back()));
    batch.starts.push_back(batch.ids.size());
  }
  if (!rules_.type_ids) std::ranges::fill(batch.type_ids, 0);
  return batch;
}

void text_batches::check_ids(std::span<std::int32_t const> ids) const {
  if (rules_.vocabulary == 0) return;
  for (auto const id : ids) {
    if (static_cast<std::size_t>(id) < rules_.vocabulary) continue;
    throw ml::inconsistent_model(
        {std::string(rules_.file), "a text with the token of id " + std::to_string(id),
         "ids below " + std::to_string(rules_.vocabulary) + ", the vocab_size of config.json",
         "leave that token out of texts, or use the weights that belong to it"});
  }
}

}  // namespace yonder::kernels
