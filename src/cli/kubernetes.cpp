// SPDX-License-Identifier: Apache-2.0
#include "src/cli/kubernetes.hpp"

#include <algorithm>
#include <optional>
#include <regex>
#include <stdexcept>
#include <variant>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#if defined(YONDER_HAS_LAUNCH)
#include "src/launch/carry/packed_program.hpp"
#endif
#include "transports/setup_error.hpp"
#include "transports/zmq/address.hpp"

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

// As Kubernetes reads them: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
bool is_quantity(std::string const& text) {
  static std::regex const quantity(R"(([0-9]+\.?[0-9]*|\.[0-9]+)([KMGTPE]i|[numkMGTPE]|[eE][-+]?[0-9]+)?)");
  return std::regex_match(text, quantity);
}

void check_hub(std::string const& hub) try {
  auto const at = std::get<transport::tcp_address>(
      transport::parse_address(hub, transport::address_use::connect));  // it begins with tcp://
  auto const& host = at.host;
  if (host == "localhost" || (at.is_literal && (host.starts_with("127.") || host == "::1")))
    throw usage_problem("--hub says where pods find the hub: " + hub + " is each pod itself");
  if (host == "0.0.0.0" || host == "::")
    throw usage_problem("--hub says where pods find the hub: " + hub + " names no machine to connect to");
} catch (transport::setup_error const& fault) {
  throw usage_problem(std::string("--hub: ") + fault.what());
}

// Whoever gives an option that says nothing there has meant something by it.
void check_options(kubernetes_pool const& pool) {
  auto const refuse_where = [](bool given, char const* option, char const* what) {
    if (given) throw usage_problem(std::string(option) + " says nothing of " + what);
  };
  auto const is_job = pool.kind == "job";
  refuse_where(!is_job && pool.lifetime.has_value(), "--lifetime", "a deployment: --kind job");
  constexpr char job[] = "a job, which has --max pods at once, each for --lifetime";
  refuse_where(is_job && !pool.scaler.empty(), "--scaler", job);
  refuse_where(is_job && pool.min.has_value(), "--min", job);
  refuse_where(is_job && pool.window.has_value(), "--window", job);
  constexpr char fixed[] = "a deployment without a scaler, which has --min pods";
  refuse_where(pool.scaler == "none" && pool.max.has_value(), "--max", fixed);
  refuse_where(pool.scaler == "none" && pool.window.has_value(), "--window", fixed);
  auto const asks = !is_job && (pool.scaler.empty() || pool.scaler == "keda");
  refuse_where(!asks && !pool.prometheus.empty(), "--prometheus", "what KEDA does not scale");
  refuse_where(!asks && !pool.query.empty(), "--query", "what KEDA does not scale");
}

