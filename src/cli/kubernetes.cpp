// SPDX-License-Identifier: Apache-2.0
#include "src/cli/kubernetes.hpp"

#include <algorithm>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"

namespace yonder::cli {
namespace {

using std::chrono::seconds;

// A JSON string is one of YAML, too.
std::string in_yaml(std::string const& text) { return in_json(text); }

// RFC 1123, as names of what has a DNS name are; "-keys" and "-scaler" follow.
bool is_label(std::string const& text) {
  constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyz0123456789-";
  return !text.empty() && text.size() <= 50 && text.front() != '-' && text.back() != '-' &&
         text.find_first_not_of(letters) == std::string::npos;
}

void check(kubernetes_pool const& pool) {
  if (!is_label(pool.name))
    throw usage_problem("'" + pool.name +
                        "' is no name in Kubernetes: small letters, digits and '-', at most 50");
  if (pool.image.empty()) throw usage_problem("--image says in which image the program is");
  if (!pool.hub.starts_with("tcp://") || pool.hub.find('#') != std::string::npos)
    throw usage_problem(
        "--hub says where pods find the hub: tcp://HOST:PORT, without a token (each pod needs the key)");
  if (pool.kind != "deployment" && pool.kind != "job") throw usage_problem("--kind is deployment or job");
  if (pool.scaler != "keda" && pool.scaler != "hpa" && pool.scaler != "none")
    throw usage_problem("--scaler is keda, hpa or none");
  if (pool.max == 0u || pool.max.value_or(10) < pool.min.value_or(0))
    throw usage_problem("--max is less than --min, or 0");
}

std::string text_of(seconds time) { return std::to_string(time.count()); }

std::string metadata(std::string const& name, kubernetes_pool const& pool) {
  return "metadata:\n  name: " + in_yaml(name) +
         "\n  labels: {app.kubernetes.io/name: " + in_yaml(pool.name) + "}\n";
}

std::string limits_of(kubernetes_pool const& pool) {
  std::string all;
  auto const add = [&](char const* what, std::string const& value) {
    all += (all.empty() ? "" : ", ") + std::string(what) + ": " + in_yaml(value);
  };
  if (!pool.cpu.empty()) add("cpu", pool.cpu);
  if (!pool.memory.empty()) add("memory", pool.memory);
  if (pool.gpus.value_or(0) != 0) add("nvidia.com/gpu", std::to_string(*pool.gpus));
  return all.empty() ? "" : "          resources: {limits: {" + all + "}}\n";
}

// A job's worker is told when it is over, so that it is given nothing that would be cut short.
std::string command_of(kubernetes_pool const& pool) {
  auto words = pool.program;
  if (words.empty()) words = {"/app"};
  words.insert(words.end(), {"--yonder-worker", pool.hub});
  if (pool.kind == "job")
    words.insert(words.begin(), {"/bin/sh", "-c", "YONDER_END_TIME=$(($(date +%s) + $0)) exec \"$@\"",
                                 text_of(whole_seconds(pool.lifetime, seconds(3'600)))});
  std::string list;
  for (auto const& word : words) list += (list.empty() ? "" : ", ") + in_yaml(word);
  return "[" + list + "]";
}

// A key is used only if its file and folder are their owner's alone, as none of a secret's volume is: it is
// copied into memory.
std::string pod_of(kubernetes_pool const& pool) {
  auto const image = in_yaml(pool.image);
  std::string const confined =
      "          securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n";
  return "    metadata:\n"
         "      labels: {app.kubernetes.io/name: " +
         in_yaml(pool.name) +
         "}\n"
         "    spec:\n"
         "      automountServiceAccountToken: false\n"
         "      enableServiceLinks: false\n"
         "      terminationGracePeriodSeconds: " +
         text_of(whole_seconds(pool.grace, seconds(60))) + "\n" +
         (pool.kind == "job" ? "      restartPolicy: Never\n" : "") +
         "      securityContext: {runAsNonRoot: true, runAsUser: 1000, runAsGroup: 1000, fsGroup: 1000, "
         "seccompProfile: {type: RuntimeDefault}}\n"
         "      initContainers:\n"
         "        - name: keys\n"
         "          image: " +
         image +
         "\n"
         "          command: [\"/bin/sh\", \"-c\", \"umask 077 && mkdir -p /keys/yonder && cp "
         "/secret/worker.key /secret/server.pub /keys/yonder/\"]\n" +
         confined +
         "          volumeMounts:\n"
         "            - {name: secret, mountPath: /secret, readOnly: true}\n"
         "            - {name: keys, mountPath: /keys}\n"
         "      containers:\n"
         "        - name: worker\n"
         "          image: " +
         image +
         "\n"
         "          command: " +
         command_of(pool) +
         "\n"
         "          env: [{name: YONDER_KEYS, value: /keys/yonder}]\n" +
         limits_of(pool) + confined +
         "          volumeMounts:\n"
         "            - {name: keys, mountPath: /keys, readOnly: true}\n"
         "      volumes:\n"
         "        - {name: secret, secret: {secretName: " +
         in_yaml(pool.name + "-keys") +
         ", defaultMode: 0440, optional: false}}\n"  // said, as podman 4.3 ends where it is not
         "        - {name: keys, emptyDir: {medium: Memory, sizeLimit: 1Mi}}\n";
}

std::string deployment_of(kubernetes_pool const& pool) {
  return "---\napiVersion: apps/v1\nkind: Deployment\n" + metadata(pool.name, pool) +
         "spec:\n"
         "  replicas: " +
         std::to_string(pool.min.value_or(pool.scaler == "none" ? 1 : 0)) +
         "\n"
         "  selector: {matchLabels: {app.kubernetes.io/name: " +
         in_yaml(pool.name) +
         "}}\n"
         "  template:\n" +
         pod_of(pool);
}

// So many pods at once, each of which ends with its time.
std::string job_of(kubernetes_pool const& pool) {
  auto const lifetime = whole_seconds(pool.lifetime, seconds(3'600));
  return "---\napiVersion: batch/v1\nkind: Job\n" + metadata(pool.name, pool) +
         "spec:\n"
         "  parallelism: " +
         std::to_string(pool.max.value_or(1)) +
         "\n"
         "  backoffLimit: 6\n"
         "  activeDeadlineSeconds: " +
         text_of(lifetime + whole_seconds(pool.grace, seconds(60))) +
         "\n"
         "  ttlSecondsAfterFinished: 600\n"
         "  template:\n" +
         pod_of(pool);
}

std::string keda_of(kubernetes_pool const& pool) {
  return "---\napiVersion: keda.sh/v1alpha1\nkind: ScaledObject\n" + metadata(pool.name + "-scaler", pool) +
         "spec:\n"
         "  scaleTargetRef: {name: " +
         in_yaml(pool.name) +
         "}\n"
         "  minReplicaCount: " +
         std::to_string(pool.min.value_or(0)) +
         "\n"
         "  maxReplicaCount: " +
         std::to_string(pool.max.value_or(10)) +
         "\n"
         "  cooldownPeriod: " +
         text_of(whole_seconds(pool.window, seconds(300))) +
         "\n"
         "  triggers:\n"
         "    - type: prometheus\n"
         "      metadata:\n"
         "        serverAddress: " +
         in_yaml(pool.prometheus) +
         "\n"
         "        query: " +
         in_yaml(pool.query) +
         "\n"
         "        threshold: \"1\"\n"
         "        activationThreshold: \"0\"\n";
}

// It keeps one pod at least. The metric comes by an adapter (prometheus-adapter) under this name.
std::string hpa_of(kubernetes_pool const& pool) {
  return "---\napiVersion: autoscaling/v2\nkind: HorizontalPodAutoscaler\n" +
         metadata(pool.name + "-scaler", pool) +
         "spec:\n"
         "  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: " +
         in_yaml(pool.name) +
         "}\n"
         "  minReplicas: " +
         std::to_string(std::max(1U, pool.min.value_or(1))) +
         "\n"
         "  maxReplicas: " +
         std::to_string(pool.max.value_or(10)) +
         "\n"
         "  behavior: {scaleDown: {stabilizationWindowSeconds: " +
         text_of(std::min(whole_seconds(pool.window, seconds(300)), seconds(3'600))) +
         "}}\n"
         "  metrics:\n"
         "    - type: External\n"
         "      external:\n"
         "        metric: {name: yonder_calls}\n"
         "        target: {type: AverageValue, averageValue: \"1\"}\n";
}

}  // namespace

std::string manifests_of(kubernetes_pool const& pool) {
  check(pool);
  auto const keys = pool.name + "-keys";
  std::string text = "# Workers of " + pool.hub +
                     " in Kubernetes. Before:\n"
                     "#   yonder keys issue " +
                     pool.name +
                     " --role worker --to KEYS    # on the hub's machine\n"
                     "#   kubectl create secret generic " +
                     keys + " --from-file=KEYS/worker.key --from-file=KEYS/server.pub\n";
  if (pool.kind == "job") return text + job_of(pool);
  text += deployment_of(pool);
  if (pool.scaler == "keda") text += keda_of(pool);
  if (pool.scaler == "hpa") text += hpa_of(pool);
  return text;
}

}  // namespace yonder::cli
