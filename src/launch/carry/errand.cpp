// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/errand.hpp"

#include <exception>
#include <utility>

#include "src/platform/thread.hpp"

namespace yonder::launch {

errand::errand(platform::poller& poller) : poller_(poller) { poller_.add(over_.descriptor(), *this, 0); }

errand::~errand() {
  poller_.remove(over_.descriptor());
  stop_.request_stop();
  if (thread_.joinable()) thread_.join();
}

void errand::begin(std::function<void(std::stop_token)> work, std::function<void(std::string)> done) {
  fault_.clear();
  done_ = std::move(done);
  thread_ = platform::start_thread("yonder-carry", [this, work = std::move(work)] {
    try {
      work(stop_.get_token());
    } catch (std::exception const& error) {
      fault_ = error.what();
    }
    over_.add();
  });
}

void errand::on_ready(std::uint64_t, bool, bool) {
  over_.clear();
  if (!thread_.joinable()) return;
  thread_.join();
  std::exchange(done_, {})(std::move(fault_));
}

}  // namespace yonder::launch
