// SPDX-License-Identifier: Apache-2.0
#include "src/core/requirements.hpp"

#include "src/core/metadata.hpp"
#include "src/core/plain_fields.hpp"

namespace yonder::core {
namespace {

constexpr std::uint32_t says_isolate = 1;
constexpr std::uint32_t says_build = 2;

}  // namespace

std::string encode_requirements(requirements const& needs) {
  std::string text;
  put(text, needs.min_workers);
  put(text, needs.max_workers);
  put(text, needs.spare);
  put(text, needs.max_queue);
  put_time(text, needs.scaledown_window, needs.scaledown_window < 0);
  put_time(text, needs.park_window, needs.park_window <= 0);
  put(text, needs.resources.gpus);
  put(text, needs.resources.gpu_memory);
  put(text, needs.resources.cores);
  put(text, needs.resources.memory);
  put(text, (needs.isolate ? says_isolate : 0U) | (needs.build.is_any() ? 0U : says_build));
  if (!needs.build.is_any()) {
    put(text, needs.build.build);
    put(text, needs.build.program);
  }
  if (needs.service.empty()) return text;
  put(text, needs.service_signature);
  put(text, needs.concurrency);
  put_time(text, needs.enter_timeout, needs.enter_timeout == 0);
  put_time(text, needs.exit_timeout, needs.exit_timeout == 0);
  put(text, static_cast<std::uint16_t>(needs.service.size()));
  return text + needs.service + needs.arguments;
}

bool decode_requirements(std::span<std::byte const> value, requirements& needs) {
  field_reader from(value);
  if (!from.take(needs.min_workers, needs.max_workers, needs.spare, needs.max_queue) ||
      !from.take_time(needs.scaledown_window, -1) || !from.take_time(needs.park_window, 0))
    return false;
  auto& resources = needs.resources;
  std::uint32_t flags = 0;
  if (!from.take(resources.gpus, resources.gpu_memory, resources.cores, resources.memory, flags) ||
      (flags & ~(says_isolate | says_build)) != 0)
    return false;
  needs.isolate = (flags & says_isolate) != 0;
  if ((flags & says_build) != 0 &&
      (!from.take(needs.build.build, needs.build.program) || needs.build.is_any()))
    return false;
  if (from.left() == 0) return true;
  std::uint16_t name_size = 0;
  return from.take(needs.service_signature, needs.concurrency) && from.take_time(needs.enter_timeout, 0) &&
         from.take_time(needs.exit_timeout, 0) && from.take(name_size) && name_size != 0 &&
         name_size <= max_name_size && needs.concurrency != 0 && from.take_text(needs.service, name_size) &&
         from.take_text(needs.arguments, from.left());
}

std::string fault_of(requirements const& needs) {
  if (needs.max_workers != 0 && needs.max_workers < needs.min_workers)
    return "at most " + std::to_string(needs.max_workers) + " workers are wanted, and at least " +
           std::to_string(needs.min_workers) + "; let max be no less than min";
  if (needs.max_workers != 0 && needs.max_workers < needs.spare)
    return std::to_string(needs.spare) + " spare workers are wanted, of at most " +
           std::to_string(needs.max_workers) + "; let max be no less than buffer";
  if (needs.resources.gpu_memory != 0 && needs.resources.gpus == 0)
    return "gpu_memory is wanted, and no GPU: let gpu be 1 or more";
  if (needs.arguments.size() > max_service_arguments)
    return "what the service '" + needs.service + "' is made of takes " +
           std::to_string(needs.arguments.size()) + " bytes; the limit is " +
           std::to_string(max_service_arguments);
  return {};
}

}  // namespace yonder::core
