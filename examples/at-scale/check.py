"""Runs the examples of this folder for real and compares each result with a single run of mlserve.

    python check.py --mlserve ../../target/release/mlserve [--rows 20000] [NAME...]

Without names all parts run: child, parallel, arrays, kubernetes, spark, ray. A part whose engine is not
installed is skipped, and said to be. Exit code 0: everything that ran gave the single run's result.
"""

import argparse
import csv
import importlib.util
import io
import json
import math
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WINE = ["--id", "id", "--label", "cultivar"]
PENGUINS_SCHEMA = "output_label string, output_probability struct<Adelie:float,Chinstrap:float,Gentoo:float>"
# Batches end elsewhere in shards than in the whole, and the last bits of a prediction may depend on that.
TOLERANCE = 1e-5
SHARDS = 7


class Check:
    """Made-up data, the single run's results beside it, and the report."""

    def __init__(self, mlserve, rows, folder):
        self.mlserve = str(mlserve)
        self.folder = folder
        self.failures = 0
        self.wine = ROOT / "models/wine.onnx"
        self.penguins = ROOT / "models/penguins.onnx"
        self.wine_csv = self.make("wine.csv", grown(read_csv(ROOT / "sample_data/wine.csv"), rows), write_csv)
        self.penguins_jsonl = self.make("penguins.jsonl", grown(read_jsonl(ROOT / "sample_data/penguins.jsonl"), rows), write_jsonl)
        self.wine_once = self.once("wine-once.csv", self.wine, self.wine_csv, *WINE)
        self.penguins_once = self.once("penguins-once.jsonl", self.penguins, self.penguins_jsonl)
        # All programs of the examples find this mlserve, under its name.
        (folder / "bin").mkdir()
        (folder / "bin/mlserve").symlink_to(self.mlserve)
        os.environ["PATH"] = f"{folder / 'bin'}:{os.environ['PATH']}"

    def make(self, name, records, write):
        with open(self.folder / name, "w", newline="") as file:
            write(records, file)
        return self.folder / name

    def once(self, name, model, source, *options):
        subprocess.run([self.mlserve, "predict", model, source, *options, "-q", "-o", self.folder / name], check=True)
        return self.folder / name

    def run(self, command, expect=0, **environment):
        command = [str(word) for word in command]
        done = subprocess.run(command, env={**os.environ, **environment}, cwd=self.folder, capture_output=True, text=True, timeout=900)
        if done.returncode != expect:
            raise AssertionError(f"{' '.join(command)}: exit code {done.returncode}, not {expect}\n{done.stderr[-4000:]}")
        return done.stderr

    def step(self, name, work):
        start = time.monotonic()
        try:
            said = work()
        except Exception as error:  # the other steps are to run all the same
            self.failures += 1
            said = f"FAILED: {error}"
        print(f"{name:<34} {said}  ({time.monotonic() - start:.1f} s)", flush=True)


