"""Times `mlserve predict` against Python scripts on the same data, and prints the tables.

Only the standard library here: Linux counts the memory of the process that starts a program into that
program's peak, so this one must stay small (make.py and agree.py do what needs numpy). README.md says how
it measures.
"""

import argparse
import dataclasses
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# Changed whenever make.py makes other files from the same arguments.
DATA_VERSION = 2
# Two correct programs differ in the last bits where their batches differ.
TOLERANCE = 1e-5
# Converters round thresholds to float32, so that a library's own predictor takes another branch in a few records.
OTHER_BRANCH = 1e-3
# The libraries' own predictors, and what compiles their models, by model.
OWN = {"lightgbm": ["lightgbm", "lleaves"], "xgboost": ["xgboost"]}
STARTS, RIVAL_STARTS = 20, 5


@dataclasses.dataclass
class Run:
    """One process, from its start to its end."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    printed: str


@dataclasses.dataclass
class Row:
    """One program's runs in one case, one a round."""

    case: str
    program: str
    rows: int
    runs: list


def measure(command):
    """Runs `command`; the file system cache is the caller's business."""
    environment = os.environ | {"ORT_DISABLE_TELEMETRY": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    # Both streams fit into a pipe: a closing line, a number, or a traceback.
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    printed, errors = process.stdout.read(), process.stderr.read()
    process.stdout.close()
    process.stderr.close()
    if process.returncode != 0:
        shown = " ".join(map(str, command))
        raise SystemExit(f"{shown}\nended with {process.returncode}:\n{errors.decode(errors='replace')}")
    unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
    peak_mb = usage.ru_maxrss * unit / 1e6
    return Run(wall_s, usage.ru_utime + usage.ru_stime, peak_mb, printed.decode())


def warm(path):
    """Reads a file once, so that no program pays for the disk."""
    with open(path, "rb", buffering=0) as file:
        buffer = bytearray(1 << 20)
        while file.readinto(buffer):
            pass


def prepare(given):
    """The folder with data and models for these arguments, made if it is not there yet."""
    folder = given.data / f"v{DATA_VERSION}-{given.rows}"
    done = folder / "done"
    if not done.exists():
        print(f"making {given.rows:,} records in {folder}", file=sys.stderr)
        subprocess.run([sys.executable, HERE / "make.py", folder, str(given.rows)], check=True)
        done.touch()
    return folder


def ten_times(folder):
    """The CSV file with its records ten times over."""
    path = folder / "data10.csv"
    if not path.exists():
        part = path.with_suffix(".part")
        with open(folder / "data.csv", "rb") as source, open(part, "wb") as target:
            target.write(source.readline())
            start = source.tell()
            for _ in range(10):
                source.seek(start)
                while block := source.read(8 << 20):
                    target.write(block)
        part.rename(path)
    return path


class Bench:
    """The programs, and the rounds in which they take turns."""

    def __init__(self, given):
        self.given = given
        self.folder = prepare(given)
        self.rows = []

    def output(self, program, suffix=".csv"):
        return self.folder / f"out-{program}{suffix}"

    def mlserve(self, model, data, suffix=".csv"):
        paths = [self.folder / f"{model}.onnx", self.folder / data]
        # Not --label: it would ask for metrics, which the rivals do not compute.
        columns = ["--id", "id", "--exclude", "label"]
        return [self.given.mlserve, "predict", *paths, *columns, "-q", "-o", self.output("mlserve", suffix)]

    def rival(self, name, model, data):
        paths = [self.folder / f"{model}.onnx", self.folder / data, self.output(name)]
        return [sys.executable, HERE / "rivals" / f"score_{name}.py", *paths]

    def bare(self, model):
        return [sys.executable, HERE / "rivals" / "bare.py", self.folder / f"{model}.onnx", self.folder / "matrix.npy"]

    def rounds(self, case, programs, rows):
        """Times `programs` (name -> command) by turns, each round beginning with another one."""
        names = list(programs)
        runs = {name: [] for name in names}
        for number in range(self.given.rounds):
            first = number % len(names)
            for name in names[first:] + names[:first]:
                runs[name].append(measure(programs[name]))
        for name in names:
            if name == "bare session":
                # What it reports is the runs of the model; the rest of its process is loading.
                for run in runs[name]:
                    run.wall_s = float(run.printed)
            self.rows.append(Row(case, name, rows, runs[name]))
        print(f"{case}: done", file=sys.stderr)

    def agree(self, case, outputs, own=()):
        """Stops unless the files hold the same records and, within the tolerance, the same scores; those of
        `own` predictors in nearly all records."""
        command = [sys.executable, HERE / "agree.py", str(TOLERANCE), *map(str, [*outputs, *own])]
        lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
        worst = [float(line.split()[0]) for line in lines]
        share = [float(line.split()[1]) for line in lines]
        others = len(outputs) - 1
        if any(share[:others]) or any(part > OTHER_BRANCH for part in share):
            raise SystemExit("the programs disagree:\n" + "\n".join(lines))
        note = f"{case}: greatest difference between scores {max(worst[:others], default=0.0):.1e}"
        if own:
            note += f"; to the library's own {max(worst[others:]):.1e}, beyond {TOLERANCE} in {max(share[others:]):.3%}"
        return note

    def csv(self, model):
        programs = {"mlserve": self.mlserve(model, "data.csv")}
        for name in self.given.rivals:
            programs[f"{name} + onnxruntime"] = self.rival(name, model, "data.csv")
        own = [name for name in OWN.get(model, []) if name in self.given.own]
        for name in own:
            # Once before: lleaves compiles the model and keeps what it made.
            measure(self.rival(name, model, "few.csv"))
            programs[f"polars + {name}"] = self.rival(name, model, "data.csv")
        programs["bare session"] = self.bare(model)
        warm(self.folder / "data.csv")
        warm(self.folder / "matrix.npy")
        self.rounds(model, programs, self.given.rows)
        outputs = [self.output("mlserve"), *map(self.output, self.given.rivals)]
        return self.agree(model, outputs, list(map(self.output, own)))

    def formats(self, model):
        """Other input formats against mlserve's own CSV time."""
        programs = {"mlserve, CSV": self.mlserve(model, "data.csv")}
        outputs = [self.output("mlserve")]
        for suffix, name in [(".jsonl", "JSONL"), (".parquet", "Parquet")]:
            if self.reads(model, f"data{suffix}"):
                programs[f"mlserve, {name}"] = self.mlserve(model, f"data{suffix}", suffix)
                outputs.append(self.output("mlserve", suffix))
                warm(self.folder / f"data{suffix}")
        self.rounds(f"{model}, by format", programs, self.given.rows)
        return self.agree(f"{model}, by format", outputs)

    def reads(self, model, data):
        """Whether this mlserve knows the format at all."""
        command = [*self.mlserve(model, data), "--explain"]
        known = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
        if not known:
            print(f"{data}: left out, mlserve does not read it", file=sys.stderr)
        return known

    def linear(self, model):
        """Ten times the records must take ten times the time and the same memory."""
        path = ten_times(self.folder)
        warm(path)
        programs = {
            "mlserve": self.mlserve(model, "data.csv"),
            "mlserve, 10 times": self.mlserve(model, path.name),
        }
        self.rounds(f"{model}, linear", programs, self.given.rows)
        once, tenfold = self.rows[-2:]
        tenfold.rows *= 10
        times = ratio(tenfold, once)
        peak = [max(run.peak_mb for run in row.runs) for row in (once, tenfold)]
        return f"{model}: 10 times the records take {times:.2f} times the time; peak {peak[0]:.0f} and {peak[1]:.0f} MB"

    def starts(self, model):
        """The least time of a file of ten records, start-up included."""
        programs = {"mlserve": (self.mlserve(model, "few.csv"), STARTS)}
        for name in self.given.rivals:
            programs[name] = (self.rival(name, model, "few.csv"), RIVAL_STARTS)
        lines = []
        for name, (command, times) in programs.items():
            least = min(measure(command).wall_s for _ in range(times))
            lines.append(f"{name} {least * 1000:.0f} ms")
        return f"ten records, {model}, start-up included: " + ", ".join(lines)


def median_wall(row):
    return statistics.median(run.wall_s for run in row.runs)


def ratio(row, base):
    """How many times as long as `base`, round by round; the median of the rounds."""
    return statistics.median(own.wall_s / other.wall_s for own, other in zip(row.runs, base.runs))


def table(rows):
    """Header and lines of text cells; a case's first row is what the others are compared with."""
    yield ["case", "program", "best s", "median s", "CPU s", "peak MB", "rows/s", "x mlserve"]
    base = None
    for row in rows:
        base = row if base is None or base.case != row.case else base
        alone = row.program == "bare session"
        yield [
            row.case if row is base else "",
            row.program,
            f"{min(run.wall_s for run in row.runs):.2f}",
            f"{median_wall(row):.2f}",
            "" if alone else f"{statistics.median(run.cpu_s for run in row.runs):.2f}",
            "" if alone else f"{max(run.peak_mb for run in row.runs):.0f}",
            f"{row.rows / median_wall(row):,.0f}",
            f"{ratio(row, base):.2f}",
        ]


def printed(lines, markdown):
    lines = list(lines)
    if markdown:
        marks = ["---", "---"] + ["---:"] * (len(lines[0]) - 2)
        return "\n".join("| " + " | ".join(line) + " |" for line in [lines[0], marks, *lines[1:]])
    widths = [max(map(len, column)) for column in zip(*lines)]
    cells = [[c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))] for line in lines]
    return "\n".join("  ".join(line).rstrip() for line in cells)


