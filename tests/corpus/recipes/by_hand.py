"""Cases made node by node. Docstrings: what is odd | what it must show."""

import json

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .builders import (
    DOUBLE,
    FLOAT,
    INT64,
    IRIS_HEADER,
    ML,
    PAIR,
    PAIRS,
    QUAD,
    QUADS,
    STRING,
    WEIGHTS,
    classifier,
    external,
    linear,
    make_model,
    node,
    per_column,
    softmax,
)
from .case import Case, case

DTYPES = {
    "f16": (TensorProto.FLOAT16, ["0.1", "65504", "2049.0000001", ""]),
    "half": (TensorProto.FLOAT16, ["0.5", "-2.25", "1024", ""]),
    "bf16": (TensorProto.BFLOAT16, ["0.1", "-3e38", "256.5", "1.00390625"]),
    "f64": (DOUBLE, ["0.1", "1.7976931348623157e308", "5e-324", ""]),
    "i8": (TensorProto.INT8, ["-128", "127", "0", "-1"]),
    "i16": (TensorProto.INT16, ["-32768", "32767", "0", "-1"]),
    "i32": (TensorProto.INT32, ["-2147483648", "2147483647", "3.0", "1e3"]),
    "i64": (INT64, ["-9223372036854775808", "9223372036854775807", "9007199254740993", "-1"]),
    "u8": (TensorProto.UINT8, ["0", "255", "7", "1"]),
    "u16": (TensorProto.UINT16, ["0", "65535", "7", "1"]),
    "u32": (TensorProto.UINT32, ["0", "4294967295", "7", "1"]),
    "u64": (TensorProto.UINT64, ["0", "18446744073709551615", "9007199254740993", "1"]),
    "flag": (TensorProto.BOOL, ["true", "false", "1", "0"]),
    "text": (STRING, ["", "NA", 'a "b", c', "007"]),
}
DTYPES_TABLE = {name: cells for name, (_, cells) in DTYPES.items()}


def dtypes_model():
    inputs = {name: (dtype, ["N", 1]) for name, (dtype, _) in DTYPES.items()}
    outputs = {f"{name}_out": kind for name, kind in inputs.items()}
    outputs |= dict.fromkeys(["f16_out", "bf16_out"], (FLOAT, ["N", 1]))
    nodes = {name: node("Identity", name, f"{name}_out") for name in inputs}
    nodes["flag"] = node("Not", "flag", "flag_out")
    for name in ("f16", "bf16"):
        nodes[name] = node("Cast", name, f"{name}_out", to=FLOAT)
    return make_model(list(nodes.values()), inputs, outputs)


@case
def dtypes():
    """one [N,1] input per element type
    | every type is parsed from its digits: int64 and uint64 beyond 2^53, `3.0` and `1e3` for an int, 2049.0000001 to
    float16 in one rounding; `NA` and an empty text stay text"""
    return Case(dtypes_model(), DTYPES_TABLE)


@case
def dtypes_json():
    """the same as JSON numbers, booleans and null | JSON numbers keep their digits; null is missing"""

    def json_cell(name, text):
        if name == "text":
            return text
        return json.loads(text) if text else None

    flags = {"flag": [True, False, True, False]}
    table = {name: [json_cell(name, text) for text in cells] for name, cells in DTYPES_TABLE.items()}
    return Case(dtypes_model(), table | flags, jsonl=True)


@case
def int_matrix():
    """an int64 matrix [N,2], values beyond 2^53 | a matrix of ints takes no way through float"""
    model = make_model(
        [node("Identity", "X", "same")],
        {"X": (INT64, ["N", 2])},
        {"same": (INT64, ["N", 2])},
    )
    return Case(model, {"a": ["9007199254740993", "1"], "b": ["-9007199254740993", "2"]}, {"X": ["a", "b"]})


@case
def fixed_batch():
    """X [3,2]: the batch is fixed at 3, the input has 8 records | runs of 3, the last one padded and cut"""
    table = {"x1": ["0.5", "-1", "2", "0", "3", "-2", "1", "0.1"], "x2": ["1", "0", "-1", "2", "-3", "0.5", "1", "0.2"]}
    return Case(
        classifier(["low", "mid", "high"], rows=3),
        table,
        PAIR,
        classes={"probabilities": ["low", "mid", "high"]},
        batch=3,
    )


