#!/usr/bin/env bash
# Scores many files, each to a file of the same name in a folder.
#
#   score-files.sh MODEL FOLDER FILE... [-- OPTION OF mlserve predict...]
#
# PARALLEL_OPTIONS and MLSERVE as in score-shards.sh. Run it again after a failure: files that are there
# are not scored again. The folder's joblog says which files failed, and with which exit code.
set -euo pipefail

if [ $# -lt 3 ]; then
    sed -n '2,7s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
model=$1 folder=$2
shift 2
mlserve=${MLSERVE:-mlserve}
retry=$(cd "$(dirname "$0")" && pwd)/retry.sh
files=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    # An output appears whole or not at all, so one that is there is done.
    [ -e "$folder/${1##*/}" ] || files+=("$1")
    shift
done
[ $# -eq 0 ] || shift # the --
mkdir -p "$folder"
[ ${#files[@]} -gt 0 ] || exit 0

# halt never: one bad file says nothing about the others. parallel's exit code counts the failed ones.
# shellcheck disable=SC2086 # PARALLEL_OPTIONS is a list of words
printf '%s\0' "${files[@]}" | parallel ${PARALLEL_OPTIONS:-} --null --quote --joblog "$folder/joblog" \
    "$retry" "$mlserve" predict "$model" {} "$@" --quiet --jobs 1 -o "$folder/{/}"
