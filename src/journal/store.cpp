// SPDX-License-Identifier: Apache-2.0
#include "src/journal/store.hpp"

#include <algorithm>
#include <utility>

namespace yonder::journal {
namespace {

using detail::byte_buffer;

void append_record(record const& what, std::span<std::byte const> body, byte_buffer& to) {
  auto const whole = size_on_disk(what.size);
  auto* const at = to.extend(whole);
  encode(what, at);
  std::copy(body.begin(), body.end(), at + record_header_size);
  std::fill(at + record_header_size + body.size(), at + whole, std::byte{0});
}

}  // namespace

// Whatever fails has left the files in a state that only a recovery understands: fsync, above all, may have
// dropped what it could not write.
template <class Work>
auto store::guarded(Work work) {
  if (failure_) throw *failure_;
  try {
    return work();
  } catch (error const& why) {
    failure_ = why;
  } catch (std::system_error const& why) {
    failure_ = of_system(why);
  }
  throw *failure_;
}

store::store(file_system& disk, settings const& how, std::uint64_t identity, record_visitor const& to)
    : disk_(disk), how_(how) {
  guarded([&] {
    auto found = recover(disk_, how_.schema, counts_);
    if (found.fresh)
      make(identity);
    else
      mend(found);
    counts_.expire(how_.expired_until);
    visit(disk_, found, counts_, to);
  });
}

// The witness comes first: a segment without one is never a beginning.
void store::make(std::uint64_t identity) {
  written_.identity = identity;
  written_.schema = how_.schema;
  {
    auto const unfinished = std::string(unfinished_witness_name);
    auto const names = disk_.list();
    if (std::find(names.begin(), names.end(), unfinished) != names.end()) disk_.remove(unfinished);
    auto const made = disk_.open(unfinished, file_system::access::create);
    for (auto const slot : witness_slots) write_all(*made, slot, encode(written_));
    made->sync();
    disk_.rename(unfinished, std::string(witness_name));
    disk_.sync();
  }
  witness_file_ = disk_.open(std::string(witness_name), file_system::access::write);
  signed_off_ = written_;
  rotate();
}

// Cuts off what was never acknowledged, and removes what no longer counts.
void store::mend(recovered const& found) {
  notes_ = found.notes;
  written_ = signed_off_ = found.signed_off;
  signed_slot_ = found.slot;
  segments_ = found.segments;
  number_ = found.number;
  seal_ = found.seal;
  time_ = found.time;
  for (auto const& [segment, size] : segments_) bytes_ += size;
  witness_file_ = disk_.open(std::string(witness_name), file_system::access::write);
  for (auto const& name : found.leftovers) disk_.remove(name);
  if (!found.leftovers.empty()) disk_.sync();
  if (segments_.empty()) return rotate();
  auto const& [last, size] = *segments_.rbegin();
  segment_ = disk_.open(segment_name(last), file_system::access::write);
  if (segment_->size() != size) segment_->truncate(size);
  // Records that were whole count from now on, so they have to stay. An fdatasync that has failed may have
  // left them in the system's memory alone, as if they were on disk: they are written once more.
  if (found.unsigned_from) {
    byte_buffer again;
    auto const count = size - *found.unsigned_from;
    again.truncate(segment_->read(*found.unsigned_from, {again.extend(count), count}));
    write_all(*segment_, *found.unsigned_from, again);
  }
  segment_->sync();
  disk_.sync();
  written_.schema = std::max(written_.schema, how_.schema);
  sign_both();
}

void store::rotate() {
  auto const next = segments_.empty() ? written_.first : segments_.rbegin()->first + 1;
  segment_header const header{written_.identity, next, number_ + 1, seal_};
  segment_ = disk_.open(segment_name(next), file_system::access::create);
  write_all(*segment_, 0, encode(header));
  segment_->sync();
  disk_.sync();
  {
    std::lock_guard const lock(mutex_);
    segments_[next] = segment_header_size;
    bytes_ += segment_header_size;
  }
  write_witness();
  sign();
}

void store::write_all(file& to, std::uint64_t offset, std::span<std::byte const> bytes) {
  while (!bytes.empty()) {
    auto const taken = to.write(offset, bytes);
    if (taken == 0)
      throw std::system_error(std::make_error_code(std::errc::io_error), "journal: a write took nothing");
    offset += taken;
    bytes = bytes.subspan(taken);
  }
}

void store::commit(std::span<std::byte> records, std::int64_t now) {
  guarded([&] { put(records, {}, now); });
}

// `from`: for each record where it is copied from; nowhere: it is none.
void store::put(std::span<std::byte> records, std::span<place const> from, std::int64_t now) {
  time_ = std::max(time_, now);
  auto end = segments_.rbegin()->second;
  auto number = number_;
  auto seal_before = seal_;
  std::size_t run = 0;  // where in `records` begins what is not written yet
  std::size_t done = 0;
  std::size_t count = 0;
  while (done < records.size()) {
    // A group lies in one segment, so that a segment that another follows ends with a whole one.
    std::size_t group = done;
    for (bool more = true; more;) {
      auto const each = decode(&records[group]);
      more = each.continues;
      group += size_on_disk(each.size);
    }
    if (end > segment_header_size && end + (group - done) > how_.segment_bytes) {
      if (run != done)
        write_run(records.subspan(run, done - run), from.subspan(0, std::min(from.size(), count)));
      from = from.subspan(std::min(from.size(), count));
      count = 0;
      run = done;
      rotate();
      end = segment_header_size;
    }
    for (; done < group; ++count) {
      auto const head = decode(&records[done]);
      auto const size = size_on_disk(head.size);
      if (head.time == 0) store_time(&records[done], time_);
      seal_before = seal(records.subspan(done, size), {written_.identity, segments_.rbegin()->first, end},
                         ++number, number_, seal_before);
      done += size;
      end += size;
    }
  }
  if (run != done) write_run(records.subspan(run), from);
}

void store::write_run(std::span<std::byte const> run, std::span<place const> from) {
  auto const segment = segments_.rbegin()->first;
  auto const begin = segments_.rbegin()->second;
  write_all(*segment_, begin, run);
  segment_->sync();
  {
    std::lock_guard const lock(mutex_);
    std::size_t count = 0;
    for (std::size_t at = 0; at < run.size(); ++count) {
      auto const each = decode(&run[at]);
      place const here{segment, static_cast<std::uint32_t>((begin + at) / 8)};
      if (from.empty())
        counts_.apply(each, here);
      else if (from[count].segment != 0)
        counts_.moved(each, from[count], here);
      number_ = each.number;
      at += size_on_disk(each.size);
      if (at == run.size()) seal_ = seal_of(&run[at - size_on_disk(each.size)]);
    }
    segments_.rbegin()->second += run.size();
    bytes_ += run.size();
  }
  write_witness();
}

// Into the slot that is not the synced one: whatever a power loss makes of it, the other holds.
void store::write_witness() {
  ++written_.sequence;
  written_.synced = number_;
  written_.seal = seal_;
  written_.last = segments_.rbegin()->first;
  write_all(*witness_file_, witness_slots[1 - signed_slot_], encode(written_));
}

void store::sign() {
  guarded([&] {
    if (is_signed()) return;
    witness_file_->sync();
    signed_off_ = written_;
    signed_slot_ = 1 - signed_slot_;
  });
}

// Before files go that a slot may ask for.
void store::sign_both() {
  for (int slot = 0; slot < 2; ++slot) {
    write_witness();
    sign();
  }
}

// None: no true record lies there.
std::optional<stored> store::load(place at, std::uint32_t units) const {
  stored found;
  auto const size = std::size_t{units} * 8;
  auto const from = disk_.open(segment_name(at.segment), file_system::access::read);
  found.bytes.truncate(from->read(at.offset(), {found.bytes.extend(size), size}));
  auto const whole = read_record(found.bytes, {written_.identity, at.segment, at.offset()});
  if (!whole) return std::nullopt;
  found.what = whole->what;
  return found;
}

void store::refuse_damage(place at) const {
  throw error(problem::damaged, "journal: " + disk_.path(segment_name(at.segment)) + " is damaged at byte " +
                                    std::to_string(at.offset()) +
                                    " since it was opened; end this program and run `yonder journal check`");
}

std::optional<stored> store::read(core::call_id const& call) const {
  place before;
  for (;;) {
    ledger::piece known;
    {
      std::lock_guard const lock(mutex_);
      known = counts_.find(call);
    }
    if (known.units == 0) return std::nullopt;
    bool const again = before == known.at;
    before = known.at;
    try {
      if (auto found = load(known.at, known.units)) return found;
      if (again) refuse_damage(known.at);
    } catch (std::system_error const& why) {
      if (again) throw of_system(why);
    }
    // Compaction may have moved it meanwhile.
  }
}

std::vector<ledger::calls> store::expire(std::int64_t until) {
  std::lock_guard const lock(mutex_);
  return counts_.expire(until);
}

store::figures_type store::figures() const {
  std::lock_guard const lock(mutex_);
  return {bytes_,          counts_.live_bytes(), counts_.queued(), counts_.started(),
          counts_.ended(), counts_.memory(),     segments_.size()};
}

std::uint64_t store::live_bytes() const {
  std::lock_guard const lock(mutex_);
  return counts_.live_bytes();
}

// Oldest first, so that a record never outlives one that takes it back. Files take twice what counts and two
// segments at most; what is copied is never more than what goes.
bool store::clean(std::int64_t now) {
  return guarded([&] {
    if (segments_.size() < 2) return false;
    if (cleaned_ == 0 && counted_in_first() != 0 && bytes_ <= 2 * live_bytes() + 2 * how_.segment_bytes)
      return false;
    empty_first(now);
    return true;
  });
}

void store::compact() {
  guarded([&] {
    rotate();
    for (auto const last = segments_.rbegin()->first; segments_.begin()->first < last;) empty_first(time_);
  });
}

void store::empty_first(std::int64_t now) {
  if (counted_in_first() == 0 || cleaned_ >= segments_.begin()->second)
    drop_first();
  else
    copy_some(now);
}

std::uint64_t store::counted_in_first() const {
  std::lock_guard const lock(mutex_);
  return counts_.live_bytes(segments_.begin()->first);
}

// Of the first segment, from where the step before has ended.
void store::copy_some(std::int64_t now) {
  auto const [segment, size] = *segments_.begin();
  if (cleaned_ == 0) cleaned_ = segment_header_size;
  auto const window = read_window(segment, cleaned_, size);
  copies made;
  location at{written_.identity, segment, cleaned_};
  while (auto const found = read_record(window.bytes().subspan(at.offset - cleaned_), at)) {
    place const here{segment, static_cast<std::uint32_t>(at.offset / 8)};
    at.offset += size_on_disk(found->what.size);
    if (made.from_places.count(here) == 0) copy_group(*found, here, made);
  }
  if (at.offset == cleaned_) refuse_damage({segment, static_cast<std::uint32_t>(cleaned_ / 8)});
  cleaned_ = at.offset;
  if (!made.bytes.empty()) put({made.bytes.data(), made.bytes.size()}, made.from, now);
}

// One record at least, if it is true.
byte_buffer store::read_window(std::uint32_t segment, std::uint64_t offset, std::uint64_t size) const {
  auto const from = disk_.open(segment_name(segment), file_system::access::read);
  byte_buffer bytes;
  auto const read = [&](std::uint64_t length) {
    bytes.clear();
    bytes.truncate(from->read(offset, {bytes.extend(length), length}));
  };
  read(std::min(how_.clean_step, size - offset));
  if (bytes.size() < record_header_size) return bytes;
  if (auto const first = size_on_disk(decode(bytes.data()).size);
      first > bytes.size() && first <= size - offset)
    read(first);
  return bytes;
}

// A record that counts, with what is to be known of its calls: as one group, which is there whole or not.
void store::copy_group(found_record const& what, place at, copies& to) {
  if (what.what.what != kind::call && what.what.what != kind::ended) return;
  std::vector<ledger::piece> known;
  {
    std::lock_guard const lock(mutex_);
    if (!counts_.counts(what.what, at)) return;
    known = counts_.pieces(what.what.call, what.what.items);
  }
  std::vector<copied> group{{what.what, at, what.body}};
  std::vector<stored> outcomes;
  if (what.what.what == kind::call) {
    std::map<place, std::uint32_t>
        places;  // in the order in which they were written: the first outcome counts
    for (auto const& each : known)
      if (each.is == ledger::state::ended) places[each.at] = each.units;
    outcomes.reserve(places.size());
    for (auto const& [its_place, units] : places) {
      auto outcome = load(its_place, units);
      if (!outcome) refuse_damage(its_place);
      outcomes.push_back(std::move(*outcome));
      group.push_back({outcomes.back().what, its_place, outcomes.back().body()});
    }
  }
  std::deque<stored> starts;
  add_states(known, group, starts);
  for (std::size_t i = 0; i < group.size(); ++i) {
    auto& each = group[i];
    each.what.copy = true;
    each.what.continues = i + 1 < group.size();
    each.what.origin = what.what.origin;
    append_record(each.what, each.body, to.bytes);
    to.from.push_back(each.from);
    if (each.from.segment != 0) to.from_places.insert(each.from);
  }
}

// As the records of their start say it, for all of them or for some each.
void store::add_starts(ledger::piece const& started, std::vector<copied>& group,
                       std::deque<stored>& bodies) const {
  std::vector<ledger::start> parts;
  {
    std::lock_guard const lock(mutex_);
    parts = counts_.starts(started.first, started.items);
  }
  for (auto const& each : parts) {
    auto found = load(each.at, each.units);
    if (!found) refuse_damage(each.at);
    auto& body = bodies.emplace_back(std::move(*found));
    auto what = body.what;
    what.call = each.first;
    what.items = each.items;
    what.time = 0;
    group.push_back({what, each.at, body.body()});
  }
}

// What no copied record says: which calls have started, and which of those that the copies are about are
// gone.
void store::add_states(std::vector<ledger::piece> const& known, std::vector<copied>& group,
                       std::deque<stored>& bodies) const {
  auto const say = [&group](kind what, core::call_id const& first, std::uint32_t items) {
    record made;
    made.what = what;
    made.call = first;
    made.items = items;
    group.push_back({made, {}, {}});
  };
  for (auto const& each : known)
    if (each.is == ledger::state::started) add_starts(each, group, bodies);
  auto const whole = group.front().what;
  for (std::size_t i = 0, records = group.size(); i < records; ++i) {
    auto const about = group[i].what;
    if (about.what == kind::started) continue;
    auto const first = about.call;
    auto next = first.number;
    auto const end = first.number + about.items;
    auto const gap = [&](std::uint64_t until) {
      bool const is_said = i != 0 && first.session == whole.call.session && next >= whole.call.number &&
                           until <= whole.call.number + whole.items;
      if (next < until && !is_said)
        say(kind::forgotten, {first.session, next}, static_cast<std::uint32_t>(until - next));
    };
    std::vector<ledger::piece> pieces;
    {
      std::lock_guard const lock(mutex_);
      pieces = counts_.pieces(first, about.items);
    }
    for (auto const& each : pieces) {
      gap(each.first.number);
      next = each.first.number + each.items;
    }
    gap(end);
  }
}

// The witness goes first: it no longer asks for what is removed.
void store::drop_first() {
  auto const [first, size] = *segments_.begin();
  written_.first = first + 1;
  sign_both();
  disk_.remove(segment_name(first));
  std::lock_guard const lock(mutex_);
  segments_.erase(first);
  bytes_ -= size;
  cleaned_ = 0;
}

}  // namespace yonder::journal
