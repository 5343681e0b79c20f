# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced: a SLURM of its own, of two nodes with two GPUs each that are devices like /dev/null, on free ports, in a folder of its own.
# Everything ends with the shell that sourced this. What is missing for it: exit status 77, in words.

cluster_needs() {
  local tool
  [[ $(id -u) -eq 0 ]] || { echo "skipped: only root can start a SLURM that starts jobs" && exit 77; }
  PATH=$PATH:/usr/sbin
  for tool in slurmctld slurmd sbatch munged python3; do
    command -v "$tool" >/dev/null || { echo "skipped: there is no $tool (Debian: slurm-wlm, munge)" && exit 77; }
  done
}

# cluster_starts FOLDER: a new one. Afterwards SLURM_CONF names its configuration to sbatch, squeue and the others.
cluster_starts() {
  cluster=$1
  cluster_needs
  mkdir -p "$cluster"/{ctld,munge,n1,n2}
  chmod 0755 "$cluster" "$cluster/munge"
  if ! mknod "$cluster/gpu0" c 1 3 || ! mknod "$cluster/gpu1" c 1 3; then
    echo "skipped: no devices can be made here"
    exit 77
  fi
  (umask 077 && head -c 1024 /dev/urandom >"$cluster/munge/key")
  local ports=()
  read -r -a ports < <(python3 -c '
import socket
all = [socket.socket() for _ in range(3)]
for one in all: one.bind(("127.0.0.1", 0))
print(*(one.getsockname()[1] for one in all))')
  cat >"$cluster/slurm.conf" <<CONF
ClusterName=yonder_test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort=${ports[0]}
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$cluster/munge/socket
CredType=cred/munge
StateSaveLocation=$cluster/ctld
SlurmctldPidFile=$cluster/ctld/pid
SlurmctldLogFile=$cluster/ctld/log
SlurmdPidFile=$cluster/%n/pid
SlurmdLogFile=$cluster/%n/log
SlurmdSpoolDir=$cluster/%n/spool
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=1,sched_min_interval=0,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
ReturnToService=2
KillWait=3
MinJobAge=10
SlurmdTimeout=8
MessageTimeout=5
GresTypes=gpu
NodeName=n1 NodeHostname=localhost NodeAddr=127.0.0.1 Port=${ports[1]} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
NodeName=n2 NodeHostname=localhost NodeAddr=127.0.0.1 Port=${ports[2]} CPUs=4 RealMemory=4000 Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 State=UP
CONF
  printf 'NodeName=n[1-2] Name=gpu File=%s/gpu[0-1]\n' "$cluster" >"$cluster/gres.conf"
  export SLURM_CONF=$cluster/slurm.conf
  trap cluster_ends EXIT
  munged --foreground --force --key-file="$cluster/munge/key" --socket="$cluster/munge/socket" --pid-file="$cluster/munge/pid" \
    --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" >/dev/null 2>&1 &
  waits_for "munged" test -S "$cluster/munge/socket"
  scheduler_starts
  node_starts n1
  node_starts n2
  waits_for "two idle nodes" nodes_are 2 idle
}

scheduler_starts() {
  slurmctld -D -i >"$cluster/ctld/said" 2>&1 &
  cluster_scheduler=$!
}
scheduler_stops() {
  { kill -KILL "$cluster_scheduler" && wait "$cluster_scheduler"; } 2>/dev/null || true
}
# In front of a node's command line, which is given the node's name: where its machine is to be another one.
node_entrance=()
node_starts() { # NODE
  "${node_entrance[@]}" ${node_entrance:+"$1"} slurmd -D -N "$1" >"$cluster/$1/said" 2>&1 &
  printf '%s' $! >"$cluster/$1/process"
}
# As where its machine loses power: what it runs ends with it.
node_dies() { # NODE
  local each parent
  { kill -KILL "$(cat "$cluster/$1/process")" && wait "$(cat "$cluster/$1/process")"; } 2>/dev/null || true
  for each in $(processes_with "SLURMD_NODENAME=$1"); do
    parent=$(awk '/^PPid:/ { print $2 }' "/proc/$each/status" 2>/dev/null) || continue
    [[ $(cat "/proc/$parent/comm" 2>/dev/null) == slurmstepd ]] && { kill -KILL "$parent" 2>/dev/null || true; }
    kill -KILL "$each" 2>/dev/null || true # it may have gone by itself
  done
  true
}
# Of this cluster, those whose environment has the variable.
processes_with() { # NAME=VALUE
  { grep -lzxF "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ | xargs -r grep -lzxF "$1" | cut -d/ -f3 | grep -vx "$$"; } 2>/dev/null || true
}

job_is() { [[ $(timeout 10 squeue -h -j "$2" -o %T 2>/dev/null) == "$1" ]]; } # STATE ID
nodes_are() { [[ $(timeout 10 sinfo -h -N -o %T 2>/dev/null | grep -c "^$2") == "$1" ]]; } # COUNT STATE
queue_is_empty() { [[ -z $(timeout 10 squeue -h 2>/dev/null || echo unknown) ]]; }

waits_for() { # WHAT COMMAND...
  local what=$1 tries=0
  shift
  until "$@"; do
    if ((++tries > 600)); then
      echo "waited in vain for $what"
      squeue --states=all --format='%i %T %r' 2>/dev/null
      tail -n 10 "$cluster/ctld/log"
      exit 1
    fi
    sleep 0.1
  done
}

cluster_ends() {
  local status=$? each
  set +e
  {
    timeout 10 scancel --quiet --state=RUNNING --full --signal=KILL
    for each in $(processes_with "SLURM_CONF=$SLURM_CONF"); do kill -KILL "$each"; done
    wait
  } >/dev/null 2>&1
  return "$status"
}
