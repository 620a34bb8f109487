"""What the rivals share: ONNX Runtime with its default threads, one [N,30] float32 input, one [N,1] output."""

import numpy
import onnxruntime

FEATURES = [f"f{index}" for index in range(30)]

# Slices of this size were the fastest for all three models: a chunk of 100,000 rows in one run takes
# the MLP 1.5 times as long, and several times the memory.
SLICE_ROWS = 4096


def load(model):
    """A function from a float32 matrix to the scores of its rows."""
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])

    def score(matrix):
        starts = range(0, len(matrix), SLICE_ROWS)
        slices = [matrix[start : start + SLICE_ROWS] for start in starts]
        return numpy.concatenate([session.run(["score"], {"X": part})[0][:, 0] for part in slices])

    return score
