// SPDX-License-Identifier: Apache-2.0
#include "src/driver/job_book.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace yonder::driver {

using kind = job_book::event::kind;

namespace {
// After a submission: by then a scheduler has said why a job does not run, if it does not.
constexpr std::int64_t first_look = 2'000'000'000;
}  // namespace

void job_book::say(kind what, std::uint64_t start, std::string text) {
  happened_.push_back({.what = what, .start = start, .text = std::move(text)});
}

// --- what is wanted

// Times of trouble are over once nobody waits any more: who comes then has all the patience again.
void job_book::start(std::int64_t now, std::uint64_t start, job_share takes) {
  if (waiting_.empty() && submitting_ == 0) {
    refusals_ = 0;
    refused_since_ = never;
  }
  if (takes.most == 0) takes.most = limits_.workers;
  waiting_.push_back({start, now, std::move(takes)});
}

void job_book::stop(std::uint64_t start) {
  constexpr auto why = "its worker is not wanted any more";
  if (std::erase_if(waiting_, [&](auto const& one) { return one.start == start; }) != 0)
    return say(kind::failed, start, why);
  for (auto& [key, one] : jobs_) {
    if (std::find(one.starts.begin(), one.starts.end(), start) == one.starts.end()) continue;
    auto& gone = one.unwanted;
    if (std::find(gone.begin(), gone.end(), start) == gone.end()) gone.push_back(start);
    one.cancels = gone.size() == one.starts.size();
    return;
  }
}

void job_book::give_up(std::uint64_t start, std::string text) {
  for (auto& [key, one] : jobs_)
    if (std::find(one.starts.begin(), one.starts.end(), start) != one.starts.end())
      one.fault = std::move(text);
  stop(start);
}

// --- submitting

std::vector<std::uint64_t> job_book::submission(std::int64_t now) {
  if (is_full())
    for (auto& one : waiting_)
      if (one.waits.empty())
        say(kind::waits, one.start,
            one.waits = "as many jobs are there as max_jobs says: " + std::to_string(limits_.jobs));
  if (!may_submit() || now < not_before_ || now < gathered_at()) return {};
  submitting_ = ++last_job_;
  auto& made = jobs_[submitting_];
  made.takes = waiting_.front().takes;
  for (auto at = waiting_.begin(); at != waiting_.end() && made.starts.size() < made.takes.most;) {
    if (at->takes != made.takes) {
      ++at;
      continue;
    }
    made.starts.push_back(at->start);
    if (!at->waits.empty()) made.waits = std::move(at->waits);
    at = waiting_.erase(at);
  }
  return made.starts;
}

// When no more workers of the next job are waited for; some wait.
std::int64_t job_book::gathered_at() const {
  auto const& first = waiting_.front();
  auto const alike = std::count_if(waiting_.begin(), waiting_.end(),
                                   [&](auto const& one) { return one.takes == first.takes; });
  return static_cast<std::size_t>(alike) >= first.takes.most ? 0 : first.since + limits_.gather;
}

void job_book::submitted(std::int64_t now, std::string const& id) {
  auto& one = jobs_.at(std::exchange(submitting_, 0));
  one.id = id;
  if (!one.waits.empty()) tell_waiting(one, "its job " + id + " was submitted");
  refusals_ = 0;
  refused_since_ = never;
  look_at_ = std::min(look_at_, now + std::min(first_look, limits_.look));
}

void job_book::refused(std::int64_t now, std::string const& text, bool passes) {
  auto gone = jobs_.extract(std::exchange(submitting_, 0));
  auto const& starts = gone.mapped().starts;
  auto const& unwanted = gone.mapped().unwanted;
  if (gone.mapped().cancels) return end(gone.mapped(), text);
  if (refused_since_ == never) refused_since_ = now;
  if (!passes || now - refused_since_ >= limits_.patience) {
    for (auto const start : starts) say(kind::failed, start, text);
    return;
  }
  if (refusals_ == 0) say(kind::notice, 0, "a job could not be submitted, which is tried again:\n" + text);
  not_before_ = next_try(now);
  tell_waiting(gone.mapped(), "its job could not be submitted, which is tried again:\n" + text);
  for (auto start = starts.rbegin(); start != starts.rend(); ++start) {
    if (std::find(unwanted.begin(), unwanted.end(), *start) == unwanted.end())
      waiting_.push_front({*start, 0, gone.mapped().takes, gone.mapped().waits});
    else
      say(kind::failed, *start, text);
  }
}

void job_book::doubted(std::int64_t now, std::string const& text) {
  if (refused_since_ == never) refused_since_ = now;
  if (now - refused_since_ >= limits_.patience) return refused(now, text, false);
  if (refusals_ == 0)
    say(kind::notice, 0, "whether a job was submitted is not known, and looked up:\n" + text);
  tell_waiting(jobs_.at(submitting_), "whether its job was submitted is not known, and looked up:\n" + text);
  search_at_ = next_try(now);
}

bool job_book::should_search(std::int64_t now) {
  if (!search_at_ || *search_at_ > now) return false;
  search_at_.reset();
  return true;
}

std::int64_t job_book::next_try(std::int64_t now) {
  constexpr int most_doublings = 10;
  auto const pause = limits_.first_pause << std::min(refusals_++, most_doublings);
  return now + std::min(limits_.longest_pause, pause);
}

// --- looking

