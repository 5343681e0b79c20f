// SPDX-License-Identifier: Apache-2.0
#include "src/http/endpoints.hpp"

#include <algorithm>
#include <mutex>
#include <utility>

namespace yonder::http {
namespace detail {
namespace {

// Constant-initialized: usable in whatever order the program's images are initialized.
constinit std::mutex endpoints_mutex;
constinit endpoint_entry* first_endpoint = nullptr;

}  // namespace

void add_endpoint(endpoint_entry& entry) noexcept {
  std::lock_guard const lock(endpoints_mutex);
  entry.next = std::exchange(first_endpoint, &entry);
}

void remove_endpoint(endpoint_entry& entry) noexcept {
  std::lock_guard const lock(endpoints_mutex);
  for (auto** link = &first_endpoint; *link != nullptr; link = &(*link)->next) {
    if (*link == &entry) {
      *link = entry.next;
      return;
    }
  }
}

}  // namespace detail

std::vector<detail::endpoint_entry const*> all_endpoints() {
  std::vector<detail::endpoint_entry const*> all;
  {
    std::lock_guard const lock(detail::endpoints_mutex);
    for (auto const* one = detail::first_endpoint; one != nullptr; one = one->next) all.push_back(one);
  }
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return a->task->name < b->task->name; });
  all.erase(
      std::unique(all.begin(), all.end(), [](auto* a, auto* b) { return a->task->name == b->task->name; }),
      all.end());
  return all;
}

}  // namespace yonder::http
