#!/usr/bin/env bash
# Runs a command, and runs it again only where that may help: not after 1 (data), 2 (usage), 3 (model).
#
#   retry.sh mlserve predict ...
#
# TRIES is how often at most (default: 3), TRIES_PAUSE_S how long to wait between (default: 5).
code=0
for try in $(seq "${TRIES:-3}"); do
    [ "$try" = 1 ] || sleep "${TRIES_PAUSE_S:-5}"
    "$@" && exit 0
    code=$?
    case $code in
    1 | 2 | 3) break ;;
    esac
    echo "retry.sh: exit code $code at try $try" >&2
done
exit "$code"
