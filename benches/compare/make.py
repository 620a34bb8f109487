"""Makes the data and the models that compare.py scores; the same arguments give the same files.

A process of its own, so that compare.py stays small: Linux counts the memory of the process that starts a
program into that program's peak.

Data: `rows` records of an integer id, a label of 0 or 1, and 30 features: normal variates of different
means and spreads with six or seven significant digits, as pandas or a database would print them.
"""

import argparse
import pathlib

import numpy as np
import polars as pl

FEATURES = 30
SEED = 20240607
CHUNK = 250_000
NAMES = [f"f{index}" for index in range(FEATURES)]
FEW_RECORDS = 10


def rounded(values, digits):
    """`values` with that many significant digits: the doubles nearest to the short decimals."""
    exponent = np.floor(np.log10(np.abs(values, where=values != 0, out=np.ones_like(values))))
    scale = 10.0 ** (digits - 1 - exponent)
    return np.round(values * scale) / scale


def features(rng, rows):
    """[rows, 30] of float64; a third of the columns has seven digits."""
    columns = np.arange(FEATURES)
    spread = np.array([0.5, 1.0, 2.0])[columns % 3]
    mean = np.array([0.0, 0.0, 1.0, -3.0, 0.25])[columns % 5]
    values = rng.standard_normal((rows, FEATURES)) * spread + mean
    values[:, ::3] = rounded(values[:, ::3], 7)
    values[:, 1::3] = rounded(values[:, 1::3], 6)
    values[:, 2::3] = rounded(values[:, 2::3], 6)
    return values


def truth(rng, values):
    """A label that depends on the features, not quite linearly."""
    weights = np.random.default_rng(SEED).normal(0, 0.1, FEATURES)
    score = (values - values.mean(axis=0)) @ weights + 0.5 * np.sin(values[:, 0] * values[:, 1])
    return (score + rng.logistic(0, 0.5, len(values)) > 0).astype(np.int64)


def chunks(rows):
    """Consecutive frames of the whole data."""
    for number, start in enumerate(range(0, rows, CHUNK)):
        rng = np.random.default_rng([SEED, number])
        values = features(rng, CHUNK)
        label = truth(rng, values)
        length = min(CHUNK, rows - start)
        columns = {"id": np.arange(start, start + length), "label": label[:length]}
        columns |= {name: values[:length, index] for index, name in enumerate(NAMES)}
        yield pl.DataFrame(columns)


def write_data(folder, rows):
    """data.csv, data.jsonl, data.parquet, few.csv (ten records) and matrix.npy (float32, what the model gets)."""
    import pyarrow.parquet as pq

    matrix = np.lib.format.open_memmap(
        folder / "matrix.npy", mode="w+", dtype=np.float32, shape=(rows, FEATURES)
    )
    parquet = None
    with open(folder / "data.csv", "wb") as csv, open(folder / "data.jsonl", "wb") as jsonl:
        start = 0
        for frame in chunks(rows):
            frame.write_csv(csv, include_header=start == 0)
            frame.write_ndjson(jsonl)
            table = frame.to_arrow()
            parquet = parquet or pq.ParquetWriter(folder / "data.parquet", table.schema)
            parquet.write_table(table)
            if start == 0:
                frame.head(FEW_RECORDS).write_csv(folder / "few.csv")
            matrix[start : start + len(frame)] = frame.select(NAMES).to_numpy()
            start += len(frame)
    parquet.close()
    matrix.flush()


def positive_only(model):
    """Leaves of a two-class model's outputs the positive class's probability, [N,1], called "score".

    Every program then writes the same one number a record, which is the least that a script would write.
    """
    from onnx import TensorProto, helper

    graph = model.graph
    probabilities = next(o.name for o in graph.output if "prob" in o.name)
    graph.initializer.append(helper.make_tensor("positive", TensorProto.INT64, [1], [1]))
    graph.node.append(helper.make_node("Gather", [probabilities, "positive"], ["score"], axis=1))
    if all(opset.domain for opset in model.opset_import):
        model.opset_import.append(helper.make_opsetid("", 17))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1]))
    return model


def logistic(values, label, _folder):
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType
    from sklearn.linear_model import LogisticRegression

    fitted = LogisticRegression(max_iter=200).fit(values, label)
    wanted = [("X", FloatTensorType([None, FEATURES]))]
    return positive_only(convert_sklearn(fitted, initial_types=wanted, options={"zipmap": False}, target_opset=17))


def lightgbm(values, label, folder):
    """Also as LightGBM saves it, for its own predictor and lleaves."""
    import lightgbm
    from onnxmltools import convert_lightgbm
    from onnxmltools.convert.common.data_types import FloatTensorType

    fitted = lightgbm.LGBMClassifier(
        n_estimators=100, num_leaves=31, random_state=SEED, deterministic=True, n_jobs=1, verbose=-1
    ).fit(values, label)
    fitted.booster_.save_model(folder / "lightgbm.txt")
    wanted = [("X", FloatTensorType([None, FEATURES]))]
    return positive_only(convert_lightgbm(fitted, initial_types=wanted, zipmap=False, target_opset=15))


def xgboost(values, label, folder):
    """Also as XGBoost saves it, for its own predictor."""
    import xgboost
    from onnxmltools import convert_xgboost
    from onnxmltools.convert.common.data_types import FloatTensorType

    fitted = xgboost.XGBClassifier(n_estimators=100, max_depth=6, random_state=SEED, n_jobs=1).fit(values, label)
    fitted.get_booster().save_model(folder / "xgboost.ubj")
    wanted = [("X", FloatTensorType([None, FEATURES]))]
    return positive_only(convert_xgboost(fitted, initial_types=wanted, target_opset=15))


def mlp(_values, _label, _folder):
    """30-256-256-1 with random weights: speed does not depend on what it learned."""
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(SEED)
    sizes, nodes, weights, tensor = [FEATURES, 256, 256, 1], [], [], "X"
    for layer, (wide, out) in enumerate(zip(sizes, sizes[1:])):
        matrix = rng.normal(0, (2 / wide) ** 0.5, (wide, out)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"w{layer}"))
        weights.append(numpy_helper.from_array(np.zeros(out, np.float32), f"b{layer}"))
        nodes.append(helper.make_node("Gemm", [tensor, f"w{layer}", f"b{layer}"], [f"h{layer}"]))
        last = layer == len(sizes) - 2
        tensor = "score" if last else f"a{layer}"
        nodes.append(helper.make_node("Sigmoid" if last else "Relu", [f"h{layer}"], [tensor]))
    ports = {
        "inputs": [helper.make_tensor_value_info("X", TensorProto.FLOAT, [None, FEATURES])],
        "outputs": [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
    }
    graph = helper.make_graph(nodes, "mlp", **ports, initializer=weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MODELS = {"logistic": logistic, "mlp": mlp, "lightgbm": lightgbm, "xgboost": xgboost}


def write_models(folder):
    import onnx

    frame = next(iter(chunks(50_000)))
    values, label = frame.select(NAMES).to_numpy().astype(np.float32), frame["label"].to_numpy()
    for name, make in MODELS.items():
        model = make(values, label, folder)
        onnx.checker.check_model(model)
        onnx.save(model, folder / f"{name}.onnx")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("rows", type=int)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    write_models(given.folder)
    write_data(given.folder, given.rows)


if __name__ == "__main__":
    main()
