// SPDX-License-Identifier: Apache-2.0
#pragma once

// `task.async(arguments…, token)`: a call that ends in any completion token of Boost.Asio (1.74 or later): a
// callback, use_future, use_awaitable (Boost 1.74: under GCC only), and with a Boost that has them deferred,
// as_tuple and cancellation slots. And yonder::asio_driver, by which a program's own loop drives a runtime.
// Link yonder::asio.
//
// The completion's signature is void(std::exception_ptr, R), or void(std::exception_ptr) for a task that
// returns nothing: null, or what remote() would have thrown. The handler runs on its associated executor
// (asio::system_executor without one), never inside async() and never on a thread of the runtime; its
// associated allocator holds what waits. Work is counted on that executor until then, so that
// io_context::run() does not return before. A cancellation slot cancels the call, as call::cancel() does.
#include "yonder/detail/export.hpp"

#include <utility>  // Boost 1.74's awaitable.hpp needs it first

#include <fcntl.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/system/system_error.hpp>
#include <boost/version.hpp>
#include <cerrno>
#include <exception>
#include <memory>
#include <tuple>
#include <type_traits>

#include "yonder/runtime.hpp"
#include "yonder/task.hpp"

#if BOOST_VERSION >= 107700
#include <boost/asio/associated_cancellation_slot.hpp>
#endif

namespace yonder::detail {

template <class R>
struct asio_signature {
  using type = void(std::exception_ptr, R);
};
template <>
struct asio_signature<void> {
  using type = void(std::exception_ptr);
};

// A call that a completion handler waits for. It lies in the handler's allocator, and owns itself until it
// has ended.
template <class R, class Handler>
class asio_operation {
  using executor_type = boost::asio::associated_executor_t<Handler>;
  using allocator_type = typename std::allocator_traits<
      boost::asio::associated_allocator_t<Handler>>::template rebind_alloc<asio_operation>;
  using allocator_traits = std::allocator_traits<allocator_type>;

  // Returns the memory before the handler runs, as Asio's own operations do.
  struct destroyer {
    allocator_type allocator;
    void operator()(asio_operation* gone) noexcept {
      allocator_traits::destroy(allocator, gone);
      allocator_traits::deallocate(allocator, gone, 1);
    }
  };
  using owned = std::unique_ptr<asio_operation, destroyer>;

 public:
  explicit asio_operation(Handler&& handler)
      : handler_(std::move(handler)), work_(boost::asio::get_associated_executor(handler_)) {}

  // `begin` returns the call_ref; what it throws is the outcome.
  template <class Begin>
  static void start(Handler&& handler, Begin&& begin) {
    auto one = make(std::move(handler));
    try {
      one->call_ = begin();
    } catch (...) {
      one->refused_ = std::current_exception();
      return complete(std::move(one));
    }
    one->listen_for_cancellation();
    auto* const waiting = one.release();
    if (!resume_when_done(*waiting->call_, &ended, waiting)) ended(waiting);
  }

 private:
  static owned make(Handler&& handler) {
    allocator_type allocator(boost::asio::get_associated_allocator(handler));
    auto* const memory = allocator_traits::allocate(allocator, 1);
    try {
      allocator_traits::construct(allocator, memory, std::move(handler));
    } catch (...) {
      allocator_traits::deallocate(allocator, memory, 1);
      throw;
    }
    return owned(memory, destroyer{allocator});
  }

  // On a thread of the runtime.
  static void ended(void* address) {
    auto* const one = static_cast<asio_operation*>(address);
    complete(owned(one, destroyer{allocator_type(boost::asio::get_associated_allocator(one->handler_))}));
  }

  static void complete(owned one) {
    // Until post() has returned: the handler may be what ends the context.
    auto const work = one->work_;
    boost::asio::post(work.get_executor(), [one = std::move(one)]() mutable { finish(std::move(one)); });
  }