@case
def batch_of_one():
    """X [1,4] -> Y [1,2], as PyTorch exports without dynamic axes | one run per record; X is no state"""
    return Case(linear(4, targets=2, rows=1), QUADS, QUAD, batch=1)


@case
def unknown_output_shape():
    """the output is declared without a shape | shapes come from the result, not the declaration"""
    model = linear(2, targets=2)
    model.graph.output[0].type.tensor_type.ClearField("shape")
    return Case(model, PAIRS, PAIR)


@case
def renamed_inputs():
    """inputs `sepal_length__cm_`..., header `sepal length (cm)`... shuffled, with an id
    | names are matched after folding to identifiers"""
    names = [name.replace(" ", "_").replace("(", "_").replace(")", "_") for name in IRIS_HEADER]
    table = {"id": ["r1", "r2"]} | {
        name: [f"{i}.5", f"{i + 1}.25"] for i, name in reversed(list(enumerate(IRIS_HEADER)))
    }
    return Case(per_column(names), table, dict(zip(names, IRIS_HEADER, strict=True)))


@case
def name_collisions():
    """inputs `a_b`, `a_b1`, header `a b`, `a-b`
    | headers that fold to one name are numbered in the model's order, as skl2onnx does"""
    return Case(per_column(["a_b", "a_b1"]), {"a b": ["1", "2"], "a-b": ["10", "20"]}, {"a_b": "a b", "a_b1": "a-b"})


@case
def slashed_names():
    """names with slashes, dots, blanks and colons (PaddlePaddle, TensorFlow)
    | such names are legal and kept as they are"""
    names = ["gpu_0/data_0", "serving_default_x:0", "input 1", "save_infer_model/scale_0.tmp_0"]
    model = per_column(names, output="save_infer_model/scale_0.tmp_1")
    return Case(model, {name: [f"{i}.5", f"-{i}"] for i, name in reversed(list(enumerate(names)))})


@case
def unicode_names():
    """names beyond ASCII: größe, 年齢, naïve | letters of any script are letters"""
    names = ["größe", "年齢", "naïve"]
    return Case(per_column(names, output="prédiction"), {name: ["1.5", "2.5"] for name in reversed(names)})


@case
def header_blanks():
    """a byte order mark, blanks around the names, other case in the header
    | exact, then trimmed, then case-insensitive"""
    table = {" Age ": ["41", " 7"], "INCOME": ["1200.5 ", "0"], "zip": ["12345", "x"]}
    return Case(per_column(["age", "income"]), table, {"age": " Age ", "income": "INCOME"}, bom=True)


@case
def features_comma():
    """feature names in metadata `features`, comma list; header shuffled, extra columns | a matrix is filled by name"""
    model = linear(4, metadata={"features": "a,b,c,d"})
    shuffled = {"id": ["i1", "i2", "i3"]} | {name: QUADS[name] for name in "dbac"} | {"note": ["x", "", "y, z"]}
    return Case(model, shuffled, QUAD)


@case
def features_json():
    """feature names in metadata `columns`, JSON list, one with a comma; header shuffled | as features_comma"""
    names = ["height, m", "weight", 'a"b']
    model = linear(3, metadata={"columns": json.dumps(names)})
    return Case(model, {name: [f"{i}", f"{i}.5"] for i, name in reversed(list(enumerate(names)))}, {"X": names})


@case
def free_width():
    """X [N,F], both free, as of [None, None]; `feature_names` in the metadata | the names give the width"""
    model = linear(2, metadata={"feature_names": "x1, x2"})
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "F"
    return Case(model, {"x2": PAIRS["x2"], "other": list("abcd"), "x1": PAIRS["x1"]}, PAIR)


@case
def unused_input():
    """the graph never reads its input `id` | ONNX Runtime wants it fed all the same"""
    model = per_column(["x1", "x2"])
    model.graph.input.append(helper.make_tensor_value_info("id", STRING, ["N", 1]))
    return Case(model, {"id": list("wxyz")} | PAIRS)


