"""Says how far the scores of the first file and of each other one lie apart; ids and labels must be equal.

A process of its own for the same reason as make.py. Prints one line a file: the greatest difference, the share
of records whose scores lie more than the first argument apart, then the file.
"""

import pathlib
import sys

import polars as pl


READERS = {".csv": pl.read_csv, ".jsonl": pl.read_ndjson, ".parquet": pl.read_parquet}


def read(path):
    return READERS[pathlib.Path(path).suffix](path).select("id", "label", "score")


def main(tolerance, first, *others):
    wanted = read(first)
    for path in others:
        found = read(path)
        if not found.select("id", "label").equals(wanted.select("id", "label")):
            sys.exit(f"{path}: not the records of {first}")
        apart = (found["score"] - wanted["score"]).abs()
        print(apart.max(), (apart > float(tolerance)).mean(), path)


main(*sys.argv[1:])
