"""What the libraries' own predictors share: polars reads and writes in batches, as in score_polars.py."""

import polars

from session import FEATURES

CHUNK_ROWS = 100_000


def score(data, output, predict):
    """Scores the records of `data` with `predict`, a function from a float32 matrix to scores."""
    types = {name: polars.Float32 for name in FEATURES}
    batches = polars.scan_csv(data, schema_overrides=types).collect_batches(chunk_size=CHUNK_ROWS)
    with open(output, "wb") as file:
        for number, frame in enumerate(batches):
            scores = predict(frame.select(FEATURES).to_numpy(order="c"))
            kept = frame.select("id", "label").with_columns(score=polars.Series(scores))
            kept.write_csv(file, include_header=number == 0)
