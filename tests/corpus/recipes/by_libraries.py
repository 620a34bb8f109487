"""Cases made by training libraries. Docstrings: what is odd | what it must show."""

import tempfile
from pathlib import Path

import numpy as np
from catboost import CatBoostClassifier, CatBoostRegressor
from lightgbm import LGBMClassifier
from onnx import ModelProto, helper
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.cluster import KMeans
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.multioutput import MultiOutputClassifier

from .builders import IRIS, IRIS_HEADER, IRIS_X, ML, PAIR, ort_format
from .case import Case, case

IRIS_ROWS = IRIS_X[::19]  # eight records, of all three classes


def iris_case(model, rows=IRIS_ROWS, **options):
    """A case over iris records; its one input is a matrix."""
    table = {name: [str(v) for v in rows[:, i]] for i, name in enumerate(IRIS_HEADER)}
    return Case(model, table, {model.graph.input[0].name: IRIS_HEADER}, **options)


def logistic(labels):
    return LogisticRegression(max_iter=500).fit(IRIS_X, labels)


def sklearn_model(trained, **options):
    """By skl2onnx, for float32 records."""
    return settled(to_onnx(trained, IRIS_X[:1], **options))


def settled(model):
    """The model without what converters leave to chance: the order of its opsets, a random graph name."""
    model.opset_import.sort(key=lambda opset: opset.domain)
    model.graph.name = "graph"
    return model


@case
def iris():
    """skl2onnx, zipmap=False; the same model is in iris.ort
    | ORT format is scored like ONNX; four columns feed a matrix of four by position"""
    names = list(IRIS.target_names)
    model = sklearn_model(logistic(IRIS.target_names[IRIS.target]), options={"zipmap": False})
    return iris_case(model, classes={"probabilities": names}, data={"iris.ort": ort_format(model)})


@case
def zipmap_int64():
    """skl2onnx as it comes: sequence(map(int64, float)) | one column per class, labels -1, 5, 10"""
    labels = np.array([-1, 5, 10])
    return iris_case(sklearn_model(logistic(labels[IRIS.target])), classes={"output_probability": [-1, 5, 10]})


@case
def zipmap_columns():
    """skl2onnx with zipmap='columns': one output per class | each is a column"""
    return iris_case(sklearn_model(logistic(IRIS.target), options={"zipmap": "columns"}))


@case
def class_labels_output():
    """skl2onnx with output_class_labels: a constant third output [3], and 3 records
    | it names the classes and is no column, even when the batch has its length"""
    names = list(IRIS.target_names)
    options = {"zipmap": False, "output_class_labels": True}
    model = sklearn_model(logistic(IRIS.target_names[IRIS.target]), options=options)
    return iris_case(model, IRIS_X[::60], classes={"probabilities": names}, no_columns=("class_labels",))


@case
def multi_output():
    """MultiOutputClassifier: label [N,2], probabilities a sequence of [N,2] and [N,3]
    | sequences of tensors; the two labels are not named after two classes"""
    targets = np.column_stack([np.where(IRIS_X[:, 0] > 5.8, "yes", "no"), IRIS.target_names[IRIS.target]])
    trained = MultiOutputClassifier(LogisticRegression(max_iter=500)).fit(IRIS_X, targets)
    return iris_case(sklearn_model(trained, options={id(trained): {"zipmap": False}}))


@case
def isolation_forest():
    """label and scores [N,1], no classes | both are one column"""
    trained = IsolationForest(n_estimators=3, max_samples=16, random_state=0).fit(IRIS_X)
    return iris_case(sklearn_model(trained, target_opset={"": 17, ML: 3}))


@case
def kmeans():
    """label [N], scores [N,3] are distances | no class names: scores_0...scores_2"""
    return iris_case(sklearn_model(KMeans(3, n_init=1, random_state=0).fit(IRIS_X)))


@case
def regressor():
    """output `variable` [N,1] | one column"""
    return iris_case(sklearn_model(Ridge().fit(IRIS_X, IRIS.target * 1.5)))


@case
def double_matrix():
    """X is double: two features that only differ beyond float32 | doubles are parsed and fed as doubles"""
    trained = LinearRegression().fit(np.eye(2), [0.0, 1.0])
    trained.coef_, trained.intercept_ = np.array([1e8, -1e8]), np.float64(0.5)
    table = {"x1": ["1.00000001", "1", "0.1"], "x2": ["1", "1.00000002", "0.100000001"]}
    return Case(settled(to_onnx(trained, np.eye(2))), table, PAIR)


@case
def wrong_label_shape():
    """LightGBM by onnxmltools: label declared [1], really [N]; map keys 0, 1
    | shapes come from the result, and no warning per run"""
    trained = LGBMClassifier(n_estimators=3, num_leaves=4, verbose=-1, num_threads=1).fit(IRIS_X, IRIS.target > 0)
    model = convert_lightgbm(trained.booster_, initial_types=[("X", FloatTensorType([None, 4]))], target_opset=15)
    return iris_case(settled(model), classes={"probabilities": [0, 1]})


CATBOOST = {
    "iterations": 3,
    "depth": 2,
    "random_seed": 0,
    "thread_count": 1,
    "verbose": 0,
    "allow_writing_files": False,
}


def catboost_model(trained):
    """As CatBoost writes it, but for the metadata about who built it and when."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        trained.save_model(str(path), format="onnx")
        model = ModelProto.FromString(path.read_bytes())
    left_out = ("catboost_version_info", "train_finish_time", "model_guid")
    helper.set_model_props(model, {p.key: p.value for p in model.metadata_props if p.key not in left_out})
    return model


@case
def catboost_classifier():
    """CatBoost: ir 3, only ai.onnx.ml imported, input `features`, class_params in the metadata
    | classes in order; a model without the standard opset"""
    trained = CatBoostClassifier(**CATBOOST).fit(IRIS_X, IRIS.target_names[IRIS.target])
    return iris_case(catboost_model(trained), classes={"probabilities": list(IRIS.target_names)})


@case
def catboost_regressor():
    """CatBoost: predictions declared [N], really [N,1] | one column"""
    return iris_case(catboost_model(CatBoostRegressor(**CATBOOST).fit(IRIS_X, IRIS_X[:, 0] * IRIS_X[:, 3])))
