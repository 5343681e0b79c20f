// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/carrier.hpp"

#include <fcntl.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace yonder::launch {
namespace {

constexpr std::int64_t take_patience = 600 * second;  // with one that takes nothing more; it may be reading
constexpr std::size_t longest_look = std::size_t{1} << 20;  // bytes: a line for each of its files

std::string cannot_start(std::string const& machine, std::string const& why) {
  return "the program cannot be started on '" + machine + "':\n" + why;
}

}  // namespace

std::vector<std::string> far_command(far_step step, std::vector<std::string> const& words) {
  std::vector<std::string> line{"sh", "-c", far_script(step), "yonder"};
  line.insert(line.end(), words.begin(), words.end());
  return line;
}

std::string far_line(far_step step, std::vector<std::string> const& words,
                     std::vector<std::string> const& environment) {
  auto line = environment;
  if (!line.empty()) line.insert(line.begin(), "env");
  auto const command = far_command(step, words);
  line.insert(line.end(), command.begin(), command.end());
  return "exec " + shell_line(line);
}

std::vector<std::string> look_words(cargo const& all, std::string const& cache, std::string const& hub) {
  auto const [host, port] = host_and_port(hub);
  std::vector<std::string> words{cache, all.needs.loader, host, port, all.id};
  for (auto const& one : all.files) words.push_back(one.hash);
  return words;
}

std::string text_of(command_result result, std::string const& what) {
  if (!result.command.empty()) result.command.back() = "(" + what + ")";
  return result.to_text();
}

std::pair<std::string, std::string> host_and_port(std::string const& address) {
  auto const begin = address.find("://");
  auto const rest = begin == std::string::npos ? address : address.substr(begin + 3);
  auto const colon = rest.rfind(':');
  if (colon == std::string::npos) return {};
  auto host = rest.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, rest.substr(colon + 1)};
}

carrier::carrier(carry_terms terms, platform::poller& poller, command_runner& runner, command_at at)
    : terms_(std::move(terms)), runner_(runner), at_(std::move(at)), errand_(poller) {}

void carrier::forget(std::string const& machine) {
  auto const found = places_.find(machine);
  if (found != places_.end() && found->second.is_there) places_.erase(found);
}

void carrier::bring(std::string const& machine, std::string const& hub, far_terms const& terms,
                    std::function<void(std::string)> done) {
  auto const is_new = !places_.contains(machine);
  auto& there = places_[machine];
  there.waits.push_back({terms, std::move(done)});
  if (there.is_there) return answer(machine, {});
  if (!is_new) return;  // it is being brought
  there.hub = hub;
  if (cargo_)
    look(machine);
  else
    load([this, machine](std::string const& fault) {
      fault.empty() ? look(machine) : answer(machine, fault);
    });
}

// --- what is carried

void carrier::load(std::function<void(std::string const&)> done) {
  if (cargo_) return done({});
  wait_for_load_.push_back(std::move(done));
  if (wait_for_load_.size() > 1) return;
  auto const made = std::make_shared<cargo>();
  errand_.begin([made, terms = terms_](
                    std::stop_token const& stop) { *made = load_cargo(terms.program, terms.files, stop); },
                [this, made](std::string const& fault) {
                  if (fault.empty()) cargo_ = made;
                  for (auto const& one : std::exchange(wait_for_load_, {})) one(fault);
                });
}

// --- how a machine is

void carrier::look(std::string const& machine) {
  auto const words = look_words(*cargo_, terms_.cache, places_.at(machine).hub);
  runner_.run({.command = at_(machine, far_line(far_step::look, words), false),
               .keeps = longest_look,
               .timeout = look_patience,
               .done = [this, machine](command_result&& result) { looked(machine, result); }});
}

void carrier::looked(std::string const& machine, command_result const& result) {
  auto& there = places_.at(machine);
  if (!result.succeeded()) return answer(machine, text_of(result, "a look at the machine"));
  if (auto wrong = read_far_machine(result.output, there.is); !wrong.empty())
    return answer(machine, wrong + "\n" + text_of(result, "a look at the machine"));
  if (auto wrong = refusal_of(examine(*cargo_, there.is, {})); !wrong.empty())
    return answer(machine, cannot_start(machine, wrong));
  there.is_there = there.is.has_all;
  if (there.is_there) return answer(machine, {});
  to_pack_.push_back(machine);
  pack_next();
}

// --- what is missing there

