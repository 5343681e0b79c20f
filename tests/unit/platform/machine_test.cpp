// SPDX-License-Identifier: Apache-2.0
#include "src/platform/machine.hpp"

#include <doctest/doctest.h>
#include <signal.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

using yonder::platform::machine_sources;
using yonder::platform::observe_machine;

namespace {

// A tree in the place of /proc and /sys.
struct fake_machine {
  std::string root = std::filesystem::temp_directory_path() / "yonder-machine-XXXXXX";
  machine_sources from;
  fake_machine() {
    REQUIRE(::mkdtemp(root.data()) != nullptr);
    from.root = root;
    write("proc/self/cgroup", "0::/outer/inner");
  }
  ~fake_machine() { std::filesystem::remove_all(root); }
  fake_machine(fake_machine const&) = delete;
  fake_machine& operator=(fake_machine const&) = delete;

  void write(std::string const& file, std::string const& text) const {
    std::filesystem::path const path = root + "/" + file;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text << "\n";
  }
  void add_gpus(int count) {
    for (int i = 0; i < count; ++i)
      write("proc/driver/nvidia/gpus/0000:0" + std::to_string(i) + ":00.0/information", "");
    from.smi = {"/bin/echo", "-e", "81559\\n40960\\n"};
  }
};

}  // namespace

TEST_CASE("without a driver there is no GPU, and nobody is asked") {
  fake_machine here;
  here.from.smi = {"/bin/false"};
  auto const seen = observe_machine(here.from);
  CHECK(seen.gpus.empty());
  CHECK(seen.remark.empty());
  CHECK_FALSE(seen.cores.empty());
  CHECK(seen.memory > (std::uint64_t{16} << 20));
}

TEST_CASE("GPUs are counted in the driver's folder; their memory is what nvidia-smi says, or unknown") {
  fake_machine here;
  here.add_gpus(2);
  auto const seen = observe_machine(here.from);
  REQUIRE(seen.gpus.size() == 2);
  CHECK(seen.gpus[0].id == "0");
  CHECK(seen.gpus[0].memory == std::uint64_t{81559} << 20);
  CHECK(seen.gpus[1].memory == std::uint64_t{40960} << 20);
  here.from.smi = {"yonder-there-is-no-such-program"};
  CHECK(observe_machine(here.from).gpus[1].memory == 0);
}

TEST_CASE("who is asked for the GPUs' memory has ended, and leaves nothing behind") {
  fake_machine here;
  here.add_gpus(1);
  here.from.smi = {"/bin/sh", "-c", "echo $$ >" + here.root + "/who; echo 100"};
  REQUIRE(observe_machine(here.from).gpus.size() == 1);
  ::pid_t who = 0;
  std::ifstream(here.root + "/who") >> who;
  REQUIRE(who > 0);
  CHECK(::kill(who, 0) == -1);
  CHECK(errno == ESRCH);
}

TEST_CASE("CUDA_VISIBLE_DEVICES limits them, up to the first that is not there") {
  fake_machine here;
  here.add_gpus(2);
  here.from.has_visible_devices = true;
  here.from.visible_devices = "1";
  auto seen = observe_machine(here.from);
  REQUIRE(seen.gpus.size() == 1);
  CHECK(seen.gpus[0].id == "1");
  CHECK(seen.gpus[0].memory == std::uint64_t{40960} << 20);
  here.from.visible_devices = "0,7,1";
  seen = observe_machine(here.from);
  CHECK(seen.gpus.size() == 1);
  CHECK(seen.remark == "CUDA_VISIBLE_DEVICES names 7, which is not one of the 2 GPUs, counted from 0");
  here.from.visible_devices = "";
  CHECK(observe_machine(here.from).gpus.empty());
}

TEST_CASE("memory and cores are what the control groups leave, of whatever version") {
  fake_machine here;
  here.write("sys/fs/cgroup/outer/memory.max", "33554432");
  here.write("sys/fs/cgroup/outer/inner/memory.max", "max");
  here.write("sys/fs/cgroup/outer/cpu.max", "50000 100000");
  auto seen = observe_machine(here.from);
  CHECK(seen.memory == 33'554'432);
  CHECK(seen.cores.size() == 1);
  fake_machine old;
  old.write("proc/self/cgroup", "4:memory:/box\n3:cpu,cpuacct:/box");
  old.write("sys/fs/cgroup/memory/box/memory.limit_in_bytes", "67108864");
  seen = observe_machine(old.from);
  CHECK(seen.memory == 67'108'864);
}
