"""Files that predict must refuse, and say why. Docstrings: what is wrong."""

import gzip
import io
import json
import pickle
import zipfile

import joblib
import numpy as np
from lightgbm import LGBMClassifier
from onnx import helper
from sklearn.linear_model import LogisticRegression

from .builders import DOUBLE, FLOAT, IRIS, IRIS_X, ML, STRING, external, linear, make_model, node, ort_format

REFUSED = {}


def refused(name):
    def register(build):
        REFUSED[name] = build
        return build

    return register


@refused("truncated.onnx")
def truncated():
    """an ONNX file cut short"""
    return linear(4).SerializeToString()[:-20]


@refused("truncated.ort")
def truncated_ort():
    """an ORT-format file cut short"""
    return ort_format(linear(4))[:-200]


@refused("gzipped.onnx")
def gzipped():
    """a gzipped ONNX file"""
    return gzip.compress(linear(4).SerializeToString(), mtime=0)


@refused("opset_too_new.onnx")
def opset_too_new():
    """ai.onnx opset 99"""
    return linear(2, opset=99)


@refused("ir_too_new.onnx")
def ir_too_new():
    """IR version 99"""
    return linear(2, ir=99)


@refused("unknown_op.onnx")
def unknown_op():
    """operator `Foo` of domain `my.company`"""
    return foreign_op("Foo", "my.company")


@refused("unknown_standard_op.onnx")
def unknown_standard_op():
    """operator `Foo`, said to be standard"""
    return foreign_op("Foo", "")


def foreign_op(op, domain):
    return make_model(
        [node(op, "X", "Y", domain=domain)], {"X": (FLOAT, ["N", 2])}, {"Y": (FLOAT, ["N", 2])},
        opsets=[helper.make_opsetid(domain, 1)] if domain else [],
    )  # fmt: skip


@refused("imputer_double.onnx")
def imputer_double():
    """Imputer over doubles: legal ONNX, no kernel in ONNX Runtime"""
    return make_model(
        [node("Imputer", "X", "Y", domain=ML, imputed_value_floats=[0.0], replaced_value_float=float("nan"))],
        {"X": (DOUBLE, ["N", 2])}, {"Y": (DOUBLE, ["N", 2])},
    )  # fmt: skip


@refused("missing_locale.onnx")
def missing_locale():
    """StringNormalizer in a locale no machine has"""
    return make_model(
        [node("StringNormalizer", "word", "lower", case_change_action="LOWER", locale="tlh_KL.UTF-8")],
        {"word": (STRING, ["N"])}, {"lower": (STRING, ["N"])},
    )  # fmt: skip


@refused("dangling_input.onnx")
def dangling_input():
    """a node reads a value nobody makes"""
    model = linear(2)
    del model.graph.initializer[:]
    return model


@refused("sequence_input.onnx")
def sequence_input():
    """the input is a sequence of tensors: it loads, but no record can feed it"""
    model = make_model([node("ConcatFromSequence", "X", "Y", axis=0)], {"X": (FLOAT, [1])}, {"Y": (FLOAT, ["N"])})
    model.graph.input[0].type.CopyFrom(helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["N"])))
    return model


@refused("no_inputs.onnx")
def no_inputs():
    """no inputs: it loads, but there is nothing to score"""
    return make_model([node("Identity", "W", "Y")], {}, {"Y": (FLOAT, [2])}, {"W": np.ones(2, np.float32)})


@refused("evil_ext.onnx")
def evil_ext():
    """external data at ../outside.bin, which exists"""
    return external("../outside.bin")


@refused("evil_ext_abs.onnx")
def evil_ext_abs():
    """external data at /etc/passwd"""
    return external("/etc/passwd")


@refused("evil_ext_link.onnx")
def evil_ext_link():
    """external data at evil_ext_link.data, a symbolic link to ../outside.bin"""
    return external("evil_ext_link.data")


@refused("missing_ext.onnx")
def missing_ext():
    """external data at missing_ext.onnx.data, which is absent"""
    return external("missing_ext.onnx.data")


@refused("sklearn.pkl")
def sklearn_pickle():
    """a pickled scikit-learn model"""
    return pickle.dumps(LogisticRegression().fit(IRIS_X[:100], IRIS.target[:100]))


