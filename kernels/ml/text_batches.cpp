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
constexpr std::size_t pairs_of_a_share = 16;

// Takes texts of about so many bytes, at least one, off the front.
std::span<std::string_view const> take(std::span<std::string_view const>& texts, std::size_t bytes) {
  std::size_t count = 0;
  for (std::size_t taken = 0; count < texts.size() && taken < bytes; ++count)
    taken += texts[count].size() + 1;
  auto const front = texts.first(count);
  texts = texts.subspan(count);
  return front;
}

std::vector<std::span<std::string_view const>> share_out(std::span<std::string_view const> texts) {
  std::vector<std::span<std::string_view const>> shares;
  while (!texts.empty()) shares.push_back(take(texts, bytes_worth_a_thread));
  return shares;
}

void check_ids(text_rules const& rules, std::span<std::int32_t const> ids) {
  if (rules.vocabulary == 0) return;
  for (auto const id : ids) {
    if (static_cast<std::size_t>(id) < rules.vocabulary) continue;
    throw ml::inconsistent_model(
        {std::string(rules.file), "a text with the token of id " + std::to_string(id),
         "ids below " + std::to_string(rules.vocabulary) + ", the vocab_size of config.json",
         "leave that token out of texts, or use the weights that belong to it"});
  }
}

// append_tokens() says whether they were cut.
template <class AppendTokens>
void append_with(AppendTokens append_tokens, text_rules const& rules, cpu::token_batch& batch) {
  bool const cut = append_tokens();
  if (cut && !rules.truncate) throw ml::text_too_long(rules.cut.max_length);
  check_ids(rules, std::span(batch.ids).subspan(batch.starts.back()));
  if (!rules.type_ids) batch.type_ids.resize(batch.starts.back());
  batch.type_ids.resize(batch.ids.size());
  batch.starts.push_back(batch.ids.size());
}

void append(tokenizer const& tokens, text_rules const& rules, std::string_view text,
            cpu::token_batch& batch) {
  append_with([&] { return tokens.append(text, rules.cut, batch.ids, batch.type_ids); }, rules, batch);
}

// The error of a text that is not appended.
std::exception_ptr try_append(tokenizer const& tokens, text_rules const& rules, std::string_view text,
                              cpu::token_batch& batch) {
  auto const take_back = [&] {
    batch.ids.resize(batch.starts.back());
    batch.type_ids.resize(batch.starts.back());
    return std::current_exception();
  };
  try {
    append(tokens, rules, text, batch);
    return nullptr;
  } catch (ml::text_error const&) {
    return take_back();
  } catch (ml::inconsistent_model const&) {
    return take_back();
  }
}

void append(cpu::token_batch const& some, cpu::token_batch& to) {
  auto const before = to.ids.size();
  to.ids.insert(to.ids.end(), some.ids.begin(), some.ids.end());
  to.type_ids.insert(to.type_ids.end(), some.type_ids.begin(), some.type_ids.end());
  for (std::size_t i = 1; i < some.starts.size(); ++i) to.starts.push_back(before + some.starts[i]);
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
  to.skipped = from.skipped;
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
  auto const shares = share_out(take(texts_, limit * bytes_of_a_token));
  pieces_.resize(shares.size());
  cpu::thread_pool::shared().run(shares.size(), rules_.threads, [&](std::size_t share, std::size_t) {
    auto& batch = pieces_[share];
    batch.skipped = rules_.skipped;
    batch.starts.reserve(shares[share].size() + 1);
    for (auto const text : shares[share]) append(*tokens_, rules_, text, batch);
  });
}

tokenized_rows tokenize_all(tokenizer const& tokens, text_rules const& rules,
                            std::span<std::string_view const> texts) {
  auto const shares = share_out(texts);
  std::vector<tokenized_rows> parts(shares.size());
  cpu::thread_pool::shared().run(shares.size(), rules.threads, [&](std::size_t share, std::size_t) {
    for (auto const text : shares[share])
      parts[share].errors.push_back(try_append(tokens, rules, text, parts[share].good));
  });
  tokenized_rows all;
  all.good.skipped = rules.skipped;
  for (auto& part : parts) {
    append(part.good, all.good);
    all.errors.insert(all.errors.end(), part.errors.begin(), part.errors.end());
  }
  return all;
}

cpu::token_batch batch_of(std::span<token_window const> windows, text_rules const& rules) {
  cpu::token_batch batch;
  batch.skipped = rules.skipped;
  for (auto const& window : windows) {
    auto const append_tokens = [&] {
      batch.ids.insert(batch.ids.end(), window.ids.begin(), window.ids.end());
      batch.type_ids.insert(batch.type_ids.end(), window.type_ids.begin(), window.type_ids.end());
      return false;
    };
    append_with(append_tokens, rules, batch);
  }
  return batch;
}

cpu::token_batch tokenize_pairs(tokenizer const& tokens, text_rules const& rules, pair_truncation strategy,
                                std::span<text_pair_view const> pairs) {
  std::vector<cpu::token_batch> parts((pairs.size() + pairs_of_a_share - 1) / pairs_of_a_share);
  cpu::thread_pool::shared().run(parts.size(), rules.threads, [&](std::size_t share, std::size_t) {
    auto& batch = parts[share];
    auto const begin = share * pairs_of_a_share;
    for (auto const& pair : pairs.subspan(begin, std::min(pairs_of_a_share, pairs.size() - begin))) {
      append_with([&] { return tokens.append(pair, rules.cut, strategy, batch.ids, batch.type_ids); }, rules,
                  batch);
    }
  });
  cpu::token_batch all;
  for (auto const& part : parts) append(part, all);
  return all;
}

}  // namespace yonder::kernels
