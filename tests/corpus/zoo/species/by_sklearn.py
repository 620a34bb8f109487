"""scikit-learn's models, by skl2onnx."""

import numpy as np

from .records import digits
from .specimen import Specimen, bench, settled, small

from onnx import TensorProto  # noqa: E402  (after the patch in specimen.py)
from skl2onnx import to_onnx
from sklearn import ensemble, tree

OPSETS = {"": 17, "ai.onnx.ml": 3}


def converted(kind, records, target, dtype=np.float32, zipmap=False, **options):
    settings = {"random_state": 0} | options
    model = kind(**settings).fit(records.astype(dtype), target)
    plain = {id(model): {"zipmap": zipmap}} if hasattr(model, "predict_proba") else None
    return settled(to_onnx(model, records[:1].astype(dtype), options=plain, target_opset=OPSETS))


def as_float32(model):
    """The model with its outputs declared as the tree operators give them: skl2onnx 1.20 declares float64
    for float64 records, which ONNX Runtime does not load."""
    for output in model.graph.output:
        if output.type.tensor_type.elem_type == TensorProto.DOUBLE:
            output.type.tensor_type.elem_type = TensorProto.FLOAT
    return model


@small
def forest_binary(table):
    """two classes, depth 5"""
    return Specimen(converted(ensemble.RandomForestClassifier, table.records, table.is_good, n_estimators=8, max_depth=5))


@small
def forest_unlimited(table):
    """grown to the end"""
    return Specimen(converted(ensemble.RandomForestClassifier, table.records[:400], table.is_good[:400], n_estimators=4))


@small
def forest_texts(table):
    """three classes that are texts, and a ZipMap"""
    names = np.array(["low", "mid", "high"])[table.graded(3)]
    model = converted(ensemble.RandomForestClassifier, table.records, names, zipmap=True, n_estimators=6, max_depth=4)
    return Specimen(model, classes={"output_probability": ["high", "low", "mid"]})


@small
def forest_digits(_table):
    """ten classes of 64 columns"""
    records, digit = digits()
    return Specimen(converted(ensemble.RandomForestClassifier, records, digit, n_estimators=4, max_depth=5), "digits")


@small
def forest_regression(table):
    """one score, depth 6: an average"""
    return Specimen(converted(ensemble.RandomForestRegressor, table.records, table.score, n_estimators=4, max_depth=6))


@small
def forest_regression_unlimited(table):
    """one score, grown to the end"""
    return Specimen(converted(ensemble.RandomForestRegressor, table.records[:200], table.score[:200], n_estimators=3))


@small
def forest_targets(table):
    """three scores at once"""
    targets = np.column_stack([table.score, table.records[:, 0], table.records[:, 3]])
    return Specimen(converted(ensemble.RandomForestRegressor, table.records, targets, n_estimators=4, max_depth=5))


@small
def forest_double(table):
    """float64 records: the classifier of ai.onnx.ml 3 that sums doubles"""
    model = converted(ensemble.RandomForestClassifier, table.records, table.graded(3), np.float64, n_estimators=5, max_depth=5)
    return Specimen(as_float32(model), "double")


@small
def forest_regression_double(table):
    """float64 records, one score"""
    model = converted(ensemble.RandomForestRegressor, table.records, table.score, np.float64, n_estimators=4, max_depth=6)
    return Specimen(as_float32(model), "double")


@small
def extra_trees(table):
    """random thresholds: hardly one comes twice"""
    return Specimen(converted(ensemble.ExtraTreesClassifier, table.records, table.graded(4), n_estimators=4, max_depth=6))


@small
def gradient_boosting(table):
    """two classes"""
    return Specimen(converted(ensemble.GradientBoostingClassifier, table.records, table.is_good, n_estimators=15, max_depth=3))


@small
def gradient_boosting_classes(table):
    """three classes"""
    return Specimen(converted(ensemble.GradientBoostingClassifier, table.records, table.graded(3), n_estimators=5, max_depth=3))


@small
def gradient_boosting_regression(table):
    """one score"""
    return Specimen(converted(ensemble.GradientBoostingRegressor, table.records, table.score, n_estimators=15, max_depth=3))


@small
def histograms(table):
    """HistGradientBoosting on records with gaps, two classes"""
    model = converted(ensemble.HistGradientBoostingClassifier, table.gaps, table.is_good, max_iter=10, max_leaf_nodes=12)
    return Specimen(model, "credit_gaps")


@small
def histograms_regression(table):
    """HistGradientBoosting on records with gaps, one score"""
    model = converted(ensemble.HistGradientBoostingRegressor, table.gaps, table.score, max_iter=10, max_leaf_nodes=12)
    return Specimen(model, "credit_gaps")


@small
def isolation(table):
    """an isolation forest: an ensemble for every tree, and arithmetic between them"""
    return Specimen(converted(ensemble.IsolationForest, table.records, None, n_estimators=3, max_samples=32))


@small
def tree_classifier(table):
    """one tree"""
    return Specimen(converted(tree.DecisionTreeClassifier, table.records, table.graded(4), max_depth=7))


@small
def tree_regressor(table):
    """one tree, grown to the end"""
    return Specimen(converted(tree.DecisionTreeRegressor, table.records[:300], table.score[:300]))


@small
def tree_targets(table):
    """one tree of two scores"""
    targets = np.column_stack([table.score, table.records[:, 2]])
    return Specimen(converted(tree.DecisionTreeRegressor, table.records, targets, max_depth=6))


@small
def tree_stump(table):
    """one branch"""
    return Specimen(converted(tree.DecisionTreeRegressor, table.records, table.score, max_depth=1))


@bench("forest 100 x depth 12")
def _(table):
    options = {"n_estimators": 100, "max_depth": 12, "n_jobs": 2}
    return Specimen(converted(ensemble.RandomForestClassifier, table.records, table.is_good, **options))


@bench("forest 100, unlimited")
def _(table):
    half = len(table.records) // 2
    options = {"n_estimators": 100, "n_jobs": 2}
    return Specimen(converted(ensemble.RandomForestClassifier, table.records[:half], table.is_good[:half], **options))


@bench("forest 100, 10 classes")
def _(_table):
    records, digit = digits()
    options = {"n_estimators": 100, "max_depth": 12, "n_jobs": 2}
    return Specimen(converted(ensemble.RandomForestClassifier, records, digit, **options), "digits")


@bench("forest 100 x depth 12, regression")
def _(table):
    half = len(table.records) // 2
    options = {"n_estimators": 100, "max_depth": 12, "n_jobs": 2}
    return Specimen(converted(ensemble.RandomForestRegressor, table.records[:half], table.score[:half], **options))


@bench("extra trees 100 x depth 10")
def _(table):
    options = {"n_estimators": 100, "max_depth": 10, "n_jobs": 2}
    return Specimen(converted(ensemble.ExtraTreesClassifier, table.records, table.is_good, **options))


@bench("gradient boosting 200 x depth 3")
def _(table):
    quarter = len(table.records) // 4
    options = {"n_estimators": 200, "max_depth": 3}
    return Specimen(converted(ensemble.GradientBoostingRegressor, table.records[:quarter], table.score[:quarter], **options))


@bench("histograms 200 x 31, gaps")
def _(table):
    model = converted(ensemble.HistGradientBoostingClassifier, table.gaps, table.is_good, max_iter=200)
    return Specimen(model, "credit_gaps")


@bench("isolation forest 100")
def _(table):
    return Specimen(converted(ensemble.IsolationForest, table.records, None, n_estimators=100))
