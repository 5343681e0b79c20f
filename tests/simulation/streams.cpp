// SPDX-License-Identifier: Apache-2.0
//
// Calls whose tasks produce items, or read what their callers send, one after the other.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

constexpr duration ended_within = 10 * millisecond;
constexpr std::uint64_t most_at_once = 5;  // items of one frame

// What an item is made of: of the call, and of its number in it.
std::uint64_t item_of(call_id call, std::uint64_t number, bool input) {
  return mix(mix(call.session, call.number), 2 * number + (input ? 1 : 0));
}

std::size_t size_of_item(std::uint64_t item) { return sizeof item + (item >> 8) % 24; }

// Of some, bytes of their buffers.
std::size_t large_of_item(std::uint64_t item, bool some) {
  return some && item % 16 == 0 ? 2'000 + (item >> 16) % 60'000 : 0;
}

// Items from `first` on, one behind the other, with their sizes.
struct row {
  std::vector<std::uint32_t> sizes;
  byte_buffer values;
  frame blocks;
  std::uint64_t last = 0;  // bytes

  void add(std::uint64_t item) {
    last = size_of_item(item);
    sizes.push_back(static_cast<std::uint32_t>(last));
    auto* const at = values.extend(last);
    std::fill(at, at + last, std::byte{0});
    store_le(at, item);
  }
};

stream_level size_of_items(frame const& message) {
  packed_items items;
  return read_items(message, items) ? stream_level{items.count, value_bytes(message)} : stream_level{};
}

}  // namespace

