// SPDX-License-Identifier: Apache-2.0
#include <toml++/toml.h>
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>
#include <system_error>
#include <utility>

#include "src/launch/plan.hpp"
#include "yonder/error.hpp"

namespace yonder::launch {
namespace {

// "90s" and its like, in nanoseconds; nothing: it is none.
std::optional<std::chrono::nanoseconds> duration_of(std::string_view text) {
  struct unit {
    std::string_view name;
    double nanoseconds;
  };
  constexpr unit units[]{{"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
  double number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || !(number >= 0) || number > 1e6) return std::nullopt;
  std::string_view const name(end, static_cast<std::size_t>(text.data() + text.size() - end));
  auto const found =
      std::find_if(std::begin(units), std::end(units), [&](auto const& one) { return one.name == name; });
  if (found == std::end(units)) return std::nullopt;
  auto const time = number * found->nanoseconds;
  if (time > 9e18) return std::nullopt;  // 285 years, and more than is counted
  return std::chrono::nanoseconds(static_cast<std::int64_t>(time));
}

// Reads the keys of one table, each once; what nobody has read is not known.
class table_reader {
 public:
  table_reader(toml::table const& table, std::string path, std::string const& file)
      : table_(table), path_(std::move(path)), file_(file) {}

  bool read(std::string_view key, std::string& value) {
    auto const* const node = find(key);
    if (node == nullptr) return false;
    auto const text = node->value_exact<std::string>();
    if (!text) refuse(*node, key, "is not a text in quotes");
    value = *text;
    return true;
  }

  // One that is not there says what an empty one would.
  void read_name(std::string_view key, std::string& value) {
    if (read(key, value) && value.empty())
      refuse(*find(key), key, "is empty; leave it out where none is meant");
  }

  void read_flag(std::string_view key, bool& value) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    auto const flag = node->value_exact<bool>();
    if (!flag) refuse(*node, key, "is neither true nor false");
    value = *flag;
  }

  template <class Number>
  void read_count(std::string_view key, Number& value) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    auto const number = node->value_exact<std::int64_t>();
    if (!number || *number < 0 || *number > 1'000'000)
      refuse(*node, key, "is not a whole number from 0 to 1000000");
    value = static_cast<unsigned>(*number);
  }

  // One that is not there says what 0 would.
  template <class Number>
  void read_limit(std::string_view key, Number& value) {
    read_count(key, value);
    if (auto const* const node = find(key); node != nullptr && value == 0)
      refuse(*node, key, "is 0; leave it out where there is no limit");
  }

  template <class Amount>
  void read_amount(std::string_view key, Amount& value) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    if (!node->is_number()) refuse(*node, key, "is not a number");
    value = *node->value<double>();
  }

  template <class Duration>
  void read_duration(std::string_view key, Duration& value) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    auto const found = duration_of(node->value_exact<std::string>().value_or(""));
    if (!found) refuse(*node, key, "is not a time such as \"90s\", \"5m\" or \"1h\"");
    if constexpr (std::is_same_v<Duration, std::chrono::seconds>)
      value = std::chrono::ceil<Duration>(*found);
    else
      value = *found;
  }

  void read_words(std::string_view key, std::vector<std::string>& words) {
    each(key, [&](toml::node const& node) {
      auto const text = node.value_exact<std::string>();
      if (!text) refuse(node, key, "is not a list of texts, [\"a\", \"b\"]");
      words.push_back(*text);
    });
  }

  // A table of texts, as NAME=value.
  void read_variables(std::string_view key, std::vector<std::string>& variables) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    auto const* const table = node->as_table();
    if (table == nullptr) refuse(*node, key, "is not a table, { NAME = \"value\" }");
    for (auto const& [name, one] : *table) {
      auto const text = one.value_exact<std::string>();
      if (!text)
        refuse(one, key, "has a value for " + std::string(name.str()) + " that is not a text in quotes");
      variables.push_back(std::string(name.str()) + "=" + *text);
    }
  }

  // Calls take(node) for each of a list.
  template <class Take>
  void each(std::string_view key, Take take) {
    auto const* const node = find(key);
    if (node == nullptr) return;
    auto const* const list = node->as_array();
    if (list == nullptr) refuse(*node, key, "is not a list, [\"a\", \"b\"]");
    for (auto const& one : *list) take(one);
  }

  // Of tables in this one.
  table_reader inner(toml::node const& node, std::string_view key) const {
    auto const* const table = node.as_table();
    if (table == nullptr) refuse(node, key, "is not a table");
    return {*table, path_of(key), file_};
  }
  toml::node const* find(std::string_view key) {
    known_.emplace(key);
    return table_.get(key);
  }

  // To be called last.
  void finish() const {
    for (auto const& [key, node] : table_) {
      if (known_.contains(std::string(key.str()))) continue;
      std::string names;
      for (auto const& one : known_) names += (names.empty() ? "" : ", ") + one;
      reject(place(key.source().begin.line) + "the key '" + path_of(key.str()) +
             "' is not known; there are " + names);
    }
  }

  [[noreturn]] void refuse(toml::node const& node, std::string_view key, std::string const& what) const {
    reject(place(node.source().begin.line) + "'" + path_of(key) + "' " + what);
  }

 private:
  std::string place(std::size_t line) const { return file_ + ":" + std::to_string(line) + ": "; }
  std::string path_of(std::string_view key) const {
    return path_.empty() ? std::string(key) : path_ + "." + std::string(key);
  }

  toml::table const& table_;
  std::string path_;
  std::string const& file_;
  std::set<std::string> known_;
};

