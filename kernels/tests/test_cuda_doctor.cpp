// SPDX-License-Identifier: Apache-2.0
//
// What `yonder doctor` says of a machine's GPUs.
#include <doctest/doctest.h>

#include <initializer_list>
#include <string>

#include "cuda/accelerator.hpp"
#include "cuda/doctor.hpp"

namespace {

using namespace yonder::kernels::cuda;

// A machine on which all is well.
gpu_facts good_machine() {
  gpu_facts facts;
  facts.built_with_cuda = facts.on_bus = facts.driver_loaded = facts.has_driver_library = facts.has_cublaslt =
      true;
  facts.control = facts.gpu_node = facts.memory_node = gpu_facts::access::open;
  facts.toolkit = facts.driver = 13000;
  facts.gpus = {{"NVIDIA H200", 9, 0}};
  return facts;
}

}  // namespace

TEST_CASE("quick: the doctor's first line says that the GPU is used, or what to type") {
  auto const good = advise(good_machine());
  CHECK(good.used);
  CHECK(good.answer ==
        "The GPU will be used: cuda:0, NVIDIA H200 of compute capability 9.0, bf16 unless "
        "text_options::compute says fp16.");
  struct illness {
    void (*spoil)(gpu_facts&);
    char const* answer;
  };
  for (auto const& [spoil, answer] : std::initializer_list<illness>{
           {[](gpu_facts& f) { f = {}; }, "has none by NVIDIA"},
           {[](gpu_facts& f) { f.built_with_cuda = false; }, "type: cmake -DYONDER_WITH_CUDA=ON"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.driver_loaded = f.has_driver_library = false;
              f.control = gpu_facts::access::missing;
            },
            "driver is not loaded; type: sudo apt-get install nvidia-driver"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.control = gpu_facts::access::missing;
            },
            "type: sudo nvidia-modprobe -c 0 -u"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.control = gpu_facts::access::missing;
              f.in_container = true;
            },
            "type: docker run --gpus all"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.control = gpu_facts::access::forbidden;
            },
            "sudo usermod -aG"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.has_driver_library = false;
            },
            "type: sudo apt-get install libcuda1"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 805;
            },
            "type: nvidia-cuda-mps-control -d, or unset"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 100;
            },
            "type: nvidia-smi, and sudo dmesg"},
           {[](gpu_facts& f) { f.driver = 12040; },
            "serves CUDA 12.4, and this Yonder was built with 13.0, which needs driver 580 or later; type: "
            "sudo apt-get install cuda-drivers ("},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.visible = "";
            },
            "type: unset CUDA_VISIBLE_DEVICES"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.visible = "7";
            },
            "CUDA_VISIBLE_DEVICES=7 names no GPU"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.split_by_mig = true;
            },
            "export CUDA_VISIBLE_DEVICES=MIG-"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 999;
            },
            "cuInit says 999"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 802;
              f.visible = "0";
            },
            "type: sudo systemctl start nvidia-fabricmanager"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 803;
            },
            "type: sudo reboot"},
           {[](gpu_facts& f) { f.on_bus = f.driver_loaded = f.has_cublaslt = false; },  // WSL
            "type: pip install nvidia-cublas"},
           {[](gpu_facts& f) {
              f.gpus = {{"Tesla T4", 7, 5}};
            },
            "Tesla T4 of compute capability 7.5, is older than 8.0"},
           {[](gpu_facts& f) { f.has_cublaslt = false; }, "type: pip install nvidia-cublas, then"},
           {[](gpu_facts& f) {
              f.has_cublaslt = false;
              f.driver = f.toolkit = 12080;
            },
            "type: pip install nvidia-cublas-cu12, then export LD_LIBRARY_PATH=…/nvidia/cublas/lib"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.in_container = true;
              f.has_driver_library = false;
            },
            "NVIDIA_DRIVER_CAPABILITIES=compute"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.control = gpu_facts::access::missing;
              f.driver_loaded = false;
            },
            "its module is not loaded; type: sudo modprobe nvidia"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.control = gpu_facts::access::ruled_out;
              f.in_container = true;
            },
            "lost the GPU while it ran; type: docker restart"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 100;
              f.gpu_node = gpu_facts::access::ruled_out;
            },
            "forbids /dev/nvidia0; type: srun --gres=gpu:1"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 999;
              f.memory_node = gpu_facts::access::missing;
            },
            "/dev/nvidia-uvm is missing; type: sudo nvidia-modprobe -c 0 -u"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 999;
            },
            "type: sudo modprobe -r nvidia_uvm"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 999;
              f.visible = "0";
            },
            "cuInit says 999"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 803;
              f.in_container = true;
            },
            "type: docker restart"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 803;
              f.driver_library = "/usr/local/cuda-13.0/compat/libcuda.so.1";
            },
            "type: export LD_LIBRARY_PATH=… without /usr/local/cuda-13.0/compat ("},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 804;
            },
            "data-centre GPUs alone (cuInit says 804); type: export LD_LIBRARY_PATH"},
           {[](gpu_facts& f) {
              f.gpus.clear();
              f.init_error = 34;
              f.driver_library = "/opt/cuda/lib64/stubs/libcuda.so.1";
            },
            "the toolkit's stub, for linking alone, /opt/cuda/lib64/stubs/libcuda.so.1"},
           {[](gpu_facts& f) {
              f.gpus = {{"NVIDIA T400", 7, 5}, {"NVIDIA A100", 8, 0}};
            },
            "cuda:1, NVIDIA A100, would do; type: export CUDA_VISIBLE_DEVICES=1, or state"},
           {[](gpu_facts& f) {
              f.gpus = {{"NVIDIA RTX 5090", 12, 0}};
              f.toolkit = 13010;
            },
            "serves CUDA 13.0, older than the 13.1 of this build; type: cmake "
            "-DYONDER_CUDA_ARCHITECTURE=120"},
           {[](gpu_facts& f) {
              f.gpus = {{"NVIDIA A100", 8, 0}};
              f.built_for = "86";
            },
            "which was built for 86 alone; type: cmake -DYONDER_CUDA_ARCHITECTURE=80"},
           {[](gpu_facts&) {}, "something else; type: nvidia-smi"}}) {
    auto facts = good_machine();
    spoil(facts);
    facts.refusal = "something else";
    auto const found = advise(facts);
    CAPTURE(found.answer);
    CHECK_FALSE(found.used);
    CHECK(found.answer.starts_with("No GPU will be used: "));
    CHECK(found.answer.find(answer) != std::string::npos);
    CHECK(found.answer.find('\n') == std::string::npos);
  }
}

