#!/usr/bin/env bash
# Scores one big file as an array of shards, and merges them when all are done.
#
#   submit.sh MODEL INPUT OUTPUT SHARDS [OPTION OF sbatch]...
#
# MLSERVE is the program (default: mlserve), MLSERVE_OPTIONS are further options of mlserve predict. All
# paths are on a file system that every node sees.
set -euo pipefail

if [ $# -lt 4 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
export MODEL=$1 INPUT=$2 OUTPUT=$3 SHARDS=$4 PARTS=$3.shards
shift 4
name=${OUTPUT##*/}
export EXTENSION=.${name#*.}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$PARTS"

score=$(sbatch --parsable --export=ALL --array="1-$SHARDS" --output="$PARTS/log-%a.txt" "$@" "$here/score.sbatch")
merge=$(sbatch --parsable --export=ALL --dependency="afterok:${score%%;*}" --kill-on-invalid-dep=yes \
    --output="$PARTS/log-merge.txt" "$@" "$here/merge.sbatch")
echo "scoring: job ${score%%;*}, merging: job ${merge%%;*}, logs: $PARTS/log-*.txt"
