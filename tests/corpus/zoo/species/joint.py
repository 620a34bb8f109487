"""LightGBM's trees as the TreeEnsemble of ai.onnx.ml 5, for which no library has a converter.

LightGBM tells its trees in full (`dump_model`): thresholds are doubles, categories are lists.
"""

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from .records import COLUMNS
from .specimen import settled

LEQ, MEMBER = 0, 6
NONE, LOGISTIC = 0, 2
SUM = 1


class Lists:
    """The attributes, filled tree by tree."""

    def __init__(self):
        self.roots, self.nodes, self.leaves, self.members = [], [], [], []

    def add(self, tree):
        """Adds a branch with all below it, or a leaf; returns its number and whether it is a leaf."""
        if "leaf_value" in tree:
            self.leaves.append(tree["leaf_value"])
            return len(self.leaves) - 1, 1
        number = len(self.nodes)
        node = {"feature": tree["split_feature"]}
        self.nodes.append(node)
        if tree["decision_type"] == "==":
            node |= {"mode": MEMBER, "split": 0.0, "missing": 0}
            self.members += [float(value) for value in tree["threshold"].split("||")] + [np.nan]
        else:
            to_left = tree["default_left"] if tree["missing_type"] == "NaN" else tree["threshold"] >= 0
            node |= {"mode": LEQ, "split": tree["threshold"], "missing": int(to_left)}
        node["yes"], node["yes_is_leaf"] = self.add(tree["left_child"])
        node["no"], node["no_is_leaf"] = self.add(tree["right_child"])
        return number, 0

    def add_tree(self, tree):
        # A root is a branch: a tree of one leaf becomes a branch with that leaf on both sides.
        if "leaf_value" in tree:
            sides = {"left_child": tree, "right_child": tree}
            tree = {"split_feature": 0, "decision_type": "<=", "threshold": 0.0, "missing_type": "None"} | sides
        self.roots.append(self.add(tree)[0])

    def of(self, name):
        return [node[name] for node in self.nodes]


def joint(model, dtype):
    """The model of float32 or float64 records; a classifier of two classes gives the second's probability."""
    lists = Lists()
    for tree in model.booster_.dump_model()["tree_info"]:
        lists.add_tree(tree["tree_structure"])
    tensor = lambda values: numpy_helper.from_array(np.array(values, dtype))
    sets = {"membership_values": tensor(lists.members)} if lists.members else {}
    node = helper.make_node(
        "TreeEnsemble", ["input"], ["score"], domain="ai.onnx.ml", n_targets=1, aggregate_function=SUM,
        post_transform=LOGISTIC if hasattr(model, "classes_") else NONE,
        tree_roots=lists.roots,
        nodes_featureids=lists.of("feature"),
        nodes_modes=numpy_helper.from_array(np.array(lists.of("mode"), np.uint8)),
        nodes_splits=tensor(lists.of("split")),
        nodes_missing_value_tracks_true=lists.of("missing"),
        nodes_truenodeids=lists.of("yes"), nodes_trueleafs=lists.of("yes_is_leaf"),
        nodes_falsenodeids=lists.of("no"), nodes_falseleafs=lists.of("no_is_leaf"),
        leaf_targetids=[0] * len(lists.leaves), leaf_weights=tensor(lists.leaves), **sets,
    )  # fmt: skip
    kind = TensorProto.DOUBLE if dtype is np.float64 else TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info("input", kind, [None, COLUMNS])]
    outputs = [helper.make_tensor_value_info("score", kind, [None, 1])]
    graph = helper.make_graph([node], "graph", inputs, outputs)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("ai.onnx.ml", 5)]
    return settled(helper.make_model(graph, opset_imports=opsets, ir_version=10))
