// SPDX-License-Identifier: Apache-2.0
//
// A hub whose wall clock somebody sets.
#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <ctime>
#include <filesystem>
#include <string>
#include <system_error>
#include <thread>

#include "src/platform/unique_fd.hpp"
#include "tests/faults/journaled_hub.hpp"
#include "yonder/schedule.hpp"

namespace faults {
namespace {

using yonder::errc;

constexpr auto day = 24h;

// What clock_shim.cpp reads.
class wall_clock {
 public:
  explicit wall_clock(std::string path) : path_(std::move(path)) {
    yonder::platform::unique_fd const file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), sizeof(face)) != 0) fail();
    void* const memory = ::mmap(nullptr, sizeof(face), PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) fail();
    face_ = static_cast<face*>(memory);
  }
  ~wall_clock() { ::munmap(face_, sizeof(face)); }
  wall_clock(wall_clock const&) = delete;
  wall_clock& operator=(wall_clock const&) = delete;

  std::vector<std::string> environment() const {
    return {"LD_PRELOAD=" YONDER_CLOCK_SHIM, "YONDER_CLOCK=" + path_};
  }
  // Ahead of this machine's.
  void set(nanoseconds ahead) {
    face_->ahead.store(ahead.count());
    face_->set.fetch_add(1);
    ::syscall(SYS_futex, &face_->set, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0);
  }
  // So that it shows this, UTC.
  void show(int year, int month, int on, int hour, int minute, int second) {
    std::tm time{};
    time.tm_year = year - 1900;
    time.tm_mon = month - 1;
    time.tm_mday = on;
    time.tm_hour = hour;
    time.tm_min = minute;
    time.tm_sec = second;
    auto const wanted = std::chrono::system_clock::from_time_t(::timegm(&time));
    set(std::chrono::duration_cast<nanoseconds>(wanted - std::chrono::system_clock::now()));
  }

 private:
  struct face {
    std::atomic<std::int64_t> ahead;
    std::atomic<std::uint32_t> set;
  };
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

  std::string path_;
  face* face_ = nullptr;
};

// A crontab's line for that time of each day, UTC.
std::string line_at(std::chrono::system_clock::time_point time) {
  auto const at = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  ::gmtime_r(&at, &parts);
  return std::to_string(parts.tm_min) + " " + std::to_string(parts.tm_hour) + " * * *";
}

// Calls that have a day to live, or seconds, while the clock goes a day ahead and a day back.
void set_while_calls_wait(findings& seen, wall_clock& clock_of_hub, yonder::runtime& client,
                          board const& shared) {
  auto held = task::hold.on(client).with({.deadline = 60s}).spawn(shared.path(), 2U, 1U);
  if (!board::reaches(shared[2].entered, 1, 30s))
    return seen.holds("a call was not begun within 30 s", false);
  stall_watch machine;
  constexpr auto deadline = 3s;
  auto queued = task::enter.on(client).with({.deadline = deadline}).spawn(shared.path(), 3U);
  auto const begin = clock::now();
  for (auto const ahead : {nanoseconds(day), nanoseconds(-day), nanoseconds(0), nanoseconds(day)}) {
    clock_of_hub.set(ahead);
    std::this_thread::sleep_for(300ms);
  }
  seen.holds("a call ended before its deadline", !queued.ready());
  auto const failure = failure_of(queued);
  auto const took = clock::now() - begin;
  seen.holds("a call that waits past its deadline ends otherwise: " + failure.message,
             failure.code == errc::deadline_exceeded);
  seen.at_most("it ends after its deadline of 3 s by", took - deadline, 500ms, machine.longest());
  seen.holds("and not before", took >= deadline - 50ms);
  board::add(shared[2].open);
  auto const other = failure_of(held);
  seen.holds("a call whose deadline has not passed fails: " + other.message, other.code == errc{});
  clock_of_hub.set({});
}

