"""polars + onnxruntime: the streaming engine's batches, scored and written one after the other."""

import sys

import polars

from session import FEATURES, load

# As fast as reading the whole file at once, in a part of the memory.
CHUNK_ROWS = 100_000


def main(model, data, output):
    score = load(model)
    types = {name: polars.Float32 for name in FEATURES}
    batches = polars.scan_csv(data, schema_overrides=types).collect_batches(chunk_size=CHUNK_ROWS)
    with open(output, "wb") as file:
        for number, frame in enumerate(batches):
            scores = score(frame.select(FEATURES).to_numpy(order="c"))
            kept = frame.select("id", "label").with_columns(score=scores)
            kept.write_csv(file, include_header=number == 0)


main(*sys.argv[1:])
