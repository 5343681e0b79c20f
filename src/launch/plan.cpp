// SPDX-License-Identifier: Apache-2.0
#include "src/launch/plan.hpp"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "src/launch/command_launcher.hpp"
#include "src/launch/fleet.hpp"
#include "src/launch/slurm_launcher.hpp"
#include "src/launch/ssh_launcher.hpp"
#include "src/platform/process.hpp"
#include "transports/setup_error.hpp"
#include "yonder/error.hpp"

namespace yonder::launch {
namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

// With a command that starts a worker, however soon that is to come then.
constexpr std::int64_t least_patience = 10 * second;

bool is_elsewhere(pool const& one) { return !std::holds_alternative<process>(one.by); }

// An order's values are lines (runtime_detail::encode_worker_order).
bool is_one_line(std::string const& text) {
  return text.find('\n') == std::string::npos && text.find('\0') == std::string::npos;
}

// A host's name, or "tcp://host:port". Empty: nothing is wrong with it.
std::string fault_of_address(std::string_view text) {
  constexpr std::string_view tcp = "tcp://";
  auto const digits = "0123456789";
  auto const colon = text.rfind(':');
  if (text.find_first_of(" \t\r") != std::string_view::npos) return "has a blank in it";
  constexpr std::string_view known = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]%";
  auto const host = text.starts_with(tcp) ? text.substr(tcp.size()) : text;
  if (auto const at = host.find_first_not_of(known); at != std::string_view::npos)
    return "has '" + std::string(1, host[at]) + "' in it, which no host's name has";
  if (!text.starts_with(tcp)) {
    auto const is_number = text.starts_with('[') && text.ends_with(']');  // of IPv6
    return colon == std::string_view::npos || is_number ? "" : "is neither a host's name nor tcp://host:port";
  }
  auto const port = text.substr(colon + 1);
  auto const is_port =
      port.size() <= 5 && !port.empty() && port.find_first_not_of(digits) == std::string_view::npos;
  if (colon <= tcp.size() || !is_port) return "has no port, or no host: tcp://host:port";
  auto const number = std::stoul(std::string(port));
  return number != 0 && number <= 65'535 ? "" : "has a port that does not exist: ports are 1 to 65535";
}

std::string fault_of_counts(pool const& one) {
  auto const most = std::min<std::size_t>(one.max.value_or(~0U), capacity_of(one).value_or(~0U));
  for (auto const& [name, least] : {std::pair("min", one.min), std::pair("buffer", one.buffer)})
    if (least && *least > most)
      return std::string(name) + ": it is " + std::to_string(*least) +
             ", and max, and what its launcher can start, allow " + std::to_string(most);
  return {};
}

// What a shell would replace, and who reads these words is none.
std::string fault_of_homes(pool const& one) {
  std::vector<std::pair<std::string_view, std::string_view>> paths;
  for (auto const& file : one.files) paths.emplace_back("files", file);
  if (!one.worker.empty()) paths.emplace_back("worker", one.worker.front());
  if (auto const* const jobs = std::get_if<slurm>(&one.by)) paths.emplace_back("output", jobs->output);
  if (auto const* const commands = std::get_if<command>(&one.by))
    for (auto const& [name, words] :
         {std::pair("start", &commands->start), std::pair("stop", &commands->stop),
          std::pair("list", &commands->list), std::pair("end", &commands->end)})
      if (!words->empty()) paths.emplace_back(name, words->front());
  for (auto const& [name, path] : paths)
    if (path.empty() && name != "output" && name != "files")
      return std::string(name) + ": the command's name is empty; leave it out where there is none";
  for (auto const& [name, path] : paths)
    if (path.starts_with('~'))
      return std::string(name) + ": '" + std::string(path) +
             "' begins with '~', which only a shell replaces: say the whole path";
  return {};
}

// Processes of this machine are of this very program, come at once, and cost nothing.
std::string fault_of_process(pool const& one) {
  pool const usual;
  std::string part;
  if (!one.worker.empty()) part = "worker";
  if (!one.environment.empty()) part = "environment";
  if (!one.before.empty()) part = "before";
  if (one.scale_delay != usual.scale_delay) part = "scale_delay";
  if (one.start_timeout != usual.start_timeout) part = "start_timeout";
  if (one.silence != usual.silence) part = "silence";
  if (one.cost_per_hour != 0) part = "cost_per_hour";
  if (one.max_cost_per_hour) part = "max_cost_per_hour";
  return part.empty() ? ""
                      : part + ": it is for workers elsewhere, and these are processes of this program, here";
}