  static void finish(owned one) {
    one->forget_cancellation();
    auto const call = std::move(one->call_);
    auto refused = std::move(one->refused_);
    auto const work = std::move(one->work_);
    Handler handler(std::move(one->handler_));
    one.reset();
    if constexpr (std::is_void_v<R>) {
      try {
        if (refused == nullptr) decode_reply<void>(*call);
      } catch (...) {
        refused = std::current_exception();
      }
      std::move(handler)(std::move(refused));
    } else {
      R result{};
      try {
        if (refused == nullptr) result = decode_reply<R>(*call);
      } catch (...) {
        refused = std::current_exception();
      }
      std::move(handler)(std::move(refused), std::move(result));
    }
  }

#if BOOST_VERSION >= 107700
  void listen_for_cancellation() {
    auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    if (!slot.is_connected()) return;
    slot.assign([call = call_](boost::asio::cancellation_type type) {
      if (type != boost::asio::cancellation_type::none) detail::cancel(*call);
    });
  }
  void forget_cancellation() {
    auto slot = boost::asio::get_associated_cancellation_slot(handler_);
    if (slot.is_connected()) slot.clear();
  }
#else
  void listen_for_cancellation() noexcept {}
  void forget_cancellation() noexcept {}
#endif

  Handler handler_;
  boost::asio::executor_work_guard<executor_type> work_;
  call_ref call_;
  std::exception_ptr refused_;
};

template <class Task>
struct async_call<Task, void> {
  static constexpr bool is_included = true;
  using result = typename Task::result;

  // `arguments`: a tuple of what travels; kept until the token starts the call, which may be later
  // (deferred).
  template <class Arguments, class Token>
  static auto start(Task const& task, Arguments&& arguments, Token&& token) {
    return boost::asio::async_initiate<Token, typename asio_signature<result>::type>(
        [](auto handler, Task from, Arguments moved) {
          using operation = asio_operation<result, decltype(handler)>;
          operation::start(std::move(handler), [&] {
            return std::apply([&](auto&... each) { return from.start_unattended(std::move(each)...); },
                              moved);
          });
        },
        token, task, std::forward<Arguments>(arguments));
  }
};

// What an asio_driver does, for as long as it waits in its loop.
class asio_drive : public std::enable_shared_from_this<asio_drive> {
 public:
  asio_drive(engine_ref engine, boost::asio::any_io_executor const& where)
      : engine_(std::move(engine)),
        descriptor_(boost::asio::make_strand(where), duplicate(descriptor_of(*engine_))) {}

  void go_on() {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](boost::system::error_code const& error) {
                             if (!error && detail::drive(*self->engine_)) self->go_on();
                           });
  }

  void stop() {
    boost::asio::post(descriptor_.get_executor(), [self = shared_from_this()] {
      boost::system::error_code ignored;
      self->descriptor_.close(ignored);
    });
  }

 private:
  static int duplicate(int descriptor) {
    int const copy = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
    if (copy < 0)
      throw boost::system::system_error(errno, boost::system::system_category(), "yonder::asio_driver");
    return copy;
  }

  engine_ref engine_;
  boost::asio::posix::stream_descriptor descriptor_;
};

}  // namespace yonder::detail

namespace yonder {

// Has the loop of an io_context drive a runtime that has no thread for that (runtime_options::own_thread =
// false): no thread of Yonder's is there then. Coroutines that await a call go on in that loop. It waits in
// the loop, so that io_context::run() does not return, until stop(), or this object's or the runtime's end.
// Threads: as an Asio object; several may run the context. The context outlives it.
class asio_driver {
 public:
  // Throws usage_error where the runtime has a thread of its own, and boost::system::system_error.
  asio_driver(runtime const& driven, boost::asio::any_io_executor const& loop)
      : drive_(std::make_shared<detail::asio_drive>(driven.engine(), loop)) {
    drive_->go_on();
  }
  ~asio_driver() { stop(); }
  asio_driver(asio_driver const&) = delete;
  asio_driver& operator=(asio_driver const&) = delete;

  // The loop no longer drives, and may return. Again: nothing happens.
  void stop() {
    if (auto const stopped = std::exchange(drive_, nullptr)) stopped->stop();
  }

 private:
  std::shared_ptr<detail::asio_drive> drive_;
};

}  // namespace yonder
