// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/machine.hpp"

#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"
#include "tests/e2e/program.hpp"

namespace faults {
namespace {

// The words of /proc/PID/stat from the state on: [1] parent, [11] and [12] ticks of the processor, [21]
// pages.
std::vector<std::string> state_of(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  auto const name_end = text.rfind(')');
  if (name_end == text.npos) return {};
  std::istringstream rest(text.substr(name_end + 1));
  return {std::istream_iterator<std::string>(rest), {}};
}

std::uint64_t number_in(pid_t process, std::size_t word) {
  auto const words = state_of(process);
  return word < words.size() ? std::stoull(words[word]) : 0;
}

}  // namespace

std::string own_path() { return std::filesystem::read_symlink("/proc/self/exe"); }

std::string run_tool(std::vector<std::string> const& command) {
  try {
    e2e::program tool(command.front(), {}, {command.begin() + 1, command.end()});
    auto said = tool.read_all();
    auto const end = tool.wait();
    if (end.signal == 0 && end.status == 0) return {};
    return said.empty() ? to_string(end) : said;
  } catch (std::system_error const&) {
    throw skipped("needs " + command.front());
  }
}

void must_run(std::vector<std::string> const& command) {
  auto const said = run_tool(command);
  if (said.empty()) return;
  std::string all;
  for (auto const& word : command) all += word + " ";
  throw std::runtime_error(all + "failed: " + said);
}

pid_t parent_of(pid_t process) { return static_cast<pid_t>(number_in(process, 1)); }

bool is_alive(pid_t process) {
  auto const words = state_of(process);
  return !words.empty() && words.front() != "Z";
}

bool ends_within(pid_t process, nanoseconds limit) {
  yonder::platform::unique_fd const handle(static_cast<int>(::syscall(SYS_pidfd_open, process, 0)));
  if (!handle) return true;
  pollfd end{handle.get(), POLLIN, 0};
  return ::poll(&end, 1, static_cast<int>(limit / 1ms)) == 1;
}

std::vector<pid_t> descendants_of(pid_t process) {
  std::multimap<pid_t, pid_t> children;
  for (auto const& entry : std::filesystem::directory_iterator("/proc")) {
    auto const name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != name.npos) continue;
    auto const pid = static_cast<pid_t>(std::stol(name));
    children.emplace(parent_of(pid), pid);
  }
  std::vector<pid_t> found{process};
  for (std::size_t i = 0; i < found.size(); ++i) {
    auto const [begin, end] = children.equal_range(found[i]);
    for (auto each = begin; each != end; ++each) found.push_back(each->second);
  }
  found.erase(found.begin());
  return found;
}

std::uint64_t resident_bytes(pid_t process) {
  return number_in(process, 21) * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

nanoseconds processor_time(pid_t process) {
  auto const ticks = number_in(process, 11) + number_in(process, 12);
  return nanoseconds(1s) * ticks / ::sysconf(_SC_CLK_TCK);
}

stall_watch::stall_watch() {
  thread_ = std::thread([this] {
    while (!over_.load()) {
      auto const begin = clock::now();
      std::this_thread::sleep_for(1ms);
      nanoseconds const late = clock::now() - begin - 1ms;
      std::lock_guard const lock(mutex_);
      late_.add(late);
    }
  });
}

stall_watch::~stall_watch() {
  over_.store(true);
  thread_.join();
}

nanoseconds stall_watch::longest() { return percentile(100); }

nanoseconds stall_watch::percentile(double percent) {
  std::lock_guard const lock(mutex_);
  return late_.percentile(percent);
}

two_networks::two_networks() {
  if (::unshare(CLONE_NEWNET) != 0) throw skipped("needs root, for network namespaces");
  must_run({"ip", "link", "set", "lo", "up"});
  std::array<int, 2> ready{};
  if (::pipe2(ready.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
  keeper_ = ::fork();
  if (keeper_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::unshare(CLONE_NEWNET) == 0) ::close(ready[1]);
    for (;;) ::pause();
  }
  ::close(ready[1]);
  // Ends when the keeper has closed its end, too.
  for (char c = 0; ::read(ready[0], &c, 1) == 1;) {
  }
  ::close(ready[0]);
  must_run(
      {"ip", "link", "add", "near", "type", "veth", "peer", "name", "far", "netns", std::to_string(keeper_)});
  must_run({"ip", "addr", "add", "10.213.0.1/24", "dev", "near"});
  must_run({"ip", "link", "set", "near", "up"});
  must_run(there({"ip", "link", "set", "lo", "up"}));
  must_run(there({"ip", "addr", "add", "10.213.0.2/24", "dev", "far"}));
  must_run(there({"ip", "link", "set", "far", "up"}));
}

two_networks::~two_networks() {
  ::kill(keeper_, SIGKILL);
  ::waitpid(keeper_, nullptr, 0);
}

std::vector<std::string> two_networks::there(std::vector<std::string> command) const {
  std::vector<std::string> all{"nsenter", "--net=/proc/" + std::to_string(keeper_) + "/ns/net"};
  all.insert(all.end(), command.begin(), command.end());
  return all;
}

void two_networks::set_link(bool up) const {
  must_run(there({"ip", "link", "set", "far", up ? "up" : "down"}));
}

namespace {

std::vector<std::string> rule(int percent) {
  std::string rules = "table ip faults\ndelete table ip faults\n";
  if (percent > 0)
    rules += "table ip faults {\nchain in {\ntype filter hook input priority 0\niifname != \"lo\" " +
             (percent < 100 ? "numgen random mod 100 < " + std::to_string(percent) + " " : "") +
             "drop\n}\n}\n";
  return {"nft", rules};
}

}  // namespace

void two_networks::drop_here(int percent) const { must_run(rule(percent)); }
void two_networks::drop_there(int percent) const { must_run(there(rule(percent))); }

}  // namespace faults
