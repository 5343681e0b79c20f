// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/far_machine.hpp"

#include <algorithm>
#include <charconv>
#include <iterator>
#include <sstream>
#include <utility>

namespace yonder::launch {
namespace {

constexpr std::string_view first_line = "yonder-far 1";
constexpr std::size_t longest_answer = std::size_t{1} << 20;
constexpr std::uint64_t spare_room = std::uint64_t{16} << 20;  // bytes, for what else comes there

std::vector<std::string> words_of(std::string_view text) {
  std::istringstream in{std::string(text)};
  return {std::istream_iterator<std::string>(in), {}};
}
std::set<std::string> word_set(std::string_view text) {
  auto words = words_of(text);
  return {std::make_move_iterator(words.begin()), std::make_move_iterator(words.end())};
}

bool is_hash(std::string_view word) {
  return word.size() == 64 && word.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_version(std::string_view word) {
  return !word.empty() && word.front() >= '0' && word.front() <= '9' &&
         word.find('.') != std::string_view::npos &&
         word.find_first_not_of("0123456789.") == std::string_view::npos;
}

// "/dev/sda1 1024 512 512 50% /": what stands before the one with the %, in KiB.
std::optional<std::uint64_t> free_in(std::string_view line) {
  auto const words = words_of(line);
  for (std::size_t i = 1; i < words.size(); ++i) {
    if (words[i].back() != '%') continue;
    std::uint64_t kib = 0;
    auto const& word = words[i - 1];
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), kib);
    if (error == std::errc() && end == word.data() + word.size() && kib < (std::uint64_t{1} << 53U))
      return kib << 10U;
  }
  return std::nullopt;
}

// "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue …".
std::string driver_in(std::string_view line) {
  for (auto& word : words_of(line))
    if (is_version(word)) return std::move(word);
  return {};
}

// Where a line of ours is one with such a key, what follows it.
void take_line(std::string_view key, std::string_view value, far_machine& machine) {
  if (key == "cache")
    machine.cache = value;
  else if (key == "no-cache")
    machine.trouble = value;
  else if (key == "machine")
    machine.machine = value;
  else if (key == "libc")
    machine.libc = value;
  else if (key == "loader")
    machine.has_loader = true;
  else if (key == "cpu")
    machine.cpu = word_set(value);
  else if (key == "disk")
    machine.free_bytes = free_in(value);
  else if (key == "runs")
    machine.runs = true;
  else if (key == "tool")
    machine.tools.emplace(value);
  else if (key == "libstdcxx")
    machine.libstdcxx = word_set(value);
  else if (key == "driver")
    machine.driver = driver_in(value);
  else if (is_hash(key) && value.ends_with(key))  // as sha256sum prints a file that is named by its hash
    machine.there.emplace(key);
  else if (key == "all")
    machine.has_all = true;
  else if (key == "no-program")
    machine.program_trouble = value;
  if (key != "hub") return;
  machine.hub = value == "yes" ? far_machine::reach::yes : far_machine::reach::no;
  machine.hub_said = value.substr(std::min<std::size_t>(value.size(), 3));
}

std::string megabytes(std::uint64_t bytes) {
  return std::to_string((bytes + ((1U << 20) - 1)) >> 20U) + " MiB";
}

std::string glibc_of(std::string const& libc) {
  if (libc.find("musl") != std::string::npos) return {};
  auto found = words_of(libc);
  if (found.empty() || !is_version(found.back())) return {};
  return found.back();
}

using verdict = finding::verdict;
constexpr char build_statically[] = "build it statically (docs/launch_carry.md)";

void examine_machine(cargo_needs const& needs, far_machine const& is, std::vector<finding>& found) {
  auto const same = needs.machine.empty() || needs.machine == is.machine;
  found.push_back({"machine", needs.machine, is.machine, same ? verdict::fine : verdict::refused,
                   "build the program for " + is.machine});
  std::string missing;
  for (auto const& one : needs.cpu)
    if (!is.cpu.contains(one)) missing += (missing.empty() ? "" : " ") + one;
  if (needs.cpu.empty() || !same) return;
  std::string all;
  for (auto const& one : needs.cpu) all += (all.empty() ? "" : " ") + one;
  found.push_back({"processor", all, missing.empty() ? all : "no " + missing,
                   is.cpu.empty()    ? verdict::unknown
                   : missing.empty() ? verdict::fine
                                     : verdict::refused,
                   "build without -march=native, or for what is there"});
}

void examine_libraries(cargo_needs const& needs, far_machine const& is, far_terms const& terms,
                       std::vector<finding>& found) {
  if (!needs.loader.empty())
    found.push_back({"loader", needs.loader, is.has_loader ? needs.loader : "none",
                     is.has_loader ? verdict::fine : verdict::refused, build_statically});
  if (!needs.glibc.empty()) {
    auto const there = glibc_of(is.libc);
    auto const older = is_older(there, needs.glibc);
    found.push_back({"glibc", needs.glibc, there.empty() ? is.libc : there,
                     older ? verdict::refused : verdict::fine,
                     "build on a system as old as that one, or " + std::string(build_statically)});
  }
  if (needs.libstdcxx.empty()) return;
  if (terms.carries) return found.push_back({"libstdc++", "GLIBCXX_" + needs.libstdcxx, "it travels"});
  auto const there = newest_version(is.libstdcxx, "GLIBCXX_");
  found.push_back({"libstdc++", "GLIBCXX_" + needs.libstdcxx, there.empty() ? "none" : "GLIBCXX_" + there,
                   is_older(there, needs.libstdcxx) ? verdict::refused : verdict::fine,
                   "have it carried (carry = true), or " + std::string(build_statically)});
}

void examine_driver(cargo_needs const& needs, far_machine const& is, far_terms const& terms,
                    std::vector<finding>& found) {
  // CUDA Toolkit's release notes, "CUDA Toolkit and Minor Version Compatibility".
  constexpr std::pair<unsigned, char const*> oldest[]{{11, "450.80"}, {12, "525.60"}, {13, "580"}};
  std::string needed;
  for (auto const& [cuda, driver] : oldest)
    if (needs.cuda == cuda) needed = driver;
  if (needed.empty() && !terms.gpu) return;
  auto const is_fine = !is.driver.empty() && !is_older(is.driver, needed);
  // A program that has CUDA in it also runs where there is no GPU, on what does not need one.
  found.push_back({"NVIDIA driver",
                   needed.empty() ? "any" : needed + " (CUDA " + std::to_string(needs.cuda) + ")",
                   is.driver.empty() ? "none" : is.driver,
                   is_fine                           ? verdict::fine
                   : is.driver.empty() && !terms.gpu ? verdict::unknown
                                                     : verdict::refused,
                   is.driver.empty() ? "install NVIDIA's driver there, or name other hosts"
                                     : "update the driver there, or build with an older CUDA"});
}

void examine_room(cargo const& all, far_machine const& is, std::vector<finding>& found) {
  std::uint64_t missing = 0;
  for (auto const& one : all.files)
    if (!is.has_all && !is.there.contains(one.hash)) missing += one.size;
  auto const cache = is.cache.empty() ? is.trouble : is.cache;
  auto const to_do = std::string("name another folder (cache = \"/scratch/me\")");
  auto const has_folder = !is.cache.empty();
  found.push_back({"folder", "one for programs",
                   has_folder && !is.runs ? cache + ": nothing may be run there (noexec?)" : cache,
                   has_folder && is.runs ? verdict::fine : verdict::refused, to_do});
  if (!has_folder) return;
  auto const needed = missing == 0 ? 0 : missing + spare_room;
  found.push_back({"room", megabytes(needed), is.free_bytes ? megabytes(*is.free_bytes) : "not known",
                   !is.free_bytes            ? verdict::unknown
                   : *is.free_bytes < needed ? verdict::refused
                                             : verdict::fine,
                   "make room in " + cache + ", or " + to_do});
  std::string without;
  for (auto const* const tool : {"sha256sum", "tar"})
    if (!is.tools.contains(tool)) without += (without.empty() ? "" : ", ") + std::string(tool);
  found.push_back({"tools", "sha256sum, tar", without.empty() ? "sha256sum, tar" : "no " + without,
                   without.empty() ? verdict::fine : verdict::refused, "install what is missing there"});
}

void examine_hub(far_machine const& is, std::vector<finding>& found) {
  if (is.hub == far_machine::reach::yes)
    found.push_back({"the hub", "within reach", "within reach"});
  else
    found.push_back({"the hub", "within reach",
                     is.hub == far_machine::reach::no ? "out of reach: " + is.hub_said : "not known",
                     is.hub == far_machine::reach::no ? verdict::refused : verdict::unknown,
                     "say under which address it is seen from there (address), or open that port"});
}

}  // namespace

