// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/registry.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "src/codec/type_name.hpp"
#include "yonder/error.hpp"

namespace yonder {
namespace detail {
namespace {

// Constant-initialized: usable in whatever order the program's images are initialized.
constinit std::mutex registry_mutex;
constinit task_entry* tasks = nullptr;
constinit exception_entry* exceptions = nullptr;

template <class Entry>
void unlink(Entry*& head, Entry const* entry) noexcept {
  for (auto** link = &head; *link != nullptr; link = &(*link)->next) {
    if (*link == entry) {
      *link = entry->next;
      return;
    }
  }
}

}  // namespace

registration::registration(task_entry& entry) noexcept : task_(&entry) {
  std::lock_guard const lock(registry_mutex);
  entry.next = std::exchange(tasks, &entry);
}

registration::registration(exception_entry& entry) noexcept : exception_(&entry) {
  std::lock_guard const lock(registry_mutex);
  entry.next = std::exchange(exceptions, &entry);
}

registration::~registration() {
  std::lock_guard const lock(registry_mutex);
  if (task_ != nullptr) unlink(tasks, task_);
  if (exception_ != nullptr) unlink(exceptions, exception_);
}

exception_entry const* first_exception() noexcept {
  std::lock_guard const lock(registry_mutex);
  return exceptions;
}

}  // namespace detail

namespace runtime_detail {
namespace {

std::vector<detail::task_entry const*> sorted_tasks() {
  std::vector<detail::task_entry const*> sorted;
  std::lock_guard const lock(detail::registry_mutex);
  for (auto const* task = detail::tasks; task != nullptr; task = task->next) sorted.push_back(task);
  std::sort(sorted.begin(), sorted.end(),
            [](auto* a, auto* b) { return std::pair(a->name, a->image) < std::pair(b->name, b->image); });
  return sorted;
}

// What the symbol of a task or an exception says that its name is: of "…::symbol_of<&(a::f[abi:cxx11](int))>"
// "a::f", of a template's instance more than a name.
std::string name_in(std::type_info const& symbol) {
  constexpr std::string_view wrapper = "symbol_of<&";
  auto name = detail::type_name(symbol);
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
void check_spelling(std::string_view name, std::type_info const* symbol, char const* what,
                    char const* remedy) {
  if (symbol == nullptr) return;
  auto const in_symbol = name_in(*symbol);
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
    check_spelling(task->name, task->symbol, "task", "yonder::task<f, \"name\">");
  for (auto const* one = detail::first_exception(); one != nullptr; one = one->next)
    check_spelling(one->name, one->symbol, "exception", "yonder::exception<E, \"name\">");
}

}  // namespace

void check_registry() {
  auto const tasks = sorted_tasks();
  check_spellings(tasks);
  auto const twins = std::adjacent_find(tasks.begin(), tasks.end(), [](auto* a, auto* b) {
    return a->name == b->name && a->image == b->image && a->invoke != b->invoke;
  });
  if (twins == tasks.end()) return;
  auto const name = std::string((*twins)->name);
  detail::throw_error({.code = errc::duplicate_task,
                       .message = "two functions of this program are tasks of the name '" + name +
                                  "'; state another name for one of them: yonder::task<f, \"name\">",
                       .task = name});
}

detail::task_entry const* find_task(std::string_view name) noexcept {
  std::lock_guard const lock(detail::registry_mutex);
  for (auto const* task = detail::tasks; task != nullptr; task = task->next)
    if (task->name == name) return task;
  return nullptr;
}

std::vector<core::function_info> offered_functions() {
  std::vector<core::function_info> offered;
  for (auto const* task : sorted_tasks()) {
    if (!offered.empty() && offered.back().name == task->name) continue;
    offered.push_back({std::string(task->name), task->signature(), task->structure()});
  }
  return offered;
}

}  // namespace runtime_detail
}  // namespace yonder
