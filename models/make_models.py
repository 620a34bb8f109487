"""Make every sample model in models/ and every sample file in sample_data/.

    python3.11 -m venv /tmp/venv
    /tmp/venv/bin/pip install -r models/requirements.txt
    /tmp/venv/bin/python models/make_models.py            # all of them
    /tmp/venv/bin/python models/make_models.py iris wine  # only these

Nothing is downloaded: all data comes inside the pinned Python packages. Seeds
are fixed and training runs on one thread, so the same versions on the same
kind of processor give the same files.

For a sample NAME this writes

    models/NAME.onnx               the model
    sample_data/NAME.csv           records to score (not for array-valued inputs)
    sample_data/NAME.jsonl         the same records, one JSON object per line
    sample_data/NAME.expected.csv  what onnxruntime predicts for these records

and it stops if onnxruntime and the library that trained the model disagree.
models/README.md says where the data comes from.
"""

import csv
import gettext
import importlib.util
import json
import locale
import logging
import os
import re
import sys
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pandas as pd

SEED = 0
MODELS = Path(__file__).resolve().parent
SAMPLE_DATA = MODELS.parent / "sample_data"
RECORDS = 60  # records in a sample, unless the whole data set is small


@dataclass
class Sample:
    """One model, the records to score with it and the answers to expect."""

    model: onnx.ModelProto
    records: list  # one dict per record, as it goes into the files
    inputs: dict  # the same records as arrays, by model input
    native: dict  # predictions of the training library, by model output
    score: str  # how good the model is on records it was not trained on


# --------------------------------------------------------------------- models


def penguins():
    """Species from string and float columns: one model input per column."""
    from palmerpenguins import load_penguins, load_penguins_raw
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = ["island", "sex"]
    numbers = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
    data, raw = load_penguins(), load_penguins_raw()
    ids = [
        f"{study}-{species[0]}{number:03}"
        for study, species, number in zip(raw["studyName"], raw["Species"], raw["Sample Number"])
    ]
    data.insert(0, "id", ids)
    features = data[text + numbers].fillna(dict.fromkeys(text, ""))
    features = features.astype(dict.fromkeys(numbers, np.float32))

    train, test = split(data.index, 100, stratify=data["species"])
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), text),
            (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), numbers),
        ),
        LogisticRegression(),
    ).fit(features.loc[train], data["species"][train])

    return Sample(
        model=from_sklearn("penguins", model, column_types(features)),
        records=to_records(data.convert_dtypes()),
        inputs=columns_of(features),
        native={
            "output_label": model.predict(features),
            "output_probability": model.predict_proba(features),
        },
        score=accuracy(model, features.loc[test], data["species"][test]),
    )


def iris():
    """The classic: one unnamed float matrix in, label and probability matrix out."""
    from sklearn.datasets import load_iris
    from sklearn.linear_model import LogisticRegression

    bunch = load_iris(as_frame=True)
    species = bunch.target_names[bunch.target]
    train, test = split(bunch.data.index, RECORDS, stratify=species)
    x = bunch.data.to_numpy(np.float32)
    model = LogisticRegression(max_iter=1000).fit(x[train], species[train])

    return Sample(
        model=from_sklearn("iris", model, matrix_type(x), options={"zipmap": False}),
        records=to_records(bunch.data.loc[test]),
        inputs={"X": x[test]},
        native={"label": model.predict(x[test]), "probabilities": model.predict_proba(x[test])},
        score=accuracy(model, x[test], species[test]),
    )


