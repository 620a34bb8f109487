"""Scores text files with RDD.pipe: one `mlserve predict` for each partition, lines in, lines out.

    spark-submit pipe.py --input in.jsonl --output scored -- mlserve predict model.onnx --jobs 1
    spark-submit pipe.py --input in.csv --output scored --header -- \
        mlserve predict model.onnx --no-header --id 1 --label 15 --jobs 1
"""

import argparse
import os
import shlex
import sys

from pyspark.sql import SparkSession

# RDD.pipe starts the command with these variables and no others. PATH finds mlserve; the last three say
# where ONNX Runtime is unpacked once (without them it is unpacked into memory by every process).
ENVIRONMENT = ["PATH", "HOME", "XDG_CACHE_HOME", "MLSERVE_CACHE_DIR"]


def main():
    options, command = parse(sys.argv[1:])
    spark = SparkSession.builder.appName("mlserve pipe").getOrCreate()
    lines = spark.sparkContext.textFile(options.input, options.partitions)
    if options.header:
        header = lines.first()
        lines = lines.filter(lambda line: line != header)  # every file has one, so not only the first
        command += ["--from", "csv"]
    else:
        command += ["--from", options.format]
    environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    # Without checkCode a child that fails looks like one that ended early: its task would count as done.
    scored = lines.pipe(shlex.join([*command, "--quiet"]), env=environment, checkCode=True)
    scored.saveAsTextFile(options.output)


def parse(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--input", required=True, help="file, folder or pattern that Spark reads")
    parser.add_argument("--output", required=True, help="folder to write; it must not exist")
    parser.add_argument("--format", choices=["jsonl", "csv"], default="jsonl", help="of the lines; csv has no header")
    parser.add_argument("--header", action="store_true", help="CSV whose header line is to be left out")
    parser.add_argument("--partitions", type=int, default=None, help="at least so many (default: Spark's choice)")
    options = parser.parse_args(arguments[:split])
    command = arguments[split + 1 :]
    if not command:
        parser.error("the command is missing: ... -- mlserve predict model.onnx")
    return options, command


if __name__ == "__main__":
    main()
