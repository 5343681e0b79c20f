// SPDX-License-Identifier: Apache-2.0
//
// The protocol of the shared rings, the code itself, under every order in which two processors can carry it
// out. The memory is that of machines whose stores leave late, and overtake each other unless they are
// releases (x86, Arm, RISC-V): each side has a buffer of stores, of which any may become visible at any time
// that the rules allow. A state is what each side's loads have returned so far, the buffers and the memory;
// all states are visited once.
#include <doctest/doctest.h>

#include <array>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "transports/local/block_table.hpp"
#include "transports/local/returned_blocks.hpp"
#include "transports/local/ring.hpp"

namespace yonder::testing {
namespace {

using number = std::uint32_t;
using transport::ring_side;
using transport::ring_words;

struct operation {
  enum class kind { load, store, sleep, wake, end } what{};
  std::size_t at = 0;
  number value = 0;
  std::memory_order order = std::memory_order_relaxed;
};

// What runs a side again from its beginning: operations that it has made return what they did, the first one
// that it has not is thrown.
class replay {
 public:
  explicit replay(std::vector<number> const& results) : results_(results) {}
  number perform(operation const& next) {
    if (at_ == results_.size()) throw next;
    return results_[at_++];
  }

 private:
  std::vector<number> const& results_;
  std::size_t at_ = 0;
};
replay* running = nullptr;

struct violation {
  char const* rule;
};
void expect(bool holds, char const* rule) {
  if (!holds) throw violation{rule};
}

// Addresses: words of side 0, words of side 1, how many wakes each side has not seen, the cells of both
// rings, the words by which side 1 gives blocks of side 0 back, and those blocks.
constexpr std::size_t words_each = 5;
constexpr std::size_t wakes = 2 * words_each;
constexpr std::size_t cells = wakes + 2;
constexpr std::size_t most_cells = 4;
constexpr std::size_t returned = cells + 2 * most_cells;
constexpr std::size_t most_lent = 2;
constexpr std::size_t blocks = returned + 1 + most_lent;
constexpr std::size_t memory_size = blocks + most_lent;

struct model_word {
  std::size_t at = 0;
  number load(std::memory_order order) const {
    return running->perform({operation::kind::load, at, 0, order});
  }
  void store(number value, std::memory_order order) const {
    running->perform({operation::kind::store, at, value, order});
  }
};

void number_words(ring_words<model_word>& words, std::size_t side) {
  auto at = side * words_each;
  for (auto* const word : {&words.written, &words.bell, &words.taken, &words.sleep, &words.wants_room})
    word->at = at++;
}

// One end of a connection, as a driver uses it.
class end_of_ring {
 public:
  end_of_ring(std::size_t side, number capacity) : side_(side), capacity_(capacity) {
    number_words(words_[0], 0);
    number_words(words_[1], 1);
    end_.emplace(words_[side], words_[1 - side], capacity);
  }

  // As much of `left` as there is room for; the bytes are numbered. Where there is none, it is looked for
  // once more after it was wished for: the other side may have taken something in between, and ring no bell.
  number write(number first, number left) {
    auto done = put(first, left);
    while (done < left) {
      end_->want_room(true);
      auto const more = put(first + done, left - done);
      if (more == 0) break;
      done += more;
    }
    end_->want_room(done < left);
    ring();
    return done;
  }

  number read(number first) {
    auto const count = end_->readable();
    expect(!end_->is_broken(), "each side keeps the rules");
    for (number i = 0; i < count; ++i) {
      auto const found = cell(1 - side_, end_->taken() + i).load(std::memory_order_relaxed);
      expect(found == first + i, "each byte is the one that was sent");
    }
    if (count != 0) end_->take(count);
    ring();
    return count;
  }

  void sleep() {
    if (!falls_asleep()) return;
    await_wake();
  }

  // One word, which is no byte's number.
  void write_word(number word) {
    cell(side_, end_->written()).store(word, std::memory_order_relaxed);
    end_->publish(1);
    ring();
  }
  number read_word() {
    while (end_->readable() == 0) sleep();
    auto const word = cell(1 - side_, end_->taken()).load(std::memory_order_relaxed);
    end_->take(1);
    ring();
    return word;
  }

  // A sleep in two steps, between which another thread of this side may write.
  bool falls_asleep() { return end_->may_sleep(); }
  void await_wake() {
    running->perform({operation::kind::sleep, wakes + side_});
    end_->stay_awake();
  }

