// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/registry.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

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

}  // namespace

void check_registry() {
  auto const tasks = sorted_tasks();
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