ssh_host read_host(table_reader const& pool, toml::node const& node) {
  ssh_host host;
  if (auto const name = node.value_exact<std::string>()) {
    host.name = *name;
    return host;
  }
  auto reader = pool.inner(node, "hosts");
  if (!reader.read("name", host.name)) pool.refuse(node, "hosts", "has a host without a name");
  reader.read_count("slots", host.slots);
  reader.read_words("gpus", host.gpus);
  reader.finish();
  return host;
}

ssh read_ssh(table_reader& reader) {
  ssh how;
  reader.each("hosts", [&](toml::node const& node) { how.hosts.push_back(read_host(reader, node)); });
  reader.read_words("options", how.options);
  return how;
}

slurm read_slurm(table_reader& reader) {
  slurm how;
  reader.read_name("partition", how.partition);
  reader.read_name("gres", how.gres);
  reader.read_duration("time", how.time);
  if (auto const* const time = reader.find("time"); time != nullptr && how.time == std::chrono::seconds(0))
    reader.refuse(*time, "time", "is 0; leave it out where jobs last as their partition says");
  reader.read_name("account", how.account);
  reader.read_words("extra", how.extra);
  reader.read_limit("workers", how.workers);
  reader.read_limit("max_jobs", how.max_jobs);
  reader.read_name("output", how.output);
  reader.read_duration("interval", how.interval);
  return how;
}

command read_command(table_reader& reader) {
  command how;
  reader.read_words("start", how.start);
  reader.read_words("stop", how.stop);
  reader.read_words("list", how.list);
  reader.read("id", how.id);
  reader.read_words("end", how.end);
  reader.read_duration("list_interval", how.list_interval);
  return how;
}

pool read_pool(std::string_view name, table_reader& reader, toml::node const& node) {
  pool one{.name = std::string(name)};
  std::string launcher;
  if (!reader.read("launcher", launcher))
    reader.refuse(node, "launcher", "is missing: \"process\", \"ssh\", \"slurm\" or \"command\"");
  if (launcher == "ssh")
    one.by = read_ssh(reader);
  else if (launcher == "slurm")
    one.by = read_slurm(reader);
  else if (launcher == "command")
    one.by = read_command(reader);
  else if (launcher != "process")
    reader.refuse(*reader.find("launcher"), "launcher",
                  "is '" + launcher + "'; there are \"process\", \"ssh\", \"slurm\" and \"command\"");
  reader.read_words("worker", one.worker);
  if (auto const* const worker = reader.find("worker"); worker != nullptr && one.worker.empty())
    reader.refuse(*worker, "worker", "names no program; leave it out where that is this very one");
  reader.read_variables("environment", one.environment);
  reader.read_words("before", one.before);
  reader.read_flag("carry", one.carry);
  reader.read("cache", one.cache);
  reader.read_words("files", one.files);
  reader.read_count("min", one.min);
  reader.read_count("max", one.max);
  reader.read_count("buffer", one.buffer);
  reader.read_duration("scaledown_window", one.scaledown_window);
  reader.read_duration("scale_delay", one.scale_delay);
  reader.read_duration("start_timeout", one.start_timeout);
  reader.read_duration("silence", one.silence);
  reader.read_amount("cost_per_hour", one.cost_per_hour);
  reader.read_amount("max_cost_per_hour", one.max_cost_per_hour);
  reader.finish();
  return one;
}

}  // namespace

plan_options parse_plan(std::string_view text, std::string const& name) {
  toml::table table;
  try {
    table = toml::parse(text, name);
  } catch (toml::parse_error const& error) {
    reject(name + ":" + std::to_string(error.source().begin.line) + ": " + std::string(error.description()));
  }
  plan_options options;
  table_reader reader(table, {}, name);
  reader.read("address", options.address);
  if (auto const* const node = reader.find("pools"); node != nullptr) {
    auto const pools = reader.inner(*node, "pools");
    for (auto const& [key, one] : *node->as_table()) {
      auto inner = pools.inner(one, key.str());
      options.pools.push_back(read_pool(key.str(), inner, one));
      // What is wrong with it as a whole is said with its line.
      if (auto wrong = fault_of(plan_options{.pools = {options.pools.back()}}); !wrong.empty())
        reject(name + ":" + std::to_string(one.source().begin.line) + ": " + wrong);
    }
  }
  reader.finish();
  if (options.pools.empty()) reject(name + ": it has no pool; it needs a table [pools.default], say");
  if (auto wrong = fault_of(options); !wrong.empty()) reject(name + ": " + wrong);
  return options;
}

namespace {

plan_options read_plan(std::string const& file) {
  std::error_code ignored;
  if (std::filesystem::is_directory(file, ignored)) reject("launch: '" + file + "' is a folder");
  std::ifstream in(file, std::ios::binary);
  std::string const text(std::istreambuf_iterator<char>(in), {});
  if (!in) reject("launch: '" + file + "' cannot be read");
  return parse_plan(text, file);
}

}  // namespace

std::shared_ptr<plan const> plan_of_file(std::string const& file) { return plan_of(read_plan(file)); }

std::string dry_run(std::string const& file) { return description_of(read_plan(file)); }

}  // namespace yonder::launch
