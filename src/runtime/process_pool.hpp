// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "src/core/number_map.hpp"
#include "src/platform/own_image.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/stderr_relay.hpp"
#include "src/runtime/worker_pool.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::runtime_detail {

struct process_pool_config {
  transport::limits limits;
  std::size_t max_call_bytes = 0;
  std::size_t max_decoded_bytes = 0;
  std::size_t max_value_bytes = 0;
  std::vector<std::string> command;  // the workers' program and its arguments; none: this very one
};

// Workers that are processes, of this very binary unless told otherwise: each has one end of a socketpair, by
// which it also notices that we are gone, a channel of shared memory beside it where the system allows it,
// and a page of memory in which it publishes what it has started.
// They have no name in the file system.
class process_pool final : public worker_pool, private transport::ready_handler {
 public:
  process_pool(transport::poller& poller, process_pool_config config);
  ~process_pool() override;

  void start(core::out::start_worker const& wanted) override;
  void kill(transport::peer_id peer, std::string_view reason) override;
  void abandon(std::uint64_t start) override;
  void take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) override;
  bool arm(transport::doorbell& bell) override { return endpoint_.arm(bell) && happened_.empty(); }
  transport::endpoint& endpoint() override { return endpoint_; }
  std::size_t size() const override { return workers_.size(); }
  void stop() override;

 private:
  struct worker;
  using worker_list = std::list<std::unique_ptr<worker>>;

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void launch(core::out::start_worker const& wanted);
  void connect(worker& fresh, platform::own_image::command const& command,
               core::out::start_worker const& wanted);
  platform::unique_fd add_connection(worker& fresh, int& socket, transport::peer_id& peer,
                                     std::unique_ptr<transport::channel> memory);
  std::optional<transport::channel::made> make_channel();
  void say_that_socket_serves_alone(std::string const& why);
  void release(worker& gone);
  void read_output(worker& one);
  void read_relayed(worker& one);
  void unwatch_output(worker& one);
  void reap(worker& one);
  void await_ends(std::int64_t until);
  void start_clock();
  void stop_clock();
  void look_for_stopped();
  void receive(std::vector<transport::event>& frames);
  void sort(std::vector<transport::event>& frames);
  bool is_for_hub(transport::event const& event);
  void greet(worker& fresh);
  bool take_calls(worker& one, transport::event const& event);
  void lose_calls(worker& one);
  void drain_and_report(worker& dead, std::vector<transport::event>& frames);
  static pool_event report_of(worker const& dead);

  process_pool_config config_;
  transport::poller& poller_;
  transport::local_endpoint endpoint_;
  worker_list workers_;
  core::number_map<worker> by_peer_;
  platform::unique_fd clock_;  // rings while there are workers
  std::vector<pool_event> happened_;
  static constexpr std::size_t all = ~std::size_t{0};
  std::size_t sorted_ = all;  // of the frames that take() appends to, so many are the hub's
  stderr_relay relay_{poller_};
  bool said_alone_ = false;
};

}  // namespace yonder::runtime_detail