def breast_cancer():
    """LightGBM with its 30 feature names in the metadata, shuffled in the CSV."""
    from lightgbm import LGBMClassifier
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    diagnosis = bunch.target_names[bunch.target]
    names = list(bunch.data.columns)
    train, test = split(bunch.data.index, RECORDS, stratify=diagnosis)
    x = bunch.data.to_numpy(np.float32)
    model = LGBMClassifier(
        n_estimators=60, num_leaves=8, random_state=SEED, n_jobs=1, deterministic=True, verbose=-1
    ).fit(x[train], diagnosis[train])

    converted = convert_lightgbm(
        model, "breast_cancer", [("X", FloatTensorType([None, len(names)]))]
    )
    onnx.helper.set_model_props(converted, {"feature_names": json.dumps(names)})

    records = bunch.data[sorted(names)].loc[test]
    records.insert(0, "id", [f"case-{row:03}" for row in test])
    records["diagnosis"] = diagnosis[test]
    return Sample(
        model=converted,
        records=to_records(records),
        inputs={"X": x[test]},
        native={"label": model.predict(x[test]), "probabilities": model.predict_proba(x[test])},
        score=accuracy(model, x[test], diagnosis[test]),
    )


def diabetes():
    """XGBoost regression; the export keeps no feature names at all."""
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType
    from sklearn.datasets import load_diabetes
    from xgboost import XGBRegressor

    bunch = load_diabetes(as_frame=True, scaled=False)
    train, test = split(bunch.data.index, RECORDS)
    x, y = bunch.data.to_numpy(np.float32), bunch.target.to_numpy()
    model = XGBRegressor(
        n_estimators=50, max_depth=2, learning_rate=0.05, random_state=SEED, n_jobs=1
    ).fit(x[train], y[train])

    return Sample(
        model=convert_xgboost(model, "diabetes", [("X", FloatTensorType([None, x.shape[1]]))]),
        records=to_records(bunch.data.loc[test].convert_dtypes()),
        inputs={"X": x[test]},
        native={"variable": model.predict(x[test])},
        score=r_squared(model, x[test], y[test]),
    )


def wine():
    """CatBoost, three cultivars; class names are in CatBoost's own metadata."""
    from catboost import CatBoostClassifier
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    cultivar = bunch.target_names[bunch.target]
    train, test = split(bunch.data.index, RECORDS, stratify=cultivar)
    x = bunch.data.to_numpy(np.float32)
    model = CatBoostClassifier(
        iterations=40, depth=3, random_seed=SEED, thread_count=1, verbose=0,
        allow_writing_files=False,
    ).fit(x[train], cultivar[train])

    records = bunch.data.loc[test].convert_dtypes()
    records.insert(0, "id", [f"bottle-{row:03}" for row in test])
    records["cultivar"] = cultivar[test]
    return Sample(
        model=from_catboost("wine", model),
        records=to_records(records),
        inputs={"features": x[test]},
        native={
            "label": model.predict(x[test])[:, 0],
            "probabilities": model.predict_proba(x[test]),
        },
        score=accuracy(model, x[test], cultivar[test]),
    )


def titanic():
    """String and double columns with missing ages; one output per class."""
    from skl2onnx.sklapi import CastTransformer
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = pd.read_csv(packaged("bokeh_sampledata", "_data/titanic_all.csv"))
    data = data[data["class"].isin(["1st", "2nd", "3rd"])].reset_index(drop=True)
    text, numbers = ["class", "sex"], ["age"]
    features, survived = data[text + numbers], data["survived"].astype(int)

    train, test = split(data.index, 200, stratify=survived)
    # onnxruntime has no imputer for doubles, hence the cast.
    age = make_pipeline(CastTransformer(), SimpleImputer(strategy="median"), StandardScaler())
    model = make_pipeline(
        make_column_transformer((OneHotEncoder(), text), (age, numbers)),
        LogisticRegression(),
    ).fit(features.loc[train], survived[train])

    held_out = features.loc[test]
    probabilities = model.predict_proba(held_out)
    return Sample(
        model=from_sklearn(
            "titanic", model, column_types(features), options={"zipmap": "columns"}
        ),
        records=to_records(data.loc[test]),
        inputs=columns_of(held_out),
        native={
            "output_label": model.predict(held_out),
            "i0": probabilities[:, 0],
            "i1": probabilities[:, 1],
        },
        score=accuracy(model, held_out, survived[test]),
    )


