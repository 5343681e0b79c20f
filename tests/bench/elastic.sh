#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# elastic.sh PROGRAM YONDER FOLDER [--full] [spawn|ssh|slurm…]: how long the first answer of a pool of none takes, by process,
# by ssh and by a job of SLURM, beside what the bare tool takes: posix_spawn, `ssh HOST true`, `srun hostname`, and an
# sbatch until its script runs. Rounds are interleaved; medians in ms. And cycles from none to one and back: what of
# them was lost. What is not installed is said, and left out.
# shellcheck disable=SC2317 # functions are called by compare
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
# shellcheck source=tests/e2e/slurm/cluster.sh
source "$root/tests/e2e/slurm/cluster.sh"
program=$1 yonder=$2 folder=$3
shift 3
full=false
if [[ ${1-} == --full ]]; then full=true && shift; fi
asked=("$@")
[[ ${#asked[@]} -gt 0 ]] || asked=(spawn ssh slurm)
rounds=5

is_asked() { [[ " ${asked[*]} " == *" $1 "* ]]; }
median() { sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
# timed COMMAND...: its microseconds.
timed() {
  local begin
  begin=$(date +%s%N)
  "$@" >/dev/null 2>&1
  echo $((($(date +%s%N) - begin) / 1000))
}
row() { # WHAT MICROSECONDS PEER MICROSECONDS
  awk -v what="$1" -v ours="$2" -v peer="$3" -v theirs="$4" \
    'BEGIN { printf "%-34s %9.1f ms   %-34s %9.1f ms   + %.1f ms, x %.2f\n", what, ours / 1000, peer, theirs / 1000, (ours - theirs) / 1000, ours / theirs }'
}
# cycles COUNT [VARIABLE=VALUE...]: lines of the program.
cycles() { env "${@:2}" YONDER_KEYS="$folder/keys" "$program" "$1" 2>>"$folder/lost"; }
# compare WHAT PEER COUNT PEER_COMMAND [VARIABLE=VALUE...]: COUNT cycles a round, beside what the command prints.
compare() {
  local i
  : >"$folder/ours"
  : >"$folder/theirs"
  for ((i = 0; i < rounds; ++i)); do
    "$4" >>"$folder/theirs"
    cycles "$3" "${@:5}" | sed '/answered/d; s/ .*//' >>"$folder/ours"
  done
  row "$1" "$(median <"$folder/ours")" "$2" "$(median <"$folder/theirs")"
}
# back_and_forth WHAT COUNT [VARIABLE=VALUE...]
back_and_forth() {
  cycles "${@:2}" >"$folder/cycles"
  local answered
  answered=$(sed -n 's/ answered//p' "$folder/cycles")
  printf '%-34s %d of %d answered\n' "$1, 0 to 1 to 0" "$answered" "$2"
  [[ $answered == "$2" ]] || failed=true
}

rm -rf "$folder"
mkdir -p "$folder"
"$yonder" keygen "$folder/keys" >/dev/null
: >"$folder/lost"
failed=false

if is_asked spawn; then
  bare_spawn() { "$program" --spawn 20 | sed '/answered/d'; }
  compare 'a process, until its first answer' 'posix_spawn, until its end' 20 bare_spawn
  back_and_forth 'processes' "$($full && echo 10000 || echo 200)"
fi

# Its sshd is started for each connection, and needs no port.
ssh_starts() {
  local each
  PATH=$PATH:/usr/sbin
  for each in ssh sshd ssh-keygen; do
    command -v "$each" >/dev/null || { echo "skipped: there is no $each (Debian: openssh-server)" && return 1; }
  done
  for each in host user; do ssh-keygen -q -t ed25519 -N '' -f "$folder/$each"; done
  if [[ $(id -u) -eq 0 ]]; then mkdir -p /run/sshd; fi
  printf 'HostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n' \
    "$folder/host" "$folder/user.pub" >"$folder/sshd_config"
  printf 'near %s\n' "$(cat "$folder/host.pub")" >"$folder/known"
  cat >"$folder/ssh_config" <<CONF
Host near
  HostKeyAlias near
  User $(id -un)
  IdentityFile $folder/user
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known
  ProxyCommand $(command -v sshd) -i -f $folder/sshd_config
CONF
  cat >"$folder/ssh.toml" <<PLAN
[pools.default]
launcher = "ssh"
options = ["-F", "$folder/ssh_config"]
hosts = [{ name = "near", slots = 4 }] # so that none waits for the one before to be given back
PLAN
}
if is_asked ssh && ssh_starts; then
  bare_ssh() { for _ in 1 2 3 4 5; do timed ssh -F "$folder/ssh_config" near true; done; }
  compare 'ssh, until the first answer' 'ssh near true' 5 bare_ssh YONDER_LAUNCH="$folder/ssh.toml"
  # With the program, to where it is not, and with the libraries that scp is not asked for. Ours connects three times: to look
  # what is there, to bring what is not, and to start it.
  copies() { scp -q -F "$folder/ssh_config" "$program" near:"$folder/copied/" && ssh -F "$folder/ssh_config" near true; }
  bare_scp() {
    for _ in 1 2 3; do
      rm -rf "$folder/copied" && mkdir "$folder/copied" && timed copies
    done
  }
  carried() {
    for _ in 1 2 3; do
      rm -rf "$folder/carried"
      cycles 1 YONDER_LAUNCH="$folder/carry.toml" | sed '/answered/d; s/ .*//'
    done
  }
  { cat "$folder/ssh.toml" && printf 'carry = true\ncache = "%s"\n' "$folder/carried"; } >"$folder/carry.toml"
  bare_scp >"$folder/theirs"
  carried >"$folder/ours"
  row 'ssh with the program, first answer' "$(median <"$folder/ours")" 'scp of it alone, ssh near true' "$(median <"$folder/theirs")"
  back_and_forth 'ssh' "$($full && echo 100 || echo 5)" YONDER_LAUNCH="$folder/ssh.toml"
fi

# Of the time until the first answer what is not SLURM's, which it spends from our sbatch until that job's script runs: a
# stand-in for sbatch notes both.
beyond_slurm() {
  local i answer begun
  mkdir -p "$folder/bin"
  cat >"$folder/bin/sbatch" <<NOTES
#!/usr/bin/env bash
echo \$((\$(date +%s%N) / 1000)) >"$folder/submitted"
sed '1a echo \$((\$(date +%s%N) / 1000)) >"$folder/begun"' | "$(command -v sbatch)" "\$@"
NOTES
  chmod +x "$folder/bin/sbatch"
  for ((i = 0; i < 2 * rounds; ++i)); do
    read -r answer _ < <(PATH=$folder/bin:$PATH cycles 1 YONDER_LAUNCH="$folder/slurm.toml" | sed -n 1p)
    begun=$(<"$folder/begun")
    echo $((answer - (begun - $(<"$folder/submitted")))) >>"$folder/beyond"
  done
  awk -v beyond="$(median <"$folder/beyond")" -v most="$(sort -n "$folder/beyond" | tail -n 1)" \
    'BEGIN { printf "%-34s %9.1f ms   (at most %.1f)\n", "SLURM, beside its own time", beyond / 1000, most / 1000 }'
}

if is_asked slurm; then
  (
    cluster_starts "$folder/cluster"
    printf '[pools.default]\nlauncher = "slurm"\ninterval = "1s"\nmax = 4\ntime = "10m"\n' >"$folder/slurm.toml"
    bare_srun() { for _ in 1 2 3; do timed srun hostname; done; }
    batch_begins() { sbatch --output=/dev/null --wrap="touch $folder/begun" && until [[ -e $folder/begun ]]; do sleep 0.002; done; }
    bare_sbatch() { for _ in 1 2 3; do rm -f "$folder/begun" && timed batch_begins; done; }
    compare 'SLURM, until the first answer' 'srun hostname' 3 bare_srun YONDER_LAUNCH="$folder/slurm.toml"
    compare 'SLURM, until the first answer' 'sbatch, until its script runs' 3 bare_sbatch YONDER_LAUNCH="$folder/slurm.toml"
    beyond_slurm
    back_and_forth 'SLURM' "$($full && echo 100 || echo 3)" YONDER_LAUNCH="$folder/slurm.toml"
    waits_for 'the queue to be empty' queue_is_empty
    echo "SLURM's queue is empty"
    ! $failed
  ) || { [[ $? == 77 ]] || failed=true; }
fi
if $failed; then cat "$folder/lost" && exit 1; fi
