"""pandas + onnxruntime: read_csv in chunks, to_csv chunk by chunk."""

import sys

import numpy
import pandas

from session import FEATURES, load

CHUNK_ROWS = 50_000


def main(model, data, output):
    score = load(model)
    types = {name: numpy.float32 for name in FEATURES}
    with open(output, "w", newline="") as file:
        for number, frame in enumerate(pandas.read_csv(data, dtype=types, chunksize=CHUNK_ROWS)):
            matrix = numpy.ascontiguousarray(frame[FEATURES].to_numpy())
            kept = frame[["id", "label"]].assign(score=score(matrix))
            kept.to_csv(file, index=False, header=number == 0)


main(*sys.argv[1:])
