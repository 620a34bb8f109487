#!/usr/bin/env bash
# Scores one big file in N shards, on this machine or on others, and merges them.
#
#   score-shards.sh MODEL INPUT OUTPUT N [OPTION OF mlserve predict]...
#
# PARALLEL_OPTIONS goes to GNU parallel, for example "--sshloginfile hosts --workdir .".
# MLSERVE is the program (default: mlserve). Run it again after a failure: finished shards are kept.
set -euo pipefail

if [ $# -lt 4 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
model=$1 input=$2 output=$3 shards=$4
shift 4
mlserve=${MLSERVE:-mlserve}
retry=$(cd "$(dirname "$0")" && pwd)/retry.sh
parts=$output.shards
# The extension says the format, so each part has that of the whole.
name=${output##*/}
extension=.${name#*.}
mkdir -p "$parts"

# jobs 1: mlserve itself takes all cores of a machine, so one shard at a time on each.
# halt: a shard that failed for good (its tries are over) takes the others' time for nothing.
# shellcheck disable=SC2086 # PARALLEL_OPTIONS is a list of words
seq "$shards" | parallel --jobs 1 ${PARALLEL_OPTIONS:-} --quote --halt now,fail=1 --joblog "$parts/joblog" \
    "$retry" "$mlserve" predict "$model" "$input" "$@" --quiet --shard "{}/$shards" -o "$parts/{}$extension"

# Shard 1 has the CSV header and the others have none: one after the other they are the whole output.
seq "$shards" | sed "s|.*|$parts/&$extension|" | tr '\n' '\0' | xargs -0 cat > "$output.merging"
mv "$output.merging" "$output"
rm -r "$parts"
