// SPDX-License-Identifier: Apache-2.0
//
// What tasks say of how far they are, and what their callers hear of that.
#include "tests/simulation/world.hpp"

#include <charconv>

namespace yonder::core::simulation {
namespace {

constexpr std::uint32_t most_reports = 1'000'000;

struct report_words {
  call_id call;
  std::uint32_t attempt = 0, epoch = 0;
  std::uint32_t step = 0;
};

progress_report report_of(report_words const& said) {
  auto text = std::to_string(said.call.session);
  for (auto const number : {said.call.number, std::uint64_t{said.attempt}, std::uint64_t{said.epoch}})
    text += ' ' + std::to_string(number);
  return {said.step, std::move(text)};
}

report_words words_of(progress_report const& report) {
  std::array<std::uint64_t, 4> numbers{};
  auto const* at = report.text.data();
  auto const* const end = at + report.text.size();
  for (auto& number : numbers) {
    while (at != end && *at == ' ') ++at;
    at = std::from_chars(at, end, number).ptr;
  }
  return {{numbers[0], numbers[1]},
          static_cast<std::uint32_t>(numbers[2]),
          static_cast<std::uint32_t>(numbers[3]),
          report.millionths};
}

}  // namespace

void world::plan_report(std::uint32_t index, task const& one) {
  auto const soon = random_.below(4) != 0;
  plan(between(0, soon ? 20 * microsecond : 5 * millisecond), kind::task_reports, index, one.run);
}

// Of a row, no further item begins behind it.
void world::report_from(std::uint32_t index, std::uint32_t run) {
  auto& node = workers_[index];
  auto* const one = node.find(run);
  if (node.core == nullptr || one == nullptr || one->reports == most_reports) return;
  close_row(index);
  ++one->reports;
  one->reported_at = now_;
  each_call(*one, [&](call_id id, attempt_key const& key) {
    node.core->progressed(now_, key, report_of({id, name_of(key), key.epoch, one->reports}), out_);
  });
  if (random_.below(4) != 0) plan_report(index, *one);
  after_worker(index);
}

// What the hub passes on is of the attempt that counts, where nothing is repeated later.
void world::observe_progress_from_hub(frame const& message) {
  progress_report report;
  if (!how_.reliable || restarted_ || !read_progress(message, report)) return;
  auto const said = words_of(report);
  auto const* const call = find(said.call);
  if (call == nullptr || said.attempt == call->fenced || said.attempt != call->last_attempt ||
      said.epoch != call->last_epoch)
    violated("a caller is told how far an attempt is that no longer counts");
}

void world::progressed(client_node& node, out::progressed const& told) {
  auto* const call = told.call.session == first_session + node.life ? find(told.call) : nullptr;
  if (call == nullptr) return violated("the progress of no call");
  if (call->outcomes != 0) return violated("progress behind the end of a call");
  auto const said = words_of(told.report);
  if (said.call != told.call) return violated("a caller is told the progress of another call");
  reach(state::progressed);
  if (call->told == 0) {
    told_.emplace_back();
    call->told = static_cast<std::uint32_t>(told_.size());
  }
  auto& before = told_[call->told - 1];
  if (before.attempt == said.attempt && before.epoch == said.epoch && before.step >= said.step)
    violated("a caller is told less progress than before");
  before = {said.attempt, said.epoch, said.step};
}

// Whoever waits for the task has heard what it said last, if that was long ago.
void world::check_reported(task const& ended) {
  if (!how_.reliable || how_.drivers || restarted_ || ended.reports == 0 || ended.stopping) return;
  if (now_ - ended.reported_at <= slack_) return;
  each_call(ended, [&](call_id id, attempt_key const& key) {
    auto const* const call = find(id);
    auto const attempt = name_of(key);
    // Of those that run as one nobody is told which has outlasted its time.
    auto const may_be_over = call == nullptr || (!ended.company.empty() && call->timeout != 0);
    if (may_be_over || call->outcomes != 0 || lives_[id.session - first_session].ended) return;
    if (call->last_attempt != attempt || call->fenced == attempt) return;
    auto const heard = call->told != 0 && told_[call->told - 1].attempt == attempt &&
                       told_[call->told - 1].step >= ended.reports;
    if (!heard) violated("a caller does not hear how far its task is");
  });
}

}  // namespace yonder::core::simulation
