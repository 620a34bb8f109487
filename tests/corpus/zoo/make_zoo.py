"""Makes the zoo: tree models of all libraries and shapes, records for them, and what Python's ONNX Runtime
scores for those.

    pip install -r tests/corpus/requirements.txt
    python tests/corpus/zoo/make_zoo.py                  # the small ones, into this folder
    python tests/corpus/zoo/make_zoo.py FOLDER [NAME...] # the small ones, elsewhere, all or some
    python tests/corpus/zoo/make_zoo.py --lenient FOLDER # without those that libraries fail to make
    python tests/corpus/zoo/make_zoo.py --bench FOLDER   # the big ones that benches/trees.rs times

Small: NAME.onnx, NAME.expected.csv, and zoo.json, which says which records (RECORDS.csv) fit each model.
Big: NUMBER.onnx, RECORDS.f32 (row-major) and zoo.json, which says what each is.
"""

import argparse
import csv
import importlib
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from recipes.case import cell_text, columns  # noqa: E402
from species.records import Table, digits  # noqa: E402
from species.specimen import BENCH, SMALL  # noqa: E402

import onnxruntime  # noqa: E402

LIBRARIES = ["catboost", "lightgbm", "sklearn", "xgboost"]
# Records of the small models: to train with, and to score.
TRAINED, SCORED = 1200, 40
# The same of the big ones.
BENCH_TRAINED, BENCH_SCORED = 40_000, 65_536


def records(table):
    """Name -> the records that are scored."""
    shown = digits()[0]
    times = -(-len(table.fresh) // len(shown))
    return {
        "credit": table.fresh.astype(np.float32),
        "credit_gaps": table.fresh_gaps.astype(np.float32),
        "codes": table.fresh_codes.astype(np.float32),
        "double": table.fresh,
        "double_gaps": table.fresh_gaps,
        "digits": np.tile(shown[::-1], (times, 1))[: len(table.fresh)].astype(np.float32),
    }


def write_csv(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_records(path, matrix):
    """Each number as the shortest text that reads back to it; whole ones as people write them."""
    text = lambda value: "" if np.isnan(value) else str(value).removesuffix(".0")
    rows = [[text(value) for value in row] for row in matrix]
    write_csv(path, [[f"x{column}" for column in range(matrix.shape[1])], *rows])


def expected(specimen, matrix):
    """Header and rows that ONNX Runtime gives with one thread, which sums in the order of the trees."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(specimen.model.SerializeToString(), options)
    outputs = session.run(None, {session.get_inputs()[0].name: matrix})
    found = {}
    for info, value in zip(session.get_outputs(), outputs, strict=True):
        found |= columns(info.name, value, specimen.classes.get(info.name))
    return [list(found), *([cell_text(value) for value in row] for row in zip(*found.values(), strict=True))]


def fill(is_lenient):
    """Imports the modules that fill SMALL and BENCH."""
    for library in LIBRARIES:
        try:
            importlib.import_module(f"species.by_{library}")
        except ImportError as error:
            if not is_lenient:
                raise
            print(f"left out: {library}: {error}", file=sys.stderr)


def make_small(name, table, is_lenient):
    """A small model; None where the libraries of today fail to make it, if that is to be borne."""
    try:
        return SMALL[name](table)
    except Exception as error:
        if not is_lenient:
            raise
        print(f"left out: {name}: {type(error).__name__}: {str(error)[:200]}", file=sys.stderr)
        return None


def write_small(folder, names, is_lenient):
    table = Table(TRAINED, SCORED)
    scored = records(table)
    index = {}
    for name in names or SMALL:
        specimen = make_small(name, table, is_lenient)
        if specimen is None:
            continue
        index[name] = specimen.records
        (folder / f"{name}.onnx").write_bytes(specimen.model.SerializeToString(deterministic=True))
        write_csv(folder / f"{name}.expected.csv", expected(specimen, scored[specimen.records]))
    for name in sorted(set(index.values())):
        write_records(folder / f"{name}.csv", scored[name])
    (folder / "zoo.json").write_text(json.dumps(index, indent=2) + "\n")


def write_bench(folder, names):
    table = Table(BENCH_TRAINED, BENCH_SCORED)
    scored = records(table)
    index = []
    for number, (name, make) in enumerate(BENCH.items()):
        if names and name not in names:
            continue
        started = time.perf_counter()
        specimen = make(table)
        (folder / f"{number:02}.onnx").write_bytes(specimen.model.SerializeToString())
        width = scored[specimen.records].shape[1]
        file = f"{specimen.records}.f32"
        index.append({"name": name, "model": f"{number:02}.onnx", "records": file, "columns": width})
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    for name in sorted({entry["records"] for entry in index}):
        scored[name.removesuffix(".f32")].tofile(folder / name)
    (folder / "zoo.json").write_text(json.dumps(index, indent=2) + "\n")


README = """\
# The tree zoo

Small tree models of every library and shape, scored by our kernel and by ONNX Runtime: not a bit may differ.
`make_zoo.py` makes all files in this folder, this one too: change the docstrings in `species/`, not the table.

`NAME.expected.csv` is what Python's ONNX Runtime scores with one thread for the records that `zoo.json` names
(compared as in the corpus); the comparison bit by bit, over edge values, batch sizes and instruction sets, is
`src/model/trees/tests/zoo.rs`. `make_zoo.py --bench FOLDER` makes the big models of `benches/trees.rs`.

| model | what is in it |
|---|---|
{table}"""


def write_readme():
    lines = (f"| {name} | {' '.join(make.__doc__.split())} |\n" for name, make in SMALL.items())
    (HERE / "README.md").write_text(README.format(table="".join(lines)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=HERE)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--bench", action="store_true", help="the big ones")
    parser.add_argument("--lenient", action="store_true", help="leave out what the libraries fail to make")
    given = parser.parse_args()
    fill(given.lenient)
    warnings.filterwarnings("ignore")
    given.folder.mkdir(parents=True, exist_ok=True)
    if given.bench:
        return write_bench(given.folder, given.names)
    write_small(given.folder, given.names, given.lenient)
    if given.folder == HERE:
        write_readme()


if __name__ == "__main__":
    main()