void set_clock(findings& seen) {
  journaled_site site;
  board const shared(site.file("board"));
  wall_clock clock_of_hub(site.file("clock"));
  journaled_hub const hub(site, own_path(), clock_of_hub.environment(), {});
  if (!hub.serves()) return seen.holds(hub.said(), false);
  site.start_worker();
  yonder::runtime client(site.client());
  set_while_calls_wait(seen, clock_of_hub, client, shared);

  auto stored = task::enter.on(client).with(repeatable).spawn(shared.path(), 4U);
  board::reaches(shared[4].left, 1, 30s);
  auto const ticking = task::enter.on(client).with(repeatable);
  auto const begin = clock::now();
  constexpr auto period = 300ms;
  auto const every = yonder::every(period, {.name = "every"}, ticking, shared.path(), 5U);
  auto const due = std::chrono::system_clock::now() + day / 2;
  auto const daily = yonder::cron(line_at(due), "UTC", {.name = "daily"}, ticking, shared.path(), 6U);
  // A clock that is put back by more than three hours was wrong: it counts what it shows from then on.
  struct step {
    nanoseconds ahead;
    std::uint32_t runs;  // in all
  };
  std::uint64_t other = 0;
  for (auto const& [ahead, runs] :
       {step{day, 1}, step{0s, 1}, step{-day, 1}, step{0s, 2}, step{day, 3}, step{0s, 3}}) {
    clock_of_hub.set(ahead);
    if (!board::reaches(shared[6].entered, runs, 30s)) ++other;
    std::this_thread::sleep_for(500ms);
    if (shared[6].entered.load() != runs) ++other;
  }
  every.stop();
  auto const took = clock::now() - begin;
  auto const most = static_cast<std::uint64_t>(took / period) + 1;
  seen.equals("other than 1 run each time that the clock passes what is due once a day", other, 0);
  auto const ticks = shared[5].entered.load();
  seen.holds(std::to_string(ticks) + " runs every 300 ms in " + words_of(took),
             ticks <= most + 1 && ticks >= 1);
  daily.stop();
  clock_of_hub.set(2 * day);
  auto const outcome = failure_of(stored);
  seen.holds("an outcome is gone before its time: " + outcome.message, outcome.code == errc{});
}

// Clocks that are put forward, put back, and stand for a second.
void change_clocks(findings& seen) {
  if (!std::filesystem::exists("/usr/share/zoneinfo/Europe/Berlin"))
    throw skipped("this machine has no time zones (tzdata)");
  journaled_site site;
  board const shared(site.file("board"));
  wall_clock clock_of_hub(site.file("clock"));
  clock_of_hub.show(2027, 3, 28, 0, 59, 55);
  journaled_hub const hub(site, own_path(), clock_of_hub.environment(), {});
  if (!hub.serves()) return seen.holds(hub.said(), false);
  site.start_worker();
  yonder::runtime client(site.client());
  task::enter.on(client).remote(shared.path(), 0U);
  auto const at_half_past_two = [&](std::uint32_t slot) {
    return yonder::cron("30 2 * * *", "Europe/Berlin", {.name = "night " + std::to_string(slot)},
                        task::enter.on(client).with(repeatable), shared.path(), slot);
  };
  // 2:30 is not shown: it is due when the clock goes from 2:00 to 3:00.
  clock_of_hub.show(2027, 3, 28, 0, 59, 57);
  auto const spring = at_half_past_two(1);
  seen.holds("what is due while clocks are put forward has not run within 30 s",
             board::reaches(shared[1].entered, 1, 30s));
  clock_of_hub.show(2027, 3, 28, 1, 29, 58);
  std::this_thread::sleep_for(4s);
  seen.equals("runs in the night in which 2:30 is not shown", shared[1].entered.load(), 1);
  spring.stop();
  // 2:30 is shown twice: it is due the first time.
  clock_of_hub.show(2027, 10, 31, 0, 29, 57);
  auto const autumn = at_half_past_two(2);
  seen.holds("what is due before clocks are put back has not run within 30 s",
             board::reaches(shared[2].entered, 1, 30s));
  clock_of_hub.show(2027, 10, 31, 0, 29, 59);  // a second is shown again
  std::this_thread::sleep_for(3s);
  clock_of_hub.show(2027, 10, 31, 1, 29, 58);
  std::this_thread::sleep_for(4s);
  seen.equals("runs in the night in which 2:30 is shown three times", shared[2].entered.load(), 1);
  autumn.stop();
}

}  // namespace

std::vector<row> clock_rows() {
  return {
      {"clock", "the hub's wall clock is set a day ahead and a day back, again and again",
       "deadlines, periods and kept outcomes unaffected; what is due once a day runs once each time the "
       "clock passes it",
       set_clock, 120s},
      {"clock-changes", "both nights in which clocks are changed, and a second that is shown twice",
       "what is due then runs once", change_clocks, 120s},
  };
}

}  // namespace faults
