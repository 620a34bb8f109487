"""Makes the models of this folder, and what ONNX Runtime gives each record alone.

    python tests/corpus/batching/make_batching.py      (the libraries are those of ../requirements.txt)

`network` may be batched; in `softmax_over_records`, `scaled_by_batch` and `one_sum` records change each other's
results. `network.json` has inputs of several lengths and the scores of each record, run alone.
"""

import json
import pathlib

import numpy as np
import onnxruntime as rt
from onnx import TensorProto, checker, helper, numpy_helper, save

HERE = pathlib.Path(__file__).parent
RNG = np.random.default_rng(11)
node = helper.make_node


def weights(name, *shape):
    return numpy_helper.from_array((RNG.standard_normal(shape) / np.sqrt(shape[0])).astype(np.float32), name)


def written(name, nodes, constants, inputs, outputs):
    port = lambda name, kind, shape: helper.make_tensor_value_info(name, kind, shape)
    graph = helper.make_graph(nodes, name, [port(*x) for x in inputs], [port(*x) for x in outputs], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    save(model, HERE / f"{name}.onnx")


FLOAT, INT = TensorProto.FLOAT, TensorProto.INT64

# Means over a list of tokens of free length, two layers, scores and a label.
written(
    "network",
    [
        node("Gather", ["table", "tokens"], ["e"]),
        node("ReduceMean", ["e"], ["m"], axes=[1], keepdims=0),
        node("Concat", ["m", "x"], ["c"], axis=1),
        node("Gemm", ["c", "w1", "b1"], ["h"]),
        node("Relu", ["h"], ["r"]),
        node("Gemm", ["r", "w2", "b2"], ["z"]),
        node("Softmax", ["z"], ["scores"], axis=1),
        node("ArgMax", ["z"], ["label"], axis=1, keepdims=0),
    ],
    [weights("table", 10, 4), weights("w1", 6, 32), weights("b1", 32), weights("w2", 32, 3), weights("b2", 3)],
    [("tokens", INT, ["N", "T"]), ("x", FLOAT, ["N", 2])],
    [("scores", FLOAT, ["N", 3]), ("label", INT, ["N"])],
)
written(
    "softmax_over_records",
    [node("Gemm", ["x", "w", "b"], ["z"]), node("Softmax", ["z"], ["scores"], axis=0)],
    [weights("w", 4, 3), weights("b", 3)],
    [("x", FLOAT, ["N", 4])],
    [("scores", FLOAT, ["N", 3])],
)
# What dynamic quantization makes of a product: one scale for the whole input.
written(
    "scaled_by_batch",
    [
        node("DynamicQuantizeLinear", ["x"], ["q", "scale", "zero"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["y"]),
        node("MatMul", ["y", "w"], ["scores"]),
    ],
    [weights("w", 4, 3)],
    [("x", FLOAT, ["N", 4])],
    [("scores", FLOAT, ["N", 3])],
)
written(
    "one_sum",
    [node("ReduceSum", ["x"], ["sum"], keepdims=0)],
    [],
    [("x", FLOAT, ["N", 4])],
    [("sum", FLOAT, [])],
)

session = rt.InferenceSession(HERE / "network.onnx", providers=["CPUExecutionProvider"])
records = []
for number in range(96):
    tokens = RNG.integers(0, 10, 1 + number % 3).tolist()
    x = RNG.standard_normal(2).round(3).tolist()
    feeds = {"tokens": np.array([tokens], np.int64), "x": np.array([x], np.float32)}
    scores, label = session.run(None, feeds)
    records.append({"tokens": tokens, "x": x, "scores": scores[0].tolist(), "label": int(label[0])})
(HERE / "network.json").write_text("[\n" + ",\n".join(json.dumps(record) for record in records) + "\n]\n")