TEST_CASE(
    "quick: machine code for one architecture runs on later ones of its major version, 90a on 9.0 alone") {
  CHECK(runs_on("80", 8, 0));
  CHECK(runs_on("80", 8, 9));
  CHECK_FALSE(runs_on("86", 8, 0));
  CHECK_FALSE(runs_on("80", 9, 0));
  CHECK(runs_on("90a", 9, 0));
  CHECK_FALSE(runs_on("100a", 10, 3));
  CHECK(runs_on("120", 12, 1));
}

TEST_CASE("quick: the doctor says where the driver compiles, and whether it keeps that") {
  auto facts = good_machine();
  CHECK(describe(facts)[8] == "cuda:0: NVIDIA H200 of compute capability 9.0");
  facts.gpus = {{"NVIDIA B200", 10, 0}};
  facts.cache = "/home/me/.nv/ComputeCache";
  CHECK(describe(facts)[8].find("at every start") != std::string::npos);
  CHECK(describe(facts)[8].find("export CUDA_CACHE_PATH=") != std::string::npos);
  facts.may_cache = true;
  CHECK(describe(facts)[8].ends_with("at the first start, and kept in /home/me/.nv/ComputeCache"));
}

TEST_CASE("quick: the doctor looks at this machine without a GPU, a driver or CUDA") {
  auto const facts = gather_gpu_facts();
  CHECK(advise(facts).used == !why_unavailable(0));
  CHECK(describe(facts).size() == 8 + facts.gpus.size() + (facts.refusal ? 1 : 0));
}
