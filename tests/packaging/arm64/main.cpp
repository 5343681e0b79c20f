// SPDX-License-Identifier: Apache-2.0
//
// consumer [EMULATOR…]: a call here, on a worker thread, and on a worker that is a process of its own,
// started by the emulator; and a model.
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
#include <yonder/ml/text_classifier.hpp>
#include <yonder/testing.hpp>
#include <yonder/yonder.hpp>

namespace consumer {

struct page {
  int number = 0;
  std::string text;
  std::vector<double> weights;
};

page turn(page one, double by) {
  if (one.number < 0) throw std::out_of_range("no such page");
  one.number += 1;
  for (auto& weight : one.weights) weight *= by;
  return one;
}
inline constexpr yonder::task<turn> turning;

bool agrees(yonder::runtime& where) {
  page const first{1, std::string(100'000, 'x'), std::vector<double>(50'000, 0.5)};
  auto const there = turning.on(where).remote(first, 3);
  auto const here = turning.local(first, 3);
  bool thrown = false;
  try {
    turning.on(where).remote({-1, "", {}}, 1);
  } catch (std::out_of_range const&) {
    thrown = true;
  }
  int sum = 0;
  for (auto const& one : turning.on(where).starmap(std::vector<std::tuple<page, double>>(100, {first, 1})))
    sum += one.number;
  return there.number == here.number && there.text == here.text && there.weights == here.weights && thrown &&
         sum == 200;
}

}  // namespace consumer

int main(int argc, char** argv) {
  using namespace consumer;
  std::vector<std::string> command(argv + 1, argv + argc);
  command.emplace_back(argv[0]);
  yonder::runtime processes(0, nullptr, {.max = 1, .worker_command = command, .is_current = false});
  yonder::runtime threads({.max = 2, .in_process = true, .is_current = false});
  bool const process = agrees(processes);
  bool const thread = agrees(threads);
  auto const round_trip = yonder::testing::round_trip(turning, page{1, "a", {1}}, 2.0);
  yonder::ml::text_classifier const model(MODEL, {});
  auto const label = model(std::string("good job")).label;
  std::cout << "process " << process << ", thread " << thread << ", model " << label << "\n";
  return process && thread && round_trip.number == 2 && label == "POSITIVE" ? 0 : 1;
}