def auto_mpg():
    """Miles per gallon from double, int64 and string columns."""
    from skl2onnx.sklapi import CastTransformer
    from sklearn.compose import make_column_transformer
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    data = pd.read_csv(packaged("bokeh_sampledata", "_data/auto-mpg.csv"))
    data.insert(8, "maker", data["name"].str.split().str[0])
    doubles, whole, text = ["displ", "hp", "weight", "accel"], ["cyl", "yr"], ["origin", "maker"]
    types = dict.fromkeys(doubles, np.float64) | {"cyl": np.int64, "yr": np.int64}
    data["origin"] = data["origin"].map({1: "USA", 2: "Europe", 3: "Asia"})
    features = data[doubles + whole + text].astype(types)

    train, test = split(data.index, RECORDS)
    scale = make_pipeline(CastTransformer(), StandardScaler())
    model = make_pipeline(
        make_column_transformer(
            (scale, doubles + whole), (OneHotEncoder(handle_unknown="ignore"), text)
        ),
        Ridge(),
    ).fit(features.loc[train], data["mpg"][train])

    held_out = features.loc[test]
    return Sample(
        model=from_sklearn("auto_mpg", model, column_types(features)),
        records=to_records(data.loc[test].convert_dtypes()),
        inputs=columns_of(held_out),
        native={"variable": model.predict(held_out)},
        score=r_squared(model, held_out, data["mpg"][test]),
    )


def languages():
    """Which language is this message in? Words (TF-IDF) of one string input."""
    from skl2onnx.common.data_types import StringTensorType
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    data = django_messages()
    text, language = data["text"], data["language"]
    train, test = split(data.index, RECORDS, stratify=language)
    # Also hold out what a CSV file has to quote with more care.
    test = np.union1d(test, data.index[text.str.contains('["\n]')])
    train = np.setdiff1d(train, test)
    # Spelled out, since \w means other letters to onnxruntime than to Python.
    words = TfidfVectorizer(token_pattern="[a-zß-öø-ÿœ]+", max_features=1500)
    model = make_pipeline(words, LogisticRegression(C=10)).fit(text[train], language[train])

    held_out = text[test]
    records = data.loc[test, ["text", "language"]]
    records.insert(0, "id", [f"message-{row:04}" for row in test])
    return Sample(
        model=from_sklearn("languages", model, [("text", StringTensorType([None, 1]))]),
        records=to_records(records),
        inputs=columns_of(held_out.to_frame()),
        native={
            "output_label": model.predict(held_out),
            "output_probability": model.predict_proba(held_out),
        },
        score=accuracy(model, held_out, language[test]),
    )


