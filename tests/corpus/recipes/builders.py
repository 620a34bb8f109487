"""Small ONNX models with one odd thing each are made of these."""

import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.datasets import load_iris

ML = "ai.onnx.ml"
FLOAT, DOUBLE, INT64, STRING = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING


def make_model(nodes, inputs, outputs, weights=None, metadata=None, ir=8, opset=17, **fields):
    """A model from nodes, {name: (dtype, shape)} and {name: array}."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, *kind) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in outputs.items()],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(ML, fields.pop("ml", 3))]
    opsets += fields.pop("opsets", [])
    model = helper.make_model(graph, opset_imports=opsets, ir_version=ir, **fields)
    helper.set_model_props(model, metadata or {})
    return model


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), **attributes)


def per_column(inputs, output="score"):
    """A model of one float [N,1] input per name: score = 1*first + 2*second + 3*third..."""
    width = len(inputs)
    return make_model(
        [helper.make_node("Concat", inputs, ["X"], axis=1), helper.make_node("MatMul", ["X", "W"], [output])],
        {name: (FLOAT, ["N", 1]) for name in inputs},
        {output: (FLOAT, ["N", 1])},
        {"W": np.arange(1, width + 1, dtype=np.float32).reshape(-1, 1)},
    )


def linear(width, targets=1, rows="N", metadata=None, **fields):
    """X [N,width] -> Y [N,targets]; every feature weighs differently."""
    weights = np.arange(1, width * targets + 1, dtype=np.float32).reshape(width, targets)
    return make_model(
        [node("MatMul", "X W", "Y")],
        {"X": (FLOAT, [rows, width])},
        {"Y": (FLOAT, [rows, targets])},
        {"W": weights},
        metadata,
        **fields,
    )


def softmax(classes, metadata):
    """X [N,2] -> probabilities [N,classes], with the class names in the metadata only."""
    weights = np.arange(2 * classes, dtype=np.float32).reshape(2, classes) / 4
    return make_model(
        [node("MatMul", "X W", "scores"), node("Softmax", "scores", "probabilities", axis=1)],
        {"X": (FLOAT, ["N", 2])},
        {"probabilities": (FLOAT, ["N", classes])},
        {"W": weights},
        metadata,
    )


def classifier(classes, rows="N"):
    """X [rows,2] -> label, probabilities by a LinearClassifier with string classes."""
    count = len(classes)
    return make_model(
        [linear_classifier(classes, "label probabilities")],
        {"X": (FLOAT, [rows, 2])},
        {"label": (STRING, [rows]), "probabilities": (FLOAT, [rows, count])},
    )


def linear_classifier(classes, outputs):
    count = len(classes)
    return node(
        "LinearClassifier", "X", outputs, domain=ML, classlabels_strings=classes, multi_class=1,
        coefficients=[float(i % 3 - 1) for i in range(2 * count)], intercepts=[0.1 * i for i in range(count)],
        post_transform="SOFTMAX",
    )  # fmt: skip


def external(location):
    """X [N,4] -> Y [N,1] whose weights lie in another file."""
    model = linear(4)
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, "offset": "0", "length": "16"}.items():
        weights.external_data.add(key=key, value=value)
    return model


IRIS = load_iris()
IRIS_X = IRIS.data.astype(np.float32)
IRIS_HEADER = ["sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"]

PAIRS = {"x1": ["0.5", "-1.5", "2", "0.25"], "x2": ["1", "0", "-2.5", "4"]}
QUADS = {"a": ["1", "2", "0.1"], "b": ["0", "-1", "0.2"], "c": ["3.5", "1e3", "0.3"], "d": ["4", "+5", "-0.4"]}
PAIR, QUAD = {"X": list(PAIRS)}, {"X": list(QUADS)}
WEIGHTS = np.arange(1, 5, dtype="<f4").tobytes()


def ort_format(model):
    """The model as ONNX Runtime's own flatbuffer, by its own tool. The order inside varies from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        path.write_bytes(model.SerializeToString())
        tool = [sys.executable, "-m", "onnxruntime.tools.convert_onnx_models_to_ort"]
        subprocess.run([*tool, str(path), "--optimization_style", "Fixed"], check=True, capture_output=True)
        return path.with_suffix(".ort").read_bytes()
