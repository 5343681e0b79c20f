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
// With a job that may not run on some nodes, and whose others are down: a scheduler may say so in passing.
constexpr std::int64_t stranded = 60'000'000'000;
// Until a job is cancelled again that waits in vain, where that was refused: doubled by each in a row from
// the time of a look on, up to this.
constexpr std::int64_t longest_refusal = 600'000'000'000;
constexpr int most_doublings = 10;

std::string listed_words(std::vector<std::string> const& all) {
  std::string text;
  for (auto const& one : all) text += (text.empty() ? "" : ", ") + one;
  return text;
}

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
    one.cancels = one.starts_again || gone.size() == one.starts.size();
    return;
  }
}

void job_book::give_up(std::int64_t now, std::uint64_t start, std::string text) {
  for (auto& [key, one] : jobs_) {
    if (std::find(one.starts.begin(), one.starts.end(), start) == one.starts.end()) continue;
    blame(now, one, one.where, text);
    one.fault = std::move(text);
  }
  stop(start);
}

// --- nodes on which starts fail

void job_book::served(std::uint64_t start) {
  for (auto& [key, one] : jobs_) {
    if (std::find(one.starts.begin(), one.starts.end(), start) == one.starts.end()) continue;
    one.came = true;
    one.served.push_back(start);
    excluded_.served(one.where);
  }
}

void job_book::blame(std::int64_t now, job const& one, std::string const& node, std::string const& text) {
  if (one.came || !limits_.excludes) return;
  auto const pause = excluded_.failed(now, node);
  if (pause != 0)
    say(kind::notice, 0,
        "on " + node + " a start has failed, and for " + std::to_string(pause / 1'000'000'000) +
            " s no job is submitted to it where there is another node:\n" + text);
}

void job_book::lift(std::int64_t now, std::string const& why) {
  excluded_.lift(now);
  say(kind::notice, 0,
      "jobs are submitted to the nodes again on which starts have failed, as there is no other one:\n" + why);
}

// Of those that are still wanted.
void job_book::put_back(job const& one, std::string const& text) {
  for (auto start = one.starts.rbegin(); start != one.starts.rend(); ++start) {
    if (std::find(one.unwanted.begin(), one.unwanted.end(), *start) == one.unwanted.end())
      waiting_.push_front({*start, 0, one.takes, one.waits});
    else
      say(kind::failed, *start, text);
  }
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
  made.excluded = excluded_.at(now);
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
  if (gone.mapped().cancels) return end(gone.mapped(), text);
  auto const is_too_late = refused_since_ != never && now - refused_since_ >= limits_.patience;
  if (!passes && !is_too_late && !gone.mapped().excluded.empty()) {
    lift(now, text);
    return put_back(gone.mapped(), text);
  }
  if (refused_since_ == never) refused_since_ = now;
  if (!passes || is_too_late) {
    for (auto const start : gone.mapped().starts) say(kind::failed, start, text);
    return;
  }
  if (refusals_ == 0) say(kind::notice, 0, "a job could not be submitted, which is tried again:\n" + text);
  not_before_ = next_try(now);
  tell_waiting(gone.mapped(), "its job could not be submitted, which is tried again:\n" + text);
  put_back(gone.mapped(), text);
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
    } else if (one.was_missing && one.came && !one.ends) {
      if (was_missing) tell_unlisted(one);
      ++at;
    } else if (one.was_missing && !was_missing && !one.ends) {
      misses_ = true;
      ++at;
    } else if (is == state::waiting && !one.placed) {
      take_waiting(now, one, found->second);
      ++at;
    } else if (is == state::over) {
      end(one, "its job " + one.id + (one.ends ? " was cancelled" : " is over") +
                   (found == jobs.end() ? std::string() : ": " + found->second.words));
      if (found != jobs.end() && found->second.has_failed)
        blame(now, one, found->second.where, "its job " + one.id + ": " + found->second.words);
      at = jobs_.erase(at);
    } else {
      if (is == state::running && !std::exchange(one.placed, true)) {
        // It was to be submitted anew, and has found a node before it was cancelled.
        if (!one.ends && std::exchange(one.starts_again, false))
          one.cancels = one.unwanted.size() == one.starts.size();
        one.where = found->second.where;
        if (one.came) excluded_.served(one.where);
        one.placed_at = now;
        for (auto const start : one.starts) happened_.push_back({kind::placed, start, {}, one.id, one.where});
      }
      if (is == state::running) tell_running(now, one);
      ++at;
    }
  }
  look_at_ = next_look(now);
}

// A worker of it is heard: the queue is not whole. When the hub hears that one no more, it says so.
void job_book::tell_unlisted(job& one) {
  if (std::exchange(one.told_missing, true)) return;
  say(kind::notice, 0,
      "the queue does not have job " + one.id + ", whose worker is connected: it is left alone");
}

// One that is hopeless in two looks in a row is given up: the next one may fare better, and whoever calls is
// told after a few.
void job_book::take_waiting(std::int64_t now, job& one, seen const& is) {
  auto const was_hopeless = std::exchange(one.was_hopeless, is.is_hopeless);
  if (!is.lacks_nodes)
    one.stranded_since = never;
  else if (one.stranded_since == never)
    one.stranded_since = now;
  if (one.cancels) return;
  auto why = "its job " + one.id + " waits: " + is.words;
  if (!one.excluded.empty())
    why += "; it is not for " + listed_words(one.excluded) + ", where starts have failed";
  auto const is_stranded = is.lacks_nodes && now - one.stranded_since >= stranded;
  auto const may_go_elsewhere = !one.excluded.empty() && ((was_hopeless && is.is_hopeless) || is_stranded);
  if (now < one.kept_until) {
    tell_waiting(one, std::move(why));
  } else if (may_go_elsewhere || has_lapsed(now, one)) {
    if (may_go_elsewhere && !std::exchange(one.was_lifted, true)) lift(now, why);
    one.starts_again = true;
    one.cancels = true;
  } else if (was_hopeless && is.is_hopeless) {
    one.fault = std::move(why);
    one.unwanted = one.starts;
    one.cancels = true;
  } else {
    tell_waiting(one, std::move(why));
  }
}

// A scheduler knows no more of a worker than that its job runs: it may not reach its hub from there.
void job_book::tell_running(std::int64_t now, job const& one) {
  if (one.cancels) return;
  auto const is_in = [](auto const& all, std::uint64_t start) {
    return std::find(all.begin(), all.end(), start) != all.end();
  };
  auto const seconds = (now - one.placed_at) / 1'000'000'000;
  for (auto const start : one.starts)
    if (!is_in(one.unwanted, start) && !is_in(one.served, start))
      say(kind::waits, start,
          "its job " + one.id + " runs" + (one.where.empty() ? "" : " on " + one.where) +
              (seconds == 0 ? "" : ", for " + std::to_string(seconds) + " s so far") +
              ", and its worker has not come yet");
}

// What it was submitted without counts no more: a scheduler keeps to it for as long as the job waits.
bool job_book::has_lapsed(std::int64_t now, job const& one) const {
  auto const left_out = excluded_.at(now);
  return std::any_of(one.excluded.begin(), one.excluded.end(), [&](auto const& node) {
    return std::find(left_out.begin(), left_out.end(), node) == left_out.end();
  });
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
  if (one.starts_again && !one.placed) return put_back(one, text);
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
  auto const pause = limits_.look << std::min(++one.refusals, most_doublings);
  one.kept_until = now + std::min(longest_refusal, pause);
  if (!std::exchange(one.starts_again, false) || one.unwanted.size() == one.starts.size())
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