void carrier::pack_next() {
  if (errand_.is_busy() || to_pack_.empty()) return;
  auto const machine = to_pack_.front();
  to_pack_.pop_front();
  auto const found = places_.find(machine);
  if (found == places_.end()) return pack_next();
  auto const& is = found->second.is;
  if (auto const made = packed_for(is)) {
    send(machine, made);
    return pack_next();
  }
  auto const made = std::make_shared<pack_result>();
  packed_.push_back({is.there, is.tools.contains("zstd"), made});
  errand_.begin([made, all = cargo_, there = is.there, compressed = is.tools.contains("zstd")](
                    std::stop_token const& stop) { *made = pack(*all, there, compressed, stop); },
                [this, machine, made](std::string const& fault) {
                  fault.empty() ? send(machine, made) : answer(machine, fault);
                  pack_next();
                });
}

// Null: nobody has that now.
std::shared_ptr<pack_result const> carrier::packed_for(far_machine const& one) {
  std::erase_if(packed_, [](auto const& each) { return each.made.expired(); });
  for (auto const& each : packed_)
    if (each.there == one.there && each.compressed == one.tools.contains("zstd")) return each.made.lock();
  return nullptr;
}

// Each reads it for itself.
void carrier::send(std::string const& machine, std::shared_ptr<pack_result const> const& made) {
  auto const& cache = places_.at(machine).is.cache;
  auto const name = "/proc/self/fd/" + std::to_string(made->archive.get());
  platform::unique_fd const archive(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!archive) return answer(machine, name + ": " + std::strerror(errno));
  runner_.run(
      {.command =
           at_(machine, far_line(far_step::take, {cache, made->is_compressed ? "zstd" : "tar", cargo_->id}),
               !made->is_compressed),
       .input_file = archive.get(),
       .idle = take_patience,
       .done = [this, machine, made](command_result&& result) { sent(machine, result); }});
}

// What was cut short is sent once more, as far as it is not there.
void carrier::sent(std::string const& machine, command_result const& result) {
  if (!result.succeeded() && !std::exchange(places_.at(machine).is_sent_again, true)) return look(machine);
  if (!result.succeeded()) return answer(machine, text_of(result, "taking what is carried"));
  places_.at(machine).is_there = true;
  answer(machine, {});
}

// Whoever waits may ask again at once. What failed is not known any more: the next one looks again.
void carrier::answer(std::string const& machine, std::string const& fault) {
  auto& there = places_.at(machine);
  auto waits = std::exchange(there.waits, {});
  auto const is = there.is;
  if (!fault.empty()) places_.erase(machine);
  for (auto& one : waits) {
    auto wrong = fault;
    if (wrong.empty()) wrong = refusal_of(examine(*cargo_, is, one.terms));
    if (fault.empty() && !wrong.empty()) wrong = cannot_start(machine, wrong);
    one.done(std::move(wrong));
  }
}

// --- its start

std::vector<std::string> carrier::start_words(std::string const& cache,
                                              std::vector<std::string> const& arguments,
                                              std::int64_t patience) const {
  auto const is_alone = cargo_->files.size() == 1;  // nothing is to be found for it
  std::vector<std::string> words{cache, std::to_string(patience / second), cargo_->id,
                                 is_alone ? "" : cargo_->needs.loader, cargo_->program()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

// The folder that the look has answered: variables by which it was found may be others for the program.
std::string carrier::cache_at(std::string const& machine) const {
  auto const found = places_.find(machine);
  auto const is_known = found != places_.end() && !found->second.is.cache.empty();
  return is_known ? found->second.is.cache : terms_.cache;
}

std::string carrier::start_line(std::string const& machine, std::vector<std::string> const& arguments,
                                std::vector<std::string> const& environment) const {
  return far_line(far_step::start, start_words(cache_at(machine), arguments, 0), environment);
}

std::vector<std::string> carrier::start_command(std::string const& machine,
                                                std::vector<std::string> const& arguments) const {
  return far_command(far_step::start, start_words(cache_at(machine), arguments, 0));
}

std::vector<std::string> carrier::waiting_start(std::vector<std::string> const& arguments,
                                                std::int64_t patience) const {
  return far_command(far_step::start, start_words(terms_.cache, arguments, patience));
}

std::string carrier::cache_line() const {
  if (!terms_.cache.empty()) return {};
  return std::string("export ") + carry_cache + "=\"${XDG_CACHE_HOME:-$HOME/.cache}/yonder\"\n";
}

std::string carrier::describe() const {
  std::string with;
  for (auto const& one : terms_.files) with += ", '" + one + "'";
  return "after '" + terms_.program + "'" + with + " and its libraries have been carried to " +
         (terms_.cache.empty() ? "~/.cache/yonder" : terms_.cache) +
         " of that machine, as far as they are not there, and found to run there\n";
}

}  // namespace yonder::launch
