"""polars + lleaves: LightGBM's trees compiled to machine code, on all cores.

What it compiles is kept beside the model, so that only the first run pays for that.
"""

import pathlib
import sys

import lleaves
import numpy

from stream import score


def main(model, data, output):
    saved = pathlib.Path(model).with_suffix(".txt")
    compiled = lleaves.Model(model_file=saved)
    compiled.compile(cache=saved.with_suffix(".lleaves"))
    score(data, output, lambda matrix: compiled.predict(matrix).astype(numpy.float32))


main(*sys.argv[1:])
