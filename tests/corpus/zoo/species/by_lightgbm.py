"""LightGBM's models, by onnxmltools and, as TreeEnsemble of ai.onnx.ml 5, by joint.py."""

import numpy as np

from .joint import joint
from .records import CATEGORIES, CODES, COLUMNS
from .specimen import Specimen, bench, settled, small

import lightgbm  # noqa: E402  (after the patch in specimen.py)
from onnxmltools import convert_lightgbm
from onnxmltools.convert.common.data_types import FloatTensorType


def trained(kind, records, target, trees, leaves, **options):
    settings = {"verbose": -1, "n_jobs": 1, "random_state": 0, "deterministic": True, "force_row_wise": True}
    categories = options.pop("categories", None)
    model = kind(n_estimators=trees, num_leaves=leaves, **settings, **options)
    fit = {} if categories is None else {"categorical_feature": categories}
    return model.fit(records, target, **fit)


def classifier(*args, **options):
    return trained(lightgbm.LGBMClassifier, *args, **options)


def regressor(*args, **options):
    return trained(lightgbm.LGBMRegressor, *args, **options)


def by_category(table):
    """A target that hangs on the codes of two columns, so that trees branch on sets of them."""
    return table.score + 2 * np.sin(3 * table.records[:, 12]) + 2 * np.sin(5 * table.records[:, 13])


# So that few records suffice for a set of codes.
CODED = {"categories": CATEGORIES, "min_data_per_group": 5, "cat_smooth": 1}

MANY_CODES = {"categories": list(CODES), "min_data_per_group": 5, "cat_smooth": 1}


def converted(model, **options):
    wanted = [("input", FloatTensorType([None, COLUMNS]))]
    options = {"zipmap": False} | options if hasattr(model, "classes_") else options
    return settled(convert_lightgbm(model, initial_types=wanted, target_opset=15, **options))


@small
def lightgbm_binary(table):
    """two classes"""
    return Specimen(converted(classifier(table.records, table.is_good, 15, 15)))


@small
def lightgbm_gaps(table):
    """trained on records with gaps: NaN goes left at some branches, right at others"""
    return Specimen(converted(classifier(table.gaps, table.is_good, 15, 15)), "credit_gaps")


@small
def lightgbm_zero_is_missing(table):
    """zero counts as missing"""
    return Specimen(converted(regressor(table.gaps, table.score, 10, 15, zero_as_missing=True)), "credit_gaps")


@small
def lightgbm_classes(table):
    """five classes, 5 trees each: SOFTMAX"""
    return Specimen(converted(classifier(table.records, table.graded(5), 5, 10)))


@small
def lightgbm_regression(table):
    """one score"""
    return Specimen(converted(regressor(table.records, table.score, 15, 15)))


@small
def lightgbm_categories(table):
    """columns that are categories: chains of BRANCH_EQ"""
    return Specimen(converted(classifier(table.records, (by_category(table) > 0).astype(np.int64), 8, 10, **CODED)))


@small
def lightgbm_categories_gaps(table):
    """categories and gaps together"""
    return Specimen(converted(regressor(table.gaps, by_category(table), 6, 10, **CODED)), "credit_gaps")


@small
def lightgbm_categories_many(table):
    """categories of up to 1,000 codes: long chains of BRANCH_EQ, most of which ONNX Runtime does not fold"""
    return Specimen(converted(regressor(table.codes, table.worth, 6, 8, **MANY_CODES)), "codes")


@small
def lightgbm_categories_large(table):
    """the same in a tree of more than 256 leaves"""
    options = MANY_CODES | {"min_child_samples": 2, "max_cat_threshold": 4}
    return Specimen(converted(regressor(table.codes, table.worth, 1, 300, **options)), "codes")


@small
def lightgbm_texts(table):
    """labels that are texts, and a ZipMap"""
    model = classifier(table.records, np.array(["no", "yes"])[table.is_good], 8, 10)
    return Specimen(converted(model, zipmap=True), classes={"probabilities": ["no", "yes"]})


@small
def lightgbm_forest(table):
    """boosting as a random forest: the sum is divided afterwards"""
    options = {"boosting_type": "rf", "bagging_freq": 1, "bagging_fraction": 0.6}
    return Specimen(converted(classifier(table.records, table.is_good, 10, 15, **options)))


@small
def lightgbm_large(table):
    """trees of up to 150 leaves"""
    return Specimen(converted(regressor(table.records, table.score, 2, 150, min_child_samples=3)))


@small
def lightgbm_poisson(table):
    """a regression on a log scale: an Exp after the trees"""
    counts = np.round(np.abs(table.score))
    return Specimen(converted(regressor(table.records, counts, 10, 10, objective="poisson")))


@small
def lightgbm_split(table):
    """converted with `split`: an ensemble for every 5 trees, and their sum"""
    return Specimen(converted(regressor(table.records, table.score, 12, 8), split=5))


@small
def joint_float(table):
    """TreeEnsemble of ai.onnx.ml 5, float32"""
    return Specimen(joint(regressor(table.gaps, table.score, 10, 15), np.float32), "credit_gaps")


@small
def joint_double(table):
    """TreeEnsemble of ai.onnx.ml 5 over doubles, LOGISTIC, which ONNX Runtime leaves undone for a single score"""
    return Specimen(joint(classifier(table.gaps, table.is_good, 10, 15), np.float64), "double_gaps")


@small
def joint_members(table):
    """TreeEnsemble of ai.onnx.ml 5: categories as sets of small numbers, BRANCH_MEMBER"""
    few = {"categories": CATEGORIES[:3]}
    return Specimen(joint(regressor(table.records, by_category(table), 10, 15, **CODED | few), np.float32))


@small
def joint_large_members(table):
    """the same with sets of numbers beyond 30, which ONNX Runtime cuts records to whole numbers for"""
    return Specimen(joint(regressor(table.records, by_category(table), 4, 8, **CODED), np.float32))


@bench("lightgbm 100 x 31")
def _(table):
    return Specimen(converted(classifier(table.records, table.is_good, 100, 31)))


@bench("lightgbm 100 x 31, gaps")
def _(table):
    return Specimen(converted(classifier(table.gaps, table.is_good, 100, 31)), "credit_gaps")


@bench("lightgbm 1000 x 63")
def _(table):
    return Specimen(converted(classifier(table.records, table.is_good, 1000, 63, learning_rate=0.03)))


@bench("lightgbm 1000 x 127")
def _(table):
    return Specimen(converted(classifier(table.records, table.is_good, 1000, 127, learning_rate=0.03)))


@bench("lightgbm 1000 x 63, regression")
def _(table):
    return Specimen(converted(regressor(table.records, table.score, 1000, 63, learning_rate=0.03)))


@bench("lightgbm 5 classes")
def _(table):
    return Specimen(converted(classifier(table.records, table.graded(5), 100, 31)))


@bench("lightgbm texts, ZipMap")
def _(table):
    model = classifier(table.records, np.array(["no", "yes"])[table.is_good], 50, 31)
    return Specimen(converted(model, zipmap=True))


@bench("lightgbm categories")
def _(table):
    return Specimen(converted(classifier(table.records, table.is_good, 100, 31, categories=CATEGORIES)))


@bench("lightgbm up to 1,000 codes, 100 x 31")
def _(table):
    return Specimen(converted(regressor(table.codes, table.worth, 100, 31, categories=list(CODES))), "codes")


@bench("lightgbm up to 1,000 codes, 100 x 300")
def _(table):
    return Specimen(converted(regressor(table.codes, table.worth, 100, 300, categories=list(CODES))), "codes")
