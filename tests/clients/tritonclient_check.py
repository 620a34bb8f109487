"""Asks a running server everything that tritonclient[http] can ask it, and holds the answers to Python's ONNX Runtime.

    pip install 'tritonclient[http]' onnxruntime
    mlserve serve models/iris.onnx tests/corpus/dtypes.onnx tests/corpus/int_matrix.onnx models/digits.onnx
    python tests/clients/tritonclient_check.py http://127.0.0.1:8080

One line for each check; exit status 1 where one differs. The client is used as it comes.
"""

import argparse
import sys
from pathlib import Path

import ml_dtypes
import numpy as np
import onnxruntime
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

ROOT = Path(__file__).resolve().parents[2]
MODELS = {
    "iris": ROOT / "models/iris.onnx",
    "digits": ROOT / "models/digits.onnx",
    "dtypes": ROOT / "tests/corpus/dtypes.onnx",
    "int_matrix": ROOT / "tests/corpus/int_matrix.onnx",
}
IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]], np.float32)
# Two values for each input of dtypes.onnx.
TYPES = {
    "f16": ("FP16", np.array([[0.1], [65504]], np.float16)),
    "half": ("FP16", np.array([[0.5], [-2.25]], np.float16)),
    "bf16": ("BF16", np.array([[0.1], [256.5]], ml_dtypes.bfloat16)),
    "f64": ("FP64", np.array([[0.1], [5e-324]], np.float64)),
    "i8": ("INT8", np.array([[-128], [127]], np.int8)),
    "i16": ("INT16", np.array([[-32768], [32767]], np.int16)),
    "i32": ("INT32", np.array([[-2147483648], [3]], np.int32)),
    "i64": ("INT64", np.array([[9007199254740993], [-1]], np.int64)),
    "u8": ("UINT8", np.array([[0], [255]], np.uint8)),
    "u16": ("UINT16", np.array([[7], [65535]], np.uint16)),
    "u32": ("UINT32", np.array([[7], [4294967295]], np.uint32)),
    "u64": ("UINT64", np.array([[18446744073709551615], [1]], np.uint64)),
    "flag": ("BOOL", np.array([[True], [False]])),
    "text": ("BYTES", np.array([["größe"], ["a \"b\", c"]], object)),
}


def given(name, datatype, array, binary):
    tensor = triton.InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def expected(model, feeds):
    session = onnxruntime.InferenceSession(str(MODELS[model]))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, feeds)))


def same(found, wanted):
    """Floats within what the size of a batch changes, all else exactly."""
    if wanted.dtype == object:
        texts = [item.decode() if isinstance(item, bytes) else item for item in found.ravel()]
        return found.shape == wanted.shape and texts == wanted.ravel().tolist()
    if wanted.dtype.kind == "f":
        close = np.allclose(found.astype(wanted.dtype), wanted, rtol=1e-5, atol=1e-6, equal_nan=True)
        return found.shape == wanted.shape and bool(close)
    return found.shape == wanted.shape and bool((found == wanted).all())


class Checks:
    def __init__(self, client):
        self.client = client
        self.failed = 0

    def that(self, name, is_fine, found=""):
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}")
        self.failed += not is_fine

    def equal(self, name, found, wanted):
        self.that(name, found == wanted, f"{found!r}, expected {wanted!r}")

    def refused(self, name, status, call):
        try:
            self.that(name, False, f"it was answered: {call()!r}")
        except InferenceServerException as error:
            text = error.message()
            self.that(name, error.status() == str(status) and bool(text), f"{error.status()} {text}")

    def outputs(self, name, result, wanted):
        for output, array in wanted.items():
            found = result.as_numpy(output)
            is_fine = found is not None and same(found, array)
            self.that(f"{name}: {output}", is_fine, f"{found}, expected {array}")


def of_the_server(checks):
    client = checks.client
    checks.that("the server is live", client.is_server_live())
    checks.that("the server is ready", client.is_server_ready())
    metadata = client.get_server_metadata()
    checks.equal("the server's name", metadata["name"], "mlserve")
    for extension in ("binary_tensor_data", "classification", "statistics", "model_configuration"):
        checks.that(f"the extension {extension}", extension in metadata["extensions"])
    index = {(model["name"], model["state"]) for model in client.get_model_repository_index()}
    for name in MODELS:
        checks.that(f"{name} is in the index", (name, "READY") in index, index)
        checks.that(f"{name} is ready", client.is_model_ready(name))
        checks.that(f"{name} is ready by its version", client.is_model_ready(name, "1"))
    checks.that("a model that is not there is not ready", not client.is_model_ready("nope"))