def digits():
    """A small convolutional network on 8x8 images, one image per record."""
    import torch
    from sklearn.datasets import load_digits
    from torch import nn

    bunch = load_digits()
    train, test = split(np.arange(len(bunch.target)), RECORDS, stratify=bunch.target)
    images = bunch.images.astype(np.float32)[:, None]

    class Digits(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.Sequential(
                nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(),
                nn.Flatten(), nn.Linear(16 * 4 * 4, 10),
            )

        def forward(self, image):
            return self.layers(image / 16)  # pixels are 0 to 16

    torch.manual_seed(SEED)
    model = Digits()
    fit_network(
        model, [images[train]], bunch.target[train], nn.functional.cross_entropy, epochs=15
    )

    image = images[test]
    logits = network_output(model, image)
    right = (logits.argmax(axis=1) == bunch.target[test]).mean()
    return Sample(
        model=from_torch(model, {"image": image}, "logits"),
        records=[
            {"id": f"digit-{row:04}", "image": pixels.astype(int).tolist(), "digit": int(digit)}
            for row, pixels, digit in zip(test, image, bunch.target[test])
        ],
        inputs={"image": image},
        native={"logits": logits},
        score=f"accuracy {right:.2f}",
    )


def diamonds():
    """Two inputs of different types: int64 grades and float measures to price."""
    import torch
    from torch import nn

    grades = {
        "cut": ["Fair", "Good", "Very Good", "Premium", "Ideal"],
        "color": list("JIHGFED"),
        "clarity": ["I1", "SI2", "SI1", "VS2", "VS1", "VVS2", "VVS1", "IF"],
    }
    measures = ["carat", "depth", "table", "x", "y", "z"]
    data = pd.read_csv(packaged("plotnine", "data/diamonds.csv"))
    grade = np.column_stack(
        [data[name].map(order.index).to_numpy(np.int64) for name, order in grades.items()]
    )
    measure = data[measures].to_numpy(np.float32)
    price = data["price"].to_numpy(np.float32)[:, None]
    train, test = split(data.index, RECORDS)

    class Diamonds(nn.Module):
        def __init__(self):
            super().__init__()
            self.tables = nn.ModuleList(nn.Embedding(len(order), 4) for order in grades.values())
            self.register_buffer("mean", torch.from_numpy(measure[train].mean(axis=0)))
            self.register_buffer("std", torch.from_numpy(measure[train].std(axis=0)))
            self.layers = nn.Sequential(
                nn.Linear(4 * len(grades) + len(measures), 24), nn.ReLU(), nn.Linear(24, 1)
            )

        def forward(self, grade, measure):
            graded = [table(grade[:, column]) for column, table in enumerate(self.tables)]
            measured = (measure - self.mean) / self.std
            return torch.exp(self.layers(torch.cat([*graded, measured], dim=1)) + 8)

    def log_error(predicted, actual):
        return nn.functional.mse_loss(predicted.log(), actual.log())

    torch.manual_seed(SEED)
    model = Diamonds()
    fit_network(model, [grade[train], measure[train]], price[train], log_error, epochs=4)

    inputs = {"grade": grade[test], "measure": measure[test]}
    predicted = network_output(model, *inputs.values())
    error = np.median(np.abs(predicted / price[test] - 1))
    return Sample(
        model=from_torch(model, inputs, "price"),
        records=[
            {"id": f"diamond-{row:05}", "grade": codes.tolist(), "measure": plain(sizes)}
            for row, codes, sizes in zip(test, inputs["grade"], inputs["measure"])
        ],
        inputs=inputs,
        native={"price": predicted},
        score=f"median error {error:.0%}",
    )


# ----------------------------------------------------------------------- data


def packaged(package, path):
    """The path of a file inside an installed package, without importing it."""
    return Path(importlib.util.find_spec(package).submodule_search_locations[0]) / path


def split(index, size, stratify=None):
    """Row numbers to train on and `size` row numbers to hold out, sorted."""
    from sklearn.model_selection import train_test_split

    parts = train_test_split(
        np.asarray(index), test_size=size, random_state=SEED, stratify=stratify
    )
    return [np.sort(part) for part in parts]


def django_messages():
    """Plain messages of Django's user interface in seven languages."""
    languages = {
        "de": "German", "en": "English", "es": "Spanish", "fr": "French",
        "it": "Italian", "nl": "Dutch", "pt": "Portuguese",
    }
    rows = set()
    for code, language in languages.items():
        # English is the key of every message: read it from any other catalogue.
        folder = "de" if code == "en" else code
        for path in packaged("django", ".").rglob(f"locale/{folder}/LC_MESSAGES/*.mo"):
            with path.open("rb") as file:
                catalogue = gettext.GNUTranslations(file)._catalog
            for english, translated in catalogue.items():
                if not english or isinstance(english, tuple):
                    continue  # the catalogue's header; a plural form
                text = english if code == "en" else translated
                placeholder = re.search("[%{<&\x04]", text)  # or HTML, or a context
                if len(text.split()) >= 3 and not placeholder:
                    rows.add((text, language))
    data = pd.DataFrame(sorted(rows), columns=["text", "language"])
    return data.drop_duplicates("text", keep=False, ignore_index=True)


def to_records(frame):
    """A frame's rows as dicts of plain Python values, None where missing."""
    return [
        {name: None if pd.isna(value) else plain(value) for name, value in row.items()}
        for row in frame.to_dict("records")
    ]


def plain(value):
    """A numpy value or array in Python's types; float32 keeps its shortest text."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value]
    if isinstance(value, np.float32):
        return float(str(value))
    return value.item() if isinstance(value, np.generic) else value


def columns_of(frame):
    """A frame as model inputs: one array [rows, 1] per column."""
    return {name: frame[[name]].to_numpy() for name in frame.columns}


# ---------------------------------------------------------------- conversion


def column_types(frame):
    """skl2onnx's initial types for one input [None, 1] per column."""
    from skl2onnx.common.data_types import (
        DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType,
    )

    by_kind = {"float32": FloatTensorType, "float64": DoubleTensorType, "int64": Int64TensorType}
    return [
        (name, by_kind.get(str(dtype), StringTensorType)([None, 1]))
        for name, dtype in frame.dtypes.items()
    ]


def matrix_type(x):
    """skl2onnx's initial types for one float matrix `X`."""
    from skl2onnx.common.data_types import FloatTensorType

    return [("X", FloatTensorType([None, x.shape[1]]))]


def from_sklearn(name, model, initial_types, options=None):
    from skl2onnx import convert_sklearn

    options = {id(model): options} if options else None
    return convert_sklearn(model, name, initial_types, options=options)


def from_catboost(name, model):
    """CatBoost writes a file; drop what differs from run to run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        model.save_model(str(path), format="onnx", export_parameters={"onnx_graph_name": name})
        converted = onnx.load(path)
    kept = {
        prop.key: prop.value
        for prop in converted.metadata_props
        if prop.key not in ("train_finish_time", "model_guid")
    }
    onnx.helper.set_model_props(converted, kept)
    return converted


def from_torch(model, inputs, output):
    """Export with a symbolic batch axis, without file paths of this machine."""
    import torch

    # It warns of operators of torchvision, which is not installed, and of two
    # inputs that share one axis, as they should.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*axis name: batch")
    program = torch.onnx.export(
        model,
        tuple(torch.from_numpy(array) for array in inputs.values()),
        input_names=list(inputs),
        output_names=[output],
        dynamic_shapes=tuple({0: "batch"} for _ in inputs),
        dynamo=True,
        verbose=False,
    )
    converted = program.model_proto
    graph = converted.graph
    for part in [graph, *graph.node, *graph.input, *graph.output, *graph.value_info,
                 *graph.initializer]:
        del part.metadata_props[:]
    return converted


# -------------------------------------------------------------------- training


def fit_network(model, inputs, target, loss, epochs):
    """Train a torch network with Adam on batches of 64."""
    import torch

    torch.set_num_threads(1)
    tensors = [torch.from_numpy(array) for array in (*inputs, target)]
    order = torch.Generator().manual_seed(SEED)
    batches = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(*tensors), batch_size=64, shuffle=True, generator=order
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(epochs):
        for *batch, wanted in batches:
            optimizer.zero_grad()
            loss(model(*batch), wanted).backward()
            optimizer.step()
    model.eval()


def network_output(model, *inputs):
    import torch

    with torch.no_grad():
        return model(*map(torch.from_numpy, inputs)).numpy()


def accuracy(model, x, y):
    return f"accuracy {(np.ravel(model.predict(x)) == np.asarray(y)).mean():.2f}"


def r_squared(model, x, y):
    return f"R2 {model.score(x, y):.2f}"


# ------------------------------------------------------------- predict, check


def provide_english_locale():
    """Let onnxruntime find en_US.UTF-8, which its StringNormalizer asks for.

    Where the system lacks it, C.utf8 under that name does.
    """
    try:
        locale.setlocale(locale.LC_CTYPE, "en_US.UTF-8")
    except locale.Error:
        folder = tempfile.mkdtemp(prefix="locale-")
        os.symlink("/usr/lib/locale/C.utf8", os.path.join(folder, "en_US.UTF-8"))
        os.environ["LOCPATH"] = folder
    else:
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")


def predict(sample):
    """onnxruntime's outputs by name, all records as one batch."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # LightGBM declares a wrong shape: warned each run
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        sample.model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, sample.inputs)))


