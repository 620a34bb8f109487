#!/bin/sh
# Puts the shards together, where the file system is mounted.
#
#   merge.sh PARTS EXTENSION SHARDS OUTPUT
set -eu

parts=$1 extension=$2 shards=$3 output=$4
# Part 0 has the CSV header and the others have none: one after the other they are the whole output.
index=0
while [ "$index" -lt "$shards" ]; do
    cat "$parts/$index$extension"
    index=$((index + 1))
done > "$output.merging"
mv "$output.merging" "$output"
