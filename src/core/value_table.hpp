// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/intrusive_list.hpp"
#include "src/core/values.hpp"

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>

namespace yonder::core {

// Who has references to values that other processes keep, and when nobody has one any more. A session has as
// many as it was given, less those that it has given back; an outcome of which its hub has yet to tell has
// them by pins. A value without either is unused once its owner has said that it does not need it itself.
class value_table {
 public:
  static constexpr std::size_t most_held = std::size_t{1} << 20;  // values, by one session

  // Keeps a value in use as long as it lives, which is not longer than the table.
  class pin {
   public:
    pin(pin&& other) noexcept : table_(std::exchange(other.table_, nullptr)), key_(other.key_) {}
    pin& operator=(pin&& other) noexcept {
      std::swap(table_, other.table_);
      std::swap(key_, other.key_);
      return *this;
    }
    ~pin() {
      if (table_ != nullptr) table_->unpin(key_);
    }
    value_key const& key() const noexcept { return key_; }

   private:
    friend class value_table;
    pin(value_table& table, value_key const& key) : table_(&table), key_(key) {}

    value_table* table_;
    value_key key_;
  };

  pin hold(value_key const& key);
  // False: it has too many.
  bool give(std::uint64_t session, value_key const& key);
  // More than it has is all that it has.
  void take_back(std::uint64_t session, value_key const& key, std::uint32_t count);
  void owner_is_done(value_key const& key);
  // The session has ended: it has no reference any more. To its own values others may have some.
  void end(std::uint64_t session);

  // Whether others have references to what it has made.
  bool is_needed(std::uint64_t owner) const;
  bool some_may_be_unused() const noexcept { return !unused_.empty(); }
  // Once for each that is unused by now, and in any order.
  std::optional<value_key> next_unused();

  std::size_t size() const noexcept { return values_.size(); }

 private:
  struct record : list_hook<value_table> {
    value_key key;
    std::uint64_t uses = 0;  // pins, and references of sessions
    bool done = false;       // its owner is
    bool listed = false;     // in unused_
  };

  record& record_of(value_key const& key);
  void list(record& value) noexcept;
  void unlist(record& value) noexcept;
  void unpin(value_key const& key) noexcept { leave(key, 1); }
  void leave(value_key const& key, std::uint64_t count) noexcept;

  std::map<value_key, record> values_;
  std::map<std::uint64_t, std::map<value_key, std::uint32_t>> held_;
  intrusive_list<record, value_table> unused_;  // were so when they were listed
};

}  // namespace yonder::core
