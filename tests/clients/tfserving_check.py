"""Asks a running server what clients of TensorFlow Serving and KServe v1 ask, and holds the answers to Python's ONNX Runtime.

    pip install onnxruntime numpy
    mlserve serve models/iris.onnx
    python tests/clients/tfserving_check.py http://127.0.0.1:8080 models/iris.onnx

For any model whose inputs all count records; the records are made up. One line for each check; exit
status 1 where one differs. Only urllib is used: these protocols have no client of their own over HTTP.
"""

import argparse
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import onnxruntime

RECORDS = 5
NUMPY = {"float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_, "string": object}


def asked(url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def made_up(port, random):
    """Values for an input; a free dimension but the first has two."""
    name = port.type.removeprefix("tensor(").removesuffix(")")
    shape = [RECORDS] + [size if isinstance(size, int) else 2 for size in port.shape[1:]]
    if name == "string":
        return random.choice(["a", "größe", 'say "b"'], shape).astype(object)
    if name in NUMPY:
        return (random.random(shape) * 4).astype(NUMPY[name])
    return random.integers(0, 4, shape).astype(name)


def expected(session, feeds):
    """Outputs by name; the maps of a ZipMap as a matrix in the order of their keys."""
    outputs = {}
    for port, value in zip(session.get_outputs(), session.run(None, feeds)):
        if isinstance(value, list) and value and isinstance(value[0], dict):
            value = np.array([list(row.values()) for row in value])
        outputs[port.name] = value
    return outputs


def same(found, wanted):
    """Floats within what the size of a batch changes, all else exactly; null is NaN."""
    found, wanted = np.array(found, dtype=object), np.asarray(wanted)
    if found.shape != wanted.shape:
        return False
    if wanted.dtype.kind != "f":
        return found.tolist() == wanted.tolist()
    found = np.where(found == None, np.nan, found).astype(np.float64)  # noqa: E711
    return bool(np.allclose(found, wanted.astype(np.float64), rtol=1e-5, atol=1e-6, equal_nan=True))


class Checks:
    def __init__(self):
        self.failed = 0

    def that(self, name, is_fine, found=""):
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}")
        self.failed += not is_fine

    def rows(self, name, answer, wanted):
        status, told = answer
        rows = told.get("predictions", []) if status == 200 else []
        self.that(f"{name}: {len(rows)} predictions", len(rows) == RECORDS, answer)
        for output, array in wanted.items():
            found = rows if len(wanted) == 1 else [row.get(output) for row in rows]
            self.that(f"{name}: {output}", same(found, array), found)

    def columns(self, name, answer, wanted):
        status, told = answer
        outputs = told.get("outputs") if status == 200 else {}
        for output, array in wanted.items():
            found = outputs if len(wanted) == 1 else outputs.get(output)
            self.that(f"{name}: {output}", same(found, array), answer)

    def refused(self, name, answer, wanted):
        status, told = answer
        is_fine = status == wanted and list(told) == ["error"] and bool(told["error"])
        self.that(f"{name}: {wanted}", is_fine, answer)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", help="http://127.0.0.1:8080")
    parser.add_argument("model", type=Path, help="the .onnx file that is served under its own name")
    arguments = parser.parse_args()
    name = arguments.model.stem
    base = f"{arguments.url.rstrip('/')}/v1/models"
    model = f"{base}/{name}"

    session = onnxruntime.InferenceSession(str(arguments.model))
    random = np.random.default_rng(7)
    feeds = {port.name: made_up(port, random) for port in session.get_inputs()}
    wanted = expected(session, feeds)
    columns = {port: array.tolist() for port, array in feeds.items()}
    rows = [dict(zip(columns, row)) for row in zip(*columns.values())]
    checks = Checks()

    status, told = asked(model)
    version = told["model_version_status"][0]["version"]
    checks.that("status", status == 200 and told["model_version_status"][0]["state"] == "AVAILABLE", told)
    checks.that("KServe's keys beside it", told["name"] == name and told["ready"] is True, told)
    checks.that("KServe's list", name in asked(base)[1]["models"])
    status, told = asked(f"{model}/metadata")
    signature = told["metadata"]["signature_def"]["signature_def"]["serving_default"]
    checks.that("metadata", set(signature["inputs"]) == set(feeds), signature)

    checks.rows("objects", asked(f"{model}:predict", {"instances": rows}), wanted)
    checks.rows("a version", asked(f"{model}/versions/{version}:predict", {"instances": rows}), wanted)
    checks.columns("columns", asked(f"{model}:predict", {"inputs": columns}), wanted)
    if len(feeds) == 1:
        plain = next(iter(columns.values()))
        signed = {"signature_name": "serving_default", "instances": plain}
        checks.rows("plain values", asked(f"{model}:predict", signed), wanted)
        checks.columns("a tensor alone", asked(f"{model}:predict", {"inputs": plain}), wanted)
    if all(array.shape == (RECORDS, 1) for array in feeds.values()):
        scalars = [{port: value[0] for port, value in row.items()} for row in rows]
        checks.rows("scalars", asked(f"{model}:predict", {"instances": scalars}), wanted)

    checks.refused("both formats", asked(f"{model}:predict", {"instances": rows, "inputs": columns}), 400)
    checks.refused("neither format", asked(f"{model}:predict", {}), 400)
    checks.refused("no instances", asked(f"{model}:predict", {"instances": []}), 400)
    checks.refused("another input", asked(f"{model}:predict", {"inputs": {**columns, "no such": [1]}}), 400)
    checks.refused("another version", asked(f"{model}/versions/999:predict", {"instances": rows}), 404)
    checks.refused("another model", asked(f"{base}/no_such:predict", {"instances": rows}), 404)
    checks.refused("explain", asked(f"{model}:explain", {"instances": rows}), 501)
    return checks.failed > 0


if __name__ == "__main__":
    sys.exit(main())
