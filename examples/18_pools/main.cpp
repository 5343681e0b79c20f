// SPDX-License-Identifier: Apache-2.0
//
// From zero workers and back: what each has, how many there are, and how that changes while they live.
#include <yonder/yonder.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

// A model that parks: between calls its weights leave the GPU, and its process stays.
class Model {
 public:
  explicit Model(std::string const& name) : name_(name) {}
  std::string answer(std::string const& question) const {
    return name_ + (restored_ ? ", back from its nap: " : ": ") + question + "? Yes.";
  }
  void release_gpu() { /* copy the weights to memory, and free them on the device */
  }
  void restore_gpu() { restored_ = true; /* and back */ }

 private:
  std::string name_;
  bool restored_ = false;
};

inline constexpr yonder::service<Model(std::string)> model{
    {.max = 1, .scaledown_window = 10ms, .park_window = 1min, .memory = 16 << 20}};
inline constexpr yonder::method<&Model::answer> answer;

int square(int n) { return n * n; }
inline constexpr yonder::task<square> squared{{.memory = 16 << 20}};  // each worker has 16 MiB for itself

void print(yonder::runtime const& here) {
  for (auto const& pool : here.pools())
    std::cout << pool.name.substr(0, pool.name.find('-')) << ": " << pool.workers << " of " << pool.max
              << (pool.needs.empty() ? "" : ", each with ") << pool.needs << "\n";
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 2, .scaledown_window = 10ms});
  print(here);  // nothing runs so far

  here.scale(squared, {.min = 2});  // two workers, ahead of the first call, and for good
  while (here.snapshot().idle_workers != 2) std::this_thread::sleep_for(1ms);
  print(here);
  std::cout << squared.remote(12) << "\n";

  auto const small = model("small");
  std::cout << answer.on(small).remote("Is it on") << "\n";
  while (here.snapshot().parked_workers != 1) std::this_thread::sleep_for(1ms);  // after 10 ms without a call
  std::cout << answer.on(small).remote("Still on") << "\n";

  try {
    squared.with({.memory = std::uint64_t{1} << 60}).remote(1);
  } catch (yonder::error const& e) {  // at once, with what this machine has
    std::cout << to_string(e.code()) << "\n";
  }

  here.scale(squared, {.min = 0});
  here.scale(small, {.park_window = 0s});
  while (here.worker_count() != 0) std::this_thread::sleep_for(1ms);
  std::cout << "all gone\n";
}
