#!/bin/sh
# What the container runs: scores one shard of an array job.
#
#   score.sh MODEL INPUT PARTS EXTENSION SHARDS
#
# The number of children is nowhere in a child's environment, so it comes as an argument; the index is.
set -eu

model=$1 input=$2 parts=$3 extension=$4 shards=$5
mkdir -p "$parts"
# shellcheck disable=SC2086 # MLSERVE_OPTIONS is a list of words
# exec: signals and the exit code are mlserve's own, and evaluateOnExit decides on that code.
exec "${MLSERVE:-mlserve}" predict "$model" "$input" --quiet --shards "$shards" \
    -o "$parts/$AWS_BATCH_JOB_ARRAY_INDEX$extension" ${MLSERVE_OPTIONS:-}
