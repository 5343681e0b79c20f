// SPDX-License-Identifier: Apache-2.0
//
// What it takes until a record is on disk, against a bare fdatasync of the same bytes in the same folder.
#include "src/journal/journal.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <span>
#include <system_error>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"

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

}  // namespace

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
}

}  // namespace bench