 private:
  number put(number first, number left) {
    auto const count = std::min(left, end_->room(left));
    expect(!end_->is_broken(), "each side keeps the rules");
    for (number i = 0; i < count; ++i)
      cell(side_, end_->written() + i).store(first + i, std::memory_order_relaxed);
    if (count != 0) end_->publish(count);
    return count;
  }
  model_word cell(std::size_t side, number position) const {
    return {cells + side * most_cells + position % capacity_};
  }

  void ring() {
    if (end_->ring()) running->perform({operation::kind::wake, wakes + 1 - side_});
  }

  std::size_t side_;
  number capacity_;
  ring_words<model_word> words_[2];
  std::optional<ring_side<model_word>> end_;
};

using program = std::function<void()>;

struct pending_store {
  std::size_t at;
  number value;
  bool release;
  auto operator<=>(pending_store const&) const = default;
};

struct processor {
  std::vector<number> results;
  std::vector<pending_store> stores;
  auto operator<=>(processor const&) const = default;
};

struct state {
  std::array<number, memory_size> memory{};
  std::array<processor, 2> processors;
  auto operator<=>(state const&) const = default;
};

class explorer {
 public:
  explicit explorer(std::array<program, 2> programs) : programs_(std::move(programs)) {}

  // How many states there are. Requires that every way ends.
  std::size_t explore() {
    visit({});
    while (!open_.empty()) {
      auto const one = std::move(open_.back());
      open_.pop_back();
      auto const before = ways_;
      expand(one);
      if (ways_ == before && !has_ended(one)) FAIL("both sides sleep, and there is something to do");
    }
    return seen_.size();
  }

 private:
  operation const& next_of(std::size_t side, processor const& of) {
    auto const found = next_[side].find(of.results);
    if (found != next_[side].end()) return found->second;
    replay again(of.results);
    running = &again;
    operation next{operation::kind::end};
    try {
      programs_[side]();
    } catch (operation const& made) {
      next = made;
    } catch (violation const& broken) {
      FAIL(std::string(broken.rule));
    }
    return next_[side].emplace(of.results, next).first->second;
  }

  bool has_ended(state const& one) {
    for (std::size_t side = 0; side < 2; ++side)
      if (next_of(side, one.processors[side]).what != operation::kind::end) return false;
    return true;
  }

  void visit(state&& one) {
    ++ways_;
    if (seen_.insert(one).second) open_.push_back(std::move(one));
  }

  void expand(state const& from) {
    for (std::size_t side = 0; side < 2; ++side) {
      let_stores_out(from, side);
      step(from, side, next_of(side, from.processors[side]));
    }
  }

  void let_stores_out(state const& from, std::size_t side) {
    auto const& stores = from.processors[side].stores;
    for (std::size_t i = 0; i < stores.size(); ++i) {
      bool const overtakes = std::any_of(stores.begin(), stores.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](auto const& other) { return other.at == stores[i].at; });
      if (overtakes || (stores[i].release && i != 0)) continue;
      auto next = from;
      next.memory[stores[i].at] = stores[i].value;
      next.processors[side].stores.erase(next.processors[side].stores.begin() +
                                         static_cast<std::ptrdiff_t>(i));
      visit(std::move(next));
    }
  }

  static number value_for(state const& one, std::size_t side, std::size_t at) {
    auto const& stores = one.processors[side].stores;
    for (auto i = stores.size(); i != 0; --i)
      if (stores[i - 1].at == at) return stores[i - 1].value;
    return one.memory[at];
  }

  void step(state const& from, std::size_t side, operation const& made) {
    using kind = operation::kind;
    auto next = from;
    auto& own = next.processors[side];
    // System calls, and loads in sequential consistency, wait until the stores are out.
    bool const waits = made.what == kind::load ? made.order == std::memory_order_seq_cst
                                               : made.what != kind::store && made.what != kind::end;
    if (waits && !own.stores.empty()) return;
    switch (made.what) {
      case kind::end: return;
      case kind::load: own.results.push_back(value_for(from, side, made.at)); break;
      case kind::store:
        own.stores.push_back({made.at, made.value, made.order != std::memory_order_relaxed});
        own.results.push_back(0);
        break;
      case kind::sleep:
        if (next.memory[made.at] == 0) return;
        next.memory[made.at] = 0;
        own.results.push_back(0);
        break;
      case kind::wake:
        ++next.memory[made.at];
        own.results.push_back(0);
        break;
    }
    visit(std::move(next));
  }

