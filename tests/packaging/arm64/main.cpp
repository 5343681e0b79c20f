// SPDX-License-Identifier: Apache-2.0
//
// consumer [EMULATOR…]: calls here, on worker threads, on a worker that is a process of its own, started by
// the emulator, and, as far as they are built, of another runtime's hub over ZeroMQ, and a model.
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <map>
#include <stdexcept>
#include <string>
#include <vector>
#ifdef MODEL
#include <yonder/ml/text_classifier.hpp>
#endif
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

// Another runtime's workers, over ZeroMQ.
bool agrees_over_zmq() {
#ifdef YONDER_HAS_ZMQ
  std::string folder = std::filesystem::temp_directory_path() / "yonder-arm64-XXXXXX";
  if (::mkdtemp(folder.data()) == nullptr) return false;
  bool good = false;
  {
    yonder::runtime hub(
        {.max = 1, .in_process = true, .bind = {"ipc://" + folder + "/hub"}, .is_current = false});
    yonder::runtime client({.hub = hub.addresses().front(), .is_current = false});
    good = agrees(client);
  }
  std::filesystem::remove_all(folder);
  return good;
#else
  return true;
#endif
}

bool model_answers() {
#ifdef MODEL
  yonder::ml::text_classifier const model(MODEL, {});
  return model(std::string("good job")).label == "POSITIVE";
#else
  return true;
#endif
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
  bool const zmq = agrees_over_zmq();
  bool const model = model_answers();
  std::cout << "process " << process << ", thread " << thread << ", zmq " << zmq << ", model " << model
            << "\n";
  return process && thread && round_trip.number == 2 && zmq && model ? 0 : 1;
}