def part_child(check):
    """The Python side of the long-lived child, without an engine."""
    sys.path.insert(0, str(HERE))
    import mlserve_child

    command = ["mlserve", "predict", str(check.penguins)]
    lines = check.penguins_jsonl.read_text().splitlines()
    bad = '{"island": "Torgersen", "bill_length_mm": "long"}'

    def one_by_one():
        child = mlserve_child.Child(command)
        answers = [child.score([line])[0] for line in lines[:100]]
        child.close()
        return same_lines(answers, check.penguins_once.read_text().splitlines()[:100])

    def all_at_once():
        many = lines * max(1, 200_000 // len(lines))
        batches = mlserve_child.score_batches(command, [many, [], many], lambda batch: batch)
        counts = [len(answers) for _, answers in batches]
        expect(counts == [len(many), 0, len(many)], f"answers: {counts}")
        return f"{counts[0]} records sent before the first answer is read"

    def failing():
        child = mlserve_child.Child(command)
        try:
            child.score([lines[0], bad])
        except mlserve_child.ChildFailed as failure:
            expect(failure.exit_code == 1 and not failure.worth_a_retry, f"exit code {failure.exit_code}")
            expect("bill_length_mm" in failure.stderr, failure.stderr)
            child.kill()
            return f"a bad record: {failure.stderr.splitlines()[0]}"
        raise AssertionError("a bad record was scored")

    def silent():
        wrapper = script(check.folder / "silent", "cat > /dev/null; echo tired >&2; exit 4")
        child = mlserve_child.Child([wrapper], answer_wait_s=1)
        try:
            child.score(lines[:1])
        except mlserve_child.ChildFailed as failure:
            expect(failure.exit_code == 4 and failure.stderr == "tired\n", str(failure))
            child.kill()
            return "a child that never answers is ended"
        raise AssertionError("a silent child answered")

    def nothing():
        expect(list(mlserve_child.score_batches(command, [], lambda batch: batch)) == [], "answers")
        return "no records: no answers, and no failure"

    def killed():
        child = mlserve_child.Child(command)
        child.score(lines[:1])
        child._process.send_signal(signal.SIGKILL)
        try:
            child.score(lines)
        except mlserve_child.ChildFailed as failure:
            expect(failure.exit_code == 137 and failure.worth_a_retry, f"exit code {failure.exit_code}")
            return str(failure).splitlines()[0].split(": ")[-1]
        raise AssertionError("a dead child answered")

    def left_alone():
        batches = mlserve_child.score_batches(command, [lines] * 50, lambda batch: batch)
        next(batches)
        batches.close()
        return "the consumer stops early: the child is gone"

    check.step("child: one record at a time", one_by_one)
    check.step("child: much at once", all_at_once)
    check.step("child: bad data", failing)
    check.step("child: silent", silent)
    check.step("child: no records", nothing)
    check.step("child: killed", killed)
    check.step("child: left early", left_alone)


def part_parallel(check):
    """GNU parallel: shards of a file, files, faults."""
    if not shutil.which("parallel"):
        return skip("parallel", "GNU parallel is not installed")
    scripts = HERE / "gnu-parallel"
    out = check.folder / "parallel"
    out.mkdir()

    def shards(name="scored.csv", expect_code=0, **environment):
        return check.run(
            [scripts / "score-shards.sh", check.wine, check.wine_csv, out / name, SHARDS, *WINE, "--jobs", "1"],
            expect=expect_code, PARALLEL_OPTIONS="--jobs 2", TRIES_PAUSE_S="0", **environment)

    def whole():
        shards()
        return same_bytes(out / "scored.csv", check.wine_once)

    def flaky():
        """A disk that fails at the first try of each shard."""
        wrapper = script(check.folder / "flaky", f'last=; for word in "$@"; do last=$word; done\n'
            f'[ -e "$last.tried" ] || {{ : > "$last.tried"; exit 4; }}\nexec {check.mlserve} "$@"')
        said = shards("flaky.csv", MLSERVE=wrapper)
        expect(said.count("exit code 4 at try 1") == SHARDS, said)
        return same_bytes(out / "flaky.csv", check.wine_once) + ", after exit code 4 at every first try"

    def wrong():
        """A shard with a bad record: no second try, no output; repaired, the others' work is kept."""
        tries = check.folder / "tries"
        wrapper = script(check.folder / "wrong", f'echo "$*" >> {tries}\n'
            f'case "$*" in *"--shard {SHARDS}/"*) exit 1 ;; esac\nexec {check.mlserve} "$@"')
        shards("wrong.csv", expect_code=1, MLSERVE=wrapper)
        expect(not (out / "wrong.csv").exists(), "there is an output")
        expect(tries.read_text().count(f"--shard {SHARDS}/") == 1, "the bad shard was tried again")
        kept = out / "wrong.csv.shards/1.csv"
        before = kept.stat().st_mtime_ns
        os.link(kept, out / "kept.csv")
        shards("wrong.csv")
        expect((out / "kept.csv").stat().st_mtime_ns == before, "a finished shard was written again")
        return same_bytes(out / "wrong.csv", check.wine_once) + ", after a stop with exit code 1 and a second run"

    def files():
        lines = check.wine_csv.read_text().splitlines(keepends=True)
        header, records = lines[0], lines[1:]
        size = -(-len(records) // 10)
        sources = []
        for number in range(10):
            source = check.folder / f"part {number}.csv"
            source.write_text(header + "".join(records[number * size : (number + 1) * size]))
            sources.append(source)
        command = [scripts / "score-files.sh", check.wine, out / "files", *sources, "--", *WINE]
        check.run(command)
        check.run(command)
        parts = [out / "files" / source.name for source in sources]
        merged = subprocess.run([scripts / "merge-files.sh", *parts], check=True, capture_output=True).stdout
        (out / "merged.csv").write_bytes(merged)
        return same_csv(out / "merged.csv", check.wine_once)

    check.step("parallel: 7 shards", whole)
    check.step("parallel: failing disk", flaky)
    check.step("parallel: bad shard", wrong)
    check.step("parallel: 10 files, merged", files)


def part_arrays(check):
    """The scripts of Slurm and AWS Batch, task by task, with the variables that these set."""
    def slurm():
        programs = check.folder / "slurm-bin"
        programs.mkdir()
        script(programs / "srun", 'exec "$@"')
        parts = check.folder / "slurm.shards"
        parts.mkdir()
        environment = {
            "PATH": f"{programs}:{os.environ['PATH']}", "MODEL": str(check.wine), "INPUT": str(check.wine_csv),
            "PARTS": str(parts), "EXTENSION": ".csv", "SHARDS": str(SHARDS), "MLSERVE_OPTIONS": " ".join(WINE),
            "OUTPUT": str(check.folder / "slurm.csv")}
        for task in range(SHARDS, 0, -1):
            check.run([HERE / "slurm/score.sbatch"], SLURM_ARRAY_TASK_ID=str(task), SLURM_CPUS_PER_TASK="1", **environment)
        check.run([HERE / "slurm/merge.sbatch"], **environment)
        return same_bytes(check.folder / "slurm.csv", check.wine_once)

    def aws():
        parts, merged = check.folder / "aws.shards", check.folder / "aws.csv"
        for index in range(SHARDS):
            check.run([HERE / "aws-batch/score.sh", check.wine, check.wine_csv, parts, ".csv", SHARDS],
                AWS_BATCH_JOB_ARRAY_INDEX=str(index), MLSERVE_OPTIONS=" ".join(WINE))
        check.run([HERE / "aws-batch/merge.sh", parts, ".csv", SHARDS, merged])
        return same_bytes(merged, check.wine_once)

    check.step("slurm: tasks by hand", slurm)
    check.step("aws-batch: children by hand", aws)


def part_kubernetes(check):
    """The arguments in score.yaml, pod by pod, with the variable that an Indexed Job sets."""
    if not importlib.util.find_spec("yaml"):
        return skip("kubernetes", "the Python package PyYAML is not installed")
    import yaml

    def pods():
        job = yaml.safe_load((HERE / "kubernetes/score.yaml").read_text())
        out = check.folder / "kubernetes"
        out.mkdir()
        paths = {"/data/model.onnx": check.wine, "/data/input.csv": check.wine_csv, "/out": out}
        arguments = job["spec"]["template"]["spec"]["containers"][0]["args"]
        completions = job["spec"]["completions"]
        for index in range(completions):
            words = [word.replace("$(JOB_COMPLETION_INDEX)", str(index)) for word in arguments]
            for there, here in paths.items():
                words = [word.replace(there, str(here)) for word in words]
            check.run(["mlserve", *words, *WINE], JOB_COMPLETION_INDEX=str(index))
        merged = out / "scored.csv"
        merged.write_bytes(b"".join((out / f"part-{index}.csv").read_bytes() for index in range(completions)))
        return same_bytes(merged, check.wine_once)

    check.step("kubernetes: 16 pods by hand", pods)


def part_spark(check):
    """PySpark in local mode, through the scripts as a user starts them."""
    if not importlib.util.find_spec("pyspark"):
        return skip("spark", "the Python package pyspark is not installed")
    import pyarrow as pa
    import pyarrow.parquet

    out = check.folder / "spark"
    out.mkdir()
    source = check.folder / "penguins.parquet"
    pa.parquet.write_table(pa.Table.from_pylist(read_jsonl(check.penguins_jsonl)), source)
    submit = [shutil.which("spark-submit") or pathlib.Path(sys.executable).with_name("spark-submit"), "--master", "local[2]"]
    python = {"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable}
    predict = ["--", "mlserve", "predict"]

    def pipe_jsonl():
        command = [HERE / "spark/pipe.py", "--input", check.penguins_jsonl, "--output", out / "jsonl", "--partitions", 5]
        check.run([*submit, *command, *predict, check.penguins, "--jobs", 1], **python)
        return same_lines(parts_of(out / "jsonl"), check.penguins_once.read_text().splitlines())

    def pipe_csv():
        command = [HERE / "spark/pipe.py", "--input", check.wine_csv, "--output", out / "csv", "--header", "--partitions", 5]
        options = ["--no-header", "--id", 1, "--label", 15, "--jobs", 1]
        check.run([*submit, *command, *predict, check.wine, *options], **python)
        scored = parse_csv("\n".join(parts_of(out / "csv")))
        return same_values(scored, read_rows(check.wine_once)[1:])

    def frame(engine):
        command = ["--py-files", HERE / "mlserve_child.py", HERE / "spark/dataframe.py", "--input", source, "--engine", engine]
        command += ["--output", out / engine, "--schema", PENGUINS_SCHEMA]
        check.run([*submit, *command, *predict, check.penguins, "--jobs", 1], **python)
        return same_values(by_id(read_parquet(out / engine)), by_id(once_with_input(check)))

    def bad_record():
        bad = check.folder / "bad.jsonl"
        bad.write_text(check.penguins_jsonl.read_text() + '{"id": "bad", "bill_length_mm": "long"}\n')
        command = [HERE / "spark/pipe.py", "--input", bad, "--output", out / "bad"]
        said = check.run([*submit, *command, *predict, check.penguins, "--jobs", 1], expect=1, **python)
        expect("exited with error code 1" in said, said[-2000:])
        expect(not (out / "bad/_SUCCESS").exists(), "the output counts as done")
        return "RDD.pipe: the job fails, the error names exit code 1"

    def bad_frame():
        bad = check.folder / "bad.parquet"
        pa.parquet.write_table(pa.table({"id": ["a", "b"], "bill_length_mm": ["39.1", "long"]}), bad)
        command = ["--py-files", HERE / "mlserve_child.py", HERE / "spark/dataframe.py", "--input", bad, "--output", out / "bad-frame"]
        options = ["--lenient", "--allow-missing-columns"]
        said = check.run([*submit, *command, *predict, check.penguins, *options, "--jobs", 1], expect=1, **python)
        expect("ChildFailed" in said and "exit code 1" in said and 'bill_length_mm' in said, said[-2000:])
        return "mapInArrow: the job fails, the error has the exit code and mlserve's message"

    check.step("spark: RDD.pipe, JSONL", pipe_jsonl)
    check.step("spark: RDD.pipe, headerless CSV", pipe_csv)
    check.step("spark: mapInArrow", lambda: frame("arrow"))
    check.step("spark: mapInPandas", lambda: frame("pandas"))
    check.step("spark: bad record in a pipe", bad_record)
    check.step("spark: bad record in a frame", bad_frame)


def part_ray(check):
    """Ray Data on this machine, through the script."""
    if not importlib.util.find_spec("ray"):
        return skip("ray", 'the Python package "ray[data]" is not installed')
    import pyarrow as pa
    import pyarrow.parquet

    source = check.folder / "ray-in"
    source.mkdir()
    table = pa.Table.from_pylist(read_jsonl(check.penguins_jsonl))
    size = -(-table.num_rows // 4)
    for number in range(4):
        pa.parquet.write_table(table.slice(number * size, size), source / f"{number}.parquet")
    predict = ["--", "mlserve", "predict", check.penguins, "--jobs", 1]
    # The rest of the CPUs reads and writes.
    count = max(1, min(2, (os.cpu_count() or 1) - 1))

    def actors():
        out = check.folder / "ray-out"
        check.run([sys.executable, HERE / "ray/score.py", "--input", source, "--output", out, "--actors", count, *predict])
        return same_values(by_id(read_parquet(out)), by_id(once_with_input(check)))

    def bad_record():
        bad = check.folder / "ray-bad.parquet"
        pa.parquet.write_table(pa.table({"id": ["a", "b"], "bill_length_mm": ["39.1", "long"]}), bad)
        command = [sys.executable, HERE / "ray/score.py", "--input", bad, "--output", check.folder / "ray-bad", *predict]
        said = check.run([*command, "--lenient", "--allow-missing-columns"], expect=1)
        expect("ChildFailed" in said and "exit code 1" in said and "bill_length_mm" in said, said[-2000:])
        return "the job fails, the error has the exit code and mlserve's message"

    check.step(f"ray: actors ({count})", actors)
    check.step("ray: bad record", bad_record)


PARTS = {"child": part_child, "parallel": part_parallel, "arrays": part_arrays, "kubernetes": part_kubernetes,
    "spark": part_spark, "ray": part_ray}


def skip(name, why):
    print(f"{name + ':':<34} skipped: {why}", flush=True)


def expect(condition, otherwise):
    if not condition:
        raise AssertionError(otherwise)


def script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def grown(records, rows):
    """`rows` records like the given ones: new ids, and floats that are a little different each time."""
    chance = random.Random(20)
    for number in range(rows):
        record = dict(records[number % len(records)])
        for name, value in record.items():
            text = isinstance(value, str) and value.count(".") == 1 and value.replace(".", "").isdigit()
            if text or isinstance(value, float):
                value = round(float(value) * chance.uniform(0.9, 1.1), 4)
                record[name] = str(value) if text else value
        record["id"] = f"record-{number:07}"
        yield record


def read_csv(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def read_jsonl(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def write_csv(records, file):
    writer = None
    for record in records:
        if writer is None:
            writer = csv.DictWriter(file, record, lineterminator="\n")
            writer.writeheader()
        writer.writerow(record)


def write_jsonl(records, file):
    for record in records:
        file.write(json.dumps(record) + "\n")


def parse_csv(text):
    return list(csv.reader(io.StringIO(text)))


def read_rows(path):
    return parse_csv(path.read_text())


def parts_of(folder):
    """The lines that Spark wrote, in the order of its partitions."""
    return [line for part in sorted(folder.glob("part-*")) for line in part.read_text().splitlines()]


def read_parquet(folder):
    import pyarrow.parquet

    return [record for part in sorted(folder.glob("*.parquet")) for record in pyarrow.parquet.read_table(part).to_pylist()]


def by_id(records):
    return sorted(records, key=lambda record: record["id"])


def once_with_input(check):
    """The input's columns and the single run's predictions, as the examples on tables give them."""
    for record, scored in zip(read_jsonl(check.penguins_jsonl), read_jsonl(check.penguins_once), strict=True):
        yield {**record, **scored}


def same_bytes(result, once):
    expect(result.read_bytes() == once.read_bytes(), f"{result} is not {once}, byte for byte")
    return f"{once.stat().st_size} bytes, identical to the single run's"


def same_csv(result, once):
    if result.read_bytes() == once.read_bytes():
        return same_bytes(result, once)
    return same_values(read_rows(result), read_rows(once))


def same_lines(result, once):
    if result == once:
        return f"{len(result)} lines, identical to the single run's"
    return same_values([json.loads(line) for line in result], [json.loads(line) for line in once])


def same_values(result, once):
    expect(len(result) == len(once), f"{len(result)} records, and {len(once)} from the single run")
    apart = max((distance(mine, theirs) for mine, theirs in zip(result, once)), default=0)
    expect(apart <= TOLERANCE, f"a number is {apart:.1e} apart, or a text differs")
    return f"{len(result)} records as from the single run, numbers at most {apart:.1e} apart"


def distance(mine, theirs):
    """The largest difference of two numbers in the same place, infinite where anything else differs."""
    if isinstance(mine, dict) and isinstance(theirs, dict) and mine.keys() == theirs.keys():
        return max((distance(mine[key], theirs[key]) for key in mine), default=0)
    if isinstance(mine, list) and isinstance(theirs, list) and len(mine) == len(theirs):
        return max(map(distance, mine, theirs), default=0)
    if mine == theirs:
        return 0
    try:
        return abs(float(mine) - float(theirs))
    except (TypeError, ValueError):
        return math.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(PARTS))
    parser.add_argument("--mlserve", type=pathlib.Path, default=ROOT / "target/release/mlserve")
    parser.add_argument("--rows", type=int, default=20_000)
    options = parser.parse_args()
    if unknown := set(options.names) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    if not options.mlserve.exists():
        parser.error(f"{options.mlserve}: not there; cargo build --release makes it")
    with tempfile.TemporaryDirectory(prefix="mlserve-at-scale-") as folder:
        check = Check(options.mlserve.resolve(), options.rows, pathlib.Path(folder))
        for name in options.names or PARTS:
            PARTS[name](check)
    sys.exit(1 if check.failures else 0)


if __name__ == "__main__":
    main()