  std::array<program, 2> programs_;
  std::array<std::map<std::vector<number>, operation>, 2> next_;
  std::set<state> seen_;
  std::vector<state> open_;
  std::size_t ways_ = 0;
};

program sender(number total, number capacity) {
  return [=] {
    end_of_ring end(0, capacity);
    for (number sent = 0; sent < total;) {
      auto const count = end.write(sent + 1, total - sent);
      sent += count;
      if (count == 0) end.sleep();
    }
  };
}

// What it sends it sends while it sleeps: a thread of its own that does not read.
program sleeping_sender(std::size_t side, number total, number capacity) {
  return [=] {
    end_of_ring end(side, capacity);
    for (number sent = 0; sent < total;) {
      bool const asleep = end.falls_asleep();
      sent += end.write(sent + 1, total - sent);
      if (asleep && sent < total) end.await_wake();
    }
  };
}

program receiver(std::size_t side, number total, number capacity) {
  return [=] {
    end_of_ring end(side, capacity);
    for (number got = 0; got < total;) {
      auto const count = end.read(got + 1);
      got += count;
      if (count == 0) end.sleep();
    }
  };
}

// Sends one byte and waits for one, or the other way round.
program echo(std::size_t side, number rounds) {
  return [=] {
    end_of_ring end(side, 4);
    for (number i = 1; i <= rounds; ++i) {
      if (side == 0) end.write(i, 1);
      while (end.read(i) == 0) end.sleep();
      if (side == 1) end.write(i, 1);
    }
  };
}

using model_returned = transport::returned_words<model_word, most_lent>;

void number_words(model_returned& words) {
  words.count.at = returned;
  for (std::size_t i = 0; i < most_lent; ++i) words.pages[i].at = returned + 1 + i;
}

// Messages lie in blocks, which are named in a ring that has room for all of them; where no block is free, in
// the ring itself.
// Without `zero`, block 0 is never lent, so that a word that is not there yet is seen.
program lender(number total, bool zero) {
  return [=] {
    end_of_ring end(0, most_cells);
    model_returned words;
    number_words(words);
    transport::block_collector collector(words);
    transport::block_table table(most_lent);
    if (!zero) table.take(1);
    auto const give = [&](number page) { return (zero || page != 0) && table.give(page); };
    for (number i = 1; i <= total; ++i) {
      expect(collector.collect(table.blocks(), give), "each side keeps the rules");
      auto const page = table.take(1);
      if (page) model_word{blocks + *page}.store(i, std::memory_order_relaxed);
      end.write_word(page ? 100 + *page : i);
    }
  };
}

program borrower(number total) {
  return [=] {
    end_of_ring end(1, most_cells);
    model_returned words;
    number_words(words);
    transport::block_returner returner(words);
    for (number i = 1; i <= total; ++i) {
      auto const word = end.read_word();
      auto const found = word < 100 ? word : model_word{blocks + word - 100}.load(std::memory_order_relaxed);
      expect(found == i, "each block is what was sent until it is given back");
      if (word >= 100) returner.give(word - 100);
    }
  };
}

}  // namespace

TEST_CASE("in every order of its memory, no block is written again before it was read") {
  std::size_t states = 0;
  SUBCASE("one block") { states = explorer({lender(2, false), borrower(2)}).explore(); }
  SUBCASE("two blocks") { states = explorer({lender(2, true), borrower(2)}).explore(); }
  MESSAGE(states << " states");
  CHECK(states > 100);
}

TEST_CASE("in every order of its memory, no byte of a ring is lost or torn, and nobody sleeps over work") {
  std::size_t states = 0;
  SUBCASE("a few bytes") { states = explorer({sender(2, 2), receiver(1, 2, 2)}).explore(); }
  SUBCASE("a ring that is too small") { states = explorer({sender(3, 2), receiver(1, 3, 2)}).explore(); }
  SUBCASE("a sender that sleeps") {
    states = explorer({sleeping_sender(0, 3, 2), receiver(1, 3, 2)}).explore();
  }
  SUBCASE("the other way round") {
    states = explorer({receiver(0, 3, 2), sleeping_sender(1, 3, 2)}).explore();
  }
  SUBCASE("echo") { states = explorer({echo(0, 2), echo(1, 2)}).explore(); }
  MESSAGE(states << " states");
  CHECK(states > 100);
}

}  // namespace yonder::testing