// They stand in lines of a shell, of whatever kind that is.
std::string fault_of_surroundings(pool const& one) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
  for (auto const& variable : one.environment) {
    auto const at = variable.find('=');
    auto const name = variable.substr(0, at);
    if (at == std::string::npos || name.empty() || name.find_first_not_of(letters) != std::string::npos ||
        (name.front() >= '0' && name.front() <= '9'))
      return "environment: '" + name + "' is no name of a variable";
    if (!is_one_line(variable)) return "environment: the value of '" + name + "' is more than one line";
  }
  for (auto const& line : one.before)
    if (line.empty() || !is_one_line(line)) return "before: '" + line + "' is no line of a shell";
  return {};
}

std::string fault_of(pool const& one) {
  if (one.name.empty()) return "name: it is empty";
  if (!one.worker.empty() && one.worker.front().empty()) return "worker: the program's name is empty";
  if (one.silence < std::chrono::seconds(2))
    return "silence: less than 2 s, in which a hub may well say nothing";
  if (one.start_timeout <= std::chrono::nanoseconds(0)) return "start_timeout: it is not longer than 0 s";
  if (one.scale_delay < std::chrono::nanoseconds(0)) return "scale_delay: it is less than 0 s";
  if (one.scaledown_window && *one.scaledown_window < std::chrono::nanoseconds(0))
    return "scaledown_window: it is less than 0 s";
  if (!(one.cost_per_hour >= 0)) return "cost_per_hour: it is less than 0, or no number";
  if (one.max_cost_per_hour && !(*one.max_cost_per_hour >= 0))
    return "max_cost_per_hour: it is less than 0, or no number";
  if (one.max_cost_per_hour && one.cost_per_hour == 0)
    return "max_cost_per_hour: nothing costs anything where cost_per_hour is not set";
  if (is_elsewhere(one) && one.max == 0u)
    return "max: it is 0, and no worker could ever be started; say how many there may be";
  if (is_elsewhere(one) && !one.max && !capacity_of(one))
    return "max: it is not set, and neither is what would limit the number otherwise (max_cost_per_hour)";
  if (one.carry && !std::holds_alternative<ssh>(one.by) && !std::holds_alternative<slurm>(one.by))
    return "carry: it is for the launchers ssh and slurm; a program is expected where others start it";
  if (one.carry && of_build(one.worker, 0) != one.worker)
    return "carry: what is carried is one program; leave out {build}, or bring each build to where `worker` "
           "says";
  if (!one.carry && !one.cache.empty()) return "cache: nothing is carried (carry = true)";
  if (!one.carry && !one.files.empty()) return "files: nothing is carried (carry = true)";
  if (!one.cache.empty() && (one.cache.front() != '/' || !is_one_line(one.cache)))
    return "cache: '" + one.cache + "' is no absolute path";
  if (auto home = fault_of_homes(one); !home.empty()) return home;
  if (auto wrong = fault_of_surroundings(one); !wrong.empty()) return wrong;
  if (auto wrong = is_elsewhere(one) ? std::string() : fault_of_process(one); !wrong.empty()) return wrong;
  auto wrong = std::visit(overloaded{[](process const&) { return std::string(); },
                                     [](auto const& by) { return launch::fault_of(by); }},
                          one.by);
  if (!wrong.empty()) return wrong;
  if (auto const* const commands = std::get_if<command>(&one.by))
    for (auto const& word : commands->end)
      if (!is_one_line(word)) return "end: '" + word + "' is more than one line";
  if (capacity_of(one) == std::size_t{0}) return "max_cost_per_hour: not even one worker may be started";
  return fault_of_counts(one);
}

// Of a worker's command line, the file that is carried. What it is started by here, a loader, is dropped from
// it.
std::string own_file(std::vector<std::string>& worker) {
  auto const name = std::filesystem::path(worker.front()).filename().string();
  if (name.starts_with("ld-") && worker.size() > 1) worker = {worker.back()};
  return worker.front();
}