@case
def scalar_input():
    """`sr` is a scalar int64 (rank 0) beside a matrix | --set gives it once for all records"""
    model = make_model(
        [node("Cast", "sr", "rate", to=FLOAT), node("Div", "X rate", "Y")],
        {"X": (FLOAT, ["N", 2]), "sr": (INT64, [])},
        {"Y": (FLOAT, ["N", 2])},
    )
    return Case(model, PAIRS, PAIR, given={"sr": np.array(16000, dtype=np.int64)}, flags="--set sr=16000")


def state_model():
    return make_model(
        [
            node("ReduceSum", "X axis", "sum"),
            node("ReduceSum", "h axis", "past"),
            node("Add", "sum past", "Y"),
            node("ReduceMax", "X", "top", keepdims=0),
            node("Add", "h top", "hn"),
        ],
        {"X": (FLOAT, ["N", 2]), "h": (FLOAT, [1, 4])},
        {"Y": (FLOAT, ["N", 1]), "hn": (FLOAT, [1, 4])},
        {"axis": np.array([1])},
    )


@case
def state_zeros():
    """state `h` [1,4] in, `hn` [1,4] out, no batch axis
    | without --set the state is zeros for every record; `hn` is no column"""
    return Case(state_model(), PAIRS, PAIR, given={"h": np.zeros((1, 4), np.float32)}, no_columns=("hn",))


@case
def state_set():
    """as state_zeros, started from a flag | --set takes nested JSON"""
    start = np.array([[0.5, 1, 2, 3]], np.float32)
    return Case(state_model(), PAIRS, PAIR, given={"h": start}, no_columns=("hn",), flags="--set h=[[0.5,1,2,3]]")


@case
def tensor_rank3():
    """X [N,2,3] from nested lists, Y [N,2,2] | a tensor per record; ranks above 2 are one JSON cell"""
    model = make_model(
        [node("MatMul", "X W", "Y")],
        {"X": (FLOAT, ["N", 2, 3])},
        {"Y": (FLOAT, ["N", 2, 2])},
        {"W": np.array([[1, 0.5], [0, 1], [-1, 0.1]], np.float32)},
    )
    cells = [[[1, 2, 3], [4, 5, 6]], [[0.1, 0.2, 0.3], [-1, -2, -3]], [[0, 0, 0], [1e3, 0, 1e-3]]]
    return Case(model, {"X": cells}, jsonl=True)


@case
def variable_length():
    """tokens [N,T], lists of differing length in one file | only records of one length share a run; order is kept"""
    model = make_model(
        [node("ReduceMean", "tokens", "mean", axes=[1], keepdims=0)],
        {"tokens": (FLOAT, ["N", "T"])},
        {"mean": (FLOAT, ["N"])},
    )
    return Case(model, {"tokens": [[1, 2, 3], [4], [0.5, 1.5], [7, 8, 9], [1, 2, 3, 4, 5]]}, jsonl=True, batch=1)


@case
def awkward_labels():
    """class names with comma, quote, newline, empty | header and cells are quoted"""
    names = ["a,b", 'say "hi"', "two\nlines", ""]
    return Case(classifier(names), PAIRS, PAIR, classes={"probabilities": names})


@case
def missing_import():
    """uses ai.onnx.ml without importing it | ONNX Runtime does not mind, so neither do we"""
    model = classifier(["no", "yes"])
    del model.opset_import[1]
    return Case(model, PAIRS, PAIR, classes={"probabilities": ["no", "yes"]})


@case
def zipmap_unsorted():
    """ZipMap with string keys whose class list is not sorted
    | columns in the order of the class list, not of the map"""
    names = ["zebra", "Ant", "mole"]
    model = classifier(names)
    graph = model.graph
    graph.node[0].output[1] = "scores"
    graph.node.append(node("ZipMap", "scores", "probabilities", domain=ML, classlabels_strings=names))
    element = helper.make_map_type_proto(STRING, helper.make_tensor_type_proto(FLOAT, []))
    graph.output[1].type.CopyFrom(helper.make_sequence_type_proto(element))
    return Case(model, PAIRS, PAIR, classes={"probabilities": names})


