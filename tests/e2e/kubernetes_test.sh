#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What `yonder launch kubernetes --print` writes, against the published schemas where kubernetes-validate (PyPI) is
# there, or else by what must stand in it; and its pod, made by `podman kube play` where there is one, in a store of its
# own. Nothing is started: no image is fetched.
# Usage: kubernetes_test.sh YONDER
set -euo pipefail
yonder=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "kubernetes_test: $*" >&2
  exit 1
}
manifests() { "$yonder" launch kubernetes --print --image registry/app:1 --hub tcp://hub:5555 "$@"; }
has() { grep -qF -- "$2" "$1" || fail "$1 lacks: $2"; }  # FILE TEXT

manifests gpu --worker /opt/app --gpus 2 --memory 8Gi --max 7 --window 2m >"$folder/keda.yaml"
manifests --kind deployment --scaler hpa --cpu 2 --min 2 >"$folder/hpa.yaml"
manifests batch --kind job --max 3 --lifetime 2h --grace 90s >"$folder/job.yaml"

has "$folder/keda.yaml" '"/opt/app", "--yonder-worker", "tcp://hub:5555"'
has "$folder/keda.yaml" 'limits: {memory: "8Gi", nvidia.com/gpu: "2"}'
has "$folder/keda.yaml" 'query: "sum(yonder_calls)"'
has "$folder/keda.yaml" 'maxReplicaCount: 7'
has "$folder/keda.yaml" 'cooldownPeriod: 120'
has "$folder/hpa.yaml" 'minReplicas: 2'
# Of each pod, and not of the Job, whose time begins before its pods have a place; later than a worker ends by itself.
grep -qx '      activeDeadlineSeconds: 8190' "$folder/job.yaml" || fail "a job's pods end with: $(grep Deadline "$folder/job.yaml")"
has "$folder/job.yaml" '{action: Ignore, onPodConditions: [{type: DisruptionTarget, status: "True"}]}'
# Whoever applies a manifest again does not take the pods away that a scaler has brought.
! grep -l 'replicas:' "$folder/keda.yaml" "$folder/hpa.yaml" || fail "replicas beside a scaler"
has <(manifests --scaler none) 'replicas: 1'
has <(manifests --scaler none --min 0) 'replicas: 0'
# shellcheck disable=SC2016  # the pod's shell expands it
has "$folder/job.yaml" 'YONDER_END_TIME=$(($(date +%s) + $0)) exec'
has "$folder/job.yaml" 'terminationGracePeriodSeconds: 90'
! grep -l 'kind: ScaledObject' "$folder/hpa.yaml" "$folder/job.yaml" || fail "KEDA where it was not asked for"

refused() {
  local status=0
  "$@" >"$folder/out" 2>"$folder/err" || status=$?
  [ "$status" = 2 ] || fail "'$*' ends with $status"
}
refused "$yonder" launch kubernetes --print --hub tcp://hub:5555
refused manifests Big_Name
refused "$yonder" launch kubernetes --print --image app --hub 'tcp://hub:5555#TOKEN'
refused manifests --min 3 --max 2
refused manifests --kind pod
for hub in tcp://hub tcp://hub:0 tcp://localhost:5555 tcp://127.0.0.1:5555 'tcp://[::1]:5555' tcp://0.0.0.0:5555; do
  refused "$yonder" launch kubernetes --print --image app --hub "$hub"
done
refused manifests --cpu lots
refused manifests --memory 8GB
manifests --cpu 500m --memory 1.5Gi >/dev/null
for option in '--scaler keda' '--min 3' '--window 2m' '--query up'; do
  # shellcheck disable=SC2086  # an option and its value
  refused manifests --kind job $option
done
refused manifests --lifetime 1h
refused manifests --scaler none --max 3
refused manifests --scaler hpa --prometheus http://prometheus
refused "$yonder" launch

# A program that pods fetch: what the init container and the worker run is run here, in a folder that stands for the
# pod's, with an archive that is what was packed, and one that is not.
refused manifests --pack "$folder/app.tar"
refused manifests --from http://files/app.tar
words() { # FILE NUMBER: of the container of that number, init containers first
  python3 - "$1" "$2" "$folder/program" <<'WORDS'
import json, sys
commands = [json.loads(line.split(":", 1)[1]) for line in open(sys.argv[1]) if line.strip().startswith("command:")]
sys.stdout.write("".join((sys.argv[3] if word == "/program" else word) + "\0" for word in commands[int(sys.argv[2])]))
WORDS
}
if "$yonder" launch --help | grep -- --print >/dev/null && command -v curl >/dev/null; then
  manifests fetched --worker /bin/echo one --from "file://$folder/app.tar" --pack "$folder/app.tar" --fetcher curlimages/curl:8.11.1 >"$folder/fetched.yaml"
  has "$folder/fetched.yaml" 'image: "curlimages/curl:8.11.1"'
  mapfile -d '' -t fetch < <(words "$folder/fetched.yaml" 1)
  mapfile -d '' -t start < <(words "$folder/fetched.yaml" 2)
  ! "${start[@]}" >"$folder/out" 2>&1 || fail "a worker starts before its program is there"
  "${fetch[@]}" >"$folder/out" 2>&1 || fail "the program was not fetched: $(cat "$folder/out")"
  [ "$("${start[@]}")" = 'one --yonder-worker tcp://hub:5555' ] || fail "the fetched program prints $("${start[@]}" 2>&1)"
  rm -rf "$folder/program"
  printf 'x' | dd of="$folder/app.tar" bs=1 seek=3000 conv=notrunc 2>/dev/null
  ! "${fetch[@]}" >"$folder/out" 2>&1 || fail "what is not what was packed is taken"
  grep -q 'what arrived is not what was sent' "$folder/out" || fail "a changed archive is refused by: $(cat "$folder/out")"
else
  echo "skipped: a program that pods fetch (curl, and a yonder with launchers)"
fi

if python3 -c 'import kubernetes_validate' 2>/dev/null; then
  python3 - "$folder"/*.yaml <<'CHECK'
import sys, yaml, kubernetes_validate
kinds = []
for name in sys.argv[1:]:
    for one in yaml.safe_load_all(open(name)):
        kinds.append(one["kind"])
        if one["kind"] != "ScaledObject":  # a kind of KEDA's own
            kubernetes_validate.validate(one, "1.29", strict=True)
print("validated: " + ", ".join(kinds))
CHECK
else
  echo "skipped: the schemas (pip install kubernetes-validate)"
fi

stored() { podman --root "$folder/store" --runroot "$folder/run" --storage-driver vfs "$@"; }
made() { stored inspect "$1" --format "$2"; } # CONTAINER WHAT
play() {
  local image=localhost/yonder-test:1
  mkdir "$folder/nothing"
  tar -C "$folder/nothing" -c . | stored import -q - "$image" >/dev/null
  {
    printf 'apiVersion: v1\nkind: Secret\nmetadata: {name: gpu-keys}\ndata: {worker.key: a2V5, server.pub: a2V5}\n'
    "$yonder" launch kubernetes --print gpu --image "$image" --hub tcp://hub:5555 --worker /opt/app --memory 64Mi --scaler none
  } >"$folder/play.yaml"
  stored kube play --start=false --network host "$folder/play.yaml" >/dev/null
  [ "$(made gpu-pod-0-worker '{{.Config.Entrypoint}}')" = '/opt/app --yonder-worker tcp://hub:5555' ] || fail "podman runs $(made gpu-pod-0-worker '{{.Config.Entrypoint}}')"
  [ "$(made gpu-pod-0-worker '{{.Config.User}} {{.Config.Env}} {{.HostConfig.Memory}}')" = '1000:1000 [YONDER_KEYS=/keys/yonder] 67108864' ] ||
    fail "podman has $(made gpu-pod-0-worker '{{.Config.User}} {{.Config.Env}} {{.HostConfig.Memory}}')"
  [ "$(made gpu-pod-0-worker '{{.HostConfig.SecurityOpt}}')" = '[no-new-privileges]' ] || fail "podman does not confine the worker"
  [[ $(made gpu-pod-0-keys '{{.Config.Entrypoint}}') == *'cp /secret/worker.key /secret/server.pub /keys/yonder/'* ]] ||
    fail "podman copies no key: $(made gpu-pod-0-keys '{{.Config.Entrypoint}}')"
  stored pod rm -af >/dev/null
  echo "made by $(podman --version): the pod of a deployment"
}
if [ "$(id -u)" -ne 0 ] || ! command -v podman >/dev/null || ! command -v catatonit >/dev/null; then
  echo "skipped: podman kube play (Debian: podman, catatonit; as root)"
else
  play
fi