def of_the_models(checks):
    client = checks.client
    metadata = client.get_model_metadata("iris")
    checks.equal("iris: inputs", metadata["inputs"], [{"name": "X", "datatype": "FP32", "shape": [-1, 4]}])
    checks.equal(
        "iris: outputs",
        metadata["outputs"],
        [
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 3]},
        ],
    )
    config = client.get_model_config("iris", "1")
    checks.that("iris: max_batch_size", config["max_batch_size"] > 0, config)
    checks.equal("iris: dims", config["input"][0]["dims"], [4])
    checks.equal("iris: data_type", config["input"][0]["data_type"], "TYPE_FP32")
    digits = client.get_model_metadata("digits")
    checks.equal("digits: inputs", digits["inputs"][0]["shape"], [-1, 1, 8, 8])


def of_iris(checks):
    client = checks.client
    wanted = expected("iris", {"X": IRIS})
    for sent in (False, True):
        for back in (False, True):
            name = f"iris {'binary' if sent else 'JSON'} to {'binary' if back else 'JSON'}"
            asked = [triton.InferRequestedOutput(output, binary_data=back) for output in wanted]
            inputs = [given("X", "FP32", IRIS, sent)]
            result = client.infer("iris", inputs, outputs=asked, request_id="a-1", timeout=60_000_000)
            checks.outputs(name, result, wanted)
            checks.equal(f"{name}: id", result.get_response().get("id"), "a-1")
    result = client.infer("iris", [given("X", "FP32", IRIS, True)], model_version="1")
    checks.outputs("iris without wishes", result, wanted)
    checks.equal("iris: model_name", result.get_response()["model_name"], "iris")
    checks.equal("iris: model_version", result.get_response()["model_version"], "1")
    for sent in (None, "gzip", "deflate"):
        for back in (None, "gzip", "deflate"):
            many = np.tile(IRIS, (400, 1))
            result = client.infer(
                "iris",
                [given("X", "FP32", many, True)],
                request_compression_algorithm=sent,
                response_compression_algorithm=back,
            )
            checks.outputs(f"iris compressed {sent} to {back}", result, expected("iris", {"X": many}))
    label = [triton.InferRequestedOutput("label", binary_data=False)]
    result = client.infer("iris", [given("X", "FP32", IRIS, True)], outputs=label)
    checks.equal("iris: one output alone", len(result.get_response()["outputs"]), 1)
    own = client.infer("iris", [given("X", "FP32", IRIS, True)], parameters={"mine": "x"})
    checks.outputs("iris with a parameter that nobody knows", own, wanted)
    batch = client.async_infer("iris", [given("X", "FP32", IRIS, True)])
    checks.outputs("iris asynchronously", batch.get_result(), wanted)
    none = client.infer("int_matrix", [given("X", "INT64", np.zeros((0, 2), np.int64), True)])
    checks.equal("no records at all", none.get_output("same")["shape"], [0, 2])


def of_classes(checks):
    wanted = expected("iris", {"X": IRIS})["probabilities"]
    names = ["setosa", "versicolor", "virginica"]
    for back in (False, True):
        asked = [triton.InferRequestedOutput("probabilities", binary_data=back, class_count=2)]
        result = checks.client.infer("iris", [given("X", "FP32", IRIS, True)], outputs=asked)
        found = result.as_numpy("probabilities")
        checks.equal(f"classes (binary {back}): shape", found.shape, (len(IRIS), 2))
        for record, row in enumerate(found):
            best = np.argsort(-wanted[record])[:2]
            for text, index in zip(row, best):
                text = text.decode() if isinstance(text, bytes) else text
                score, number, label = text.split(":")
                is_fine = abs(float(score) - wanted[record][index]) < 1e-6
                is_fine = is_fine and (int(number), label) == (index, names[index])
                checks.that(f"classes (binary {back}): record {record}, {label}", is_fine, text)


