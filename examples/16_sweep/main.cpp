// SPDX-License-Identifier: Apache-2.0
//
// A sweep: 64 random trials, of which those that do worse stop early. Asynchronous successive halving (Li et
// al., "A System for Massively Parallel Hyperparameter Tuning", 2020): a trial trains for a while, and goes
// on for twice as long if it is among the better half of all that have got so far.
#include <yonder/yonder.hpp>

#include <algorithm>
#include <cmath>
#include <iostream>
#include <iterator>
#include <random>
#include <vector>

// What is searched for, and what training has come to. An aggregate: it travels as it is.
struct trial {
  double rate = 0;   // of learning
  double decay = 0;  // of momentum
  double at = 5;     // the parameter that is trained
  double speed = 0;
  int steps = 0;
  double loss() const { return at * at; }
};

// Gradient descent with momentum on x², from where the trial has got to.
trial train(trial one, int steps) {
  for (int i = 0; i < steps; ++i, ++one.steps) {
    one.speed = one.decay * one.speed - one.rate * 2 * one.at;
    one.at += one.speed;
  }
  if (!std::isfinite(one.at)) one.at = 1e100;
  return one;
}
inline constexpr yonder::task<train> training{{.retries = 2}};

class sweep {
 public:
  static constexpr int trials = 64, rungs = 6, first_steps = 4;

  // As many at once as there are workers to keep busy; what ends next decides what begins next.
  void run(std::size_t at_once) {
    while (start_next(at_once) || !running_.empty()) {
      if (running_.size() < at_once && can_start()) continue;
      auto const ended = yonder::when_any(running_).get();
      auto const result = running_[ended].get();
      auto const rung = rung_of_[ended];
      running_.erase(running_.begin() + static_cast<std::ptrdiff_t>(ended));
      rung_of_.erase(rung_of_.begin() + static_cast<std::ptrdiff_t>(ended));
      done_[rung].push_back({result, false});
    }
  }

  std::size_t reached(std::size_t rung) const { return done_[rung].size(); }
  trial best() const {
    auto found = done_.front().front().result;
    for (auto const& rung : done_)
      for (auto const& one : rung)
        if (one.result.loss() < found.loss()) found = one.result;
    return found;
  }
  long steps() const {
    long all = 0;
    for (std::size_t rung = 0; rung < rungs; ++rung) all += static_cast<long>(reached(rung)) * steps_of(rung);
    return all;
  }
  static long steps_of(std::size_t rung) { return rung == 0 ? first_steps : first_steps << (rung - 1); }

 private:
  struct outcome {
    trial result;
    bool promoted = false;
  };

  // The best of the better half of a rung that has not gone on; null: there is none.
  outcome* promotable(std::size_t rung) {
    std::vector<outcome*> sorted;
    for (auto& one : done_[rung]) sorted.push_back(&one);
    std::sort(sorted.begin(), sorted.end(),
              [](auto* a, auto* b) { return a->result.loss() < b->result.loss(); });
    sorted.resize(sorted.size() / 2);
    auto const found = std::find_if(sorted.begin(), sorted.end(), [](auto* one) { return !one->promoted; });
    return found == sorted.end() ? nullptr : *found;
  }
  bool can_start() {
    for (std::size_t rung = 0; rung + 1 < rungs; ++rung)
      if (promotable(rung) != nullptr) return true;
    return begun_ < trials;
  }
  bool start_next(std::size_t at_once) {
    if (running_.size() >= at_once) return false;
    for (std::size_t rung = rungs - 1; rung-- != 0;) {
      if (auto* const next = promotable(rung)) {
        next->promoted = true;
        start(next->result, rung + 1);
        return true;
      }
    }
    if (begun_ == trials) return false;
    ++begun_;
    start({.rate = std::pow(10, -3 * share_(random_)), .decay = share_(random_)}, 0);
    return true;
  }
  void start(trial const& one, std::size_t rung) {
    running_.push_back(training.spawn(one, static_cast<int>(steps_of(rung))));
    rung_of_.push_back(rung);
  }

  std::vector<yonder::call<trial>> running_;
  std::vector<std::size_t> rung_of_;
  std::vector<std::vector<outcome>> done_{rungs};
  int begun_ = 0;
  std::mt19937_64 random_{7};
  std::uniform_real_distribution<double> share_{0, 1};
};

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  sweep search;
  search.run(8);
  auto const whole = sweep::trials * (sweep::first_steps << (sweep::rungs - 1));
  std::cout << sweep::trials << " trials, " << search.reached(0) - search.reached(1)
            << " stopped at the first look\n"
            << 100 * search.steps() / whole << " % of the steps that all of them would have taken\n"
            << "found: " << (search.best().loss() < 1e-6 ? "a loss below 1e-6" : "nothing good") << "\n";
}