bool job_book::should_look(std::int64_t now) {
  if (looking_ || look_at_ > now) return false;
  look_at_ = never;
  for (auto& [key, one] : jobs_) one.was_there = !one.id.empty();
  return looking_ = !jobs_.empty();
}

void job_book::listed(std::int64_t now, std::map<std::string, seen> const& jobs) {
  looking_ = unseen_ = misses_ = false;
  for (auto at = jobs_.begin(); at != jobs_.end();) {
    auto& one = at->second;
    auto const found = jobs.find(one.id);
    auto const is = found == jobs.end() ? state::over : found->second.is;
    auto const was_missing = std::exchange(one.was_missing, one.was_there && found == jobs.end());
    if (!one.was_there || at->first == cancelling_) {
      ++at;
    } else if (one.was_missing && !was_missing && !one.ends) {
      misses_ = true;
      ++at;
    } else if (is == state::waiting && !one.placed) {
      take_waiting(one, found->second);
      ++at;
    } else if (is == state::over) {
      end(one, "its job " + one.id + (one.ends ? " was cancelled" : " is over") +
                   (found == jobs.end() ? std::string() : ": " + found->second.words));
      at = jobs_.erase(at);
    } else {
      if (is == state::running && !std::exchange(one.placed, true))
        for (auto const start : one.starts)
          happened_.push_back({kind::placed, start, {}, one.id, found->second.where});
      ++at;
    }
  }
  look_at_ = next_look(now);
}

// One that is hopeless in two looks in a row is given up: the next one may fare better, and whoever calls is
// told after a few.
void job_book::take_waiting(job& one, seen const& is) {
  auto const was_hopeless = std::exchange(one.was_hopeless, is.is_hopeless);
  if (one.cancels) return;
  auto why = "its job " + one.id + " waits: " + is.words;
  if (was_hopeless && is.is_hopeless) {
    one.fault = std::move(why);
    one.unwanted = one.starts;
    one.cancels = true;
  } else {
    tell_waiting(one, std::move(why));
  }
}

void job_book::tell_waiting(job& one, std::string why) {
  if (one.cancels || one.waits == why) return;
  for (auto const start : one.starts)
    if (std::find(one.unwanted.begin(), one.unwanted.end(), start) == one.unwanted.end())
      say(kind::waits, start, why);
  one.waits = std::move(why);
}

// What was cancelled is soon over, and what was missing soon known to be.
std::int64_t job_book::next_look(std::int64_t now) const {
  constexpr std::int64_t soon = 1'000'000'000;
  if (jobs_.empty()) return never;
  auto const ends =
      std::any_of(jobs_.begin(), jobs_.end(), [](auto const& entry) { return entry.second.ends; });
  return now + (ends || misses_ ? std::min(soon, limits_.look) : limits_.look);
}

void job_book::unlisted(std::int64_t now, std::string const& text) {
  looking_ = false;
  look_at_ = now + limits_.look;
  if (!std::exchange(unseen_, true)) say(kind::notice, 0, "the queue cannot be looked at:\n" + text);
  for (auto& [key, one] : jobs_)
    if (one.was_there && !one.placed)
      tell_waiting(one, "its job " + one.id + " may wait; the queue cannot be looked at:\n" + text);
}

void job_book::end(job const& one, std::string const& text) {
  auto const why = one.fault.empty() ? text : one.fault + "\n" + text;
  for (auto const start : one.starts) say(one.placed ? kind::ended : kind::failed, start, why);
}

// --- cancelling

std::string job_book::cancel() {
  if (cancelling_ != 0) return {};
  auto const found = std::find_if(jobs_.begin(), jobs_.end(),
                                  [&](auto const& entry) { return should_cancel(entry.second); });
  if (found == jobs_.end()) return {};
  cancelling_ = found->first;
  return found->second.id;
}

// A scheduler gives a job time to end, in which it has its nodes.
void job_book::cancelled(std::int64_t now) {
  jobs_.at(std::exchange(cancelling_, 0)).ends = true;
  look_at_ = std::min(look_at_, next_look(now));
}

void job_book::not_cancelled(std::int64_t now, std::string const& text) {
  auto& one = jobs_.at(std::exchange(cancelling_, 0));
  one.cancels = false;  // until it is asked for again
  for (auto const start : one.starts) say(kind::stop_failed, start, text);
  look_at_ = std::min(look_at_, now + limits_.look);
}

void job_book::already_over(std::int64_t now) {
  auto const gone = jobs_.extract(std::exchange(cancelling_, 0));
  end(gone.mapped(), "its job " + gone.mapped().id + " was over");
  if (jobs_.empty()) look_at_ = never;
  look_at_ = std::min(look_at_, next_look(now));
}

std::vector<std::string> job_book::ids() const {
  std::vector<std::string> all;
  for (auto const& [key, one] : jobs_)
    if (!one.id.empty()) all.push_back(one.id);
  return all;
}

// --- the driver's side

void job_book::take(std::vector<event>& happened) {
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

std::int64_t job_book::next_deadline() const {
  auto const has_to_cancel =
      cancelling_ == 0 &&
      std::any_of(jobs_.begin(), jobs_.end(), [&](auto const& entry) { return should_cancel(entry.second); });
  if (!happened_.empty() || has_to_cancel) return 0;
  auto next = std::min(looking_ ? never : look_at_, search_at_.value_or(never));
  if (may_submit()) next = std::min(next, std::max(not_before_, gathered_at()));
  return next;
}

}  // namespace yonder::driver
