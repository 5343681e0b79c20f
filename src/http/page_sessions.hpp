// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <map>
#include <string>
#include <string_view>

#include "src/http/keys.hpp"

namespace yonder::http {

// Who has signed in at the page. A cookie names a session by an id that is drawn, and holds no key: it is
// worth nothing elsewhere, nor when the session has ended. Browsers send a cookie to every server of a host;
// so there is a word besides, which the page keeps where they do not look. Both are kept as digests.
class page_sessions {
 public:
  using time_point = std::chrono::steady_clock::time_point;

  struct begun {
    std::string id;    // for the cookie
    std::string word;  // for the page
  };
  // A session of whoever has that key. Of a key's that are too many the one that was not used for longest
  // ends.
  begun begin(digest const& key, time_point now);
  // A further word of a session, for a further tab of the browser that has its cookie. Of too many the first
  // is worth nothing any more. Empty: no session of this key has that id.
  std::string join(std::string_view id, digest const& key, time_point now);
  // Its key, or null. It is used by that.
  digest const* find(std::string_view id, time_point now);
  // Likewise, of whoever has the word, too.
  digest const* find(std::string_view id, std::string_view word, time_point now);
  void end(std::string_view id);

  static constexpr std::size_t most_of_key = 100;
  static constexpr std::size_t most_tabs = 16;
  static constexpr std::chrono::hours unused_for{24};  // then it ends

 private:
  struct session {
    digest key;
    std::deque<digest> words;
    time_point used;
  };
  session* look(std::string_view id, time_point now);
  void make_room(digest const& key, time_point now);

  std::map<digest, session> all_;
};

}  // namespace yonder::http