class plan_of_options final : public plan {
 public:
  explicit plan_of_options(plan_options options) : options_(std::move(options)) {}

  std::vector<pool_terms> pools() const override {
    std::vector<pool_terms> all;
    for (auto const& one : options_.pools) {
      auto& terms = all.emplace_back();
      terms.name = one.name;
      terms.elsewhere = is_elsewhere(one);
      terms.of_this_program = one.worker.empty();
      terms.min = one.min;
      auto most = one.max;
      if (auto const capacity = capacity_of(one))
        most = static_cast<unsigned>(std::min<std::size_t>(most.value_or(~0U), *capacity));
      terms.max = most;
      terms.buffer = one.buffer;
      if (one.scaledown_window) terms.scaledown_window = one.scaledown_window->count();
      terms.scale_delay = one.scale_delay.count();
      terms.start_timeout = one.start_timeout.count();
      if (auto const* const jobs = std::get_if<slurm>(&one.by)) terms.allocation = allocation_of(*jobs);
    }
    return all;
  }

  std::unique_ptr<runtime_detail::launching> open(plan_context const& context) const override {
    char host[256] = "";
    ::gethostname(host, sizeof host - 1);
    fleet_config config{.address = reachable_address(options_.address, context.listener.addresses(), host),
                        .hub_name = drawn_hub_name()};
    std::vector<fleet_pool> pools;
    for (auto const& one : options_.pools) {
      auto& made = pools.emplace_back();
      made.name = one.name;
      if (!is_elsewhere(one)) continue;
      // Of ssh's hosts each has its slots, and a start that waits for a GPU of theirs is none that there is.
      auto const is_ssh = std::holds_alternative<ssh>(one.by);
      made.limits = {.max_instances = is_ssh ? 0 : capacity_of(one).value_or(one.max.value_or(0)),
                     .cost_per_hour = one.cost_per_hour,
                     .max_cost_per_hour = one.max_cost_per_hour};
      made.worker = one.worker.empty() ? context.program : one.worker;
      if (made.worker.empty())
        throw transport::setup_error(
            errc::bad_configuration,
            "the pool '" + one.name +
                "': this program does not find its own file; say what its workers are (worker)");
      std::optional<carry_terms> carried;
      if (one.carry) carried = carry_terms{own_file(made.worker), one.cache, one.files};
      made.by = make_launcher(one.by, context.poller, std::move(carried));
      made.environment = one.environment;
      made.before = one.before;
      made.silence = one.silence.count();
      made.patience = std::max<std::int64_t>(least_patience, one.start_timeout.count());
      if (auto const* const commands = std::get_if<command>(&one.by)) made.end = commands->end;
    }
    return std::make_unique<fleet>(std::move(config), std::move(pools), context.listener);
  }

 private:
  plan_options options_;
};

}  // namespace

