// SPDX-License-Identifier: Apache-2.0
#include "src/http/page_sessions.hpp"

#include <algorithm>

namespace yonder::http {

page_sessions::begun page_sessions::begin(digest const& key, time_point now) {
  make_room(key, now);
  begun made{drawn_secret(), drawn_secret()};
  all_.insert_or_assign(digest_of(made.id), session{key, {digest_of(made.word)}, now});
  return made;
}

std::string page_sessions::join(std::string_view id, digest const& key, time_point now) {
  auto* const found = look(id, now);
  if (found == nullptr || found->key != key) return {};
  auto word = drawn_secret();
  found->words.push_back(digest_of(word));
  if (found->words.size() > most_tabs) found->words.pop_front();
  found->used = now;
  return word;
}

page_sessions::session* page_sessions::look(std::string_view id, time_point now) {
  auto const found = all_.find(digest_of(id));
  if (found == all_.end()) return nullptr;
  if (now - found->second.used < unused_for) return &found->second;
  all_.erase(found);
  return nullptr;
}

digest const* page_sessions::find(std::string_view id, time_point now) {
  auto* const found = look(id, now);
  if (found == nullptr) return nullptr;
  found->used = now;
  return &found->key;
}

digest const* page_sessions::find(std::string_view id, std::string_view word, time_point now) {
  auto* const found = look(id, now);
  if (found == nullptr || std::ranges::find(found->words, digest_of(word)) == found->words.end())
    return nullptr;
  found->used = now;
  return &found->key;
}

void page_sessions::end(std::string_view id) { all_.erase(digest_of(id)); }

void page_sessions::make_room(digest const& key, time_point now) {
  std::erase_if(all_, [now](auto const& one) { return now - one.second.used >= unused_for; });
  std::size_t count = 0;
  auto oldest = all_.end();
  for (auto one = all_.begin(); one != all_.end(); ++one) {
    if (one->second.key != key) continue;
    ++count;
    if (oldest == all_.end() || one->second.used < oldest->second.used) oldest = one;
  }
  if (count >= most_of_key) all_.erase(oldest);
}

}  // namespace yonder::http
