// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

// Manifests of Kubernetes for workers that come to a hub by themselves.
namespace yonder::cli {

struct kubernetes_pool {
  std::string name = "yonder-workers";
  std::string image{};
  std::string hub{};                   // "tcp://host:port", as pods see it
  std::vector<std::string> program{};  // in the image, with its arguments
  // Or a program of this machine, which pods fetch: `program` is that, then, with its arguments. Empty: it is
  // in the image.
  std::string from{};     // the URL of the archive
  std::string fetcher{};  // the image that has curl or wget, sh, tar and sha256sum; empty: the other one
  std::string pack{};     // where the archive is written; empty: it is not
  std::vector<std::string> files{};  // that travel with it
  std::string kind = "deployment";   // or "job"
  std::string scaler{};              // of a deployment: "keda", "hpa" or "none"; empty: "keda"
  std::string prometheus{};          // that KEDA asks; empty: "http://prometheus-server.monitoring"
  std::string query{};               // what; empty: calls that run or wait, "sum(yonder_calls)"
  std::optional<unsigned> gpus{}, min{}, max{};
  std::string cpu{}, memory{};                         // as Kubernetes writes them: "2", "8Gi"
  std::optional<std::chrono::nanoseconds> window{};    // without calls, before a pod goes; default: 5 min
  std::optional<std::chrono::nanoseconds> grace{};     // from SIGTERM to SIGKILL; default: 60 s
  std::optional<std::chrono::nanoseconds> lifetime{};  // of a job; default: 1 h
};

// Throws usage_problem.
std::string manifests_of(kubernetes_pool const& pool);

}  // namespace yonder::cli
