"""Makes the models beside this file, and prints what numpy says of their weights.

parts.onnx has one of everything that `inspect --ops --weights --metadata` tells of. It is not meant
to be loaded: one of its operators does not exist.
"""

import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent


def describe(name, values):
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    print(
        name,
        "zeros", int((values == 0).sum()),
        "nans", int(np.isnan(values).sum()),
        "infinities", int(np.isinf(values).sum()),
        "min", finite.min(), "max", finite.max(),
        "mean", repr(finite.mean()), "deviation", repr(finite.std()),
    )


def parts():
    rng = np.random.default_rng(7)
    quantized = rng.integers(-128, 127, (4, 3)).astype(np.int8)
    scale = np.array([0.5, 0.25, 0.125], dtype=np.float32)
    half = np.array([0, 1.5, np.nan, -np.inf, -2.25, 0, 0, 8], dtype=np.float16)
    constant = np.array([[1.0, 2.0], [3.0, 4.5]], dtype=np.float64)
    inner = np.array([5, 6, 7], dtype=np.int64)
    describe("quantized", quantized)
    describe("scale", scale)
    describe("half", half)
    describe("constant", constant)
    describe("inner", inner)
    four = helper.make_tensor("four", TensorProto.INT4, [5], [1, -8, 7, 0, -1])
    names = helper.make_tensor("names", TensorProto.STRING, [2], [b"a", b"b"])
    value = helper.make_tensor_value_info
    branch = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["branch_out"])],
        "branch",
        [],
        [value("branch_out", TensorProto.INT64, [3])],
        [numpy_helper.from_array(inner, "inner")],
        doc_string="either way",
    )
    nodes = [
        helper.make_node("DequantizeLinear", ["quantized", "scale"], ["w"], axis=1),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="product", doc_string="x times w"),
        helper.make_node("Constant", [], ["c"], value=numpy_helper.from_array(constant)),
        helper.make_node("If", ["condition"], ["z"], then_branch=branch, else_branch=branch),
        helper.make_node("Foo", ["c"], ["foo"], domain="my.company"),
        helper.make_node("Twice", ["y"], ["twice"], domain="my.local"),
        helper.make_node("Upsample", ["y", "scale"], ["up"]),
        helper.make_node("HardSwish", ["y"], ["swish"]),
    ]
    x = value("x", TensorProto.FLOAT, ["N", 4])
    x.doc_string = "four measures"
    graph = helper.make_graph(
        nodes,
        "parts",
        [x, value("condition", TensorProto.BOOL, [])],
        [value("twice", TensorProto.FLOAT, ["N", 3])],
        [
            numpy_helper.from_array(quantized, "quantized"),
            numpy_helper.from_array(scale, "scale"),
            numpy_helper.from_array(half, "half"),
            four,
            names,
        ],
    )
    twice = helper.make_function(
        "my.local", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 21)],
    )
    model = helper.make_model(
        graph,
        functions=[twice],
        opset_imports=[
            helper.make_opsetid("", 21),
            helper.make_opsetid("my.company", 3),
            helper.make_opsetid("my.local", 1),
        ],
        ir_version=10,
        producer_name="make_models.py",
        producer_version="two\nlines",
        doc_string="all parts",
    )
    model.metadata_props.add(key="author", value="somebody\nelse")
    onnx.save(model, HERE / "parts.onnx")


parts()