def of_types(checks):
    feeds = {name: array for name, (_, array) in TYPES.items()}
    # The model casts two of them to float32, negates the flag, and gives the others back; ONNX Runtime
    # for Python takes no bfloat16, so that NumPy says what is expected here.
    wanted = {f"{name}_out": array for name, array in feeds.items()}
    wanted["f16_out"] = feeds["f16"].astype(np.float32)
    wanted["bf16_out"] = feeds["bf16"].astype(np.float32)
    wanted["flag_out"] = ~feeds["flag"]
    inputs = [given(name, datatype, array, True) for name, (datatype, array) in TYPES.items()]
    for back in (False, True):
        asked = [triton.InferRequestedOutput(name, binary_data=back) for name in wanted]
        result = checks.client.infer("dtypes", inputs, outputs=asked)
        checks.outputs(f"every type to {'binary' if back else 'JSON'}", result, wanted)
    # The client itself refuses to write BF16 as JSON.
    inputs = [given(name, datatype, array, datatype == "BF16") for name, (datatype, array) in TYPES.items()]
    checks.outputs("every type from JSON", checks.client.infer("dtypes", inputs), wanted)


def of_digits(checks):
    images = np.random.default_rng(7).uniform(0, 16, (2500, 1, 8, 8)).astype(np.float32)
    result = checks.client.infer("digits", [given("image", "FP32", images, True)])
    wanted = expected("digits", {"image": images})
    found = result.as_numpy("logits")
    is_fine = np.allclose(found, wanted["logits"], rtol=1e-4, atol=1e-4)
    checks.that("2,500 images, more than a run takes", is_fine, np.abs(found - wanted["logits"]).max())


def of_errors(checks):
    client = checks.client
    x = lambda array, datatype="FP32": [given("X", datatype, array, True)]
    wishes = lambda *names: [triton.InferRequestedOutput(name) for name in names]
    checks.refused("an unknown model", 404, lambda: client.infer("nope", x(IRIS)))
    checks.refused("an unknown version", 404, lambda: client.infer("iris", x(IRIS), model_version="9"))
    checks.refused("metadata of an unknown model", 404, lambda: client.get_model_metadata("nope"))
    checks.refused("another datatype", 400, lambda: client.infer("iris", x(IRIS.astype(np.float64), "FP64")))
    checks.refused("another shape", 400, lambda: client.infer("iris", x(IRIS[:, :3])))
    checks.refused("an unknown input", 400, lambda: client.infer("iris", [given("Y", "FP32", IRIS, True)]))
    checks.refused("no input", 400, lambda: client.infer("iris", []))
    checks.refused("an input twice", 400, lambda: client.infer("iris", x(IRIS) + x(IRIS)))
    checks.refused("an unknown output", 400, lambda: client.infer("iris", x(IRIS), outputs=wishes("other")))
    checks.refused("an output twice", 400, lambda: client.infer("iris", x(IRIS), outputs=wishes("label", "label")))
    checks.refused("no time at all", 504, lambda: client.infer("iris", x(IRIS), timeout=1))


def of_statistics(checks):
    client = checks.client
    counts = lambda: client.get_inference_statistics("iris")["model_stats"][0]
    before = counts()
    client.infer("iris", [given("X", "FP32", IRIS, True)])
    after = counts()
    checks.equal("inference_count", after["inference_count"] - before["inference_count"], len(IRIS))
    checks.equal("execution_count", after["execution_count"] - before["execution_count"], 1)
    success = [stats["inference_stats"]["success"]["count"] for stats in (before, after)]
    checks.equal("success", success[1] - success[0], 1)
    checks.that("compute_infer", after["inference_stats"]["compute_infer"]["ns"] > 0, after)
    names = {stats["name"] for stats in client.get_inference_statistics()["model_stats"]}
    checks.that("the statistics of all models", names >= set(MODELS), names)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    url = parser.parse_args().url.removeprefix("http://").rstrip("/")
    checks = Checks(triton.InferenceServerClient(url, concurrency=4))
    sections = [of_the_server, of_the_models, of_iris, of_classes, of_types, of_digits, of_errors, of_statistics]
    for section in sections:
        try:
            section(checks)
        except Exception as error:  # The other sections say more than a trace.
            checks.that(section.__name__, False, f"{error!r} {error}")
    print(f"{checks.failed} failed" if checks.failed else "all fine")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
