"""XGBoost's models, by onnxmltools: BRANCH_LT."""

from .records import COLUMNS
from .specimen import Specimen, bench, settled, small

import xgboost  # noqa: E402  (after the patch in specimen.py)
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType


def converted(kind, records, target, trees, depth, **options):
    model = kind(n_estimators=trees, max_depth=depth, n_jobs=1, random_state=0, **options).fit(records, target)
    wanted = [("input", FloatTensorType([None, COLUMNS]))]
    return settled(convert_xgboost(model, initial_types=wanted, target_opset=15))


def classifier(*args, **options):
    return converted(xgboost.XGBClassifier, *args, **options)


def regressor(*args, **options):
    return converted(xgboost.XGBRegressor, *args, **options)


@small
def xgboost_binary(table):
    """two classes"""
    return Specimen(classifier(table.records, table.is_good, 12, 4))


@small
def xgboost_gaps(table):
    """trained on records with gaps"""
    return Specimen(classifier(table.gaps, table.is_good, 12, 4), "credit_gaps")


@small
def xgboost_classes(table):
    """four classes"""
    return Specimen(classifier(table.gaps, table.graded(4), 4, 3), "credit_gaps")


@small
def xgboost_regression(table):
    """one score, with a base value"""
    return Specimen(regressor(table.records, table.score, 12, 4))


@small
def xgboost_deep(table):
    """trees of depth 8"""
    return Specimen(regressor(table.gaps, table.score, 3, 8), "credit_gaps")


@small
def xgboost_large(table):
    """grown by loss, not by depth"""
    options = {"grow_policy": "lossguide", "max_leaves": 40}
    return Specimen(classifier(table.gaps, table.is_good, 4, 0, **options), "credit_gaps")


@bench("xgboost 100 x depth 6, gaps")
def _(table):
    return Specimen(classifier(table.gaps, table.is_good, 100, 6), "credit_gaps")


@bench("xgboost 500 x depth 8")
def _(table):
    return Specimen(classifier(table.records, table.is_good, 500, 8, learning_rate=0.05))


@bench("xgboost 300 x depth 6, regression")
def _(table):
    return Specimen(regressor(table.records, table.score, 300, 6))
