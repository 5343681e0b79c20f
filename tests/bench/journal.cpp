// SPDX-License-Identifier: Apache-2.0
//
// What it takes until a record is on disk, and until a durable call is, against a bare fdatasync of the same
// bytes in the same folder; and how many durable calls a hub takes and has executed.
#include "src/journal/journal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <span>
#include <string>
#include <system_error>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "src/runtime/engine.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"

namespace bench {
namespace {

namespace journal = yonder::journal;

constexpr std::size_t body_size = 64;
constexpr std::size_t packed = 1'000;

class bare_file {
 public:
  explicit bare_file(std::string const& path)
      : fd_(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)) {}
  void append(std::vector<std::byte> const& bytes) {
    if (::write(fd_.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()) ||
        ::fdatasync(fd_.get()) != 0)
      throw std::system_error(errno, std::generic_category(), "the bare file");
  }

 private:
  yonder::platform::unique_fd fd_;
};

class caller {
 public:
  explicit caller(std::string const& folder) : log_({.folder = folder}, [](auto const&, auto) {}) {}

  // All of them, until they are on disk.
  void append(std::size_t count) {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < count; ++i)
      number = log_.append(journal::kind::call, {1, ++last_}, 1, {&piece_, 1});
    log_.flush();
    while (log_.synced() < number) {
      if (auto const why = log_.failure()) throw *why;
      pollfd ready{log_.descriptor(), POLLIN, 0};
      ::poll(&ready, 1, -1);
    }
  }

 private:
  std::array<std::byte, body_size> body_{std::byte{1}};
  std::span<std::byte const> piece_{body_};
  std::uint64_t last_ = 0;
  journal::log log_;
};

std::string const argument(body_size, 'x');

yonder::runtime_options with_journal(std::string const& folder) {
  yonder::runtime_options options;
  options.journal = folder + "/hub";
  options.max = 1;
  options.max_calls = 10'000'000;
  return options;
}

// Nobody runs what it takes.
yonder::runtime_options without_workers(std::string const& folder) {
  auto options = with_journal(folder);
  options.max = 0;
  options.bind = {"ipc://" + folder + "/hub.address"};
  return options;
}

// As a map makes them: so many, until all of them are on disk.
template <class Task>
void spawn_packed(yonder::runtime const& hub, Task const& durable, std::size_t count) {
  std::vector<yonder::detail::call_ref> made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) made.push_back(durable.start(hub.engine(), argument));
  for (auto const& one : made) hub.engine()->wait_accepted(*one);
}

}  // namespace

void measure_durable_calls(report& to) {
  temporary_folder const folder;
  constexpr std::size_t at_once = 20'000;
  auto const durable = echo_task.with({.durable = true});
  {
    yonder::runtime hub(without_workers(folder.path()));
    bare_file bare(folder.path() + "/bare");
    std::vector<std::byte> const one(journal::size_on_disk(body_size), std::byte{1});
    std::vector<std::byte> const many(one.size() * at_once, std::byte{1});
    auto const latency =
        compare_latency([&] { (void)durable.on(hub).spawn(argument); }, [&] { bare.append(one); });
    to.add({"a durable spawn of 64 bytes until it returns, p50", "µs", "fdatasync of the same bytes",
            ratio_at_most(1.3)},
           latency.p50, 1e3);
    auto const rate = compare([&] { return rate_of(at_once, [&] { spawn_packed(hub, durable, at_once); }); },
                              [&] { return rate_of(at_once, [&] { bare.append(many); }); });
    to.add({"durable calls of 64 bytes spawned and synced, packed", "1/s", "fdatasync of the same bytes",
            at_least(200'000)},
           rate);
  }
  temporary_folder const other;
  yonder::runtime hub(with_journal(other.path()));
  std::vector<std::string> const arguments(at_once, argument);
  auto const all = [&](auto const& how) {
    return rate_of(at_once, [&] {
      for (auto one : how.on(hub).map(arguments).window(at_once)) observe(one);
    });
  };
  auto const rate = compare([&] { return all(durable); }, [&] { return all(echo_task); });
  to.add({"durable calls of 64 bytes executed, their outcomes on disk", "1/s", "the same, not durable",
          at_least(180'000)},
         rate);
}

void measure_journal(report& to) {
  temporary_folder const folder;
  caller ours(folder.path() + "/journal");
  bare_file bare(folder.path() + "/bare");
  std::vector<std::byte> const one(journal::size_on_disk(body_size), std::byte{1});
  std::vector<std::byte> const many(one.size() * packed, std::byte{1});
  auto const latency = compare_latency([&] { ours.append(1); }, [&] { bare.append(one); });
  to.add({"a record of 64 bytes until it is synced, p50", "µs", "fdatasync of the same bytes",
          ratio_at_most(1.3)},
         latency.p50, 1e3);
  auto const rate = compare([&] { return rate_of(packed, [&] { ours.append(packed); }); },
                            [&] { return rate_of(packed, [&] { bare.append(many); }); });
  to.add(
      {"records of 64 bytes synced, 1,000 a flush", "1/s", "fdatasync of the same bytes", at_least(200'000)},
      rate);
  measure_durable_calls(to);
}

}  // namespace bench