def class_names(model):
    """The classes in the model's order: from its nodes or CatBoost's metadata."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                values = onnx.helper.get_attribute_value(attribute)
                if len(values):
                    return [v.decode() if isinstance(v, bytes) else v for v in values]
    for prop in model.metadata_props:
        if prop.key == "class_params":
            return json.loads(prop.value)["class_names"]
    return None


def columns_of_output(name, value, classes):
    """One output as printable columns, {header: values}."""
    if isinstance(value, list):  # ZipMap: one {class: probability} per record
        return {f"{name}_{key}": np.array([row[key] for row in value], np.float32)
                for key in classes}
    value = value.reshape(len(value), -1)
    width = value.shape[1]
    if width == 1:
        return {name: value[:, 0]}
    suffixes = classes if classes and len(classes) == width else range(width)
    return {f"{name}_{suffix}": value[:, i] for i, suffix in enumerate(suffixes)}


def check(name, output, columns, native):
    """Stop unless onnxruntime's columns are what the training library predicts."""
    got = np.column_stack(list(columns.values()))
    wanted = np.asarray(native).reshape(got.shape)
    if got.dtype.kind in "OUT":
        same = (got == wanted.astype(got.dtype)).all()
        detail = "labels"
    else:
        same = np.allclose(got, wanted, rtol=1e-4, atol=1e-6)
        detail = f"largest difference {np.abs(got - wanted).max():.2g}"
    if not same:
        raise SystemExit(f"{name}: {output} disagrees with the training library ({detail})")


