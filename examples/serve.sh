# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Sourced by run.sh PROGRAM of the examples that are gateways: serves the program at a port that the system chooses until the script ends.
# Sets `address` (http://…), `key` (the admin's) and `folder` (of the script, removed at its end).
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT

mkfifo "$folder/address"
"$1" --yonder-serve 127.0.0.1:0 --keys "$folder/keys" >"$folder/address" 2>"$folder/said" &
server=$!
read -r address <"$folder/address"
key=$(awk '$3 == "admin" { print $1 }' "$folder/keys")
