"""CatBoost's models, by its own writer: oblivious trees of BRANCH_GT, in a file of ir version 3."""

from .specimen import Specimen, bench, small, written

from catboost import CatBoostClassifier, CatBoostRegressor  # noqa: E402


def trained(kind, records, target, trees, depth, **options):
    settings = {"random_seed": 0, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
    model = kind(iterations=trees, depth=depth, **settings, **options).fit(records, target)
    return written(lambda path: model.save_model(path, format="onnx"))


@small
def catboost_binary(table):
    """two classes"""
    classes = {"probabilities": [0, 1]}
    return Specimen(trained(CatBoostClassifier, table.records, table.is_good, 10, 4), classes=classes)


@small
def catboost_gaps(table):
    """trained on records with gaps"""
    return Specimen(trained(CatBoostRegressor, table.gaps, table.score, 12, 4), "credit_gaps")


@small
def catboost_classes(table):
    """three classes"""
    classes = {"probabilities": [0, 1, 2]}
    options = {"loss_function": "MultiClass"}
    return Specimen(trained(CatBoostClassifier, table.records, table.graded(3), 5, 4, **options), classes=classes)


@small
def catboost_regression(table):
    """one score, trees of depth 6"""
    return Specimen(trained(CatBoostRegressor, table.records, table.score, 5, 6))


@bench("catboost 500 x depth 6")
def _(table):
    return Specimen(trained(CatBoostClassifier, table.records, table.is_good, 500, 6))


@bench("catboost 200 x depth 6, 5 classes")
def _(table):
    return Specimen(trained(CatBoostClassifier, table.records, table.graded(5), 200, 6, loss_function="MultiClass"))


@bench("catboost 500 x depth 6, regression")
def _(table):
    return Specimen(trained(CatBoostRegressor, table.records, table.score, 500, 6))
