"""Writes the columnar golden files beside it, with pyarrow and NumPy; run it with both installed.

Every Parquet and IPC file holds the same eight rows, so that one expectation serves them all:
`expected.json` is what pyarrow itself reads back.
"""

import datetime as dt
import decimal
import json
import pathlib
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.ipc as ipc
import pyarrow.parquet as pq

HERE = pathlib.Path(__file__).parent


def table() -> pa.Table:
    """Eight rows of every type that a model may be fed from."""
    day = dt.date(2024, 2, 29)
    moment = dt.datetime(2024, 2, 29, 12, 30, 15, 250000)
    columns = {
        "f32": pa.array([0.5, 1.5, None, 3.25, -4.0, 5.0, 6.0, 7.0], pa.float32()),
        "f64": pa.array([0.1, 1e300, 2.0, None, float("inf"), 5.0, 6.0, 7.0], pa.float64()),
        "f16": pa.array(np.arange(8, dtype=np.float16)),
        "i8": pa.array([-128, 127, 0, None, 1, 2, 3, 4], pa.int8()),
        "i64": pa.array([2**53 + 1, -(2**63), 2**63 - 1, 0, None, 5, 6, 7], pa.int64()),
        "u64": pa.array([2**64 - 1, 0, 1, 2, 3, None, 5, 6], pa.uint64()),
        "flag": pa.array([True, False, None, True, True, False, False, True]),
        "text": pa.array(["a", "", None, "ä,\"b\"", "5", "line\nend", "x", "y"]),
        "large": pa.array(["a", "", None, "b", "5", "c", "x", "y"], pa.large_string()),
        "view": pa.array(["a", "", None, "longer than twelve bytes", "5", "c", "x", "y"], pa.string_view()),
        "dict": pa.array(["red", "blue", None, "red", "red", "blue", "red", "blue"]).dictionary_encode(),
        "dec": pa.array([decimal.Decimal(n) / 100 for n in (100, 250, -5)] + [None] * 5, pa.decimal128(9, 2)),
        "day": pa.array([day, None] * 4, pa.date32()),
        "moment": pa.array([moment, None] * 4, pa.timestamp("us")),
        "zoned": pa.array([moment, None] * 4, pa.timestamp("ms", "UTC")),
        "fixed": pa.array([[n, n + 0.5] for n in range(8)], pa.list_(pa.float32(), 2)),
        "list": pa.array([[1], [2, 3], [], None, [4], [5], [6], [7]], pa.list_(pa.int64())),
        "nested": pa.array([[[n], [n + 1]] for n in range(8)], pa.list_(pa.list_(pa.int32()))),
        "struct": pa.array([{"a": n, "b": None} for n in range(8)], pa.struct([("a", pa.int8()), ("b", pa.string())])),
        "bytes": pa.array([b"\xff\x00", b"ab", None, b"", b"c", b"d", b"e", b"f"], pa.binary()),
        "none": pa.nulls(8),
    }
    return pa.table(columns, metadata={"origin": "make_columnar.py"})


def as_json(value):
    if isinstance(value, float):
        return value if np.isfinite(value) else None
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, list):
        return [as_json(item) for item in value]
    if isinstance(value, dict):
        return {key: as_json(item) for key, item in value.items()}
    return value


def parquet(whole: pa.Table) -> None:
    # Parquet has no string views of its own; pyarrow writes and restores them by its own schema.
    for compression in ("none", "snappy", "gzip", "brotli", "lz4", "zstd"):
        pq.write_table(whole, HERE / f"{compression}.parquet", compression=compression)
    pq.write_table(whole, HERE / "groups.parquet", row_group_size=3)
    pq.write_table(whole, HERE / "pages_v2.parquet", data_page_version="2.0", use_dictionary=False)
    pq.write_table(whole, HERE / "foreign.parquet", store_schema=False, write_page_index=True)
    pq.write_table(whole.slice(0, 0), HERE / "empty.parquet")


def arrow(whole: pa.Table) -> None:
    for name, compression in (("plain", None), ("lz4", "lz4"), ("zstd", "zstd")):
        options = ipc.IpcWriteOptions(compression=compression)
        with ipc.new_file(HERE / f"{name}.arrow", whole.schema, options=options) as out:
            out.write_table(whole, max_chunksize=3)
        with ipc.new_stream(HERE / f"{name}.arrows", whole.schema, options=options) as out:
            out.write_table(whole, max_chunksize=3)
    feather.write_feather(whole, HERE / "version2.feather")
    with ipc.new_file(HERE / "empty.arrow", whole.schema):
        pass


def numpy() -> None:
    matrix = np.arange(24, dtype=np.float32).reshape(8, 3) / 4
    np.save(HERE / "matrix.npy", matrix)
    np.save(HERE / "big_endian.npy", matrix.astype(">f8"))
    np.save(HERE / "fortran.npy", np.asfortranarray(matrix))
    np.save(HERE / "tensor.npy", np.arange(48, dtype=np.int16).reshape(8, 2, 3))
    np.save(HERE / "flags.npy", np.arange(8) % 2 == 0)
    np.save(HERE / "texts.npy", np.array(["a", "", "ä\U0001f600", "longer"]))
    np.save(HERE / "bytes.npy", np.array([b"a", b"", b"abc"]))
    np.save(HERE / "half.npy", np.arange(8, dtype=np.float16))
    np.save(HERE / "pickled.npy", np.array([{"a": 1}, None], dtype=object))
    np.save(HERE / "empty.npy", np.zeros((0, 3), np.float32))
    records = np.zeros(4, dtype=[("age", "<i4"), ("name", "<U3"), ("pair", "<f4", (2,))])
    records["age"] = [1, 2, 3, 4]
    records["name"] = ["a", "b", "", "abc"]
    records["pair"] = np.arange(8).reshape(4, 2)
    np.save(HERE / "records.npy", records)
    members = {"x": matrix, "id": np.arange(8), "name": np.array(list("abcdefgh"))}
    np.savez(HERE / "stored.npz", **members)
    np.savez_compressed(HERE / "deflated.npz", **members)
    np.savez(HERE / "uneven.npz", x=matrix, id=np.arange(7))
    with zipfile.ZipFile(HERE / "no_arrays.npz", "w") as out:
        out.writestr("readme.txt", "nothing")


if __name__ == "__main__":
    whole = table()
    parquet(whole)
    arrow(whole)
    numpy()
    rows = [{name: as_json(value) for name, value in row.items()} for row in whole.to_pylist()]
    (HERE / "expected.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1) + "\n")
