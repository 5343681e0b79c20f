// SPDX-License-Identifier: Apache-2.0
#include "src/http/endpoints.hpp"

#include <algorithm>
#include <mutex>
#include <string>
#include <utility>

#include "yonder/error.hpp"

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

namespace {

using entry = detail::endpoint_entry;

// Of what there may be one in a program.
auto place_of(entry const& one) {
  bool const only_one = one.is == entry::kind::predictions || one.is == entry::kind::ranking;
  return std::pair(one.is, only_one ? std::string_view() : one.name);
}

// Several images may contain one endpoint.
bool is_same(entry const& a, entry const& b) {
  return a.task->image != b.task->image && a.task->name == b.task->name && a.needs() == b.needs();
}

[[noreturn]] void refuse_two(entry const& one) {
  auto const name = std::string(one.name);
  std::string words;
  switch (one.is) {
    case entry::kind::task:
      words = "two endpoints are named '" + name +
              "'; give one another name: yonder::http::named_endpoint<\"name\", task>";
      break;
    case entry::kind::embeddings: words = "two models for /v1/embeddings are named '" + name + "'"; break;
    case entry::kind::predictions: words = "two tasks are declared for /predict; there can be one"; break;
    case entry::kind::ranking: words = "two tasks are declared for /rerank; there can be one"; break;
  }
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = std::move(words)});
}

}  // namespace

std::vector<detail::endpoint_entry const*> all_endpoints() {
  std::vector<entry const*> all;
  {
    std::lock_guard const lock(detail::endpoints_mutex);
    for (auto const* one = detail::first_endpoint; one != nullptr; one = one->next) all.push_back(one);
  }
  std::stable_sort(all.begin(), all.end(), [](auto* a, auto* b) { return place_of(*a) < place_of(*b); });
  for (std::size_t i = 1; i < all.size(); ++i)
    if (place_of(*all[i]) == place_of(*all[i - 1]) && !is_same(*all[i], *all[i - 1])) refuse_two(*all[i]);
  all.erase(
      std::unique(all.begin(), all.end(), [](auto* a, auto* b) { return place_of(*a) == place_of(*b); }),
      all.end());
  return all;
}

}  // namespace yonder::http
