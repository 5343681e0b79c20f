#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM [FOLDER [OPTIONS…]]: in which environment each of the three models runs best. FOLDER has digits/ and texts/, as
# tools/train_workloads/train.py makes them; without it they are made with random weights: as fast, and right by chance. OPTIONS are those of
# --yonder-compare (docs/compare.md).
set -euo pipefail
root=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
program=$1 folder=${2:-} demo=$root/models/sentiment-tiny
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  for each in digits texts; do
    python3 "$root/tools/train_workloads/train.py" "$each" --untrained --out "$folder/$each"
  done
fi
options=("${@:3}")
[ ${#options[@]} -gt 0 ] || options=(--calls 200 --at "1,8")

compare() { # TASK MODEL NAME VALUE: one more argument, by its name
  echo "$1"
  "$program" --yonder-compare "$1" "$(printf '{"model": "%s", "%s": "%s"}' "$2" "$3" "$4")" --with "$2" "${options[@]}"
}
seven=$(printf '%28s' '' | tr ' ' .)
seven=$(for row in {0..27}; do
  if [ "$row" = 5 ]; then
    echo "......################......"
  elif [ "$row" -gt 5 ] && [ "$row" -lt 24 ]; then
    printf '%s####%s\n' "${seven:0:$((20 - (row - 6) / 2))}" "${seven:$((24 - (row - 6) / 2))}"
  else echo "$seven"; fi
done)
compare classify "$demo" text "good job"
compare feel "$folder/texts" text "good job"
compare read_digit "$folder/digits" picture "${seven//$'\n'/}"
