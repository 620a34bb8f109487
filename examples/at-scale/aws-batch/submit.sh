#!/usr/bin/env bash
# Registers the job definition and submits an array job of N shards, and a job that merges them.
#
#   submit.sh QUEUE MODEL INPUT OUTPUT N
#
# The paths are those in the container: /data is the file system of job-definition.json.
set -euo pipefail

if [ $# -ne 5 ]; then
    sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
    exit 2
fi
queue=$1 model=$2 input=$3 output=$4 shards=$5
here=$(cd "$(dirname "$0")" && pwd)
name=${output##*/}
extension=.${name#*.}
parts=$output.shards

definition=$(aws batch register-job-definition --cli-input-json "file://$here/job-definition.json" \
    --query jobDefinitionArn --output text)
score=$(aws batch submit-job --job-name mlserve-score --job-queue "$queue" --job-definition "$definition" \
    --array-properties "size=$shards" \
    --parameters "model=$model,input=$input,parts=$parts,extension=$extension,shards=$shards" \
    --query jobId --output text)
merge=$(aws batch submit-job --job-name mlserve-merge --job-queue "$queue" --job-definition "$definition" \
    --depends-on "jobId=$score" \
    --container-overrides "command=merge.sh,$parts,$extension,$shards,$output" \
    --query jobId --output text)
echo "scoring: job $score, merging: job $merge"
