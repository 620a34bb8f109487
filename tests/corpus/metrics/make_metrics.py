"""Makes metrics.json: predictions, labels, and what scikit-learn says of them.

    python3.11 -m venv venv && venv/bin/pip install -r ../requirements.txt
    venv/bin/python make_metrics.py

Probabilities are made in the dtype that is named and written as float64 of the same value.
Metrics of float32 are computed from that float64, held within the float32's own eps (as
scikit-learn does by dtype), for means in float32 have no digits after the seventh; `plain`
is what scikit-learn says of the float32 array itself, good to 1e-6.
"""

import json
from pathlib import Path

import numpy as np
import sklearn.metrics as m

RANDOM = np.random.default_rng(20)


def softmax(scores):
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def of_labels(truth, predicted, classes):
    return {
        "accuracy": m.accuracy_score(truth, predicted),
        "balanced_accuracy": m.balanced_accuracy_score(truth, predicted),
        "f1_macro": m.f1_score(truth, predicted, average="macro"),
        "confusion": m.confusion_matrix(truth, predicted, labels=classes).tolist(),
    }


def of_scores(truth, p, classes):
    """`truth` holds numbers of classes, `p` is [N, C]."""
    wide = p.astype(np.float64)
    eps = float(np.finfo(p.dtype).eps)
    held = np.clip(wide, eps, 1 - eps)
    numbers = list(range(len(classes)))
    binary = len(classes) == 2
    side = (lambda a: a[:, 1]) if binary else (lambda a: a)
    brier_labels = {} if binary else {"labels": numbers}
    auc = {} if binary else {"multi_class": "ovr", "labels": numbers}
    return {
        "log_loss": m.log_loss(truth, held, labels=numbers),
        "brier": m.brier_score_loss(truth, side(wide), **brier_labels),
        "roc_auc": m.roc_auc_score(truth, side(p), **auc),
        "plain": {
            "log_loss": m.log_loss(truth, p, labels=numbers),
            "brier": m.brier_score_loss(truth, side(p), **brier_labels),
        },
    }


def classification(dtype, classes, n, *, sharp=1.0, extremes=False, coarse=None):
    width = len(classes)
    truth = RANDOM.integers(0, width, n)
    truth[:width] = np.arange(width)
    scores = RANDOM.normal(size=(n, width)) * 1.5
    scores[np.arange(n), truth] += 1.0
    p = softmax(scores * sharp)
    if coarse:  # forests: few distinct scores, many ties
        p = np.round(p * coarse) / coarse
        p[:, -1] = 1 - p[:, :-1].sum(axis=1)
        p = np.clip(p, 0, 1)
    if extremes:
        p[: n // 4] = np.eye(width)[RANDOM.integers(0, width, n // 4)]
    p = p.astype(dtype)
    predicted = p.argmax(axis=1)
    names = np.array(classes)
    return {
        "dtype": np.dtype(dtype).name,
        "classes": list(classes),
        "truth": names[truth].tolist(),
        "predicted": names[predicted].tolist(),
        "scores": p.astype(np.float64).tolist(),
        "expected": of_labels(names[truth], names[predicted], list(classes))
        | of_scores(truth, p, classes),
    }


def single(dtype, n):
    """One score a record, of the second class."""
    truth = RANDOM.integers(0, 2, n)
    p = (1 / (1 + np.exp(-RANDOM.normal(size=n) * 2 - truth + 0.5))).astype(dtype)
    both = np.stack([1 - p, p], axis=1)
    predicted = (p >= 0.5).astype(int)
    names = np.array(["0", "1"])
    return {
        "dtype": np.dtype(dtype).name,
        "classes": ["0", "1"],
        "truth": names[truth].tolist(),
        "predicted": names[predicted].tolist(),
        "scores": p.astype(np.float64)[:, None].tolist(),
        "expected": of_labels(names[truth], names[predicted], ["0", "1"]) | of_scores(truth, both, ["0", "1"]),
    }


def unknown_labels():
    """Labels that the model cannot predict, and a class that is never the label."""
    classes = ["a", "b", "c"]
    truth = np.array(["a", "b", "z", "a", "z", "b", "a", "y"])
    predicted = np.array(["a", "b", "a", "b", "c", "b", "a", "a"])
    return {
        "classes": classes,
        "truth": truth.tolist(),
        "predicted": predicted.tolist(),
        "expected": of_labels(truth, predicted, [*classes, "z", "y"]),
    }


def regression(dtype, n, *, offset=0.0):
    truth = RANDOM.normal(size=n) * 3 + offset
    predicted = (truth + RANDOM.normal(size=n)).astype(dtype)
    wide = predicted.astype(np.float64)
    return {
        "dtype": np.dtype(dtype).name,
        "truth": [repr(float(value)) for value in truth],
        "predicted": wide.tolist(),
        "expected": {
            "mae": m.mean_absolute_error(truth, wide),
            "rmse": m.root_mean_squared_error(truth, wide),
            "r2": m.r2_score(truth, wide),
        },
    }


def constant(predicted):
    truth = [2.5, 2.5, 2.5]
    return {
        "dtype": "float64",
        "truth": [repr(value) for value in truth],
        "predicted": predicted,
        "expected": {
            "mae": m.mean_absolute_error(truth, predicted),
            "rmse": m.root_mean_squared_error(truth, predicted),
            "r2": m.r2_score(truth, predicted),
        },
    }


CASES = {
    "classification": {
        "binary_float32": classification(np.float32, ["no", "yes"], 300),
        "binary_float64": classification(np.float64, ["no", "yes"], 300),
        "binary_extremes_float32": classification(np.float32, ["0", "1"], 200, sharp=20, extremes=True),
        "binary_extremes_float64": classification(np.float64, ["0", "1"], 200, sharp=20, extremes=True),
        "binary_ties": classification(np.float32, ["no", "yes"], 300, coarse=10),
        "three_float32": classification(np.float32, ["setosa", "versicolor", "virginica"], 300),
        "three_extremes": classification(np.float32, ["-1", "5", "10"], 300, sharp=8, extremes=True),
        "twelve_float64": classification(np.float64, [f"class {i}" for i in range(12)], 400),
        "single_float32": single(np.float32, 300),
        "single_float64": single(np.float64, 300),
    },
    "labels": {"unknown": unknown_labels()},
    "regression": {
        "float32": regression(np.float32, 300),
        "float64": regression(np.float64, 300),
        "far_from_zero": regression(np.float64, 300, offset=1e6),
        "constant_right": constant([2.5, 2.5, 2.5]),
        "constant_wrong": constant([2.5, 2.5, 2.75]),
    },
}

Path(__file__).with_name("metrics.json").write_text(json.dumps(CASES, separators=(",", ":")) + "\n")
