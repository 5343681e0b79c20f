#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The command as shells see it: its verbs, its completion, its man page, its exit codes.
# Usage: command_test.sh YONDER MAN_PAGE UNIT_OF_SYSTEMD
set -euo pipefail
yonder=$1 page=$2 unit=$3
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

fail() {
  echo "command_test: $*" >&2
  exit 1
}

verbs=$("$yonder" --help | sed -n '/^Subcommands:/,$p' | sed -n 's/^  \([a-z]*\) .*/\1/p')
count=$(wc -w <<<"$verbs")
if [ "$count" -lt 5 ] || [ "$count" -gt 10 ]; then fail "$count verbs in --help: $verbs"; fi
for verb in $verbs; do
  "$yonder" "$verb" --help >/dev/null || fail "$verb --help fails"
  grep -q "^.It Cm $verb\b" "$page" || fail "the man page lacks $verb"
done
while read -r verb; do
  grep -qw "$verb" <<<"$verbs models" || fail "the man page has $verb, --help does not"
done < <(sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' "$page")

"$yonder" completion bash >"$folder/bash"
bash -n "$folder/bash" || fail "bash does not read its completion"
complete() { # the words typed; the last one is being typed
  bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _yonder; echo "${COMPREPLY[@]}"' _ "$folder/bash" "$@"
}
[ "$(complete yonder ke)" = keys ] || fail "yonder ke<Tab> gives $(complete yonder ke)"
[ "$(complete yonder keys re)" = revoke ] || fail "yonder keys re<Tab> gives $(complete yonder keys re)"
[[ " $(complete yonder keys issue name --) " == *" --role "* ]] || fail "yonder keys issue name --<Tab> gives $(complete yonder keys issue name --)"
[ "$(complete yonder keygen --he)" = --help ] || fail "yonder keygen --he<Tab> gives $(complete yonder keygen --he)"
[[ " $(complete yonder "") " != *" keygen "* ]] || fail "what --help does not show is offered"

"$yonder" completion zsh >"$folder/_yonder"
if command -v zsh >/dev/null; then zsh -n "$folder/_yonder" || fail "zsh does not read its completion"; fi
if command -v mandoc >/dev/null; then
  mandoc -T lint -W warning "$page" || fail "the man page is not good"
elif command -v man >/dev/null; then
  LC_ALL=C man --warnings -l "$page" 2>&1 >/dev/null | { ! grep .; } || fail "the man page is not good"
fi

code() {
  local status=0
  "$@" >"$folder/out" 2>"$folder/err" || status=$?
  echo "$status"
}
[ "$(code "$yonder")" = 2 ] || fail "without a verb it ends with $(code "$yonder")"
[ "$(code "$yonder" explain)" = 2 ] || fail "without an id explain ends with $(code "$yonder" explain)"
[ "$(code "$yonder" bogus)" = 2 ] || fail "an unknown verb ends with $(code "$yonder" bogus)"
grep -q "'bogus'" "$folder/err" || fail "an unknown verb is not named: $(cat "$folder/err")"
[ "$(code "$yonder" hub '--keys=~/keys')" = 2 ] || fail "a folder that no shell has completed ends with $(code "$yonder" hub '--keys=~/keys')"
grep -q "'~/keys' begins with '~'" "$folder/err" || fail "a folder that no shell has completed is not named: $(cat "$folder/err")"
[ "$(code "$yonder" journal bogus)" = 2 ] || fail "an unknown verb of journal ends with $(code "$yonder" journal bogus)"
grep -q "'bogus'" "$folder/err" || fail "an unknown verb of journal is not named: $(cat "$folder/err")"
[ "$(code "$yonder" journal check)" = 2 ] || fail "without a folder check ends with $(code "$yonder" journal check)"
for below in check backup compact export; do
  "$yonder" journal --help | grep "^  $below " >/dev/null || fail "journal --help lacks $below"
done
"$yonder" doctor --json >"$folder/out" || [ $? = 1 ] || fail "doctor --json ends with $?"
grep -qE '^\{"gpu": (true|false), "answer": "[^"]+.*", "facts": \[.*\]\}$' "$folder/out" || fail "doctor --json: $(cat "$folder/out")"
"$yonder" keygen "$folder/keys" >/dev/null
issue=("$yonder" keys issue --keys "$folder/keys" --hub tcp://hub:5555)
[ "$(code "${issue[@]}" one --within 1.5h)" = 0 ] || fail "an hour and a half is no time: $(cat "$folder/err")"
for wrong in 1.5 -1h h 1e300d nan; do
  [ "$(code "${issue[@]}" two "--within=$wrong")" = 2 ] || fail "'$wrong' is taken for a time"
done
for wrong in --max-gpus=0 --max-jobs=0 --expires=0 --within=0 --within=1ms; do
  [ "$(code "${issue[@]}" two --role client "$wrong")" = 2 ] || fail "a key with $wrong is made"
done
[ "$(code "$yonder" keys issue two --keys "$folder/keys" --hub hub:5555)" = 2 ] || fail "a line is printed for a hub that is none"
for wrong in "ps --hub nonsense" "cancel 1 --hub tcp://hub" "hub --bind nonsense" "hub --bind tcp://127.0.0.1:99999" "worker --load none.so hub:5555"; do
  # shellcheck disable=SC2086  # words
  [ "$(code timeout 20 "$yonder" $wrong)" = 2 ] || fail "yonder $wrong ends with $(code timeout 20 "$yonder" $wrong)"
done
if "$yonder" doctor --help | grep -- --cache >/dev/null; then
  # shellcheck disable=SC2088  # as bash leaves it in --cache=~/x
  for wrong in "" near\ --cache='~/x' near\ --hub=ipc:///x/y near\ --program=/etc/passwd near\ --program=/no/such/app; do
    read -ra words <<<"$wrong"
    [ "$(code "$yonder" doctor "${words[@]:-}")" = 2 ] || fail "doctor $wrong ends with $(code "$yonder" doctor "${words[@]:-}"): $(cat "$folder/err")"
  done
fi
# Without an address: that of the folder's hub, or a word of what was assumed.
[ "$(YONDER_HUB='' code "$yonder" keys issue two --keys "$folder/keys")" = 0 ] || fail "no line without a hub: $(cat "$folder/err")"
grep -q 'no hub of .* has said where it listens' "$folder/err" || fail "an address is assumed without a word"
mkfifo "$folder/said"
"$yonder" hub --keys "$folder/keys" --bind 'tcp://127.0.0.1:*' >"$folder/said" 2>"$folder/err" &
hub=$!
read -r listens <"$folder/said"
line=$(YONDER_HUB='' "$yonder" keys issue three --keys "$folder/keys")
kill "$hub"
wait "$hub" || fail "a hub ends with $?: $(cat "$folder/err")"
[[ $line == "app --yonder-worker $listens#"* ]] || fail "a hub listens at $listens, the line says ${line%#*}"
# The address of this machine that lines name: not that of a board's own port, or of a bridge.
"$yonder" keygen "$folder/other" >/dev/null
several='ip link set lo up && ip link add bmc0 type veth peer name bmc1 && ip addr add 169.254.3.1/16 dev bmc0 && ip link set bmc0 up && ip link set bmc1 up &&
  ip link add br0 type bridge && ip addr add 172.17.0.1/16 dev br0 && ip link set br0 up &&
  ip link add eth9 type veth peer name eth8 && ip addr add 10.9.0.5/24 dev eth9 && ip link set eth9 up && ip link set eth8 up && ip route add default via 10.9.0.1'
six='ip link set lo up && ip link add eth9 type veth peer name eth8 && ip addr add fd00:1::5/64 dev eth9 nodad && ip link set eth9 up && ip link set eth8 up && ip -6 route add default dev eth9'
alone=(unshare -n)
[ "$(id -u)" = 0 ] || alone=(unshare -rn)
if "${alone[@]}" sh -c "$several" 2>/dev/null && "${alone[@]}" sh -c "$six" 2>/dev/null; then
  line=$(YONDER_HUB='' "${alone[@]}" sh -c "$several && exec \"\$0\" keys issue four --keys \"\$1\"" "$yonder" "$folder/other" 2>"$folder/err")
  [[ $line == *"tcp://10.9.0.5:5555#"* ]] || fail "of several addresses the line names ${line%#*}: $(cat "$folder/err")"
  line=$(YONDER_HUB='' "${alone[@]}" sh -c "$six && exec \"\$0\" keys issue five --keys \"\$1\"" "$yonder" "$folder/other" 2>"$folder/err")
  [[ $line == *"tcp://[fd00:1::5]:5555#"* ]] || fail "with IPv6 alone the line names ${line%#*}: $(cat "$folder/err")"
else
  echo "skipped: several addresses (unshare, ip)"
fi
[ "$(code "$yonder" --version)" = 0 ] || fail "--version fails"
[ "$(YONDER_HUB='' code "$yonder" ps)" = 2 ] || fail "without a hub ps ends with $(YONDER_HUB='' code "$yonder" ps)"

# The unit's own line, but for another port.
line=$(sed -n 's/^ExecStart=[^ ]*//p' "$unit")
STATE_DIRECTORY=$folder/state bash -c "umask 077; mkdir \$STATE_DIRECTORY; exec \"\$0\" ${line/\*:5555/127.0.0.1:*}" "$yonder" \
  >"$folder/said" 2>"$folder/err" &
hub=$!
read -r listens <"$folder/said" || fail "the unit's line: $(cat "$folder/err")"
[[ $listens == tcp://* ]] || fail "the unit's hub says $listens"
ends_well() { # WHAT
  kill "$hub"
  wait "$hub" || fail "$1 ends with $?: $(cat "$folder/err")"
}
ends_well "the unit's hub"
[ -f "$folder/state/keys/server.key" ] || fail "the unit's hub made no keys: $(ls -R "$folder/state")"

if [[ $("$yonder" hub --help) == *--http* ]] && command -v curl >/dev/null; then
  "$yonder" hub --bind 'tcp://127.0.0.1:*' --http 127.0.0.1:0 --keys "$folder/state/keys" --json >"$folder/said" 2>"$folder/err" &
  hub=$!
  read -r listens <"$folder/said" || fail "hub --http: $(cat "$folder/err")"
  at=${listens#*\"http\": \"}
  at=${at%%\"*}
  key=$(awk '$3 == "admin" { print $1 }' "$folder/state/keys/http_keys")
  curl -sf "$at/metrics" -H "Authorization: Bearer $key" >"$folder/out" || fail "hub --http: $listens"
  grep -q '^yonder_calls 0$' "$folder/out" || fail "hub --http has no metrics"
  ends_well 'hub --http'
fi

echo "the command has $count verbs"
