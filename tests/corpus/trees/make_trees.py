"""Small tree models for `tests/it/trees.rs`: sound ones of every kind of place a tree node can be in,
and hostile ones whose lists do not add up. They need onnx, scikit-learn, skl2onnx, lightgbm and
onnxmltools.

    python tests/corpus/trees/make_trees.py
"""

import pathlib

import lightgbm
import numpy as np
import onnx
import onnxmltools
from onnx import TensorProto, helper
from onnxmltools.convert.common.data_types import FloatTensorType as LightGbmFloats
from skl2onnx import to_onnx
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingRegressor,
    IsolationForest,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

HERE = pathlib.Path(__file__).parent
COLUMNS = 4
DRAW = np.random.default_rng(7)
X = DRAW.normal(size=(120, COLUMNS)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(np.int64) + (X[:, 3] > 0.8)
NAMES = np.array(["low", "middle", "high"])[Y]


def save(name, model):
    model.ir_version = min(model.ir_version, 10)
    onnx.save(model, HERE / f"{name}.onnx")


def forest(kind, *args, **options):
    return kind(n_estimators=5, max_depth=4, random_state=1, **options).fit(*args)


def converted(model, kind=FloatTensorType, **options):
    return to_onnx(model, initial_types=[("x", kind([None, COLUMNS]))], target_opset={"": 17, "ai.onnx.ml": 3}, **options)


def sound():
    plain = {"zipmap": False}
    classifier = forest(RandomForestClassifier, X, NAMES)
    save("texts", converted(classifier, options={id(classifier): plain}))
    save("zipmap", converted(classifier))
    numbers = forest(ExtraTreesClassifier, X, Y)
    save("numbers", converted(numbers))
    save("binary", converted(forest(RandomForestClassifier, X, Y > 0)))
    double = converted(forest(RandomForestRegressor, X.astype(np.float64), X[:, 1]), DoubleTensorType)
    # What the operator gives; the converter declares float64, which nothing loads.
    double.graph.output[0].type.tensor_type.elem_type = TensorProto.FLOAT
    save("double", double)
    save("targets", converted(forest(RandomForestRegressor, X, X[:, 1:])))
    save("scaled", converted(make_pipeline(StandardScaler(), numbers).fit(X, Y)))
    save("boosted", converted(forest(GradientBoostingRegressor, X, X[:, 0] * X[:, 1])))
    gbm = lightgbm.LGBMClassifier(n_estimators=5, num_leaves=7, min_child_samples=3, verbose=-1).fit(X, Y)
    for name, zipmap in [("lightgbm", False), ("lightgbm_zipmap", True)]:
        types = [("x", LightGbmFloats([None, COLUMNS]))]
        save(name, onnxmltools.convert_lightgbm(gbm, initial_types=types, target_opset=15, zipmap=zipmap))


def node(kind="regressor", inputs="x", outputs=("y",), **changes):
    """A tree node: one tree of three nodes on column 1, then the changes."""
    weights = "class" if kind == "classifier" else "target"
    lists = {
        "nodes_treeids": [0, 0, 0],
        "nodes_nodeids": [0, 1, 2],
        "nodes_featureids": [1, 0, 0],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_values": [0.25, 0.0, 0.0],
        "nodes_truenodeids": [1, 0, 0],
        "nodes_falsenodeids": [2, 0, 0],
        f"{weights}_treeids": [0, 0],
        f"{weights}_nodeids": [1, 2],
        f"{weights}_ids": [0, 0],
        f"{weights}_weights": [1.5, -2.5],
    }
    if kind == "classifier":
        lists["classlabels_int64s"] = [0, 1]
    else:
        lists["n_targets"] = 1
    lists.update(changes)
    lists = {name: value for name, value in lists.items() if value != []}
    operator = "TreeEnsembleClassifier" if kind == "classifier" else "TreeEnsembleRegressor"
    return helper.make_node(operator, [inputs], list(outputs), domain="ai.onnx.ml",
                            name=f"trees_{outputs[0]}", **lists)


def model(nodes, inputs, outputs, opset=3):
    graph = helper.make_graph(nodes, "trees", inputs, outputs)
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", opset)]
    return helper.make_model(graph, opset_imports=imports)


def tensor(name, kind=TensorProto.FLOAT, shape=(None, 1)):
    return helper.make_tensor_value_info(name, kind, shape)


WIDE = [None, COLUMNS]


def by_hand():
    x, y = tensor("x", shape=WIDE), tensor("y")
    whole = tensor("x", TensorProto.INT64, WIDE)
    both = [tensor("label", TensorProto.INT64, [None]), tensor("scores", shape=[None, 2])]
    names = [port.name for port in both]
    save("int64_input", model([node("classifier", outputs=names)], [whole], both))
    cast = helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT)
    save("cast", model([cast, node(inputs="f")], [whole], [y]))
    save("two", model([node("classifier", outputs=names), cast, node(inputs="f")], [whole], [*both, y]))
    # A tree node in both branches of an If.
    branch = lambda name, out, **changes: helper.make_graph(
        [node(outputs=[out], **changes)], name, [], [tensor(out)])
    one = helper.make_node("Constant", [], ["one"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    fork = helper.make_node("If", ["one"], ["y"], then_branch=branch("yes", "a"),
                            else_branch=branch("no", "b", target_weights=[9.0, 8.0]))
    save("branches", model([one, fork], [x], [y]))
    # Used twice, and an output of an output.
    again = helper.make_node("Identity", ["y"], ["z"])
    save("twice", model([node(), again], [x], [y, tensor("z")]))


def hostile():
    x, y = tensor("x", shape=WIDE), tensor("y")
    deep = 400
    chain = dict(
        nodes_treeids=[0] * (2 * deep + 1),
        nodes_nodeids=list(range(2 * deep + 1)),
        nodes_featureids=[1] * (2 * deep + 1),
        nodes_modes=["BRANCH_LEQ" if i % 2 == 0 and i < 2 * deep else "LEAF" for i in range(2 * deep + 1)],
        nodes_values=[float(i) for i in range(2 * deep + 1)],
        nodes_truenodeids=[i + 2 if i % 2 == 0 and i < 2 * deep else 0 for i in range(2 * deep + 1)],
        nodes_falsenodeids=[i + 1 if i % 2 == 0 and i < 2 * deep else 0 for i in range(2 * deep + 1)],
        target_treeids=[0] * (deep + 1),
        target_nodeids=[*range(1, 2 * deep, 2), 2 * deep],
        target_ids=[0] * (deep + 1),
        target_weights=[float(i) for i in range(deep + 1)],
    )
    cases = {
        "cycle": dict(nodes_modes=["BRANCH_LEQ", "BRANCH_LEQ", "LEAF"], nodes_truenodeids=[1, 0, 0],
                      nodes_falsenodeids=[2, 2, 0]),
        "itself": dict(nodes_truenodeids=[0, 0, 0]),
        "missing_node": dict(nodes_falsenodeids=[7, 0, 0]),
        "shared_node": dict(nodes_falsenodeids=[1, 0, 0]),
        "nan_threshold": dict(nodes_values=[float("nan"), 0.0, 0.0]),
        "no_weights": dict(target_treeids=[], target_nodeids=[], target_ids=[], target_weights=[]),
        "bare_leaf": dict(target_treeids=[0], target_nodeids=[1], target_ids=[0], target_weights=[1.5]),
        "huge_ids": dict(nodes_nodeids=[0, 2**40 + 1, 2**40 + 2], nodes_truenodeids=[2**40 + 1, 0, 0],
                         nodes_falsenodeids=[2**40 + 2, 0, 0], target_nodeids=[2**40 + 1, 2**40 + 2]),
        "huge_feature": dict(nodes_featureids=[2**31 - 1, 0, 0]),
        "negative_feature": dict(nodes_featureids=[-1, 0, 0]),
        "short_list": dict(nodes_values=[0.25]),
        "unknown_mode": dict(nodes_modes=["BRANCH_MAYBE", "LEAF", "LEAF"]),
        "foreign_target": dict(target_ids=[0, 5]),
        "many_targets": dict(n_targets=2**40),
        "deep": chain,
    }
    for name, changes in cases.items():
        save(f"hostile_{name}", model([node(**changes)], [x], [y]))
    # Inputs of other than two axes, which ONNX Runtime refuses since version 3 of ai.onnx.ml.
    make, axis = helper.make_node, helper.make_tensor("axis", TensorProto.INT64, [1], [-1])
    flat = [make("Constant", [], ["axis"], value=axis), make("Reshape", ["x", "axis"], ["f"]), node(inputs="f")]
    deeper = [make("Constant", [], ["axis"], value=axis), make("Unsqueeze", ["x", "axis"], ["f"]), node(inputs="f")]
    save("hostile_one_axis", model([node()], [tensor("x", shape=[COLUMNS])], [y]))
    save("hostile_one_axis_of_old", model([node()], [tensor("x", shape=[COLUMNS])], [y], opset=1))
    save("hostile_flat", model(flat, [x], [y]))
    save("hostile_three_axes", model(deeper, [x], [y]))


def folds():
    """Trees that go through more nodes before they are added: what can be folded into their leaves
    ("fold_"), and what cannot ("unfold_")."""
    def isolation(*before):
        forest = IsolationForest(n_estimators=6, max_samples=48, random_state=1)
        return converted(make_pipeline(*before, forest).fit(X) if before else forest.fit(X))
    save("fold_isolation", isolation())
    save("fold_scaled_isolation", isolation(StandardScaler()))

    make = helper.make_node
    x, y = tensor("x", shape=WIDE), tensor("y")
    # ln(7) and ln(37) have another last bit in the rows at the end of a batch.
    trees = [node(outputs=[f"t{i}"], target_weights=[7.0, 37.0 + i], nodes_values=[i / 4, 0.0, 0.0]) for i in range(4)]
    logs = [make("Log", [f"t{i}"], [f"l{i}"]) for i in range(4)]
    constants = [
        helper.make_tensor("two", TensorProto.FLOAT, [1], [2.0]),
        helper.make_tensor("three", TensorProto.FLOAT, [1, 3], [1.0, 2.0, 3.0]),
        helper.make_tensor("picked", TensorProto.INT64, [2], [3, 2]),
        helper.make_tensor("beyond", TensorProto.INT64, [3], [3, 2, 4]),
        helper.make_tensor("column", TensorProto.INT64, [2], [-1, 1]),
    ]

    def put(name, nodes, outputs=(y,), inputs=(x,)):
        made = model(nodes, list(inputs), list(outputs))
        used = {value for inner in nodes for value in inner.input}
        made.graph.initializer.extend(each for each in constants if each.name in used)
        save(name, made)

    put("fold_sum", [*trees, *logs, make("Sum", ["l2", "l0", "l3", "l1"], ["y"])])
    put("fold_adds", [*trees, *logs, make("Add", ["l0", "l1"], ["a"]), make("Add", ["a", "l2"], ["b"]),
                      make("Sum", ["b", "l3"], ["y"])])
    # Two sums, which are added to each other.
    put("fold_pairs", [*trees, *logs, make("Add", ["l0", "l1"], ["a"]), make("Add", ["l2", "l3"], ["b"]),
                       make("Add", ["a", "b"], ["y"])])
    pick = make("Gather", ["x", "picked"], ["p"], axis=1)
    picking = [pick, *(node(inputs="p", outputs=[f"t{i}"], target_weights=[7.0, 37.0 + i]) for i in range(2))]
    encode = make("LabelEncoder", ["i0"], ["e0"], domain="ai.onnx.ml", keys_int64s=[7, 37], values_floats=[0.5, 3.0])
    put("fold_picked", [*picking, make("Cast", ["t0"], ["i0"], to=TensorProto.INT64), encode,
                        make("Reshape", ["e0", "column"], ["r0"]), make("Max", ["t1", "two"], ["m"]),
                        make("Div", ["m", "t1"], ["d"]), make("Sum", ["r0", "d"], ["y"])])

    add = make("Sum", ["l0", "l1"], ["y"])
    pair = [*trees[:2], *logs[:2]]
    # What a leaf gives is mixed with the record, with another tree, with an input, or with other records.
    width = make("ReduceMax", ["x"], ["w"], axes=[1], keepdims=1)
    put("unfold_mixed", [*trees[:2], width, logs[0], make("Mul", ["t1", "w"], ["l1"]), add])
    put("unfold_product", [*trees[:2], logs[0], make("Mul", ["t0", "t1"], ["l1"]), add])
    # A weight that an input of its name may replace.
    put("unfold_input", [*trees[:2], logs[0], make("Mul", ["t1", "two"], ["l1"]), add],
        inputs=[x, tensor("two", shape=[1])])
    for name, operator in [("batch", "ReduceMax"), ("softmax", "Softmax")]:
        options = dict(axes=[0], keepdims=1) if operator == "ReduceMax" else dict(axis=0)
        put(f"unfold_{name}", [*trees[:2], logs[0], make(operator, ["t1"], ["l1"], **options), add])
    # No column any more.
    put("unfold_wide", [*trees[:2], logs[0], make("Mul", ["t1", "three"], ["l1"]), add],
        outputs=[tensor("y", shape=[None, 3])])
    # Read by others: as an output, and in a branch.
    put("unfold_output", [*pair, add], outputs=[y, tensor("l1")])
    inner = [helper.make_graph([make("Identity", ["l1"], [name])], name, [], [tensor(name)]) for name in ("p", "q")]
    one = make("Constant", [], ["one"], value=helper.make_tensor("c", TensorProto.BOOL, [], [True]))
    put("unfold_branch", [*pair, one, make("If", ["one"], ["z"], then_branch=inner[0], else_branch=inner[1]), add],
        outputs=[y, tensor("z")])
    put("unfold_same_tree", [trees[0], logs[0], make("Neg", ["l0"], ["n"]), make("Sum", ["n", "l0"], ["a"]),
                             trees[1], make("Sum", ["a", "t1", "l0"], ["y"])])
    # Two inputs; more than one tree; two numbers a leaf; a sum of nothing but -0.0.
    put("unfold_inputs", [trees[0], node(inputs="z", outputs=["t1"]), *logs[:2], add], inputs=[x, tensor("z", shape=WIDE)])
    more = node(outputs=["t1"], nodes_treeids=[0, 1, 1], nodes_modes=["LEAF", "LEAF", "LEAF"], nodes_nodeids=[0, 0, 1],
                nodes_truenodeids=[0, 0, 0], nodes_falsenodeids=[0, 0, 0], target_treeids=[0, 1], target_nodeids=[0, 0])
    put("unfold_two_trees", [trees[0], more, *logs[:2], add])
    averaged = node(outputs=["t1"], aggregate_function="MIN")
    put("unfold_minimum", [trees[0], averaged, *logs[:2], add])
    minus = [make("Neg", [f"t{i}"], [f"l{i}"]) for i in range(2)]
    zeros = [node(outputs=[f"t{i}"], target_weights=[0.0, 0.0]) for i in range(2)]
    put("unfold_zero", [*zeros, *minus, add])
    # A column that the input lacks: ONNX Runtime refuses the records, so this Gather must stay.
    picks = make("Gather", ["x", "beyond"], ["p"], axis=1)
    put("fold_beyond", [picks, *picking[1:], *logs[:2], add])


def rows():
    cells = [DRAW.choice([-1e30, -2.0, -0.5, 0.0, 0.25, 0.3, 1.0, 7.0], COLUMNS) for _ in range(300)]
    whole = [[int(cell) if abs(cell) < 1e9 else -9 for cell in row] for row in cells]
    header = ",".join(["id", *(f"f{i}" for i in range(COLUMNS))])
    for name, table in [("rows", cells), ("whole", whole)]:
        lines = [",".join([str(i), *map(str, row)]) for i, row in enumerate(table)]
        (HERE / f"{name}.csv").write_text("\n".join([header, *lines]) + "\n")


sound()
by_hand()
hostile()
rows()
folds()
