// SPDX-License-Identifier: Apache-2.0
#include "src/launch/ssh_launcher.hpp"

#include <iterator>
#include <utility>

namespace yonder::launch {
namespace {

constexpr std::int64_t farewell_patience = 5 * second;

// What ssh itself exits with where it does not reach the other end, or that does not let it in.
constexpr int ssh_failed = 255;

std::vector<driver::host_slots::host> slots_of(ssh const& how) {
  std::vector<driver::host_slots::host> hosts;
  for (auto const& one : how.hosts) hosts.push_back({one.name, one.slots, one.gpus});
  return hosts;
}

}  // namespace

std::string fault_of(ssh const& how) {
  if (how.hosts.empty()) return "hosts: there is none";
  for (auto const& one : how.hosts) {
    if (one.name.empty() || one.name.front() == '-')
      return "hosts: '" + one.name + "' is no host; ssh would take it for an option";
    if (one.slots == 0) return "hosts: '" + one.name + "' has 0 slots";
  }
  return {};
}

ssh_launcher::ssh_launcher(ssh how, platform::poller& poller, std::optional<carry_terms> carried)
    : how_(std::move(how)), slots_(slots_of(how_)), runner_(poller) {
  if (carried)
    carrier_.emplace(std::move(*carried), poller, runner_,
                     [this](std::string const& host, std::string line, bool large) {
                       return ssh_words(host, std::move(line), large);
                     });
}

// Of ssh's options the first counts: ours come before the user's. The rest of the line is read by a shell
// there.
std::vector<std::string> ssh_launcher::ssh_words(std::string const& host, std::string text,
                                                 bool large) const {
  std::vector<std::string> line{"ssh",
                                "-T",
                                "-oBatchMode=yes",
                                "-oStrictHostKeyChecking=yes",
                                "-oControlMaster=no",
                                "-oForwardAgent=no",
                                "-oForwardX11=no",
                                "-oConnectTimeout=20",
                                "-oServerAliveInterval=10",
                                "-oServerAliveCountMax=3"};
  if (large) line.emplace_back("-oCompression=yes");
  line.insert(line.end(), how_.options.begin(), how_.options.end());
  line.insert(line.end(), {"--", host, std::move(text)});
  return line;
}

std::vector<std::string> ssh_launcher::words(start_request const& wanted, std::string const& host,
                                             std::vector<std::string> const& gpus) const {
  auto there = wanted.environment;
  if (!gpus.empty()) {
    std::string devices;
    for (auto const& gpu : gpus) devices += (devices.empty() ? "" : ",") + gpu;
    there.push_back("CUDA_VISIBLE_DEVICES=" + devices);
    there.emplace_back("CUDA_DEVICE_ORDER=PCI_BUS_ID");
  }
  if (carrier_ && carrier_->is_loaded())
    return ssh_words(host, carrier_->start_line({wanted.worker.begin() + 1, wanted.worker.end()}, there),
                     false);
  if (!there.empty()) there.insert(there.begin(), "env");
  there.insert(there.end(), wanted.worker.begin(), wanted.worker.end());
  return ssh_words(host, "exec " + shell_line(there), false);
}

void ssh_launcher::start(start_request const& wanted) {
  auto const now = platform::now();
  auto const place = slots_.take(now, wanted.start, wanted.needs.gpus);
  if (!place) {
    auto why = slots_.why(now, wanted.needs.gpus);
    for (auto const& [host, text] : failures_) why += "\n" + text;
    happened_.push_back({launch_event::kind::failed, wanted.start, std::move(why)});
    return;
  }
  if (!carrier_) return run(wanted, *place);
  waiting_[wanted.start] = {wanted, *place};
  carrier_->bring(how_.hosts[place->host].name, wanted.order.hub,
                  {.gpu = wanted.needs.gpus != 0 || !place->gpus.empty()},
                  [this, start = wanted.start](std::string const& fault) { carried(start, fault); });
}

// Nothing: it was stopped meanwhile.
void ssh_launcher::carried(std::uint64_t start, std::string const& fault) {
  auto const found = waiting_.extract(start);
  if (found.empty()) return;
  auto const& [wanted, at] = found.mapped();
  if (fault.empty()) return run(wanted, at);
  failures_[slots_.name_of(start)] = fault;
  slots_.give_back(platform::now(), start, true);
  happened_.push_back({launch_event::kind::failed, start, fault});
}

void ssh_launcher::run(start_request const& wanted, driver::host_slots::place const& at) {
  auto order = wanted.order;
  order.ends_with_input = true;
  jobs_[wanted.start] =
      runner_.run({.command = words(wanted, how_.hosts[at.host].name, at.gpus),
                   .input = runtime_detail::encode_worker_order(order),
                   .keeps_input_open = true,
                   .done = [this, start = wanted.start](command_result&& result) { ended(start, result); }});
  happened_.push_back({launch_event::kind::placed, wanted.start, {}});
}

void ssh_launcher::ended(std::uint64_t start, command_result const& result) {
  jobs_.erase(start);
  auto const failed = !result.trouble.empty() || (result.how.signal == 0 && result.how.status == ssh_failed);
  auto const& host = slots_.name_of(start);
  if (carrier_ && result.how.status != 0) carrier_->forget(host);  // it may have gone from there
  if (failed)
    failures_[host] = result.to_text();
  else
    failures_.erase(host);
  slots_.give_back(platform::now(), start, failed);
  happened_.push_back({launch_event::kind::ended, start, result.to_text()});
}

std::string ssh_launcher::describe(start_request const& wanted) const {
  std::string text = carrier_ ? carrier_->describe() : "";
  for (auto const& host : how_.hosts) text += shell_line(words(wanted, host.name, {})) + "\n";
  return text +
         "with the worker's order (the hub's address, a key that is made for each start) on its stdin\n";
}

// The other end ends with its stdin; where nothing is heard of it any more, ssh does not wait for that.
void ssh_launcher::stop(std::uint64_t start) {
  if (waiting_.erase(start) != 0) {
    slots_.give_back(platform::now(), start, false);
    return happened_.push_back(
        {launch_event::kind::failed, start, "it was stopped while its program was carried"});
  }
  auto const found = jobs_.find(start);
  if (found == jobs_.end()) return;
  runner_.close_input(found->second);
  runner_.end(found->second);
}

void ssh_launcher::take(std::vector<launch_event>& happened) {
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

time_point ssh_launcher::next_deadline() const { return happened_.empty() ? runner_.next_deadline() : 0; }

void ssh_launcher::tick(time_point now) { runner_.tick(now); }

void ssh_launcher::leave() {
  waiting_.clear();
  for (auto const& [start, job] : jobs_) runner_.close_input(job);
  runner_.work_until(platform::now() + farewell_patience);
  runner_.stop();
}

}  // namespace yonder::launch
