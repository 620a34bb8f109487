"""polars + XGBoost: its own predictor on all cores, from the model as XGBoost saves it.

`inplace_predict` takes the matrix as it is; a DMatrix is a copy of it.
"""

import pathlib
import sys

import xgboost

from stream import score


def main(model, data, output):
    booster = xgboost.Booster(model_file=pathlib.Path(model).with_suffix(".ubj"))
    score(data, output, booster.inplace_predict)


main(*sys.argv[1:])