void check(kubernetes_pool const& pool) {
  if (!is_label(pool.name))
    throw usage_problem("'" + pool.name +
                        "' is no name in Kubernetes: small letters, digits and '-', at most 50");
  if (pool.image.empty()) throw usage_problem("--image says in which image the program is");
  if (!pool.hub.starts_with("tcp://") || pool.hub.find('#') != std::string::npos)
    throw usage_problem(
        "--hub says where pods find the hub: tcp://HOST:PORT, without a token (each pod needs the key)");
  check_hub(pool.hub);
  if (pool.from.empty() && (!pool.pack.empty() || !pool.files.empty() || !pool.fetcher.empty()))
    throw usage_problem("--pack, --file and --fetcher are for a program that pods fetch: --from says where");
  if (!pool.from.empty() && pool.program.empty())
    throw usage_problem("--from is where pods fetch the program: --worker says which of this machine it is");
  if (pool.kind != "deployment" && pool.kind != "job") throw usage_problem("--kind is deployment or job");
  if (!pool.scaler.empty() && pool.scaler != "keda" && pool.scaler != "hpa" && pool.scaler != "none")
    throw usage_problem("--scaler is keda, hpa or none");
  check_options(pool);
  for (auto const& [option, value] : {std::pair("--cpu", &pool.cpu), std::pair("--memory", &pool.memory)})
    if (!value->empty() && !is_quantity(*value))
      throw usage_problem(std::string(option) + ": '" + *value +
                          "' is no quantity of Kubernetes, as 2, 500m and 8Gi are");
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

std::string list_of(std::vector<std::string> const& words) {
  std::string list;
  for (auto const& word : words) list += (list.empty() ? "" : ", ") + in_yaml(word);
  return "[" + list + "]";
}

// What brings the program into a pod, by an init container, and starts it there.
struct fetched_program {
  std::vector<std::string> fetch, start;
  std::uint64_t room = 0;  // MiB
};

#if defined(YONDER_HAS_LAUNCH)
// What comes is put in its place if it is what was packed: its hashes stand in the manifest.
constexpr char fetch_script[] =
    "take=$1; url=$2; shift 2; umask 077; mkdir -p \"$1/files\" \"$1/programs\" || exit; "
    "if command -v curl >/dev/null 2>&1; then curl -fsSL --retry 5 \"$url\"; else wget -q -O - \"$url\"; fi "
    "| "
    "sh -c \"$take\" yonder \"$@\"";
constexpr char start_script[] =
    "start=$1; loader=$2; glibc=$3; shift 3; "
    "if [ -n \"$loader\" ] && [ ! -x \"$loader\" ]; then "
    "echo \"yonder: this image has no $loader: take one with glibc $glibc or later\" >&2; exit 1; fi; "
    "found=$(getconf GNU_LIBC_VERSION 2>/dev/null | cut -d ' ' -f 2); "
    "if [ -n \"$glibc\" ] && [ -n \"$found\" ] && "
    "[ \"$(printf '%s\\n' \"$glibc\" \"$found\" | sort -V | head -n 1)\" != \"$glibc\" ]; then "
    "echo \"yonder: glibc: needed $glibc, found $found: take an image as new as that, or build on an older "
    "system\" "
    ">&2; exit 1; fi; exec sh -c \"$start\" yonder \"$@\"";

std::optional<fetched_program> fetched(kubernetes_pool const& pool) try {
  if (pool.from.empty()) return std::nullopt;
  auto const packed = launch::pack_program(pool.program.front(), pool.files, "/program", pool.pack);
  fetched_program made;
  made.fetch = {"/bin/sh", "-c", fetch_script, "yonder", packed.take, pool.from};
  made.fetch.insert(made.fetch.end(), packed.take_words.begin(), packed.take_words.end());
  made.start = {"/bin/sh", "-c", start_script, "yonder", packed.start, packed.loader, packed.glibc};
  made.start.insert(made.start.end(), packed.start_words.begin(), packed.start_words.end());
  made.start.insert(made.start.end(), pool.program.begin() + 1, pool.program.end());
  made.room = 2 * (packed.size >> 20U) + 64;
  return made;
} catch (std::runtime_error const& fault) {
  throw usage_problem(fault.what());
}
#else
std::optional<fetched_program> fetched(kubernetes_pool const& pool) {
  if (pool.from.empty()) return std::nullopt;
  throw usage_problem("--from: this yonder was built without launchers, and packs no program");
}
#endif

// A job's worker is told when it is over, so that it is given nothing that would be cut short.
std::string command_of(kubernetes_pool const& pool, std::optional<fetched_program> const& fetches) {
  auto words = fetches ? fetches->start : pool.program;
  if (words.empty()) words = {"/app"};
  words.insert(words.end(), {"--yonder-worker", pool.hub});
  if (pool.kind == "job")
    words.insert(words.begin(), {"/bin/sh", "-c", "YONDER_END_TIME=$(($(date +%s) + $0)) exec \"$@\"",
                                 text_of(whole_seconds(pool.lifetime, seconds(3'600)))});
  return list_of(words);
}

// For a pod whose worker does not end by itself: later than that would. The pod's time begins before its
// images are there, its worker's when it starts.
std::string deadline_of(kubernetes_pool const& pool) {
  constexpr seconds fetching{900};
  return "      activeDeadlineSeconds: " +
         text_of(whole_seconds(pool.lifetime, seconds(3'600)) + whole_seconds(pool.grace, seconds(60)) +
                 fetching) +
         "\n";
}

// A key is used only if its file and folder are their owner's alone, as none of a secret's volume is: it is
// copied into memory.
std::string pod_of(kubernetes_pool const& pool) {
  auto const image = in_yaml(pool.image);
  auto const fetches = fetched(pool);
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
         (pool.kind == "job" ? deadline_of(pool) + "      restartPolicy: Never\n" : "") +
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
         "            - {name: keys, mountPath: /keys}\n" +
         (!fetches ? ""
                   : "        - name: program\n          image: " +
                         in_yaml(pool.fetcher.empty() ? pool.image : pool.fetcher) +
                         "\n          command: " + list_of(fetches->fetch) + "\n" + confined +
                         "          volumeMounts:\n            - {name: program, mountPath: /program}\n") +
         "      containers:\n"
         "        - name: worker\n"
         "          image: " +
         image +
         "\n"
         "          command: " +
         command_of(pool, fetches) +
         "\n"
         "          env: [{name: YONDER_KEYS, value: /keys/yonder}]\n" +
         limits_of(pool) + confined +
         "          volumeMounts:\n"
         "            - {name: keys, mountPath: /keys, readOnly: true}\n" +
         (fetches ? "            - {name: program, mountPath: /program}\n" : "") +
         "      volumes:\n"
         "        - {name: secret, secret: {secretName: " +
         in_yaml(pool.name + "-keys") +
         ", defaultMode: 0440, optional: false}}\n"  // said, as podman 4.3 ends where it is not
         "        - {name: keys, emptyDir: {medium: Memory, sizeLimit: 1Mi}}\n" +
         (fetches
              ? "        - {name: program, emptyDir: {sizeLimit: " + std::to_string(fetches->room) + "Mi}}\n"
              : "");
}

// Where something scales it, how many there are is not said here: whoever applies the manifest again would
// set that back, and a HorizontalPodAutoscaler leaves 0 alone.
std::string deployment_of(kubernetes_pool const& pool) {
  return "---\napiVersion: apps/v1\nkind: Deployment\n" + metadata(pool.name, pool) + "spec:\n" +
         (pool.scaler == "none" ? "  replicas: " + std::to_string(pool.min.value_or(1)) + "\n" : "") +
         "  selector: {matchLabels: {app.kubernetes.io/name: " + in_yaml(pool.name) +
         "}}\n"
         "  template:\n" +
         pod_of(pool);
}

// So many pods at once, each of which ends with its time; one that is preempted costs no other its tries.
std::string job_of(kubernetes_pool const& pool) {
  return "---\napiVersion: batch/v1\nkind: Job\n" + metadata(pool.name, pool) +
         "spec:\n"
         "  parallelism: " +
         std::to_string(pool.max.value_or(1)) +
         "\n"
         "  backoffLimit: 6\n"
         "  podFailurePolicy:\n"
         "    rules:\n"
         "      - {action: Ignore, onPodConditions: [{type: DisruptionTarget, status: \"True\"}]}\n"
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
         in_yaml(pool.prometheus.empty() ? "http://prometheus-server.monitoring" : pool.prometheus) +
         "\n"
         "        query: " +
         in_yaml(pool.query.empty() ? "sum(yonder_calls)" : pool.query) +
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
  if (pool.scaler.empty() || pool.scaler == "keda") text += keda_of(pool);
  if (pool.scaler == "hpa") text += hpa_of(pool);
  return text;
}

}  // namespace yonder::cli
