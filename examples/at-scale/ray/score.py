"""Scores a Ray dataset: actors, each with a long-lived `mlserve predict` child.

    python score.py --input in.parquet --output scored --actors 4 --cpus 2 -- \
        mlserve predict model.onnx --jobs 2
"""

import argparse
import json
import math
import pathlib
import sys

import pyarrow as pa
import ray

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import mlserve_child

# The workers may have no copy of that file, so it travels with the class below.
ray.cloudpickle.register_pickle_by_value(mlserve_child)


class Scorer:
    """What map_batches calls: an Arrow table in, the same table with the predictions out."""

    def __init__(self, command, columns=None):
        self.command = [*command, "--keep", "none"]
        self.columns = columns
        self.child = None

    def __call__(self, table):
        taken = table.select(self.columns) if self.columns else table
        lines = [json_line(record) for record in taken.to_pylist()]
        predictions = pa.Table.from_pylist([json.loads(answer) for answer in self.answers(lines)])
        for name in predictions.schema.names:
            table = table.append_column(name, predictions.column(name))
        return table

    def answers(self, lines):
        """Scoring changes nothing outside, so a child that died of the machine's troubles gets one successor."""
        try:
            return self.living_child().score(lines)
        except mlserve_child.ChildFailed as failure:
            self.end()
            if not failure.worth_a_retry:
                raise
        return self.living_child().score(lines)

    def living_child(self):
        if self.child is None:
            self.child = mlserve_child.Child(self.command)
        return self.child

    def end(self):
        if self.child is not None:
            self.child.kill()
            self.child = None

    def __del__(self):
        self.end()


def json_line(record):
    """NaN is null, as JSON has no NaN; floats have all their digits."""
    for name, value in record.items():
        if isinstance(value, float) and not math.isfinite(value):
            if not math.isnan(value):
                raise ValueError(f"column {name!r}: {value} has no JSON")
            record[name] = None
    return json.dumps(record, default=str)


def score(dataset, command, columns=None, actors=1, cpus=1, batch_size=4096):
    return dataset.map_batches(
        Scorer,
        fn_constructor_kwargs={"command": command, "columns": columns},
        batch_format="pyarrow",
        batch_size=batch_size,
        num_cpus=cpus,
        compute=ray.data.ActorPoolStrategy(size=actors),
    )


def main():
    options, command = parse(sys.argv[1:])
    ray.init()
    cpus = int(ray.cluster_resources().get("CPU", 0))
    if options.actors * options.cpus >= cpus:
        # The actors keep their CPUs, so reading would wait for one for ever.
        sys.exit(f"{options.actors} actors of {options.cpus} CPUs leave none of this cluster's {cpus} for reading and writing")
    # The files in their order, so that the output can be laid beside a single run's.
    ray.data.DataContext.get_current().execution_options.preserve_order = True
    columns = options.columns.split(",") if options.columns else None
    dataset = ray.data.read_parquet(options.input)
    score(dataset, command, columns, options.actors, options.cpus).write_parquet(options.output)


def parse(arguments):
    split = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--input", required=True, help="Parquet file or folder")
    parser.add_argument("--output", required=True, help="folder to write Parquet files to")
    parser.add_argument("--columns", help="a,b,c: columns that the model gets (default: all)")
    parser.add_argument("--actors", type=int, default=1, help="children (default: 1)")
    parser.add_argument("--cpus", type=int, default=1, help="of one actor; give mlserve as many --jobs (default: 1)")
    options = parser.parse_args(arguments[:split])
    command = arguments[split + 1 :]
    if not command:
        parser.error("the command is missing: ... -- mlserve predict model.onnx")
    return options, command


if __name__ == "__main__":
    main()
