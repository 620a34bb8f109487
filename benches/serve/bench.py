"""Times `mlserve serve` against FastAPI, Flask and a bare loop with the same model, and prints the table.

    python3 -m venv target/serve-venv && target/serve-venv/bin/pip install -r benches/serve/requirements.txt
    cargo build --release && cargo bench --bench bare_loop --no-run
    target/serve-venv/bin/python benches/serve/bench.py --model MODEL.onnx --data DATA.csv

wrk (a Debian package) asks; server and client share the cores. Servers take turns, a round after the other; a
ratio is taken within each round, and the table has the medians. MODEL takes one float matrix, DATA is a CSV file
with an id, a label and its features f0, f1... (benches/compare/ makes both). Only the standard library here.
"""

import argparse
import csv
import glob
import json
import os
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LUA = 'wrk.method = "POST"\nwrk.headers["Content-Type"] = "application/json"\nlocal file = io.open("{path}", "rb")\nwrk.body = file:read("*a")\nfile:close()\n'


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def commands(model, workers):
    """For each server how it is started at a port."""
    here, python = str(ROOT / "benches/serve"), pathlib.Path(sys.executable)
    bare = max(glob.glob(str(ROOT / "target/release/deps/bare_loop-*[!.d]")), key=os.path.getmtime)
    tool = lambda name: str(python.parent / name)
    return {
        "mlserve": lambda port: [str(ROOT / "target/release/mlserve"), "serve", f"model={model}", "-p", str(port), "--quiet"],
        "bare loop": lambda port: [bare, model, str(port)],
        "FastAPI": lambda port: [tool("uvicorn"), "fastapi_app:app", "--app-dir", here, "--port", str(port), "--workers", str(workers), "--log-level", "warning"],
        "Flask": lambda port: [tool("gunicorn"), "flask_app:app", "--chdir", here, "-b", f"127.0.0.1:{port}", "-w", str(workers), "--log-level", "warning"],
    }


def records(path, count):
    with open(path, newline="") as file:
        rows = csv.reader(file)
        names = next(rows)[2:]
        return [dict(zip(names, map(float, row[2:]))) for row, _ in zip(rows, range(count))]


def ask(port, body):
    request = urllib.request.Request(f"http://127.0.0.1:{port}/predict", data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


class Server:
    """A running server, from its start to its end."""

    def __init__(self, command, model, body):
        self.port = free_port()
        environment = os.environ | {"MODEL": model, "ORT_DISABLE_TELEMETRY": "1"}
        started = time.perf_counter()
        self.process = subprocess.Popen(command(self.port), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.1).close()
                ask(self.port, body)
                break
            except OSError:
                if self.process.poll() is not None or time.perf_counter() - started > 60:
                    raise SystemExit(f"{command(self.port)} does not answer")
                time.sleep(0.002)
        self.start_ms = (time.perf_counter() - started) * 1000

    def rss_mb(self):
        """Of the process and its children."""
        pids = [self.process.pid]
        total = 0
        while pids:
            pid = pids.pop()
            try:
                total += int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
                for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
                    pids += [int(child) for child in (task / "children").read_text().split()]
            except (OSError, AttributeError):
                continue
        return total / 1024

    def stop(self):
        self.process.terminate()
        self.process.wait()


def wrk(port, script, connections, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "--timeout", "10s", "-s", script, f"http://127.0.0.1:{port}/predict"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors: .*", text)
    if wrong:
        print(f"note: {wrong.group(0)}", file=sys.stderr)
    millis = lambda value, unit: float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    p50 = re.search(r"50%\s+([\d.]+)(us|ms|s)", text).groups()
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    return rate, millis(*p50), millis(*p99)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--records", default="1,100")
    parser.add_argument("--only", help="these servers, separated by commas")
    arguments = parser.parse_args()
    model = str(pathlib.Path(arguments.model).resolve())
    servers = commands(model, arguments.workers)
    if arguments.only:
        servers = {name: servers[name] for name in arguments.only.split(",")}
    starts = {name: [] for name in servers}
    memory = {name: 0.0 for name in servers}
    with tempfile.TemporaryDirectory() as folder:
        print("| records a request | connections | server | requests/s | mlserve is | p50 ms | p99 ms |")
        print("|---|---|---|---|---|---|---|")
        for count in map(int, arguments.records.split(",")):
            body = json.dumps(records(arguments.data, count)).encode()
            path = pathlib.Path(folder, f"body{count}.json")
            path.write_bytes(body)
            script = pathlib.Path(folder, f"ask{count}.lua")
            script.write_text(LUA.format(path=path))
            for connections in map(int, arguments.connections.split(",")):
                runs = {name: [] for name in servers}
                for _ in range(arguments.rounds):
                    for name, command in servers.items():
                        server = Server(command, model, body)
                        starts[name].append(server.start_ms)
                        wrk(server.port, str(script), connections, 1)
                        runs[name].append(wrk(server.port, str(script), connections, arguments.seconds))
                        memory[name] = max(memory[name], server.rss_mb())
                        server.stop()
                for name in servers:
                    rate, p50, p99 = (statistics.median(values) for values in zip(*runs[name]))
                    ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in zip(runs[next(iter(servers))], runs[name]))
                    print(f"| {count} | {connections} | {name} | {rate:,.0f} | {ratio:.2f} | {p50:.2f} | {p99:.2f} |", flush=True)
    print("\n| server | start to first answer, ms | memory, MB |\n|---|---|---|")
    for name in servers:
        print(f"| {name} | {statistics.median(starts[name]):.0f} | {memory[name]:.0f} |")


if __name__ == "__main__":
    main()
