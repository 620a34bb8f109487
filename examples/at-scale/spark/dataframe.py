"""Scores a DataFrame: a long-lived `mlserve predict` child in each task, through mapInArrow or mapInPandas.

    spark-submit --py-files ../mlserve_child.py dataframe.py --input in.parquet --output scored \
        --schema 'label string, probabilities map<string,double>' -- mlserve predict model.onnx --jobs 1

Python moves texts only: Spark writes the records as JSON (to_json) and reads the answers (from_json), so
numbers keep their digits, nulls stay nulls, and all other columns stay as Spark has them.
"""

import argparse
import sys

import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import StringType, StructType

import mlserve_child

RECORD = "__record"
PREDICTION = "prediction"


def score(frame, command, columns=None, schema=None, engine="arrow"):
    """`frame` and its predictions.

    The model gets `columns` (all by default). With a `schema` in Spark's DDL the predictions are columns
    of these types, without one they are the column "prediction" of JSON text.
    """
    command = [*command, "--keep", "none"]
    taken = [frame[quoted(name)] for name in columns or frame.columns]
    records = frame.withColumn(RECORD, F.to_json(F.struct(*taken), {"ignoreNullFields": "false"}))
    types = StructType([*frame.schema.fields]).add(PREDICTION, StringType())
    if engine == "arrow":
        scored = records.mapInArrow(lambda batches: score_arrow(command, batches), types)
    else:
        scored = records.mapInPandas(lambda batches: score_pandas(command, batches), types)
    if schema is None:
        return scored
    # FAILFAST: a type that does not fit is an error and not a null.
    parsed = F.from_json(PREDICTION, schema, {"mode": "FAILFAST"})
    return scored.withColumn(PREDICTION, parsed).select(*map(quoted, frame.columns), f"{PREDICTION}.*")


def score_arrow(command, batches):
    lines_of = lambda batch: batch.column(RECORD).to_pylist()
    for batch, answers in mlserve_child.score_batches(command, batches, lines_of):
        names = [name for name in batch.schema.names if name != RECORD]
        arrays = [*(batch.column(name) for name in names), pa.array(answers, pa.string())]
        yield pa.RecordBatch.from_arrays(arrays, [*names, PREDICTION])


def score_pandas(command, batches):
    lines_of = lambda batch: batch[RECORD].tolist()
    for batch, answers in mlserve_child.score_batches(command, batches, lines_of):
        yield batch.drop(columns=RECORD).assign(**{PREDICTION: answers})


def quoted(name):
    return "`" + name.replace("`", "``") + "`"


def main():
    options, command = parse(sys.argv[1:])
    spark = SparkSession.builder.appName("mlserve dataframe").getOrCreate()
    reader = spark.read.schema(options.input_schema) if options.input_schema else spark.read
    frame = reader.format(options.format).load(options.input)
    columns = options.columns.split(",") if options.columns else None
    scored = score(frame, command, columns, options.schema, options.engine)
    scored.write.format(options.format).save(options.output)


def parse(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--input", required=True, help="file or folder that Spark reads")
    parser.add_argument("--output", required=True, help="folder to write; it must not exist")
    parser.add_argument("--format", default="parquet", help="of both, as Spark names it (default: parquet)")
    parser.add_argument("--input-schema", help="of the input, in Spark's DDL, where the format has none")
    parser.add_argument("--columns", help="a,b,c: columns that the model gets (default: all)")
    parser.add_argument("--schema", help="of the predictions, in Spark's DDL (default: one column of JSON text)")
    parser.add_argument("--engine", choices=["arrow", "pandas"], default="arrow", help="mapInArrow or mapInPandas")
    options = parser.parse_args(arguments[:split])
    command = arguments[split + 1 :]
    if not command:
        parser.error("the command is missing: ... -- mlserve predict model.onnx")
    return options, command


if __name__ == "__main__":
    main()
