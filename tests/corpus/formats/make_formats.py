"""Makes typed twins of the sample data, NumPy goldens, and what scikit-learn says of the samples.

    python3.11 -m venv venv && venv/bin/pip install -r ../requirements.txt
    venv/bin/python make_formats.py

The twins hold the values of sample_data/*.csv, so that `sample_data/*.expected.csv` is what a model
must answer to them. The goldens and the metrics are of those expected predictions, which Python's ONNX
Runtime made; mlserve has no part in them.
"""

import csv
import datetime as dt
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
import sklearn.metrics as m

HERE = Path(__file__).parent
SAMPLES = HERE.parents[2] / "sample_data"


def containers(name: str, table: pa.Table, rows: int) -> None:
    """The table as Parquet, Arrow file and Arrow stream, `rows` to a row group or batch."""
    pq.write_table(table, HERE / f"{name}.parquet", row_group_size=rows)
    with ipc.new_file(HERE / f"{name}.arrow", table.schema) as out:
        out.write_table(table, max_chunksize=rows)
    with ipc.new_stream(HERE / f"{name}.arrows", table.schema) as out:
        out.write_table(table, max_chunksize=rows)


def iris() -> None:
    table = pacsv.read_csv(SAMPLES / "iris.csv")
    containers("iris", table, 20)
    matrix = np.column_stack([column.to_numpy() for column in table.columns])
    np.save(HERE / "iris.npy", matrix.astype(np.float32))
    # The name of the model's input, and an array beside it that no input takes.
    np.savez_compressed(HERE / "iris.npz", X=matrix, id=np.arange(len(matrix)) + 1000)


def penguins() -> None:
    """Every type that a kept column may have beside those that feed the model."""
    options = pacsv.ConvertOptions(strings_can_be_null=True)
    table = pacsv.read_csv(SAMPLES / "penguins.csv", convert_options=options)
    for name in ("species", "sex"):
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    start = dt.datetime(2007, 11, 11, 6, 30)
    rows = range(len(table))
    seen = [start + dt.timedelta(hours=7 * row) if row % 5 else None for row in rows]
    tags = [[row, row * row] if row % 3 else [] if row % 2 else None for row in rows]
    table = table.append_column("seen", pa.array(seen, pa.timestamp("us")))
    table = table.append_column("tags", pa.array(tags, pa.list_(pa.int64())))
    containers("penguins", table, 100)


def expected(name: str):
    with open(SAMPLES / f"{name}.expected.csv", newline="") as file:
        return list(csv.DictReader(file))


def dirty() -> None:
    """Records of which the third and the last cannot be scored, in row groups of four."""
    columns = {
        "id": pa.array([f"r{row}" for row in range(10)]),
        "a": pa.array([5.1, 6.3] * 5),
        "b": pa.array(["3.5", "2.9", "x", *["3.5"] * 6, "y"]),
        "c": pa.array([1.4] * 10),
        "d": pa.array([0.2] * 10),
        "day": pa.array([dt.date(2024, 2, 29), None] * 5),
    }
    pq.write_table(pa.table(columns), HERE / "dirty.parquet", row_group_size=4)


def goldens() -> None:
    """What NumPy itself writes for the expected predictions."""
    for name, label, scores in (
        ("iris", "label", "probabilities_"),
        ("penguins", "output_label", "output_probability_"),
    ):
        rows = expected(name)
        names = [key for key in rows[0] if key.startswith(scores)]
        labels = np.array([row[label] for row in rows])
        # As many characters as the longest label has.
        records = np.zeros(len(rows), [(label, labels.dtype), *((name, "<f4") for name in names)])
        records[label] = labels
        for column in names:
            records[column] = [np.float32(row[column]) for row in rows]
        np.save(HERE / f"{name}_records.npy", records)
        np.save(HERE / f"{name}_labels.npy", labels)
        np.save(HERE / f"{name}_scores.npy", np.array([[row[key] for key in names] for row in rows], np.float32))
    rows = expected("digits")
    np.save(HERE / "digits_logits.npy", np.array([list(row.values()) for row in rows], np.float32))


def classification(name: str, column: str, label: str, scores: str) -> dict:
    with open(SAMPLES / f"{name}.csv", newline="") as file:
        truth = [row[column] for row in csv.DictReader(file)]
    rows = expected(name)
    predicted = [row[label] for row in rows]
    classes = [key.removeprefix(scores) for key in rows[0] if key.startswith(scores)]
    p = np.array([[row[scores + name] for name in classes] for row in rows], np.float32)
    wide = p.astype(np.float64)
    # As scikit-learn does for float32, but summed in float64.
    eps = float(np.finfo(np.float32).eps)
    held = np.clip(wide, eps, 1 - eps)
    if len(classes) == 2:
        positive = np.array(truth) == classes[1]
        brier = m.brier_score_loss(positive, wide[:, 1])
        auc = m.roc_auc_score(positive, p[:, 1])
    else:
        brier = m.brier_score_loss(truth, wide, labels=classes)
        auc = m.roc_auc_score(truth, p / p.sum(axis=1, keepdims=True), multi_class="ovr", labels=classes)
    return {
        "accuracy": m.accuracy_score(truth, predicted),
        "balanced_accuracy": m.balanced_accuracy_score(truth, predicted),
        "f1_macro": m.f1_score(truth, predicted, average="macro"),
        "roc_auc": auc,
        "log_loss": m.log_loss(truth, held, labels=classes),
        "brier": brier,
    }


def regression(name: str, column: str, prediction: str) -> dict:
    with open(SAMPLES / f"{name}.csv", newline="") as file:
        truth = np.array([float(row[column]) for row in csv.DictReader(file)])
    found = np.array([np.float32(row[prediction]) for row in expected(name)], np.float64)
    return {
        "mae": m.mean_absolute_error(truth, found),
        "rmse": m.root_mean_squared_error(truth, found),
        "r2": m.r2_score(truth, found),
    }


def metrics() -> None:
    of = {
        "penguins": classification("penguins", "species", "output_label", "output_probability_"),
        "breast_cancer": classification("breast_cancer", "diagnosis", "label", "probabilities_"),
        "auto_mpg": regression("auto_mpg", "mpg", "variable"),
    }
    (HERE / "metrics.json").write_text(json.dumps(of, indent=1) + "\n")


if __name__ == "__main__":
    iris()
    penguins()
    dirty()
    goldens()
    metrics()