@case
def classes_json():
    """class names in metadata `classes`, JSON list | columns are named by class"""
    return Case(softmax(2, {"classes": '["cat", "dog"]'}), PAIRS, PAIR, classes={"probabilities": ["cat", "dog"]})


@case
def classes_ints():
    """class names in metadata `classes` are whole numbers, JSON list | as classes_json"""
    return Case(softmax(2, {"classes": "[7, 3]"}), PAIRS, PAIR, classes={"probabilities": [7, 3]})


@case
def labels_comma():
    """class names in metadata `labels`, comma list | as classes_json"""
    return Case(softmax(3, {"labels": "cat,dog,owl"}), PAIRS, PAIR, classes={"probabilities": ["cat", "dog", "owl"]})


@case
def names_dict():
    """class names in metadata `names`, a Python-style dict as Ultralytics writes | as classes_json"""
    names = {"names": "{0: 'cat', 1: \"dog's\", 2: 'owl'}", "task": "classify", "stride": "32"}
    return Case(softmax(3, names), PAIRS, PAIR, classes={"probabilities": ["cat", "dog's", "owl"]})


@case
def classes_mismatch():
    """metadata lists 3 classes, the output has 2 columns | class names are used only where their number fits"""
    return Case(softmax(2, {"classes": '["cat", "dog", "owl"]'}), PAIRS, PAIR)


@case
def one_probability():
    """metadata lists 2 classes, the output is [N,1] | one column, named as the output"""
    model = softmax(1, {"classes": '["no", "yes"]'})
    model.graph.node[1].CopyFrom(node("Sigmoid", "scores", "probabilities"))
    return Case(model, PAIRS, PAIR)


@case
def nan_inf():
    """outputs that are NaN, inf, -inf; a missing cell | empty cells"""
    model = make_model(
        [node("Log", "x", "log"), node("Reciprocal", "x", "inverse")],
        {"x": (FLOAT, ["N", 1])},
        {"log": (FLOAT, ["N", 1]), "inverse": (FLOAT, ["N", 1])},
    )
    return Case(model, {"x": ["0", "-1", "1", "", "-0.0", "nan", "inf", "-Infinity"]})


@case
def text_rank1():
    """text input [N], rank 1; `NA`, a number, an empty text | text cells are taken as they are"""
    words = {"keys_strings": ["NA", "", "007", "naïve"], "values_int64s": [1, 2, 3, 4], "default_int64": -1}
    model = make_model(
        [node("LabelEncoder", "word", "code", domain=ML, **words)],
        {"word": (STRING, ["N"])},
        {"code": (INT64, ["N"])},
        ml=2,
    )
    return Case(model, {"word": ["007", "NA", "", "7", "naïve"], "n": list("12345")})


@case
def string_matrix():
    """a string matrix [N,2], as an encoder of string columns takes
    | two text columns by position; nothing in them is missing"""
    words = {"keys_strings": ["red", "NA", "", "10"], "values_int64s": [1, 2, 3, 4], "default_int64": -1}
    model = make_model(
        [node("LabelEncoder", "X", "codes", domain=ML, **words)],
        {"X": (STRING, ["N", 2])},
        {"codes": (INT64, ["N", 2])},
    )
    return Case(model, {"colour": ["red", "NA", "blue"], "size": ["10", "", "10.0"]}, {"X": ["colour", "size"]})


@case
def default_input():
    """IR 3: the weights are listed among the graph inputs | an input with an initializer is not asked for"""
    model = linear(2, ir=3, opset=8)
    model.graph.input.append(helper.make_tensor_value_info("W", FLOAT, [2, 1]))
    return Case(model, PAIRS, PAIR)


@case
def no_nodes():
    """a graph without nodes: the output is the input | nothing breaks on an empty node list"""
    return Case(make_model([], {"X": (FLOAT, ["N", 2])}, {"X": (FLOAT, ["N", 2])}), PAIRS, PAIR)


