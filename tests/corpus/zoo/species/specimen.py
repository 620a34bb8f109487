"""What a model of the zoo is, and how it is settled so that the same libraries give the same bytes."""

import dataclasses
import tempfile
from pathlib import Path

import numpy as np
import onnx.helper

SMALL = {}  # name -> the function that makes a small model; its docstring says what is in it
BENCH = {}  # name -> the function that makes a model of the size that people use

_make_attribute = onnx.helper.make_attribute


def _without_bools(key, value, *args, **options):
    """skl2onnx 1.20 hands over lists with bools among the integers, which onnx 1.23 refuses."""
    if isinstance(value, (list, np.ndarray)) and any(isinstance(part, (bool, np.bool_)) for part in value):
        value = [int(part) for part in value]
    return _make_attribute(key, value, *args, **options)


# Before the converters are imported: they keep the function.
onnx.helper.make_attribute = _without_bools


@dataclasses.dataclass
class Specimen:
    """A model, and the name of the records that fit it."""

    model: onnx.ModelProto
    records: str = "credit"
    classes: dict = dataclasses.field(default_factory=dict)  # output -> keys of a ZipMap


def small(make):
    """Registers a function that makes a small model of its name."""
    SMALL[make.__name__] = make
    return make


def bench(name):
    """Registers a function that makes a big model."""

    def register(make):
        BENCH[name] = make
        return make

    return register


def settled(model):
    """The model without what converters leave to chance or to their release: names, the order of opsets."""
    model.opset_import.sort(key=lambda opset: opset.domain)
    model.graph.name = "graph"
    for name in ("producer_name", "producer_version", "domain", "doc_string"):
        model.ClearField(name)
    model.graph.ClearField("doc_string")
    return model


def written(save):
    """The model that a library writes into a file of its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        save(str(path))
        model = onnx.load(path)
    # Who built it and when.
    del model.metadata_props[:]
    return settled(model)
