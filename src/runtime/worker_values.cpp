// SPDX-License-Identifier: Apache-2.0
//
// The worker's loop: arguments and results that are values by reference.
#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "src/runtime/engine.hpp"
#include "src/runtime/values.hpp"
#include "src/runtime/worker_loop.hpp"

namespace yonder::runtime_detail {
namespace {

std::size_t bytes_of(detail::encoded const& content) {
  auto bytes = content.head.size();
  for (auto const& block : content.buffers) bytes += block.size;
  return bytes;
}

}  // namespace

// The call as it would be if they had come with it. None: there are none, or `error` says why it cannot be.
std::optional<core::frame> worker_loop::with_values(lane& on, core::out::run const& work) {
  std::vector<core::referred_argument> arguments;
  auto const fail = [&](errc code, std::string why) {
    on.error.emplace();
    on.error->code = code;
    on.error->message = "an argument by reference was not brought: " + std::move(why);
    return std::nullopt;
  };
  if (!core::read_referred(work.message, arguments))
    return fail(errc::undecodable, "what the call says of it does not decode");
  if (arguments.empty()) return std::nullopt;
  std::vector<detail::whole_ref> brought;
  std::vector<core::referred_value> values;
  try {
    auto const& store = on.context.hub()->values();
    for (auto const& one : arguments) {
      auto const& its = one.value;
      auto const& value =
          *brought.emplace_back(store->bring({its.key.owner, its.key.number, its.size, its.checksum}));
      values.push_back({one, value.head, value.buffers});
    }
  } catch (error const& failed) {
    return fail(failed.code(), failed.details().message);
  }
  return core::with_referred(work.message, values);
}

// A task has ended, and has decoded or encoded references. Those in its result are held for whoever is to
// have that, before anybody is told; those that it keeps, for this process.
void worker_loop::note_references(lane& on, core::attempt_key const& key,
                                  std::span<core::out::run::item const> items, bool streams) noexcept try {
  auto encoded = detail::take_encoded_references();
  auto const decoded = detail::take_decoded_references();
  auto const& store = on.context.hub()->values();
  if (!encoded.empty() && !on.error) {
    if (streams)
      detail::throw_error({.code = errc::bad_configuration,
                           .message = "an item of a stream is a reference, which nobody would keep in use: "
                                      "stream the values, or return the references"});
    std::vector<core::value_key> keys;
    for (auto const& one : encoded) keys.push_back({one->link.owner, one->link.number});
    std::sort(keys.begin(), keys.end());
    keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
    if (keys.size() > core::max_references)
      detail::throw_error({.code = errc::too_large,
                           .message = "the result has " + std::to_string(keys.size()) +
                                      " references; the limit is " + std::to_string(core::max_references)});
    if (items.empty()) store->hold(key.call, keys);
    for (auto const& item : items) store->hold(item.key.call, keys);
    on.references = std::move(keys);
  }
  encoded.clear();
  std::vector<core::value_key> keys;
  auto const kept = detail::outliving(decoded, keys);
  if (kept.empty()) return;
  store->hold({}, keys);
  detail::give_tickets(store, kept);
} catch (error const& failed) {
  if (on.error) return;
  on.error.emplace();
  on.error->code = failed.code();
  on.error->message = failed.details().message;
} catch (std::exception const& failed) {
  if (on.error) return;
  on.error.emplace();
  on.error->message = failed.what();
}

void worker_loop::report_value(lane const& on, detail::encoded&& result, std::int64_t time,
                               core::attempt_key const& key) {
  if (auto const bytes = bytes_of(result); bytes > config_.max_result_bytes) {
    core::failure refused;
    refused.code = errc::too_large;
    refused.message = "the result takes " + std::to_string(bytes) + " bytes; the limit is " +
                      std::to_string(config_.max_result_bytes) + " (runtime_options::max_call_bytes)";
    core_.finished(time, key, std::move(refused), due_.items());
    return;
  }
  core::frame value;
  value.head.buffer_count = static_cast<std::uint32_t>(result.buffers.size());
  if (on.references.empty()) {
    value.body = std::move(result.head);
  } else {
    core::byte_buffer body;
    core::write_references(body, on.references);
    value.head.metadata_size = static_cast<std::uint32_t>(body.size());
    body.append(result.head.data(), result.head.size());
    value.body = std::move(body);
  }
  value.buffers = std::move(result.buffers);
  core_.finished(time, key, std::move(value), due_.items());
}

}  // namespace yonder::runtime_detail