std::string read_far_machine(std::string_view printed, far_machine& machine) {
  machine = {};
  auto begun = false;
  // A login may have printed more than that before it.
  printed.remove_prefix(printed.size() - std::min(printed.size(), longest_answer));
  while (!printed.empty()) {
    auto const end = std::min(printed.find('\n'), printed.size());
    auto line = printed.substr(0, end);
    printed.remove_prefix(std::min(end + 1, printed.size()));
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (!begun) {
      begun = line == first_line;
      continue;
    }
    if (line == "end") return {};
    auto const blank = std::min(line.find(' '), line.size());
    take_line(line.substr(0, blank), line.substr(std::min(blank + 1, line.size())), machine);
  }
  return begun ? "its answer ends halfway" : "it has answered nothing that was asked for";
}

std::vector<finding> examine(cargo const& all, far_machine const& machine, far_terms const& terms) {
  std::vector<finding> found;
  examine_machine(all.needs, machine, found);
  examine_libraries(all.needs, machine, terms, found);
  examine_driver(all.needs, machine, terms, found);
  if (terms.carries) examine_room(all, machine, found);
  if (terms.hub) examine_hub(machine, found);
  for (auto& one : found)
    if (one.is != verdict::refused) one.to_do.clear();
  return found;
}

std::string refusal_of(std::vector<finding> const& findings) {
  std::string text;
  for (auto const& one : findings) {
    if (one.is != verdict::refused) continue;
    text += (text.empty() ? "" : "\n") + one.what + ": needed " + one.needed + ", found " + one.found + ": " +
            one.to_do;
  }
  return text;
}

}  // namespace yonder::launch