def machine():
    """The machine in one line."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        names = [line for line in open("/proc/cpuinfo") if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    return f"{cores} cores ({model}), {memory_gb:.0f} GB, {platform.system()} {platform.machine()}"


def fingerprint(path):
    """Which build this is: all builds of a version call themselves the same."""
    return hashlib.sha256(path.read_bytes()).hexdigest()[:12]


def versions(given, build):
    own = subprocess.run([given.mlserve, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    predictors = [name for model in given.models for name in OWN.get(model, []) if name in given.own]
    packages = ["onnxruntime", "numpy", *(name.split("_")[0] for name in given.rivals), *predictors]
    python = f"Python {platform.python_version()}"
    return ", ".join([f"{own} (SHA-256 {build}...)", python, *(f"{name} {importlib.metadata.version(name)}" for name in packages)])


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = lambda text: [name for name in text.split(",") if name]
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", type=names, default=["logistic", "mlp", "lightgbm", "xgboost"])
    parser.add_argument("--rivals", type=names, default=["polars", "pandas", "pyarrow"])
    predictors = [name for group in OWN.values() for name in group]
    parser.add_argument("--own", type=names, default=predictors, help="the libraries' own predictors")
    parser.add_argument("--mlserve", type=pathlib.Path, default=ROOT / "target/release/mlserve")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "target/bench-data")
    parser.add_argument("--linear", action="store_true", help="also ten times the records")
    parser.add_argument("--markdown", action="store_true")
    given = parser.parse_args()
    if not given.mlserve.exists():
        parser.error(f"{given.mlserve} is absent: cargo build --release")
    # A relative program name would be searched for in PATH.
    given.mlserve = given.mlserve.resolve()
    return given


def main():
    given = arguments()
    # Ratios bear other work on the machine, the seconds do not.
    load = os.getloadavg()[0]
    build = fingerprint(given.mlserve)
    bench = Bench(given)
    notes = [bench.csv(model) for model in given.models]
    quickest = given.models[0]
    notes.append(bench.formats(quickest))
    if given.linear:
        notes.append(bench.linear(quickest))
    notes.append(bench.starts(quickest))
    if fingerprint(given.mlserve) != build:
        raise SystemExit(f"{given.mlserve} was built anew during the run: the figures are of two programs")
    print(f"{given.rows:,} records, {given.rounds} rounds; {machine()}, load before {load:.1f}")
    print(versions(given, build), end="\n\n")
    print(printed(table(bench.rows), given.markdown), end="\n\n")
    print("\n".join(f"* {note}" if given.markdown else note for note in notes))


if __name__ == "__main__":
    main()