std::uint32_t world::draw_story() {
  auto& made = streams_.emplace_back();
  auto const kind = random_.below(4);
  made.reads = kind != 0;
  made.feeds = kind <= 1;
  made.window = {1 + random_.below(12), 16 + random_.below(how_.large > 0 ? 200'000 : 400)};
  made.reader = stream_reader(made.window, {});
  made.produces = random_.below(40);
  made.holds = random_.below(30);
  return static_cast<std::uint32_t>(streams_.size());
}

void world::write_stream_of(byte_buffer& body, call_spec& spec, record const& call) {
  auto const* const story = story_of(call);
  if (story == nullptr) return;
  spec.feeds = story->feeds;
  if (!story->reads) return;
  spec.stream = stream_terms{story->reader.allowed(), {}};
  write_stream(body, *spec.stream);
}

// --- the caller

void world::look_at_stream(client_node const& node, std::uint64_t number) {
  auto& call = lives_[node.life].records[number - 1];
  auto& story = *story_of(call);
  if (auto const* const known = known_relation(call); known != nullptr && known->parent.attempt != 0)
    return plan(between(0, 20 * microsecond), kind::task_wakes, node.worker, known->run);
  if (std::exchange(story.planned, true)) return;
  auto const soon = random_.below(16) != 0;
  plan(soon ? between(0, 30 * microsecond) : between(0, 20 * millisecond), kind::caller_streams,
       static_cast<std::uint32_t>(node.life), static_cast<std::uint32_t>(number));
}

void world::stream_arrived(client_node& node, out::stream_arrived const& come) {
  auto const id = come.key.call;
  auto* const call = id.session == first_session + node.life ? find(id) : nullptr;
  auto* const story = call == nullptr ? nullptr : story_of(*call);
  if (story == nullptr || !story->reads) return violated("items of a call that streams none");
  if (call->outcomes != 0) return violated("items behind the end of their stream");
  check_items(come.items, id, false, story->came, story->reader.allowed());
  auto const more = size_of_items(come.items);
  story->unread = {story->unread.items + more.items, story->unread.bytes + more.bytes};
  if (story->came.items > story->produces) violated("more items than their task produces");
  reach(state::streamed);
  look_at_stream(node, id.number);
}

// The next items of a stream: these, in order, and no more than was allowed.
void world::check_items(frame const& message, call_id id, bool input, stream_level& passed,
                        stream_level const& allowed) {
  stream_frame said;
  packed_items items;
  if (!read_stream_items(message, said) || !read_items(message, items))
    return violated("items that do not decode");
  if (said.first != passed.items) return violated("an item of a stream is lost, or comes twice");
  if (stream_level{passed.items + items.count - 1, passed.bytes + said.size.bytes - said.last}.reaches(
          allowed))
    violated("an item comes that its reader has not allowed");
  std::size_t offset = 0;
  for (std::uint32_t i = 0; i < items.count; ++i) {
    auto const size = items.sizes == nullptr ? message.payload().size() : items.size_of(i, 1);
    auto const right = item_of(id, said.first + i, input);
    if (size != size_of_item(right) || load_le<std::uint64_t>(message.payload().data() + offset) != right)
      return violated("another stream's item");
    if (!is_large_of(message.buffers, right, large_of_item(right, how_.large > 0)))
      return violated("another stream's blocks");
    offset += size;
  }
  passed = {passed.items + said.size.items, passed.bytes + said.size.bytes};
}

void world::stream_allowed(client_node& node, out::stream_allowed const& told) {
  auto* const call = find(told.key.call);
  auto* const story = call == nullptr ? nullptr : story_of(*call);
  if (story == nullptr || !story->feeds) return violated("credit for a call that takes no input");
  if (call->outcomes != 0) return violated("credit behind the end of a call");
  if (told.level == stream_level{} && story->was_fed()) violated("a call that was fed is made again");
  story->allowed = told.level;
  look_at_stream(node, told.key.call.number);
}

void world::caller_streams(std::uint32_t life, std::uint32_t number) {
  story_of(lives_[life].records[number - 1])->planned = false;
  for (std::uint32_t i = 0; i < clients_.size(); ++i) {
    auto& node = clients_[i];
    if (node.core == nullptr || node.life != life) continue;
    serve_stream(node, number);
    return after_client(i);
  }
}

// The caller takes what has come, and gives what its task takes.
void world::serve_stream(client_node& node, std::uint64_t number) {
  auto& call = lives_[node.life].records[number - 1];
  auto& story = *story_of(call);
  call_id const id{first_session + node.life, number};
  if (call.outcomes != 0) return;
  if (story.unread.items != 0 && story.reader.take(std::exchange(story.unread, {})))
    node.core->allow(now_, id, story.reader.allowed(), out_);
  if (story.allowed == stream_level{} || story.fed_all) return;
  auto const begun = story.fed.items;
  while (story.fed.items < story.holds && !story.fed.reaches(story.allowed) &&
         story.fed.items < begun + most_at_once) {
    row items;
    auto const item = item_of(id, story.fed.items, true);
    items.add(item);
    add_large(items.blocks, item, large_of_item(item, how_.large > 0));
    items.last += large_of_item(item, how_.large > 0);
    if (!node.core->feed(now_, id, items.sizes, items.values, std::move(items.blocks.buffers), out_)) {
      if (!how_.drivers) violated("an item is not taken that was asked for");
      story.allowed = {};  // until it is asked for again
      return;
    }
    story.fed = {story.fed.items + 1, story.fed.bytes + items.last};
    reach(state::fed);
  }
  if (story.fed.items == story.holds)
    story.fed_all = node.core->end_feed(now_, id, out_);
  else if (!story.fed.reaches(story.allowed))
    look_at_stream(node, number);
}

// The caller of these calls is a task, which computes meanwhile. False: there is nothing to be done.
bool world::serve_children(client_node& inner, task const& parent) {
  auto const* const call = find(parent.call);
  auto served = false;
  if (call == nullptr || call->relation == 0) return false;
  for (auto const& id : relations_[call->relation - 1].children) {
    auto* const child = id.session == first_session + inner.life ? find(id) : nullptr;
    auto* const story = child == nullptr ? nullptr : story_of(*child);
    if (story == nullptr || child->outcomes != 0) continue;
    auto const feeds = story->feeds && !story->fed_all && !(story->allowed == stream_level{}) &&
                       !story->fed.reaches(story->allowed);
    if (story->unread.items == 0 && !feeds) continue;
    if (!std::exchange(served, true)) inner.core->goes_on(now_, parent.key, out_);
    serve_stream(inner, id.number);
  }
  return served;
}

// The caller has its outcome: as a value, all that its task has produced came before it.
void world::check_streamed(stream_story const& story, frame const& value) {
  std::uint64_t items = 0;
  if (!read_position(value, items) || items != story.came.items || items != story.produces)
    violated("a stream ends with other items than its task has produced: " + std::to_string(items) +
             ", and " + std::to_string(story.came.items) + " have come of " + std::to_string(story.produces));
}

// --- the task

void world::begin_stream(std::uint32_t index, task& made, out::run const& run) {
  auto const* const call = find(made.call);
  if (call == nullptr || call->stream == 0) {
    if (run.stream) violated("a task is told to stream that does not");
    return;
  }
  auto const& story = streams_[call->stream - 1];
  if (story.reads != run.stream.has_value()) return violated("a task is not told to stream");
  made.flow = std::make_unique<attempt_stream>();
  auto& flow = *made.flow;
  flow.story = call->stream;
  if (run.stream) flow.allowed = run.stream->allowed;
  if (run.stream) flow.made = run.stream->begin;
  if (flow.made.items != 0) reach(state::stream_resumed);
  stream_later(index, made);
}

void world::stream_later(std::uint32_t index, task& one) {
  if (one.does == conduct::hangs || one.does == conduct::ignores_stop) return;
  if (std::exchange(one.flow->planned, true)) return;
  plan(between(0, 20 * microsecond), kind::task_streams, index, one.run);
}

void world::stream_on(std::uint32_t index, std::uint32_t run) {
  auto& node = workers_[index];
  auto* const one = node.find(run);
  if (node.core == nullptr || one == nullptr || one->flow == nullptr) return;
  auto& flow = *one->flow;
  flow.planned = false;
  if (one->stopping) return;
  observe_unread(*one);
  if (flow.said_to_wait && flow.inbox.empty() && !flow.input_ended) return;
  if (std::exchange(flow.said_to_wait, false)) flow.waited += now_ - flow.waits_since_input;
  auto const& story = streams_[flow.story - 1];
  if (story.feeds) take_input(node, *one);
  if (story.reads) produce(node, *one);
  auto const has_input = !story.feeds || (flow.input_ended && flow.inbox.empty());
  auto const is_done = !story.reads || flow.made.items == story.produces;
  if (has_input && is_done)
    plan(between(0, 10 * microsecond), kind::run_ends, index, run);
  else if (!flow.inbox.empty() || (!is_done && !flow.made.reaches(flow.allowed)))
    stream_later(index, *one);
  else if (story.feeds && !has_input && is_done)
    wait_for_input(node, *one);
  after_worker(index);
}

void world::take_input(worker_node& node, task& one) {
  auto& flow = *one.flow;
  if (!std::exchange(flow.asks, true)) {
    flow.asked_at = now_;
    flow.input = stream_reader(streams_[flow.story - 1].window, {});
    return node.core->takes(now_, one.key, flow.input.allowed(), out_);
  }
  if (flow.inbox.empty()) return;
  auto const size = flow.inbox.front();
  flow.inbox.pop_front();
  if (flow.input.take(size) && !flow.input_ended) node.core->takes(now_, one.key, flow.input.allowed(), out_);
}

void world::wait_for_input(worker_node& node, task& one) {
  auto& flow = *one.flow;
  flow.said_to_wait = true;
  flow.waits_since_input = now_;
  ++flow.waits;
  node.core->waits_for_input(now_, one.key, flow.got.items, out_);
}

void world::produce(worker_node& node, task& one) {
  auto& flow = *one.flow;
  auto const& story = streams_[flow.story - 1];
  row items;
  auto const first = flow.made.items;
  auto const most = 1 + random_.below(most_at_once);
  while (items.sizes.size() < most && flow.made.items < story.produces && !flow.made.reaches(flow.allowed)) {
    auto const item = item_of(one.call, flow.made.items, false);
    auto const large = large_of_item(item, how_.large > 0);
    if (large != 0 && !items.sizes.empty()) break;
    items.add(item);
    add_large(items.blocks, item, large);
    flow.made = {flow.made.items + 1, flow.made.bytes + items.last + large};
    if (large != 0) break;
  }
  if (!items.sizes.empty() && !node.core->produced(now_, one.key, first, items.sizes, items.values,
                                                   std::move(items.blocks.buffers), out_))
    violated("a small item is too large");
  if (flow.made.items == story.produces || !flow.made.reaches(flow.allowed)) return;
  if (flow.waits_since != never) return;
  flow.waits_since = now_;
  ++flow.waits;
  reach(state::producer_waited);
}

// Its reader takes so much.
void world::task_allowed(std::uint32_t index, out::stream_allowed const& told) {
  auto& node = workers_[index];
  auto const one = std::find_if(node.tasks.begin(), node.tasks.end(),
                                [&](task const& runs) { return runs.key == told.key; });
  if (one == node.tasks.end()) {
    if (how_.drivers) node.turns.allow(told.key, told.level);
    return;
  }
  if (one->flow == nullptr) return violated("credit for a task that streams nothing");
  auto& flow = *one->flow;
  flow.allowed = {std::max(flow.allowed.items, told.level.items),
                  std::max(flow.allowed.bytes, told.level.bytes)};
  if (flow.waits_since != never && !flow.made.reaches(flow.allowed))
    flow.waited += now_ - std::exchange(flow.waits_since, never);
  stream_later(index, *one);
}

// The next items of its input, or its end.
void world::task_fed(std::uint32_t index, out::stream_arrived const& come) {
  auto& node = workers_[index];
  auto const one = std::find_if(node.tasks.begin(), node.tasks.end(),
                                [&](task const& runs) { return runs.key == come.key; });
  if (one == node.tasks.end()) return;  // it has ended
  if (one->flow == nullptr || !one->flow->asks) return violated("a task is fed that asked for nothing");
  auto& flow = *one->flow;
  if (flow.input_ended) return violated("an input goes on behind its end");
  if (come.ended) {
    std::uint64_t items = 0;
    if (!read_position(come.items, items) || items != flow.got.items ||
        items != streams_[flow.story - 1].holds)
      violated("an input ends before all of it has come");
    flow.input_ended = true;
  } else {
    check_items(come.items, one->call, true, flow.got, flow.input.allowed());
    flow.inbox.push_back(size_of_items(come.items));
  }
  stream_later(index, *one);
}

// --- what the hub may do

// A call may be started again only if its caller can go on with what it has.
void world::observe_restart(record const& call) {
  auto const& story = streams_[call.stream - 1];
  if (story.was_fed()) violated("a call is started again whose task was fed");
  if (story.came.items != 0 && !call.idempotent)
    violated("a call is started again of which its reader has items");
}

void world::observe_stream_from_hub(peer_id peer, frame const& message) {
  auto const& head = message.head;
  auto* const call = find(head.call);
  auto* const story = call == nullptr ? nullptr : story_of(*call);
  if (story == nullptr) return;
  if (head.type == frame_type::stream_items && !link_of(peer).of_worker) {
    stream_frame said;
    if (!read_stream_items(message, said) || said.first != story->passed.items) return;  // once more
    story->passed = {story->passed.items + said.size.items, story->passed.bytes + said.size.bytes};
  } else if (head.type == frame_type::assign) {
    story->worker = link_of(peer).node;
    story->wants_input_at = ~std::uint64_t{0};
    if (!story->reads) return;
    call_message said;
    if (!read_call(message.metadata(), said) || !said.stream) return violated("a task is not told to stream");
    story->told = said.stream->allowed;
    auto const& begin = said.stream->begin;
    auto const past = begin.items > story->passed.items && how_.large == 0;  // chunks do not tell
    if (how_.reliable ? !(begin == story->passed) : past)
      violated("a stream does not go on behind what its reader has");
  } else if (head.type == frame_type::stream_items) {
    stream_frame said;
    if (read_stream_items(message, said)) story->given = said.first + said.size.items;
  } else if (head.type == frame_type::stream_end) {
    story->given_all = true;
  } else if (head.type == frame_type::stream_credit && link_of(peer).of_worker) {
    if (!read_stream_credit(message, story->told)) violated("credit that does not decode");
  } else if (head.type == frame_type::error) {
    failure error;
    if (read_error(message, error)) story->out_of_time = error.code == errc::timed_out;
  }
}

// Whether a task in the worker has made all that its reader allows, or waits for input, as the hub knows it:
// until it has the attempt's answer, or gives the attempt up, whatever its caller has been told meanwhile.
bool world::waits_with_stream(std::uint32_t index) {
  auto const& given = workers_[index].given;
  return std::any_of(given.begin(), given.end(), [&](attempt_key const& key) {
    auto const* const call = find(key.call);
    auto const* const known = call == nullptr ? nullptr : story_of(*call);
    if (known == nullptr || known->worker != index || call->last_attempt != key.attempt) return false;
    return (known->reads && known->passed.reaches(known->told)) ||
           (known->wants_input_at == known->given && !known->given_all);
  });
}

// Somebody must be there to read it.
void world::observe_unread(task const& one) {
  auto const gone = lives_[one.call.session - first_session].gone_at_hub;
  auto const& story = streams_[one.flow->story - 1];
  // Who asks for input after that waits a while for its caller to come back.
  if (how_.stop_every != 0 || gone == never || now_ <= gone + ended_within + slack_) return;
  if (story.reads || (one.flow->asks && one.flow->asked_at + slack_ < gone))
    violated("a stream goes on although nobody is there to read it");
}

// While its producer waits for its reader, the time of an attempt stands still.
void world::observe_stopped_stream(task const& one) {
  if (one.flow == nullptr || how_.drivers || !how_.reliable || how_.stop_every != 0) return;
  auto const* const call = find(one.call);
  auto const& flow = *one.flow;
  if (call == nullptr || call->timeout == 0 || !streams_[flow.story - 1].out_of_time) return;
  auto waited = flow.waited;
  if (flow.waits_since != never) waited += now_ - flow.waits_since;
  if (flow.said_to_wait) waited += now_ - flow.waits_since_input;
  auto const unknown = static_cast<duration>(flow.waits + 2) * 2 * how_.longest_delay;
  if (now_ - one.since - waited + unknown < call->timeout)
    violated("an attempt is out of time that has waited for its reader");
}

}  // namespace yonder::core::simulation
