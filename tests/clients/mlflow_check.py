"""Asks a running server what MLflow's and SageMaker's clients ask, and holds the answers to Python's ONNX Runtime.

    pip install mlflow-skinny pandas scipy requests onnxruntime numpy
    mlserve serve models/iris.onnx
    python tests/clients/mlflow_check.py http://127.0.0.1:8080 models/iris.onnx

For a model of one matrix of numbers [N, F], or of one column [N, 1] for each input; the records are
made up. MLflow's own scoring client is used as it comes (mlflow-skinny has it); what it never sends
goes through requests. One line for each check; exit status 1 where one differs.
"""

import argparse
import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import onnxruntime
import pandas as pd
import requests
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

from tfserving_check import RECORDS, expected, made_up, same


class Checks:
    def __init__(self, outputs):
        self.failed = 0
        self.outputs = outputs

    def that(self, name, is_fine, found=""):
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}")
        self.failed += not is_fine

    def predictions(self, name, found):
        """A list of values where the model has one output, else of objects; classes by name."""
        self.that(f"{name}: {len(found)} predictions", len(found) == RECORDS, found)
        for output, wanted in self.outputs.items():
            values = found if len(self.outputs) == 1 else [row.get(output) for row in found]
            values = [list(value.values()) if isinstance(value, dict) else value for value in values]
            wanted = np.asarray(wanted)
            wanted = wanted[:, 0] if wanted.shape == (RECORDS, 1) else wanted
            self.that(f"{name}: {output}", same(values, wanted), values)

    def refused(self, name, answer, status):
        is_json = answer.headers["Content-Type"].startswith("application/json")
        is_shaped = set(answer.json()) == {"error_code", "message"} if is_json else status == 415
        self.that(f"{name}: {status}", answer.status_code == status and is_shaped, answer.text)


def frame_of(feeds):
    """The records as a data frame: a column for each feature, or for each input."""
    if len(feeds) == 1:
        (array,) = feeds.values()
        if array.shape[1] > 1:
            return pd.DataFrame(array)
    return pd.DataFrame({name: array[:, 0] for name, array in feeds.items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="http://127.0.0.1:8080")
    parser.add_argument("model", type=Path, help="the .onnx file that is served alone")
    arguments = parser.parse_args()
    base = arguments.url.rstrip("/")

    session = onnxruntime.InferenceSession(str(arguments.model))
    random = np.random.default_rng(7)
    feeds = {port.name: made_up(port, random) for port in session.get_inputs()}
    frame = frame_of(feeds)
    is_matrix = list(frame.columns) == list(range(len(frame.columns)))
    checks = Checks(expected(session, feeds))

    def post(data, sent="application/json", accept="*/*"):
        headers = {"Content-Type": sent, "Accept": accept}
        return requests.post(f"{base}/invocations", data=data, headers=headers, timeout=30)

    def told(body):
        return post(json.dumps(body)).json()["predictions"]

    address = urlsplit(base)
    client = ScoringServerClient(address.hostname, address.port)
    client.ping()
    checks.that("ping", True)
    checks.that("version", bool(client.get_version()))
    for path in ("ping", "health"):
        answer = requests.get(f"{base}/{path}", timeout=30)
        checks.that(f"{path} is an empty line", (answer.status_code, answer.text) == (200, "\n"), answer.text)

    checks.predictions("a data frame", client.invoke(frame)["predictions"])
    table = client.invoke(frame).get_predictions()
    checks.that("the client's own data frame", len(table) == RECORDS, table)
    checks.predictions("with params", client.invoke(frame, params={"temperature": 0.5})["predictions"])
    columns = {name: array.tolist() for name, array in feeds.items()}
    checks.predictions("inputs", told({"inputs": columns}))
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    checks.predictions("instances", told({"instances": rows}))
    if is_matrix:
        checks.predictions("an array", client.invoke(next(iter(feeds.values())))["predictions"])
    else:
        records = {"dataframe_records": frame.to_dict("records")}
        checks.predictions("records", told(records))

    csv = frame.to_csv(index=False, header=not is_matrix)
    checks.predictions("CSV", post(csv.encode(), "text/csv; charset=utf-8").json()["predictions"])
    answer = post(csv.encode(), "text/csv", "text/csv")
    lines = answer.text.strip().split("\n")
    checks.that("CSV to CSV", len(lines) == RECORDS + (not is_matrix), answer.text)
    lines = "\n".join(json.dumps(row) for row in frame.values.tolist() if is_matrix)
    lines = lines or frame.to_json(orient="records", lines=True)
    answer = post(lines.encode(), "application/jsonlines")
    checks.predictions("JSON lines", answer.json()["predictions"])

    checks.refused("no known key", post("{}"), 400)
    checks.refused("two keys", post('{"instances":[[1]],"inputs":[[1]]}'), 400)
    checks.refused("no JSON", post("{"), 400)
    checks.refused("another charset", post("{}", "application/json; charset=latin1"), 415)
    checks.refused("another parameter", post("{}", "application/json; format=pandas-split"), 415)
    checks.refused("another type", post("{}", "image/png"), 415)
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
