"""Makes the models beside this file, and prints what numpy says of their weights.

parts.onnx has one of everything that `inspect --ops --weights --metadata` tells of. It is not meant
to be loaded: one of its operators does not exist. shapes.onnx has a node of many operators that change
shapes; shapes.json has the shapes of all values of it, of the sample models and of the corpus, for a
batch of 5 records, as ONNX Runtime makes them.
"""

import json
import pathlib

import numpy as np
import onnx
import onnxruntime
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


def shapes():
    """One node of each kind, all from a batch of images."""
    value = helper.make_tensor_value_info
    weights, nodes = [], []

    def ints(name, *list_):
        weights.append(numpy_helper.from_array(np.array(list_, dtype=np.int64), name))
        return name

    def floats(name, *dims):
        weights.append(numpy_helper.from_array(np.full(dims, 0.5, dtype=np.float32), name))
        return name

    def node(op, inputs, outputs, **attributes):
        outputs = [outputs] if isinstance(outputs, str) else outputs
        nodes.append(helper.make_node(op, inputs, outputs, **attributes))

    floats("w33", 4, 3, 3, 3)
    floats("wg", 6, 1, 2, 2)
    floats("wt", 3, 2, 3, 3)
    node("Conv", ["x", "w33"], "conv_pads", pads=[1, 0, 1, 2], strides=[2, 1])
    node("Conv", ["x", "w33"], "conv_same", auto_pad="SAME_UPPER", strides=[2, 2])
    node("Conv", ["x", "w33"], "conv_dilated", dilations=[2, 1])
    node("ConvTranspose", ["x", "wt"], "conv_transposed", strides=[2, 2], output_padding=[1, 0])
    node("MaxPool", ["x"], "pool", kernel_shape=[2, 3], strides=[2, 2], ceil_mode=1)
    node("AveragePool", ["x"], "pool_pads", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    node("GlobalAveragePool", ["x"], "pool_whole")
    node("Transpose", ["x"], "transposed", perm=[0, 2, 3, 1])
    node("Transpose", ["x"], "turned")
    node("Flatten", ["x"], "flat", axis=2)
    node("Reshape", ["x", ints("to_rows", 0, -1)], "rows")
    node("Concat", ["x", "x"], "joined", axis=-2)
    node("Slice", ["x", ints("s", 1, -1), ints("e", 99, -99), ints("a", 2, 3), ints("st", 2, -2)], "cut")
    node("Slice", ["x", ints("s1", -3), ints("e1", -1), ints("a1", -1)], "cut_end")
    node("Split", ["x"], ["left", "right"], axis=3, num_outputs=2)
    node("Split", ["x", ints("parts", 1, 2)], ["one", "two"], axis=1)
    node("Squeeze", ["pool_whole", ints("sq", 2, -1)], "squeezed")
    node("Unsqueeze", ["squeezed", ints("un", 0, -1)], "unsqueezed")
    node("Gather", ["x", ints("picked", 2, 0)], "gathered", axis=1)
    node("Pad", ["x", ints("pads", 0, 0, 1, 2, 0, 0, 3, -1)], "padded")
    node("Tile", ["x", ints("times", 1, 2, 1, 3)], "tiled")
    node("Expand", ["squeezed", ints("wide", 4, 1, 3)], "expanded")
    node("ReduceMean", ["x", ints("axes", 1, -1)], "mean", keepdims=0)
    node("ReduceMax", ["x"], "most")
    node("ArgMax", ["x"], "best", axis=2, keepdims=0)
    node("TopK", ["x", ints("k", 3)], ["top", "top_at"], axis=2)
    node("Shape", ["x"], "shape")
    node("Gather", ["shape", ints("zero", 0)], "batch_size", axis=0)
    node("Concat", ["batch_size", ints("minus", -1)], "wanted", axis=0)
    node("Reshape", ["x", "wanted"], "by_shape")
    node("MatMul", ["x", floats("m", 7, 2)], "product")
    node("MatMul", ["rows", floats("v", 126)], "vector")
    node("Gemm", ["rows", floats("g", 5, 126)], "gemm", transB=1)
    node("Add", ["x", floats("bias", 3, 1, 1)], "sum")
    node("Where", ["is_large", "x", floats("other", 7)], "chosen")
    node("DepthToSpace", ["four"], "wide_image", blocksize=2)
    node("SpaceToDepth", ["padded_even"], "deep_image", blocksize=2)
    node("Softmax", ["rows"], "soft")
    node("LSTM", ["sequence", floats("lw", 1, 8, 7), floats("lr", 1, 8, 2)], ["steps", "state"], hidden_size=2)
    node("OneHot", ["best", ints("depth", 6), floats("onoff", 2)], "hot")
    node("ConstantOfShape", ["shape"], "zeros")
    before = [
        helper.make_node("Greater", ["x", "half_value"], ["is_large"]),
        helper.make_node("Concat", ["x", "x", "x", "x"], ["four"], axis=1),
        helper.make_node("Slice", ["x", "even_s", "even_e", "even_a"], ["padded_even"]),
        helper.make_node("Reshape", ["x", "to_sequence"], ["sequence"]),
    ]
    floats("half_value")
    ints("even_s", 0)
    ints("even_e", 6)
    ints("even_a", 3)
    ints("to_sequence", 0, -1, 7)
    nodes[:0] = before
    graph = helper.make_graph(
        nodes,
        "shapes",
        [value("x", TensorProto.FLOAT, ["N", 3, 6, 7])],
        [value("gemm", TensorProto.FLOAT, ["N", 5])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9
    )
    onnx.checker.check_model(model)
    onnx.save(model, HERE / "shapes.onnx")


def real_shapes(path, batch):
    """The shapes of all values in a run of so many records."""
    model = onnx.load(path)
    outputs = {output.name for output in model.graph.output}
    for node in model.graph.node:
        for name in node.output:
            if name and name not in outputs:
                model.graph.output.append(onnx.ValueInfoProto(name=name))
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    dtypes = {
        "tensor(float)": np.float32,
        "tensor(double)": np.float64,
        "tensor(int64)": np.int64,
        "tensor(string)": object,
    }
    feed = {}
    for port in session.get_inputs():
        free = lambda axis: batch if axis == 0 else 1
        dims = [d if isinstance(d, int) else free(axis) for axis, d in enumerate(port.shape)]
        # A strict encoder refuses what it does not know.
        known = [
            helper.get_attribute_value(attribute)[0].decode()
            for node in model.graph.node
            for attribute in node.attribute
            if port.name in node.input and attribute.name == "cats_strings"
        ]
        fill = (known or ["a"])[0] if port.type == "tensor(string)" else 0
        feed[port.name] = np.full(dims, fill, dtype=dtypes[port.type])
    names = [port.name for port in session.get_outputs()]
    values = zip(names, session.run(None, feed))
    return {name: list(v.shape) for name, v in values if hasattr(v, "shape")}


def changed():
    """Next versions of sample models, each with a few changes."""
    models = ROOT / "models"
    digits = onnx.load(models / "digits.onnx")
    digits.opset_import[0].version = 21
    digits.metadata_props.add(key="trained", value="again")
    for tensor in digits.graph.initializer:
        values = numpy_helper.to_array(tensor).copy()
        if tensor.name == "layers.5.bias":
            values[3] += 0.5
            print("digits bias", values[3] - 0.5, "->", values[3])
        elif tensor.name == "layers.2.bias":
            tensor.name = "conv.bias"
            continue
        elif tensor.name == "layers.0.bias":
            values = values.astype(np.float64)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
    for node in digits.graph.node:
        node.input[:] = ["conv.bias" if i == "layers.2.bias" else i for i in node.input]
    onnx.save(digits, HERE / "digits_2.onnx")

    trees = onnx.load(models / "diabetes.onnx")
    (node,) = trees.graph.node
    of = {attribute.name: attribute for attribute in node.attribute}
    ids = list(of["nodes_treeids"].ints)
    # The last tree goes, the first has another threshold, the second a leaf, the third a feature.
    keep = [at for at, tree in enumerate(ids) if tree != max(ids)]
    for name, attribute in of.items():
        for values in (attribute.ints, attribute.floats, attribute.strings):
            if name.startswith("nodes_") and values:
                values[:] = [values[at] for at in keep]
    kept = [at for at, tree in enumerate(of["target_treeids"].ints) if tree != max(ids)]
    for name in ("target_treeids", "target_nodeids", "target_ids"):
        of[name].ints[:] = [of[name].ints[at] for at in kept]
    of["target_weights"].floats[:] = [of["target_weights"].floats[at] for at in kept]
    asks = [at for at, mode in enumerate(of["nodes_modes"].strings) if mode != b"LEAF"]
    first, third = asks[0], next(at for at in asks if ids[at] == 2)
    print("threshold", of["nodes_values"].floats[first])
    of["nodes_values"].floats[first] += 1
    of["nodes_featureids"].ints[third] += 1
    leaf = list(of["target_treeids"].ints).index(1)
    print("leaf", of["target_weights"].floats[leaf])
    of["target_weights"].floats[leaf] -= 0.25
    onnx.save(trees, HERE / "diabetes_2.onnx")

    iris = onnx.load(models / "iris.onnx")
    for attribute in iris.graph.node[0].attribute:
        if attribute.name == "coefficients":
            print("coefficient", attribute.floats[0])
            attribute.floats[0] *= 2
        elif attribute.name == "classlabels_strings":
            attribute.strings[:] = [b"Setosa", *attribute.strings[1:]]
    onnx.save(iris, HERE / "iris_2.onnx")


ROOT = HERE.parents[2]
parts()
shapes()
changed()
MODELS = [
    "tests/corpus/inspect/shapes.onnx",
    "models/auto_mpg.onnx",
    "models/breast_cancer.onnx",
    "models/diabetes.onnx",
    "models/diamonds.onnx",
    "models/digits.onnx",
    "models/iris.onnx",
    "models/penguins.onnx",
    "models/titanic.onnx",
    "models/wine.onnx",
    "tests/corpus/kmeans.onnx",
    "tests/corpus/isolation_forest.onnx",
    "tests/corpus/multi_output.onnx",
    "tests/corpus/zipmap_columns.onnx",
]
onnxruntime.set_default_logger_severity(4)
SHAPES = {model: real_shapes(ROOT / model, 5) for model in MODELS}
(HERE / "shapes.json").write_text(json.dumps(SHAPES, indent=1) + "\n")
