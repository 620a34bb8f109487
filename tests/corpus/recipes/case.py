"""What a case is, and how its expected predictions are computed."""

import math
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np
import onnxruntime as ort
from onnx import ModelProto, TensorProto

CASES = {}  # name -> the function that builds it


def case(build):
    """Registers a function that builds a case of its name."""
    CASES[build.__name__] = build
    return build


@dataclass
class Case:
    """A model and its input. `table` maps the literal header texts (CSV) or keys (JSONL) to cells."""

    model: ModelProto | bytes
    table: dict
    feeds: dict = field(default_factory=dict)  # input -> column, or list of columns; default: same name
    given: dict = field(default_factory=dict)  # input -> array, for inputs without a batch axis
    classes: dict = field(default_factory=dict)  # output -> class list, where the model tells it
    no_columns: tuple = ()  # outputs without a batch axis
    batch: int = 0  # records a run takes; 0: all at once
    flags: str = ""
    jsonl: bool = False
    bom: bool = False
    data: dict = field(default_factory=dict)  # further files: name -> bytes

    @property
    def size(self):
        return len(next(iter(self.table.values())))


def parse(text, dtype):
    """The value of one CSV cell for an input of this dtype, or of one JSON number."""
    if dtype is object:
        return text
    if dtype == np.bool_:
        return text in ("true", "1", True)
    if np.issubdtype(dtype, np.floating):
        return dtype("nan" if text in ("", None) else float(text))
    return dtype(int(Decimal(text)))


NUMPY = {
    "float": np.float32, "double": np.float64, "float16": np.float16, "bool": np.bool_, "string": object,
    "int8": np.int8, "int16": np.int16, "int32": np.int32, "int64": np.int64,
    "uint8": np.uint8, "uint16": np.uint16, "uint32": np.uint32, "uint64": np.uint64,
}  # fmt: skip


def to_tensor(cells, info):
    """The cells of one input, nested as in the table, as the tensor the input wants."""
    kind = info.type.removeprefix("tensor(").removesuffix(")")
    dtype = np.float32 if kind == "bfloat16" else NUMPY[kind]
    array = np.vectorize(lambda cell: parse(cell, dtype), otypes=[dtype])(np.array(cells, dtype=object))
    if len(info.shape) == 2 and array.ndim == 1:
        array = array.reshape(-1, 1)
    if kind == "bfloat16":
        bits = round_to_bfloat16(array)
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(bits, TensorProto.BFLOAT16)
    return array


def round_to_bfloat16(array):
    """The upper halves of float32, rounded to nearest even."""
    bits = array.view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def inputs_of(case, session, records):
    """The feed of one run: the records by number, a record repeated where a fixed batch needs it."""
    feed = dict(case.given)
    for info in session.get_inputs():
        if info.name in case.given:
            continue
        source = case.feeds.get(info.name, info.name)
        if isinstance(source, list):
            cells = [[case.table[column][i] for column in source] for i in records]
        else:
            cells = [case.table[source][i] for i in records]
        feed[info.name] = to_tensor(cells, info)
    return feed


def columns(name, value, classes):
    """An output as columns: name -> one value per record."""
    if isinstance(value, list) and isinstance(value[0], dict):
        return {f"{name}_{key}": [np.float32(row[key]) for row in value] for key in classes or value[0]}
    if isinstance(value, list):
        return {k: v for i, part in enumerate(value) for k, v in columns(f"{name}_{i}", part, None).items()}
    if value.ndim == 1 or value.shape[1:] == (1,):
        return {name: list(value.reshape(-1))}
    if value.ndim == 2:
        known = classes if classes and len(classes) == value.shape[1] else range(value.shape[1])
        return {f"{name}_{key}": list(value[:, i]) for i, key in enumerate(known)}
    return {name: list(value)}


def cell_text(value, nothing=""):
    """The shortest text that reads back to the value; `nothing` for NaN and infinity."""
    if isinstance(value, np.ndarray):
        return "[" + ",".join(cell_text(part, nothing="null") for part in value) + "]"
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    if isinstance(value, np.floating) and not math.isfinite(value):
        return nothing
    return str(value)


def predict(case, path):
    """Header and rows of NAME.expected.csv, by the model in a file."""
    session = ort.InferenceSession(path)
    step = case.batch or case.size
    predictions = {}
    for start in range(0, case.size, step):
        records = [min(i, case.size - 1) for i in range(start, start + step)]
        outputs = session.run(None, inputs_of(case, session, records))
        for info, value in zip(session.get_outputs(), outputs, strict=True):
            if info.name in case.no_columns:
                continue
            for column, values in columns(info.name, value, case.classes.get(info.name)).items():
                predictions.setdefault(column, []).extend(values[: case.size - start])
    return [list(predictions), *([cell_text(v) for v in row] for row in zip(*predictions.values(), strict=True))]
