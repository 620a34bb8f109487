#!/usr/bin/env bash
# Puts CSV files with one and the same header together, in the order given; the header comes once.
#
#   merge-files.sh FILE... > OUTPUT        (JSONL has no header: cat FILE... > OUTPUT)
set -euo pipefail

header=
for file in "$@"; do
    IFS= read -r line < "$file" || [ -n "$line" ]
    if [ -z "$header" ]; then
        header=$line
        printf '%s\n' "$header"
    elif [ "$line" != "$header" ]; then
        echo "$file: its header is not that of $1" >&2
        exit 1
    fi
    tail -n +2 "$file"
done
