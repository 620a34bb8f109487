"""Asks a running server by KServe's own client, with version 2 of the protocol.

    pip install kserve onnxruntime
    mlserve serve models/iris.onnx tests/corpus/dtypes.onnx tests/corpus/int_matrix.onnx models/digits.onnx
    python tests/clients/kserve_check.py http://127.0.0.1:8080

One line for each check; exit status 1 where one differs from Python's ONNX Runtime.
"""

import argparse
import asyncio
import sys
from pathlib import Path

import httpx
import numpy as np
import onnxruntime
from kserve import InferInput, InferRequest
from kserve.inference_client import InferenceRESTClient, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

ROOT = Path(__file__).resolve().parents[2]
IRIS = np.array([[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3], [5.9, 3.0, 4.2, 1.5]], np.float32)
TYPES = {
    "f16": ("FP16", np.array([[0.1], [65504]], np.float16)),
    "half": ("FP16", np.array([[0.5], [-2.25]], np.float16)),
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
# This client knows no bfloat16; the model's input of that type is given as plain JSON.
BFLOAT16 = InferInput("bf16", [2, 1], "BF16", data=[0.5, 256.0])


def given(name, datatype, array, binary):
    tensor = InferInput(name, list(array.shape), datatype)
    tensor.set_data_from_numpy(array, binary_data=binary)
    return tensor


def same(found, wanted):
    if wanted.dtype == object:
        texts = [item.decode() if isinstance(item, bytes) else item for item in found.ravel()]
        return found.shape == wanted.shape and texts == wanted.ravel().tolist()
    if wanted.dtype.kind == "f":
        return found.shape == wanted.shape and np.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    return found.shape == wanted.shape and bool((found == wanted).all())


class Checks:
    def __init__(self, client, url):
        self.client = client
        self.url = url
        self.failed = 0

    def that(self, name, is_fine, found=""):
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}")
        self.failed += not is_fine

    async def infer(self, model, inputs, outputs=None, **more):
        request = InferRequest(model, inputs, request_outputs=outputs, **more)
        return await self.client.infer(self.url, request, model_name=model)

    def outputs(self, name, answer, wanted):
        for output, array in wanted.items():
            found = answer.get_output_by_name(output)
            found = None if found is None else found.as_numpy()
            self.that(f"{name}: {output}", found is not None and same(found, array), f"{found}, expected {array}")

    async def refused(self, name, status, model, inputs):
        try:
            self.that(name, False, await self.infer(model, inputs))
        except httpx.HTTPStatusError as error:
            # The sentence comes before the status, in its words.
            is_fine = error.response.status_code == status and not str(error).startswith(",")
            self.that(name, is_fine, error)


async def of_health(checks):
    client, url = checks.client, checks.url
    checks.that("the server is live", await client.is_server_live(url) is True)
    checks.that("the server is ready", await client.is_server_ready(url) is True)
    for model in ("iris", "dtypes", "int_matrix"):
        checks.that(f"{model} is ready", await client.is_model_ready(url, model) is True)
    checks.that("a model that is not there is not ready", not await client.is_model_ready(url, "nope"))


async def of_iris(checks):
    session = onnxruntime.InferenceSession(str(ROOT / "models/iris.onnx"))
    wanted = dict(zip(("label", "probabilities"), session.run(None, {"X": IRIS})))
    for sent in (False, True):
        for back in (False, True):
            name = f"iris {'binary' if sent else 'JSON'} to {'binary' if back else 'JSON'}"
            outputs = [RequestedOutput(output, {"binary_data": back}) for output in wanted]
            answer = await checks.infer("iris", [given("X", "FP32", IRIS, sent)], outputs, request_id="a-1")
            checks.outputs(name, answer, wanted)
            checks.that(f"{name}: id and model", (answer.id, answer.model_name) == ("a-1", "iris"), answer.id)
    answer = await checks.infer("iris", [given("X", "FP32", IRIS, True)], parameters={"binary_data_output": True})
    checks.outputs("iris, all outputs in binary", answer, wanted)


async def of_types(checks):
    feeds = {name: array for name, (_, array) in TYPES.items()}
    wanted = {f"{name}_out": array for name, array in feeds.items()}
    wanted["f16_out"] = feeds["f16"].astype(np.float32)
    wanted["bf16_out"] = np.array([[0.5], [256]], np.float32)
    wanted["flag_out"] = ~feeds["flag"]
    for binary in (False, True):
        inputs = [
            given(name, datatype, array, binary or datatype == "FP16")
            for name, (datatype, array) in TYPES.items()
        ]
        answer = await checks.infer("dtypes", [*inputs, BFLOAT16])
        checks.outputs(f"every type from {'binary' if binary else 'JSON'}", answer, wanted)
    answer = await checks.infer("int_matrix", [given("X", "INT64", np.zeros((0, 2), np.int64), True)])
    checks.that("no records at all", answer.get_output_by_name("same").shape == [0, 2])


async def of_errors(checks):
    await checks.refused("an unknown model", 404, "nope", [given("X", "FP32", IRIS, True)])
    await checks.refused("another shape", 400, "iris", [given("X", "FP32", IRIS[:, :3], True)])
    await checks.refused("another datatype", 400, "iris", [given("X", "FP64", IRIS.astype(np.float64), False)])
    await checks.refused("an unknown input", 400, "iris", [given("Y", "FP32", IRIS, True)])


async def check(url):
    checks = Checks(InferenceRESTClient(RESTConfig(protocol="v2", retries=0)), url)
    for section in (of_health, of_iris, of_types, of_errors):
        try:
            await section(checks)
        except Exception as error:  # The other sections say more than a trace.
            checks.that(section.__name__, False, f"{error!r} {error}")
    await checks.client.close()
    print(f"{checks.failed} failed" if checks.failed else "all fine")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8080")
    sys.exit(asyncio.run(check(parser.parse_args().url)))