void reject(std::string message) {
  detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

std::string fault_of(plan_options const& options) {
  if (options.pools.empty()) return "there is no pool";
  if (!is_one_line(options.address)) return "address: '" + options.address + "' is more than one line";
  if (auto const wrong = fault_of_address(options.address); !wrong.empty())
    return "address: '" + options.address + "' " + wrong;
  std::set<std::string> names;
  std::map<std::string, std::string> gpus;  // of a host, and whose they are
  for (auto const& one : options.pools) {
    if (auto wrong = fault_of(one); !wrong.empty()) return "the pool '" + one.name + "': " + wrong;
    if (!names.insert(one.name).second) return "there are two pools '" + one.name + "'";
    auto const* const hosts = std::get_if<ssh>(&one.by);
    for (auto const& host : hosts != nullptr ? hosts->hosts : std::vector<ssh_host>{})
      for (auto const& gpu : host.gpus)
        if (auto const [at, is_new] = gpus.emplace("GPU " + gpu + " of '" + host.name + "'", one.name);
            !is_new)
          return "the pool '" + one.name + "': hosts: the " + at->first + " is given out " +
                 (at->second == one.name ? "twice" : "by the pool '" + at->second + "', too");
  }
  return {};
}

std::optional<std::size_t> capacity_of(pool const& one) {
  std::optional<std::size_t> most;
  if (auto const* const hosts = std::get_if<ssh>(&one.by)) {
    most = 0;
    for (auto const& host : hosts->hosts) *most += host.slots;
  }
  if (auto const* const jobs = std::get_if<slurm>(&one.by); jobs != nullptr && jobs->max_jobs != 0)
    most = jobs->max_jobs * workers_of_job(*jobs);
  if (one.max_cost_per_hour && one.cost_per_hour > 0) {
    auto const affordable = std::floor(*one.max_cost_per_hour / one.cost_per_hour * (1 + 1e-9));
    most = std::min(most.value_or(1U << 20U), static_cast<std::size_t>(std::clamp(affordable, 0.0, 1e6)));
  }
  return most;
}

std::unique_ptr<launcher> make_launcher(means const& by, platform::poller& poller,
                                        std::optional<carry_terms> carried) {
  return std::visit(overloaded{[](process const&) -> std::unique_ptr<launcher> { return nullptr; },
                               [&](ssh const& how) -> std::unique_ptr<launcher> {
                                 return std::make_unique<ssh_launcher>(how, poller, std::move(carried));
                               },
                               [&](slurm const& how) -> std::unique_ptr<launcher> {
                                 return std::make_unique<slurm_launcher>(how, poller, std::move(carried));
                               },
                               [&](command const& how) -> std::unique_ptr<launcher> {
                                 return std::make_unique<command_launcher>(how, poller);
                               }},
                    by);
}

std::string description_of(plan_options const& options) {
  if (auto wrong = fault_of(options); !wrong.empty()) reject("launch: " + wrong);
  auto const poller = platform::make_poller();
  std::string text;
  for (auto const& one : options.pools) {
    text += (text.empty() ? "# the pool '" : "\n# the pool '") + one.name + "'";
    std::optional<carry_terms> carried;
    if (one.carry)
      carried = carry_terms{one.worker.empty() ? "PROGRAM" : one.worker.front(), one.cache, one.files};
    auto const by = make_launcher(one.by, *poller, std::move(carried));
    if (!by) {
      text += ": processes of this machine" +
              (one.max ? ", at most " + std::to_string(*one.max) : std::string()) + "\n";
      continue;
    }
    auto const most = std::min<std::size_t>(one.max.value_or(~0U), capacity_of(one).value_or(~0U));
    text += ", at most " + std::to_string(most) + " workers\n";
    start_request shown{.start = 1, .name = "yonder-NAME-1", .hub_name = "yonder-NAME", .worker = one.worker};
    if (shown.worker.empty()) shown.worker = {"PROGRAM"};
    shown.environment = one.environment;
    shown.before = one.before;
    shown.worker.insert(shown.worker.end(), {"--yonder-worker", "-"});
    shown.order = {.hub = options.address.empty() ? "(the hub's address)" : options.address,
                   .silence = one.silence.count()};
    if (auto const* const commands = std::get_if<command>(&one.by)) shown.order.end = commands->end;
    text += by->describe(shown);
  }
  return text;
}

std::string reachable_address(std::string const& wanted, std::vector<std::string> const& bound,
                              std::string const& host) {
  constexpr std::string_view tcp = "tcp://";
  if (wanted.starts_with(tcp)) return wanted;
  auto const found =
      std::find_if(bound.begin(), bound.end(), [&](auto const& one) { return one.starts_with(tcp); });
  if (found == bound.end())
    throw transport::setup_error(
        errc::bad_configuration,
        "workers elsewhere reach a hub over tcp, and this one has no such address; add "
        "\"tcp://0.0.0.0:*\" to runtime_options::bind, say");
  auto const colon = found->rfind(':');
  auto const port = found->substr(colon);
  if (!wanted.empty()) return std::string(tcp) + wanted + port;
  auto const name = found->substr(tcp.size(), colon - tcp.size());
  if (name == "0.0.0.0" || name == "[::]" || name == "*") return std::string(tcp) + host + port;
  return *found;
}

std::string drawn_hub_name() {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz234567";
  std::string name = "yonder-";
  auto number = platform::random_number();
  for (int i = 0; i < 8; ++i, number >>= 5U) name += letters[number & 31U];
  return name;
}

std::shared_ptr<plan const> plan_of(plan_options const& options) {
  if (auto wrong = fault_of(options); !wrong.empty()) reject("launch: " + wrong);
  return std::make_shared<plan_of_options>(options);
}

}  // namespace yonder::launch
