// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/registry.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <iterator>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "src/platform/fork.hpp"
#include "yonder/detail/demangle.hpp"
#include "yonder/error.hpp"

namespace yonder {
namespace detail {
namespace {

// Constant-initialized: usable in whatever order the program's images are initialized.
constinit std::mutex registry_mutex;
// In the order in which they came: what was found by a name goes on being found by it, whatever is loaded
// later.
template <class Entry>
struct entries {
  Entry* first = nullptr;
  Entry* last = nullptr;

  void add(Entry& entry) noexcept {
    entry.next = nullptr;
    (last == nullptr ? first : last->next) = &entry;
    last = &entry;
  }
  void remove(Entry const& entry) noexcept {
    Entry* before = nullptr;
    for (auto* one = first; one != nullptr; before = std::exchange(one, one->next)) {
      if (one != &entry) continue;
      (before == nullptr ? first : before->next) = one->next;
      if (last == one) last = before;
      return;
    }
  }
};
constinit entries<task_entry> tasks;
constinit entries<exception_entry> exceptions;

// How many tasks have come, and how many of them check_registry() has seen.
constinit std::atomic<std::uint64_t> tasks_added{0}, tasks_checked{0};

}  // namespace

void add_to_registry(task_entry& entry) noexcept {
  std::lock_guard const lock(registry_mutex);
  tasks.add(entry);
  tasks_added.fetch_add(1, std::memory_order_release);
}

void add_to_registry(exception_entry& entry) noexcept {
  std::lock_guard const lock(registry_mutex);
  exceptions.add(entry);
}

void remove_from_registry(task_entry& entry) noexcept {
  std::lock_guard const lock(registry_mutex);
  tasks.remove(entry);
}

void remove_from_registry(exception_entry& entry) noexcept {
  std::lock_guard const lock(registry_mutex);
  exceptions.remove(entry);
}

exception_entry const* first_exception() noexcept {
  std::lock_guard const lock(registry_mutex);
  return exceptions.first;
}

}  // namespace detail

namespace runtime_detail {
namespace {

std::vector<detail::task_entry const*> sorted_tasks() {
  std::vector<detail::task_entry const*> sorted;
  std::lock_guard const lock(detail::registry_mutex);
  for (auto const* task = detail::tasks.first; task != nullptr; task = task->next) sorted.push_back(task);
  std::stable_sort(sorted.begin(), sorted.end(), [](auto* a, auto* b) { return a->name < b->name; });
  return sorted;
}

// What the symbol of a task or an exception says that its name is: of "…::symbol_of<&(a::f[abi:cxx11](int))>"
// "a::f", of a template's instance more than a name.
std::string name_in(std::type_info const& symbol) {
  constexpr std::string_view wrapper = "symbol_of<&";
  auto name = detail::demangled(symbol);
  if (name == symbol.name()) throw std::bad_alloc();  // nothing else is in the way of a symbol's words
  if (auto const begin = name.find(wrapper); begin != name.npos)
    name = name.substr(begin + wrapper.size(), name.size() - begin - wrapper.size() - 1);
  if (name.starts_with('(')) name.erase(0, 1);
  for (auto tag = name.find("[abi:"); tag != name.npos; tag = name.find("[abi:"))
    name.erase(tag, name.find(']', tag) + 1 - tag);
  return name.substr(0, name.find('('));
}

// An extern "C" function has no namespace in its symbol.
bool is_spelled_alike(std::string_view name, std::string_view in_symbol) {
  return name == in_symbol ||
         (in_symbol.find(':') == in_symbol.npos && name.ends_with("::" + std::string(in_symbol)));
}

// Compilers leave different things out of a name: Clang inline namespaces and the arguments of templates.
void check_spelling(std::string_view name, std::type_info const& symbol, char const* what,
                    char const* remedy) {
  auto const in_symbol = name_in(symbol);
  if (is_spelled_alike(name, in_symbol)) return;
  auto const own = std::string(name);
  detail::throw_error(
      {.code = errc::bad_configuration,
       .message = std::string("the name of the ") + what + " '" + own +
                  "' is another one under another compiler: in full it is '" + in_symbol +
                  "', within an inline namespace or a template's instance; state one: " + remedy,
       .task = own});
}

void check_spellings(std::vector<detail::task_entry const*> const& tasks) {
  for (auto const* task : tasks)
    if (task->has_deduced_name)
      check_spelling(task->name, *task->symbol, "task", "yonder::task<f, \"name\">");
  for (auto const* one = detail::first_exception(); one != nullptr; one = one->next)
    if (one->has_deduced_name)
      check_spelling(one->name, *one->type, "exception", "yonder::exception_registration<E, \"name\">");
}

// A task that cannot be used has no signature: its structure says why.
core::function_info info_of(detail::task_entry const& task) {
  try {
    return {std::string(task.name), task.signature(), task.structure()};
  } catch (codec_error const& refused) {
    return {std::string(task.name), 0, "none: " + refused.details().message};
  }
}

// One function that several images contain, as one of a header may be, is one task: by the one-definition
// rule they are alike. Within one image it has one address.
bool is_one_task(detail::task_entry const& a, detail::task_entry const& b) {
  if (a.image == b.image) return a.invoke == b.invoke;
  return *a.symbol == *b.symbol && info_of(a).signature == info_of(b).signature;
}

std::string file_of(void const* image) {
  Dl_info info{};
  return ::dladdr(image, &info) != 0 && info.dli_fname != nullptr ? info.dli_fname : "an unknown file";
}

[[noreturn]] void refuse_twins(detail::task_entry const& a, detail::task_entry const& b) {
  auto const name = std::string(a.name);
  auto message = a.image == b.image ? "two functions of this program are tasks of the name '" + name + "'"
                                    : "two different functions are tasks of the name '" + name +
                                          "': one of " + file_of(a.image) + " (" + info_of(a).schema +
                                          "), one of " + file_of(b.image) + " (" + info_of(b).schema + ")";
  detail::throw_error(
      {.code = errc::duplicate_task,
       .message = std::move(message) + "; state another name for one of them: yonder::task<f, \"name\">",
       .task = name});
}

void check_tasks(std::vector<detail::task_entry const*> const& tasks) {
  auto const twins = std::adjacent_find(tasks.begin(), tasks.end(), [](auto* a, auto* b) {
    return a->name == b->name && !is_one_task(*a, *b);
  });
  if (twins != tasks.end()) refuse_twins(**twins, **std::next(twins));
}

void check_exceptions() {
  for (auto const* a = detail::first_exception(); a != nullptr; a = a->next) {
    for (auto const* b = a->next; b != nullptr; b = b->next) {
      if (a->name != b->name || *a->type == *b->type) continue;
      detail::throw_error(
          {.code = errc::duplicate_task,
           .message = "two types, " + detail::demangled(*a->type) + " and " + detail::demangled(*b->type) +
                      ", are exceptions of the name '" + std::string(a->name) +
                      "'; state another name for one of them: yonder::exception_registration<E, \"name\">"});
    }
  }
}

}  // namespace

void check_registry() {
  static bool const held = (platform::hold_while_forking(detail::registry_mutex), true);
  (void)held;
  auto const seen = detail::tasks_added.load(std::memory_order_acquire);
  auto const tasks = sorted_tasks();
  check_spellings(tasks);
  check_tasks(tasks);
  check_exceptions();
  detail::tasks_checked.store(seen, std::memory_order_release);
}

// Of several images that contain it the one that came first, as in offered_functions.
detail::task_entry const* find_task(std::string_view name) noexcept {
  std::lock_guard const lock(detail::registry_mutex);
  auto const* found = detail::tasks.first;
  while (found != nullptr && found->name != name) found = found->next;
  return found;
}

detail::task_entry const* find_task(std::uint64_t signature) {
  for (auto const* task : sorted_tasks())
    if (info_of(*task).signature == signature) return task;
  return nullptr;
}

void check_task(detail::task_entry const& task) {
  if (detail::tasks_added.load(std::memory_order_acquire) ==
      detail::tasks_checked.load(std::memory_order_acquire)) {
    return;
  }
  auto const* const first = find_task(task.name);
  if (first != nullptr && !is_one_task(*first, task)) refuse_twins(*first, task);
}

std::vector<void const*> images_of_tasks() {
  std::vector<void const*> images;
  std::lock_guard const lock(detail::registry_mutex);
  for (auto const* task = detail::tasks.first; task != nullptr; task = task->next)
    if (std::find(images.begin(), images.end(), task->image) == images.end()) images.push_back(task->image);
  return images;
}

std::vector<core::function_info> offered_functions() {
  std::vector<core::function_info> offered;
  for (auto const* task : sorted_tasks())
    if (offered.empty() || offered.back().name != task->name) offered.push_back(info_of(*task));
  return offered;
}

}  // namespace runtime_detail
}  // namespace yonder
