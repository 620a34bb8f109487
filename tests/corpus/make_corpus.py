"""Makes the corpus of small, odd models in this folder, with input and expected predictions.

    python3.11 -m venv venv && venv/bin/pip install -r requirements.txt
    venv/bin/python make_corpus.py

A case is NAME.onnx, NAME.csv or NAME.jsonl, NAME.expected.csv (predictions alone, computed
here by ONNX Runtime) and, where flags are needed, NAME.args. Files that must be refused are
in broken/. README.md is written from the docstrings: "what is odd | what it must show".
"""

import csv
import json
from pathlib import Path

import onnxruntime as ort
from onnx import ModelProto

from recipes import by_hand, by_libraries  # noqa: F401  (fills CASES)
from recipes.builders import WEIGHTS
from recipes.case import CASES, predict
from recipes.refused import REFUSED

HERE = Path(__file__).resolve().parent
BROKEN = HERE / "broken"

ort.set_default_logger_severity(4)


def write_csv(path, rows, bom=False):
    with path.open("w", newline="", encoding="utf-8-sig" if bom else "utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


def write_input(name, case):
    rows = zip(*case.table.values(), strict=True)
    if case.jsonl:
        lines = (json.dumps(dict(zip(case.table, row, strict=True))) + "\n" for row in rows)
        (HERE / f"{name}.jsonl").write_text("".join(lines))
    else:
        write_csv(HERE / f"{name}.csv", [list(case.table), *rows], case.bom)


def write_case(name, case):
    (HERE / f"{name}.onnx").write_bytes(serialized(case.model))
    for file, content in case.data.items():
        (HERE / file).write_bytes(content)
    if case.flags:
        (HERE / f"{name}.args").write_text(case.flags + "\n")
    write_input(name, case)
    rows = predict(case, HERE / f"{name}.onnx")
    write_csv(HERE / f"{name}.expected.csv", rows)
    if f"{name}.ort" in case.data and predict(case, HERE / f"{name}.ort") != rows:
        raise SystemExit(f"{name}.ort and {name}.onnx differ")


def serialized(content):
    return content.SerializeToString(deterministic=True) if isinstance(content, ModelProto) else content


def write_refused():
    BROKEN.mkdir(exist_ok=True)
    (HERE / "outside.bin").write_bytes(WEIGHTS)
    link = BROKEN / "evil_ext_link.data"
    link.unlink(missing_ok=True)
    link.symlink_to("../outside.bin")
    for name, build in REFUSED.items():
        (BROKEN / name).write_bytes(serialized(build()))
    messages = [f"{name}\n    {runtime_message(name)}\n" for name in REFUSED]
    (BROKEN / "runtime_messages.txt").write_text("".join(messages))


def runtime_message(name):
    """What ONNX Runtime says when it is given the file."""
    try:
        ort.InferenceSession(BROKEN / name)
        return "(loads)"
    except Exception as error:
        text = f"{type(error).__name__}: {error}".strip()
        return text.replace(f"{BROKEN}/", "").replace(str(HERE), "..")


def write_readme():
    (HERE / "README.md").write_text(README.format(cases=table_lines(CASES), broken=table_lines(REFUSED)))


def table_lines(builds):
    return "".join(f"| {name} | {' '.join(build.__doc__.split())} |\n" for name, build in builds.items())


README = """\
# A corpus of odd models

Small models with one odd thing each, their input, and the predictions Python's ONNX Runtime makes of it.
`make_corpus.py` makes all files in this folder, this one too: change the docstrings in `recipes/`, not the table.

A case is `NAME.onnx`, `NAME.csv` or `NAME.jsonl`, `NAME.expected.csv` (the predictions alone, as with `--keep none`)
and, where flags are needed, `NAME.args` (one line). Compare headers and whole numbers as text, other numbers within
1e-6 absolute or 1e-5 relative (the size of the batch changes the last bits), cells that start with `[` as JSON, all
else as text. Booleans are `true` and `false`; NaN and infinity are empty cells. A whole float is `1.0` here: `1` is as
good.

| case | what is odd | what it must show |
|---|---|---|
{cases}
`iris.ort` is `iris.onnx` in ONNX Runtime's own format: same input, same predictions. Its bytes differ from run to run
(ONNX Runtime's doing); those of all other files do not.

## broken/

Files that `predict` must refuse with a message that says what they are and what to do (the external data ones: before
the file they point to is opened). `runtime_messages.txt` holds what ONNX Runtime itself says to each.

| file | what it is |
|---|---|
{broken}
## metrics/

`make_metrics.py` makes `metrics.json`: labels, predictions, and what scikit-learn says of them. The unit tests of
`src/predict/evaluate` hold `--label` to it within 1e-9.

`zoo/` holds tree models of all libraries and shapes; its README says more.

`columnar/` holds Parquet, Arrow IPC, NPY and NPZ files by pyarrow and NumPy; `make_columnar.py` there
writes them all, with `expected.json`, the rows as pyarrow reads them back.

`formats/` holds the iris and penguins samples as such files, what NumPy writes for their expected
predictions, and what scikit-learn says of those; `make_formats.py` there makes them all.

`trees/` holds small tree models, sound and hostile ones, that `tests/it/trees.rs` scores by both kernels;
`make_trees.py` there makes them all.
"""


def main():
    for name, build in CASES.items():
        write_case(name, build())
    write_refused()
    write_readme()


if __name__ == "__main__":
    main()