@case
def local_function():
    """the operator `my.local:Twice` is a function in the model itself | an unknown domain is no error by itself"""
    function = helper.make_function(
        "my.local", "Twice", ["x"], ["y"], [node("Add", "x x", "y")], [helper.make_opsetid("", 17)]
    )
    model = make_model(
        [node("Twice", "X", "Y", domain="my.local")], {"X": (FLOAT, ["N", 2])}, {"Y": (FLOAT, ["N", 2])},
        opsets=[helper.make_opsetid("my.local", 1)], functions=[function],
    )  # fmt: skip
    return Case(model, PAIRS, PAIR)


@case
def raw_scores():
    """TreeEnsembleRegressor with metadata `objective` = binary
    | raw scores are given as they are; inspect says what they look like"""
    tree = node(
        "TreeEnsembleRegressor", "X", "Y", domain=ML, n_targets=1, post_transform="NONE",
        nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_featureids=[0, 0, 0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"], nodes_values=[0.5, 0.0, 0.0],
        nodes_truenodeids=[1, 0, 0], nodes_falsenodeids=[2, 0, 0],
        target_treeids=[0, 0], target_nodeids=[1, 2], target_ids=[0, 0], target_weights=[-1.25, 2.5],
    )  # fmt: skip
    model = make_model(
        [tree], {"X": (FLOAT, ["N", 2])}, {"Y": (FLOAT, ["N", 1])},
        metadata={"objective": "binary", "sigmoid": "1"},
    )  # fmt: skip
    return Case(model, PAIRS, PAIR)


@case
def tree_ensemble_v5():
    """`TreeEnsemble` of ai.onnx.ml 5 over doubles, metadata `feature_names`
    | the newer tree operator, feature names as JSON; 0.100000001 lies right of the split 0.1 only as a double"""
    values = dict(nodes_splits=[0.1], leaf_weights=[-1.25, 2.5])
    tree = node(
        "TreeEnsemble", "X", "Y", domain=ML, n_targets=1, tree_roots=[0],
        nodes_featureids=[0], nodes_truenodeids=[0], nodes_falsenodeids=[1],
        nodes_trueleafs=[1], nodes_falseleafs=[1], leaf_targetids=[0, 0],
        nodes_modes=numpy_helper.from_array(np.array([0], np.uint8), "modes"),
        **{name: numpy_helper.from_array(np.array(value), name) for name, value in values.items()},
    )  # fmt: skip
    model = make_model(
        [tree], {"X": (DOUBLE, ["N", 2])}, {"Y": (DOUBLE, ["N", 1])}, ml=5, opset=21, ir=10,
        metadata={"feature_names": '["x1", "x2"]', "n_features": "2"},
    )  # fmt: skip
    return Case(model, {"x2": ["1", "1", "1"], "x1": ["0.1", "0.100000001", "0.2"]}, PAIR)


@case
def ext():
    """the weights are in ext.onnx.data | external data inside the model's folder is read"""
    return Case(external("ext.onnx.data"), QUADS, QUAD, data={"ext.onnx.data": WEIGHTS})


@case
def evil_names():
    """escape sequences and bidi marks in names, doc strings and metadata
    | a terminal never sees them raw; scoring works"""
    name = "a\x1b[2J\x1b]0;owned\x07b"
    model = per_column([name, "c\u202ed"])
    model.producer_name = "\x1b[31mred\x1b[0m"
    model.producer_version = "1.0\r2.0"
    model.doc_string = "line one\nline two\x1b]8;;http://example.invalid\x07link\x1b]8;;\x07\x00end"
    model.graph.name = "g\x9b31m\u202egraph"
    helper.set_model_props(model, {"author\x1b[1m": "x\x07\ny"})
    return Case(model, {"c\u202ed": ["1", "2"], name: ["3", "4"]})


@case
def latin1_doc():
    """the doc string is Latin-1, not UTF-8 | a text the runtime does not mind is no reason to refuse the model"""
    content = linear(2, doc_string="Groesse").SerializeToString()
    return Case(content.replace(b"Groesse", "Größen!".encode("latin-1")), PAIRS, PAIR)
