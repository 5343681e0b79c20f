// SPDX-License-Identifier: Apache-2.0
#include "src/launch/command_launcher.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <tuple>
#include <utility>

#include "src/launch/template_text.hpp"

namespace yonder::launch {
namespace {

constexpr std::int64_t patience = 300 * second;  // with one command

constexpr std::array<std::string_view, 7> of_start{"name", "hub",           "script",   "cpus",
                                                   "gpus", "gpu_memory_mb", "memory_mb"};
constexpr std::array<std::string_view, 3> of_stop{"name", "hub", "id"};
constexpr std::array<std::string_view, 1> of_list{"hub"};

std::string script_name(std::string const& name) { return name + ".sh"; }

std::vector<std::string> start_words(command const& how, start_request const& wanted,
                                     std::string const& script) {
  auto const mb = [](std::uint64_t bytes) { return std::to_string((bytes + ((1U << 20) - 1)) >> 20U); };
  std::array<placeholder, 7> const known{{{"name", wanted.name},
                                          {"hub", wanted.hub_name},
                                          {"script", script},
                                          {"cpus", std::to_string(wanted.needs.cpus)},
                                          {"gpus", std::to_string(wanted.needs.gpus)},
                                          {"gpu_memory_mb", mb(wanted.needs.gpu_memory)},
                                          {"memory_mb", mb(wanted.needs.memory)}}};
  return filled(how.start, known);
}

std::string fault_of_words(char const* part, std::vector<std::string> const& words,
                           std::span<std::string_view const> known) {
  for (auto const& word : words)
    if (auto wrong = fault_of_template(word, known); !wrong.empty())
      return std::string(part) + ": '" + word + "' " + wrong;
  return {};
}

std::string trimmed(std::string_view text) {
  constexpr std::string_view blanks = " \t\r\n";
  auto const first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return std::string(text.substr(first, text.find_last_not_of(blanks) - first + 1));
}

}  // namespace

std::string fault_of(command const& how) {
  if (how.start.empty()) return "start: there is no command";
  for (auto const& [part, words, known] :
       {std::tuple("start", &how.start, std::span<std::string_view const>(of_start)),
        std::tuple("stop", &how.stop, std::span<std::string_view const>(of_stop)),
        std::tuple("list", &how.list, std::span<std::string_view const>(of_list)),
        std::tuple("end", &how.end, std::span<std::string_view const>())})
    if (auto wrong = fault_of_words(part, *words, known); !wrong.empty()) return wrong;
  if (!has_placeholder(how.start, "script"))
    return "start: no word of it has {script}, which starts the worker: nothing it starts could be one";
  if (how.list_interval.count() <= 0) return "list_interval: it is not longer than 0 s";
  try {
    if (!how.id.empty() && std::regex(how.id).mark_count() != 1)
      return "id: it has not one group in parentheses";
  } catch (std::regex_error const& error) {
    return "id: '" + how.id + "' is no regular expression: " + error.what();
  }
  return {};
}

command_launcher::command_launcher(command how, platform::poller& poller, std::int64_t patience_at_end)
    : how_(std::move(how)),
      patience_at_end_(patience_at_end),
      needs_id_(has_placeholder(how_.stop, "id")),
      id_(how_.id),
      runner_(poller) {}

// --- starting

void command_launcher::start(start_request const& wanted) {
  hub_ = wanted.hub_name;
  auto& one = instances_[wanted.start];
  one.name = wanted.name;
  std::string script;
  try {
    script = files_.write(script_name(wanted.name), worker_script(wanted), true).string();
  } catch (std::exception const& error) {
    instances_.erase(wanted.start);
    return say(launch_event::kind::failed, wanted.start,
               std::string("its script could not be written: ") + error.what());
  }
  runner_.run(
      {.command = start_words(how_, wanted, script),
       .timeout = wanted.patience == 0 ? patience : std::min(patience, wanted.patience),
       .done = [this, start = wanted.start](command_result&& result) { started(start, std::move(result)); }});
}

std::string command_launcher::describe(start_request const& wanted) const {
  auto shown = wanted;
  shown.order.client_secret = "(a key, made for each start)";
  shown.order.token = 0;
  std::string text = shell_line(start_words(how_, wanted, script_name(wanted.name))) + "\n\n" +
                     script_name(wanted.name) + " is\n" + worker_script(shown);
  instance const one{.name = wanted.name, .id = "ID"};
  if (!how_.stop.empty()) text += "\nto stop it:\n" + shell_line(words(how_.stop, one)) + "\n";
  if (!how_.list.empty()) text += "\nto see which there are:\n" + shell_line(words(how_.list, one)) + "\n";
  return text;
}

// One that took too long may have left something: it is stopped, which does no harm.
void command_launcher::started(std::uint64_t start, command_result&& result) {
  auto& one = instances_.at(start);
  one.is = state::running;
  auto const id = id_of(result.output, one.name);
  one.id = id.value_or(one.name);
  auto text = result.to_text();
  auto const has_no_id = !id && (result.succeeded() || result.timed_out);
  if (has_no_id) text += "\nid: '" + how_.id + "' matches nothing of what it printed";
  auto const can_be_stopped = !how_.stop.empty() && (id || !needs_id_);
  if (!result.succeeded() ? !result.timed_out || !can_be_stopped : has_no_id && !can_be_stopped) {
    files_.remove(script_name(one.name));
    instances_.erase(start);
    if (has_no_id) text += ", so nobody can stop what it may have started";
    return say(launch_event::kind::failed, start, std::move(text));
  }
  if (result.timed_out) say(launch_event::kind::notice, start, text);
  say(launch_event::kind::placed, start, std::move(text));
  if (!how_.list.empty() && list_due_ == never)
    list_due_ = platform::now() + how_.list_interval.count() * second;
  if (has_no_id || result.timed_out || one.stop_wanted) run_stop(start, one);
}

// Line by line: the library's expressions take stack for each character that they look at.
std::optional<std::string> command_launcher::id_of(std::string const& printed,
                                                   std::string const& name) const {
  constexpr std::size_t longest = 1000;
  std::string last;
  std::istringstream lines(printed);
  for (std::string line; std::getline(lines, line);) {
    if (line.size() > longest) line.resize(longest);
    std::smatch found;
    if (!how_.id.empty() && std::regex_search(line, found, id_) && found[1].length() != 0)
      return found[1].str();
    if (auto text = trimmed(line); !text.empty()) last = std::move(text);
  }
  if (!how_.id.empty()) return std::nullopt;
  return last.empty() ? name : last;
}

// --- stopping

void command_launcher::stop(std::uint64_t start) {
  auto const found = instances_.find(start);
  if (found == instances_.end()) return;
  found->second.stop_wanted = true;
  if (found->second.is == state::running) run_stop(start, found->second);
}

void command_launcher::run_stop(std::uint64_t start, instance& one) {
  if (how_.stop.empty()) return gone(start, "its worker ended");
  one.is = state::stopping;
  runner_.run({.command = words(how_.stop, one),
               .timeout = patience,
               .done = [this, start](command_result&& result) { stopped(start, std::move(result)); }});
}

// What is refused may be because there is nothing to stop any more.
void command_launcher::stopped(std::uint64_t start, command_result&& result) {
  auto& one = instances_.at(start);
  if (result.succeeded())
    return gone(start, one.missing_since == never ? "it was stopped" : "it is not listed any more");
  one.refusal = result.to_text();
  one.is = state::doubted;
  if (how_.list.empty() || leaves_by_ != never) refused(start, one);
  if (!how_.list.empty()) list();
}

void command_launcher::refused(std::uint64_t start, instance& one) {
  one.is = state::running;
  if (leaves_by_ != never) {
    one.stop_again = platform::now() + one.pause;
    one.pause *= 2;
    return;
  }
  one.stop_wanted = false;
  say(launch_event::kind::stop_failed, start, std::exchange(one.refusal, {}));
}

void command_launcher::gone(std::uint64_t start, std::string text) {
  auto const found = instances_.find(start);
  files_.remove(script_name(found->second.name));
  instances_.erase(found);
  say(launch_event::kind::ended, start, std::move(text));
}

std::vector<std::string> command_launcher::words(std::vector<std::string> const& of,
                                                 instance const& one) const {
  std::array<placeholder, 3> const known{{{"name", one.name}, {"hub", hub_}, {"id", one.id}}};
  return filled(of, known);
}

// --- looking

void command_launcher::list() {
  if (std::exchange(listing_, true)) return;
  list_due_ = never;
  for (auto& [start, one] : instances_) one.was_there = one.is != state::starting;
  runner_.run({.command = words(how_.list, {}),
               .keeps = longest_list,
               .timeout = patience,
               .done = [this](command_result&& result) { listed(result); }});
}

void command_launcher::listed(command_result const& result) {
  listing_ = false;
  auto const is_known = result.lists();
  if (!is_known && !list_failed_)
    say(launch_event::kind::notice, 0, "which workers there are is not known:\n" + result.to_text());
  list_failed_ = !is_known;
  std::set<std::string> there;
  std::istringstream printed(result.output);
  for (std::string word; printed >> word;) there.insert(std::move(word));
  std::vector<std::uint64_t> ended;
  auto again = false;
  for (auto& [start, one] : instances_) {
    auto const is_listed = there.contains(one.id) || there.contains(one.name);
    auto const is_missing = is_known && one.was_there && is_missing_for_good(one, is_listed);
    if (is_missing && one.is == state::running && one.came && !is_in_doubt(one))
      tell_unlisted(one, result);
    else if (is_missing && (one.is == state::running || one.is == state::doubted))
      ended.push_back(start);
    else if (one.is == state::doubted && one.was_there)
      refused(start, one);
    again = again || one.is == state::doubted;
  }
  for (auto const start : ended) missing(start, instances_.at(start));
  if (again)
    list();
  else if (!instances_.empty())
    list_due_ = platform::now() + how_.list_interval.count() * second;
}

// Its worker is heard, so it is there: `list` may look elsewhere, or for others. When the hub hears that
// worker no more, it says so.
void command_launcher::tell_unlisted(instance& one, command_result const& result) {
  if (std::exchange(one.told_missing, true)) return;
  say(launch_event::kind::notice, 0,
      one.name + (one.id == one.name ? "" : " (id " + one.id + ")") +
          " is not listed, and left alone, as its worker is connected; is `list` right?\n" +
          result.to_text());
}

void command_launcher::served(std::uint64_t start) {
  if (auto const found = instances_.find(start); found != instances_.end()) found->second.came = true;
}

// What has just been started may not be listed yet: it is missing when it is so twice, an interval apart.
// Whose stop was refused has been there for long enough.
bool command_launcher::is_missing_for_good(instance& one, bool is_listed) const {
  auto const now = platform::now();
  if (is_listed) one.missing_since = never;
  if (is_listed || is_in_doubt(one)) return !is_listed;
  if (one.missing_since == never) one.missing_since = now;
  return now - one.missing_since >= how_.list_interval.count() * second;
}

// It is stopped once all the same: what is there and not listed would cost.
void command_launcher::missing(std::uint64_t start, instance& one) {
  if (is_in_doubt(one) || how_.stop.empty()) return gone(start, "it is not listed any more");
  run_stop(start, one);
}

// --- the driver's side

void command_launcher::take(std::vector<launch_event>& happened) {
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

void command_launcher::say(launch_event::kind what, std::uint64_t start, std::string text) {
  happened_.push_back({.what = what, .start = start, .text = std::move(text)});
}

time_point command_launcher::next_deadline() const {
  return happened_.empty() ? std::min(list_due_, runner_.next_deadline()) : 0;
}

void command_launcher::tick(time_point now) {
  runner_.tick(now);
  if (list_due_ <= now) list();
}

// What is being started is stopped when it has been, and a stop that is refused is tried again, after pauses
// that double: each for itself, whatever the others' commands do.
bool command_launcher::leave_until(time_point until, teller const& say_to) {
  auto const now = platform::now();
  if (leaves_by_ == never) {
    leaves_by_ = now + patience_at_end_;
    for (auto& [start, one] : instances_) {
      if (one.is == state::doubted) one.is = state::running;
      one.came = false;  // the hub is heard no more
    }
  }
  stop_all();
  auto next = std::min({until, leaves_by_, now + second / 20});
  if (!instances_.empty()) {
    if (runner_.is_idle())
      ::poll(nullptr, 0, static_cast<int>(std::max<std::int64_t>(next - now, 0) / 1'000'000));
    else
      runner_.work_until(next);
  }
  // Once it is known that they are there; a list that takes its time is not waited for.
  auto const refused = std::any_of(instances_.begin(), instances_.end(), [&](auto const& entry) {
    return !entry.second.refusal.empty() && (!listing_ || entry.second.pause > 2 * second);
  });
  auto const left = leaves_by_ - platform::now();
  if (!instances_.empty() && left > 0) {
    if (refused && !std::exchange(told_refusal_, true))
      say_to("tried again for " + std::to_string(left / second) + " s: " + what_is_left());
    return false;
  }
  if (!instances_.empty()) say_to("end by hand what may go on costing: " + what_is_left());
  happened_.clear();
  runner_.stop();
  return true;
}

void command_launcher::stop_all() {
  auto const now = platform::now();
  std::vector<std::uint64_t> due;
  for (auto& [start, one] : instances_) {
    one.stop_wanted = true;
    if (one.is == state::running && one.stop_again <= now) due.push_back(start);
  }
  for (auto const start : due) run_stop(start, instances_.at(start));
}

// Of what could not be stopped: its name and id, and what was run and printed.
std::string command_launcher::what_is_left() {
  std::map<std::uint64_t, std::string> refusals;
  for (auto& event : happened_)
    if (event.what == launch_event::kind::stop_failed) refusals[event.start] = event.text;
  for (auto const& [start, one] : instances_)
    if (!one.refusal.empty()) refusals[start] = one.refusal;
  std::string text;
  for (auto const& [start, one] : instances_) {
    text += (text.empty() ? "" : "\n") + one.name + (one.id == one.name ? "" : " (id " + one.id + ")");
    auto const why = refusals.find(start);
    text += why != refusals.end()       ? " could not be stopped:\n" + why->second
            : one.is == state::starting ? " is still being started"
                                        : " could not be stopped in time: this has not ended yet: " +
                                              shell_line(words(how_.stop, one));
  }
  return text;
}

}  // namespace yonder::launch