@refused("sklearn.joblib")
def sklearn_joblib():
    """the same by joblib, compressed with zlib"""
    file = io.BytesIO()
    joblib.dump(LogisticRegression().fit(IRIS_X[:100], IRIS.target[:100]), file, compress=("zlib", 3))
    return file.getvalue()


XGBOOST = {"learner": {"objective": {"name": "binary:logistic"}, "feature_names": []}, "version": [3, 2, 0]}


@refused("xgboost.json")
def xgboost_json():
    """an XGBoost model as JSON (its frame only)"""
    return json.dumps(XGBOOST, separators=(",", ":")).encode()


@refused("xgboost.ubj")
def xgboost_ubj():
    """the same as UBJSON, what XGBoost saves by default"""
    return ubjson(XGBOOST)


def ubjson(value):
    """UBJSON as XGBoost writes it: 64-bit lengths, keys without a type mark."""
    if isinstance(value, dict):
        return b"{" + b"".join(ubjson(key)[1:] + ubjson(v) for key, v in value.items()) + b"}"
    if isinstance(value, list):
        return b"[#L" + len(value).to_bytes(8, "big") + b"".join(map(ubjson, value))
    if isinstance(value, int):
        return b"i" + value.to_bytes(1, "big")
    return b"SL" + len(value).to_bytes(8, "big") + value.encode()


@refused("lightgbm.txt")
def lightgbm_text():
    """a LightGBM text model"""
    trained = LGBMClassifier(n_estimators=1, num_leaves=3, verbose=-1, num_threads=1).fit(IRIS_X, IRIS.target > 0)
    return trained.booster_.model_to_string().encode()


@refused("catboost.cbm")
def catboost_cbm():
    """CatBoost's own format (its first bytes only)"""
    return b"CBM1" + bytes(28)


@refused("torchscript.pt")
def torchscript():
    """a zip as torch.save and torch.jit.save make"""
    return zipped({"archive/data.pkl": pickle.dumps({}), "archive/version": b"3\n"})


@refused("keras.keras")
def keras():
    """a Keras 3 archive"""
    return zipped({"metadata.json": b'{"keras_version": "3.8.0"}', "config.json": b'{"class_name": "Sequential"}'})


def zipped(files):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, content in files.items():
            writer.writestr(zipfile.ZipInfo(name), content)
    return archive.getvalue()


@refused("saved_model.pb")
def saved_model():
    """a TensorFlow SavedModel: a protobuf whose first fields look like ONNX's"""
    placeholder = message(1, b"x") + message(2, b"Placeholder")
    meta_graph = message(1, message(4, b"serve") + message(5, b"2.16.1")) + message(2, message(1, placeholder))
    return b"\x08\x01" + message(2, meta_graph)


@refused("coreml.mlmodel")
def coreml():
    """a Core ML model: specification version, description, glmRegressor"""
    return b"\x08\x04" + message(2, message(1, message(1, b"x"))) + message(300, b"")


def message(number, content):
    """One length-delimited protobuf field; content below 128 bytes."""
    tag = number << 3 | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
    return head + bytes([len(content)]) + content


@refused("weights.h5")
def hdf5():
    """an HDF5 file (its first bytes only)"""
    return b"\x89HDF\r\n\x1a\n" + bytes(88)


@refused("weights.safetensors")
def safetensors():
    """a safetensors file"""
    header = json.dumps({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    return len(header).to_bytes(8, "little") + header + bytes(4)


@refused("weights.gguf")
def gguf():
    """a GGUF file without tensors"""
    return b"GGUF" + (3).to_bytes(4, "little") + bytes(16)


@refused("model.tflite")
def tflite():
    """a TensorFlow Lite flatbuffer (its first bytes only)"""
    return b"\x1c\0\0\0TFL3" + bytes(24)


@refused("model.pmml")
def pmml():
    """a PMML file"""
    return b'<?xml version="1.0"?>\n<PMML xmlns="http://www.dmg.org/PMML-4_4" version="4.4"><Header/></PMML>\n'


@refused("lfs_pointer.onnx")
def lfs_pointer():
    """a Git LFS pointer instead of the file"""
    return b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 12345\n"


@refused("html.onnx")
def html():
    """a web page saved instead of the file"""
    return b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body></body></html>\n"


@refused("empty.onnx")
def empty():
    """no bytes at all"""
    return b""
