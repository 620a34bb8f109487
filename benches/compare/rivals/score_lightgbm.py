"""polars + LightGBM: its own predictor on all cores, from the model as LightGBM saves it."""

import pathlib
import sys

import lightgbm
import numpy

from stream import score


def main(model, data, output):
    booster = lightgbm.Booster(model_file=pathlib.Path(model).with_suffix(".txt"))
    # As few digits as the other programs write: LightGBM gives doubles.
    score(data, output, lambda matrix: booster.predict(matrix).astype(numpy.float32))


main(*sys.argv[1:])
