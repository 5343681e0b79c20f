// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/driver/excluded_nodes.hpp"

namespace yonder::driver {

// All times in nanoseconds.
struct job_limits {
  std::size_t workers = 1;                      // that one job starts, at most
  std::size_t jobs = 0;                         // at once; 0: any number
  std::int64_t gather = 20'000'000;             // for which starts wait for others of their job
  std::int64_t first_pause = 1'000'000'000;     // after a submission that the scheduler did not take; doubled
  std::int64_t longest_pause = 30'000'000'000;  // by each in a row, up to this
  std::int64_t patience = 900'000'000'000;      // for which it is tried again
  std::int64_t look = 5'000'000'000;            // from one look at the queue to the next
  bool excludes = true;                         // nodes on which starts have failed
};

// What a start takes of a job. Only those that take the same are together in one.
struct job_share {
  std::string needs{};   // whatever tells them apart
  std::size_t most = 0;  // so many are a job's at most; 0: job_limits::workers
  bool operator==(job_share const&) const = default;
};

// The jobs of a batch system that start workers: what is submitted when, and what becomes of it. It decides;
// whoever drives it runs the commands, one submission, one look and one cancel at a time.
class job_book {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  explicit job_book(job_limits const& limits) : limits_(limits) {}

  struct event {
    // waits: it is in the queue, or not even there, and `text` says why; again when that changes. Once it is
    // placed: for how long it has run without its worker, at each look
    enum class kind : std::uint8_t { waits, placed, failed, ended, stop_failed, notice };
    kind what{};
    std::uint64_t start = 0;
    std::string text{};
    std::string job{};    // of `placed`: its id
    std::string where{};  // and its node
  };

  // A worker is to be started; it is to be ended.
  void start(std::int64_t now, std::uint64_t start, job_share takes = {});
  void stop(std::uint64_t start);
  // What was placed cannot be started there, and ends as stop() has it, with `text`.
  void give_up(std::int64_t now, std::uint64_t start, std::string text);
  // Its worker has come.
  void served(std::uint64_t start);

  // The starts of the job that is to be submitted now; none: none is. submitted(), refused() or doubted()
  // follows.
  std::vector<std::uint64_t> submission(std::int64_t now);
  // The nodes that this job is not to run on, as starts there have failed. One that is refused so, or finds
  // no other node, is submitted again without a word of them.
  std::vector<std::string> const& excluded() const { return jobs_.at(submitting_).excluded; }
  void submitted(std::int64_t now, std::string const& id);
  // `passes`: it may be taken later, as the scheduler was not reached, or takes no more for now.
  void refused(std::int64_t now, std::string const& text, bool passes);
  // It is not known whether it was taken.
  void doubted(std::int64_t now, std::string const& text);
  // Whether to look now for the job that is in doubt; submitted(), refused() or doubted() follows. Nothing
  // else is submitted until that is known.
  bool should_search(std::int64_t now);
  // Whether something is, or may have been.
  bool is_submitting() const noexcept { return submitting_ != 0; }

  // Whether to look at the queue now; listed() or unlisted() follows.
  bool should_look(std::int64_t now);
  enum class state : std::uint8_t { waiting, running, over };
  struct seen {
    state is{};
    std::string words{};       // "FAILED (NonZeroExitCode)"
    std::string where{};       // it runs, as the scheduler calls that
    bool is_hopeless = false;  // it waits, and would for ever: `words` say what is to be done
    bool lacks_nodes = false;  // it waits, as those that it may run on are down
    bool has_failed = false;   // it is over, by what it ran or by its node
  };
  // By id; those that are missing in two looks in a row are over, and those that are hopeless there are
  // given up.
  void listed(std::int64_t now, std::map<std::string, seen> const& jobs);
  void unlisted(std::int64_t now, std::string const& text);

  // The id of a job that is to be cancelled now; empty: none is. cancelled() follows.
  std::string cancel();
  // It is told to end, and is over when the queue says so.
  void cancelled(std::int64_t now);
  void not_cancelled(std::int64_t now, std::string const& text);
  void already_over(std::int64_t now);

  // The ids of all jobs that there may be, to be cancelled at the end.
  std::vector<std::string> ids() const;

  void take(std::vector<event>& happened);
  std::int64_t next_deadline() const;

 private:
  struct job {
    std::vector<std::uint64_t> starts;
    std::vector<std::uint64_t> unwanted{};  // of them: each has its share until the job is over
    job_share takes{};                      // each of them
    std::string id{};
    bool placed = false;
    bool was_there = false;               // before the queue was looked at
    bool was_missing = false;             // in the last look
    bool was_hopeless = false;            // likewise
    bool cancels = false;                 // as none of its workers is wanted
    bool ends = false;                    // that was done
    std::string fault{};                  // why it was given up
    std::string waits{};                  // why it does not run yet, as was said last
    std::vector<std::string> excluded{};  // nodes
    std::int64_t stranded_since = never;  // without them it finds none that is up
    bool starts_again = false;            // without that, when it is over
    bool was_lifted = false;              // for its sake
    int refusals = 0;                     // of its cancel, in a row
    std::int64_t kept_until = 0;          // since then, however it waits: nobody else wants it to end
    std::string where{};                  // its node, once it is placed
    bool came = false;                    // one of its workers
    bool told_missing = false;            // that the queue does not have it nevertheless
    std::vector<std::uint64_t> served{};  // of its starts: their workers have come
    std::int64_t placed_at = 0;
  };
  struct waiting_start {
    std::uint64_t start = 0;
    std::int64_t since = 0;
    job_share takes{};
    std::string waits{};  // likewise, for its job to be submitted
  };

  void say(event::kind what, std::uint64_t start, std::string text);
  void end(job const& one, std::string const& text);
  void tell_waiting(job& one, std::string why);
  void take_waiting(std::int64_t now, job& one, seen const& is);
  void tell_running(std::int64_t now, job const& one);
  void blame(std::int64_t now, job const& one, std::string const& node, std::string const& text);
  void lift(std::int64_t now, std::string const& why);
  bool has_lapsed(std::int64_t now, job const& one) const;
  void tell_unlisted(job& one);
  void put_back(job const& one, std::string const& text);
  bool is_full() const { return limits_.jobs != 0 && jobs_.size() >= limits_.jobs; }
  bool may_submit() const { return submitting_ == 0 && !waiting_.empty() && !is_full(); }
  std::int64_t gathered_at() const;
  std::int64_t next_try(std::int64_t now);
  bool should_cancel(job const& one) const { return one.cancels && !one.ends && !one.id.empty(); }
  std::int64_t next_look(std::int64_t now) const;

  job_limits limits_;
  std::deque<waiting_start> waiting_;
  std::map<std::uint64_t, job> jobs_;
  std::uint64_t last_job_ = 0;
  std::uint64_t submitting_ = 0;  // 0: none
  std::uint64_t cancelling_ = 0;
  bool looking_ = false;
  bool misses_ = false;  // a job in the last look
  bool unseen_ = false;  // the last look failed
  std::int64_t look_at_ = never;
  int refusals_ = 0;  // in a row
  std::int64_t refused_since_ = never;
  std::int64_t not_before_ = 0;
  std::optional<std::int64_t> search_at_{};
  excluded_nodes excluded_;
  std::vector<event> happened_;
};

}  // namespace yonder::driver
