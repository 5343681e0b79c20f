// SPDX-License-Identifier: Apache-2.0
#include "src/launch/ssh_launcher.hpp"

#include <signal.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <iterator>
#include <string_view>
#include <utility>

namespace yonder::launch {
namespace {

constexpr std::int64_t farewell_patience = 5 * second;

// What a start has said is told no more often than that, and the end of it only.
constexpr std::int64_t tell_pause = second / 2;
constexpr std::size_t most_said = 800;

// What ssh itself exits with where it does not reach the other end, or that does not let it in.
constexpr int ssh_failed = 255;

// What it says when nothing was run there (ssh.c, sshconnect.c, kex.c of OpenSSH 9.2).
bool is_not_let_in(std::string_view said) {
  constexpr std::array<std::string_view, 10> known{"Could not resolve hostname",
                                                   "connect to host",
                                                   "Host key verification failed",
                                                   "Permission denied",
                                                   "Too many authentication failures",
                                                   "kex_exchange_identification",
                                                   "Connection timed out during banner exchange",
                                                   "Unable to negotiate",
                                                   "Bad configuration option",
                                                   "no matching host key type"};
  return std::any_of(known.begin(), known.end(),
                     [said](auto const& one) { return said.find(one) != std::string_view::npos; });
}

// A worker's ssh forwards nothing: what was asked for would not be there, without a word.
bool is_forwarding(std::string_view option) {
  constexpr std::array<std::string_view, 3> flags{"-L", "-R", "-D"};
  if (std::any_of(flags.begin(), flags.end(), [&](auto one) { return option.starts_with(one); })) return true;
  std::string name(option.substr(option.starts_with("-o") ? 2 : 0));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  name.erase(0, std::min(name.find_first_not_of(' '), name.size()));
  constexpr std::array<std::string_view, 3> names{"localforward", "remoteforward", "dynamicforward"};
  return std::any_of(names.begin(), names.end(), [&](auto one) { return name.starts_with(one); });
}

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
  for (auto const& option : how.options)
    if (option == "-N" || option == "-f" || option == "-n")
      return "options: '" + option +
             "' has ssh run nothing there, or read nothing, by which no worker starts";
  for (auto const& option : how.options)
    if (is_forwarding(option))
      return "options: '" + option +
             "' asks for a forwarding, and a worker's ssh has none: hold a tunnel of your own (ssh -N -R "
             "PORT:localhost:PORT HOST), and name its far end (address = \"tcp://localhost:PORT\")";
  return {};
}

ssh_launcher::ssh_launcher(ssh how, platform::poller& poller, std::optional<carry_terms> carried)
    : how_(std::move(how)), slots_(slots_of(how_)), runner_(poller) {
  if (carried)
    carrier_.emplace(std::move(*carried), poller, runner_,
                     [this](std::string const& host, std::string line, bool large) {
                       return ssh_line(how_.options, host, std::move(line), large);
                     });
}

// Of ssh's options the first counts: ours come before the user's. The rest of the line is read by a shell
// there.
std::vector<std::string> ssh_line(std::vector<std::string> const& options, std::string const& host,
                                  std::string text, bool large) {
  std::vector<std::string> line{"ssh",
                                "-T",
                                "-oBatchMode=yes",
                                "-oStrictHostKeyChecking=yes",
                                "-oControlMaster=no",
                                "-oForwardAgent=no",
                                "-oForwardX11=no",
                                "-oClearAllForwardings=yes",
                                "-oPermitLocalCommand=no",
                                "-oRemoteCommand=none",
                                "-oConnectTimeout=20",
                                "-oServerAliveInterval=10",
                                "-oServerAliveCountMax=3"};
  if (large) line.emplace_back("-oCompression=yes");
  line.insert(line.end(), options.begin(), options.end());
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
  auto command = wanted.worker;
  if (carrier_ && carrier_->is_loaded()) {
    std::vector<std::string> const arguments(wanted.worker.begin() + 1, wanted.worker.end());
    if (wanted.before.empty())
      return ssh_line(how_.options, host, carrier_->start_line(host, arguments, there), false);
    command = carrier_->start_command(host, arguments);
  }
  command = run_behind(wanted.before, there, std::move(command));
  if (!there.empty()) there.insert(there.begin(), "env");
  there.insert(there.end(), command.begin(), command.end());
  return ssh_line(how_.options, host, "exec " + shell_line(there), false);
}

void ssh_launcher::start(start_request const& wanted) {
  auto const now = platform::now();
  auto const needs_less = std::all_of(waiting_.begin(), waiting_.end(),
                                      [&](auto const& one) { return wanted.needs.gpus < one.needs.gpus; });
  if (needs_less && begin(now, wanted)) return;
  auto const may_come = slots_.may_come(now, wanted.needs.gpus);
  auto text = why(now, wanted, may_come);
  if (!may_come) return say(launch_event::kind::failed, wanted.start, std::move(text));
  if (waiting_.empty()) looked_ = now, may_have_room_ = false;
  waiting_.push_back(wanted);
  say(launch_event::kind::held, wanted.start, std::move(text));
}

// False: there is no place for it now.
bool ssh_launcher::begin(time_point now, start_request const& wanted) {
  auto const place = slots_.take(now, wanted.start, wanted.needs.gpus);
  if (!place) return false;
  if (!carrier_) {
    run(wanted, *place);
    return true;
  }
  carried_[wanted.start] = {wanted, *place};
  say(launch_event::kind::waits, wanted.start,
      "its program is being brought to '" + how_.hosts[place->host].name + "'");
  carrier_->bring(how_.hosts[place->host].name, wanted.order.hub,
                  {.gpu = wanted.needs.gpus != 0 || !place->gpus.empty()},
                  [this, start = wanted.start](std::string const& fault) { carried(start, fault); });
  return true;
}

// Nothing: it was stopped meanwhile.
void ssh_launcher::carried(std::uint64_t start, std::string const& fault) {
  auto const found = carried_.extract(start);
  if (found.empty()) return;
  auto const& [wanted, at] = found.mapped();
  if (fault.empty()) return run(wanted, at);
  failures_[slots_.name_of(start)] = fault;
  slots_.give_back(platform::now(), start, true);
  may_have_room_ = true;
  if (!try_another(wanted)) over(launch_event::kind::failed, start, fault);
}

// What one host has not, or none of several that are down, another one may have: the core counts starts that
// fail, and knows nothing of hosts. The one that has failed is left alone for a while.
bool ssh_launcher::try_another(start_request const& wanted) {
  return ++attempts_[wanted.start].failed < how_.hosts.size() && begin(platform::now(), wanted);
}

// `what`: of a start that was placed, `ended`, whatever came of it later.
void ssh_launcher::over(launch_event::kind what, std::uint64_t start, std::string text) {
  auto const before = attempts_.extract(start);
  auto const is_placed = !before.empty() && before.mapped().is_placed;
  say(is_placed ? launch_event::kind::ended : what, start, std::move(text));
}

void ssh_launcher::run(start_request const& wanted, driver::host_slots::place const& at) {
  auto order = wanted.order;
  order.ends_with_input = true;
  auto const job =
      runner_.run({.command = words(wanted, how_.hosts[at.host].name, at.gpus),
                   .input = runtime_detail::encode_worker_order(order),
                   .keeps_input_open = true,
                   .ends_with_us = true,  // a login that hangs does not see that its stdin has ended
                   .on_errors = [this, start = wanted.start](std::string_view piece) { heard(start, piece); },
                   .done = [this, start = wanted.start](command_result&& result) { ended(start, result); }});
  auto const start = wanted.start;
  jobs_[start] = {.job = job, .wanted = wanted, .since = platform::now()};
  if (!std::exchange(attempts_[start].is_placed, true)) say(launch_event::kind::placed, start, {});
}

// A worker that does not find its hub, say, tries again for as long as it is let: nobody would hear why
// before its end.
void ssh_launcher::heard(std::uint64_t start, std::string_view piece) {
  auto const found = jobs_.find(start);
  if (found == jobs_.end() || found->second.came || found->second.is_ended) return;
  auto& one = found->second;
  one.said += piece;
  if (one.said.size() > most_said) one.said.erase(0, one.said.size() - most_said);
  while (!one.said.empty() && (static_cast<unsigned char>(one.said.front()) & 0xc0U) == 0x80U)
    one.said.erase(0, 1);  // the rest of a character of UTF-8
  one.has_said = true;
  tell_at_ = std::min(tell_at_, platform::now() + tell_pause);
}

void ssh_launcher::tell_heard(time_point now) {
  if (tell_at_ > now) return;
  tell_at_ = never;
  for (auto& [start, one] : jobs_) {
    if (!std::exchange(one.has_said, false) || one.came || one.is_ended) continue;
    one.was_told = true;
    auto text = legible(one.said);
    while (text.ends_with('\n')) text.pop_back();
    say(launch_event::kind::waits, start, "on '" + slots_.name_of(start) + "' it has said:\n" + text);
  }
}

// Who needs less than the first one may go before it.
void ssh_launcher::run_waiting(time_point now) {
  std::erase_if(waiting_, [&](auto const& one) {
    if (begin(now, one)) return true;
    auto const may_come = slots_.may_come(now, one.needs.gpus);
    auto text = why(now, one, may_come);
    say(may_come ? launch_event::kind::held : launch_event::kind::failed, one.start, std::move(text));
    return !may_come;
  });
}

std::string ssh_launcher::why(time_point now, start_request const& wanted, bool waits) const {
  auto text = slots_.why(now, wanted.needs.gpus, waits);
  for (auto const& [host, printed] : failures_) text += "\n" + printed;
  return text;
}

void ssh_launcher::say(launch_event::kind what, std::uint64_t start, std::string text) {
  happened_.push_back({what, start, std::move(text)});
}

// A worker whose ssh was cut off does not know, and has its GPUs for as long as it waits for the hub.
void ssh_launcher::ended(std::uint64_t start, command_result const& result) {
  auto const was = std::move(jobs_.extract(start).mapped());
  auto const is_in_vain = !was.came && (was.is_late || (!was.is_ended && !result.succeeded()));
  // An ssh that is told to end exits so, too. What it has started then ends with its stdin, unless its worker
  // had come and is not heard any more: there the network may be gone.
  auto const is_ours = was.is_ended && !was.came;
  auto const failed =
      !is_ours && (!result.trouble.empty() || (result.how.signal == 0 && result.how.status == ssh_failed));
  auto const was_cut_off =
      (failed && result.trouble.empty() && !is_not_let_in(result.errors)) || result.how.signal == SIGKILL;
  auto const& host = slots_.name_of(start);
  if (carrier_ && result.how.status != 0) carrier_->forget(host);  // it may have gone from there
  auto text = carrier_ ? text_of(result, "start what was carried") : result.to_text();
  if (failed || is_in_vain)
    failures_[host] = text;
  else
    failures_.erase(host);
  // A host whose starts end so is left alone where there is another one.
  auto const is_left_alone = failed || (is_in_vain && how_.hosts.size() > 1);
  slots_.give_back(platform::now(), start, is_left_alone, was_cut_off ? was.wanted.order.silence : 0);
  may_have_room_ = true;
  // Of one that was cut off nobody knows whether its worker still comes.
  if (is_in_vain && !was.is_ended && !was_cut_off && try_another(was.wanted)) {
    if (was.was_told) say(launch_event::kind::waits, start, {});  // no more
    return;
  }
  over(launch_event::kind::ended, start, std::move(text));
}

std::string ssh_launcher::describe(start_request const& wanted) const {
  std::string text = carrier_ ? carrier_->describe() : "";
  for (auto const& host : how_.hosts) text += shell_line(words(wanted, host.name, {})) + "\n";
  return text +
         "with the worker's order (the hub's address, a key that is made for each start) on its stdin\n";
}

void ssh_launcher::served(std::uint64_t start) {
  auto const found = jobs_.find(start);
  if (found == jobs_.end()) return;
  found->second.came = true;
  slots_.served(start);
  failures_.erase(slots_.name_of(start));
  may_have_room_ = true;
}

// The other end ends with its stdin; where nothing is heard of it any more, ssh does not wait for that.
void ssh_launcher::stop(std::uint64_t start) {
  if (std::erase_if(waiting_, [&](auto const& one) { return one.start == start; }) != 0)
    return say(launch_event::kind::failed, start, "it is not wanted any more");
  if (carried_.erase(start) != 0) {
    slots_.give_back(platform::now(), start, false);
    may_have_room_ = true;
    return over(launch_event::kind::failed, start, "it was stopped while its program was carried");
  }
  auto const found = jobs_.find(start);
  if (found == jobs_.end()) return;
  auto& one = found->second;
  one.is_ended = true;
  one.is_late = !one.came && one.wanted.patience != 0 && platform::now() - one.since >= one.wanted.patience;
  runner_.close_input(one.job);
  runner_.end(one.job);
}

void ssh_launcher::take(std::vector<launch_event>& happened) {
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

time_point ssh_launcher::next_deadline() const {
  if (!happened_.empty() || (may_have_room_ && !waiting_.empty())) return 0;
  auto const change = waiting_.empty() ? never : slots_.next_change(looked_);
  return std::min({runner_.next_deadline(), change, tell_at_});
}

void ssh_launcher::tick(time_point now) {
  runner_.tick(now);
  tell_heard(now);
  if (waiting_.empty()) return;
  if (std::exchange(may_have_room_, false) || slots_.next_change(looked_) <= now) run_waiting(now);
  looked_ = now;
}

bool ssh_launcher::leave_until(time_point until, teller const&) {
  if (leaves_by_ == never) {
    leaves_by_ = platform::now() + farewell_patience;
    waiting_.clear();
    carried_.clear();
    for (auto& [start, one] : jobs_) one.is_ended = true, runner_.close_input(one.job);
  }
  runner_.work_until(std::min(until, leaves_by_));
  if (!runner_.is_idle() && platform::now() < leaves_by_) return false;
  runner_.stop();
  return true;
}

}  // namespace yonder::launch