# ---------------------------------------------------------------------- files


def write_csv(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def write_jsonl(path, records):
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
    path.write_text("".join(lines), encoding="utf-8")


def publish(name, sample):
    """Check a sample and write its files."""
    onnx.checker.check_model(sample.model)
    classes = class_names(sample.model)
    expected = {}
    for output, value in predict(sample).items():
        columns = columns_of_output(output, value, classes)
        check(name, output, columns, sample.native[output])
        expected.update(columns)

    (MODELS / f"{name}.onnx").write_bytes(sample.model.SerializeToString(deterministic=True))
    records = sample.records
    write_jsonl(SAMPLE_DATA / f"{name}.jsonl", records)
    if not any(isinstance(value, list) for value in records[0].values()):
        write_csv(SAMPLE_DATA / f"{name}.csv", records[0], (r.values() for r in records))
    write_csv(SAMPLE_DATA / f"{name}.expected.csv", expected, zip(*expected.values()))
    print(f"{name}: {len(records)} records, {sample.score}")


SAMPLES = [
    penguins, iris, breast_cancer, diabetes, wine, titanic, auto_mpg, languages, digits, diamonds,
]


def main(names):
    known = {make.__name__: make for make in SAMPLES}
    unknown = set(names) - set(known)
    if unknown:
        raise SystemExit(f"no such sample: {', '.join(sorted(unknown))}")
    provide_english_locale()
    SAMPLE_DATA.mkdir(exist_ok=True)
    for name in names or known:
        publish(name, known[name]())


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order in which skl2onnx writes some parts depends on it.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, *sys.argv])
    main(sys.argv[1:])
