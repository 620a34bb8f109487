"""Keeps a server busy for a while, with everything at once, and looks whether anything was lost or left.

    cargo build --release
    python3 tests/soak.py target/release/mlserve --seconds 60

Clients of all dialects ask on kept connections while a model's file is replaced every second (now and
then by something that is no model), another model is unloaded and loaded over HTTP, and clients that are
slow, broken or rude come and go. Each answer is compared: the replaced model's with what the version that
it names must say, the others' with what the server said before the storm. Then memory, descriptors and
threads are held against what they were after the first fifth of the time. Loopback only, and nothing but
the standard library. Exit status 1 where anything is not as it should be.
"""

import argparse
import http.client
import json
import os
import random
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# The weights of the corpus' model features_json, which it multiplies three features with.
WEIGHTS = (1.0, 2.0, 3.0)
IRIS = [5.1, 3.5, 1.4, 0.2]
JSON = {"Content-Type": "application/json"}


def scaled(factor):
    """The model with its weights times `factor`: ones score 6 * factor."""
    model = (ROOT / "tests/corpus/features_json.onnx").read_bytes()
    before = struct.pack("<3f", *WEIGHTS)
    assert model.count(before) == 1
    return model.replace(before, struct.pack("<3f", *(weight * factor for weight in WEIGHTS)))


def put(path, content):
    """Puts a file there as one should: whole, by renaming."""
    new = path.with_suffix(".new")
    new.write_bytes(content)
    new.rename(path)


class Storm:
    """What all threads share."""

    def __init__(self, process, port, folder):
        self.process, self.port, self.folder = process, port, folder
        self.is_over = threading.Event()
        self.lock = threading.Lock()
        self.faults = []
        self.times = {}
        self.samples = []

    def fault(self, text):
        with self.lock:
            self.faults.append(text)

    def took(self, name, seconds):
        with self.lock:
            self.times.setdefault(name, []).append(seconds)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def status(self, name):
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(name + ":"):
                return int(line.split()[1])
        return 0

    def sample(self):
        descriptors = len(os.listdir(f"/proc/{self.process.pid}/fd"))
        return self.status("VmRSS") // 1024, descriptors, self.status("Threads")


def npy(rows):
    """The rows of floats as a NumPy array."""
    shape = f"({len(rows)}, {len(rows[0])})"
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    head = head.ljust(117) + "\n"
    data = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + data


def triton_binary(rows):
    """An infer request whose tensor follows its JSON, and the length of the JSON."""
    data = b"".join(struct.pack(f"<{len(row)}f", *row) for row in rows)
    tensor = {"name": "X", "shape": [len(rows), 4], "datatype": "FP32"}
    head = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": len(data)}}]}).encode()
    return head + data, len(head)


def dialects():
    """Requests about the iris model by name: path, headers, body."""
    rows = [IRIS] * 3
    binary, length = triton_binary(rows)
    tensor = {"name": "X", "shape": [3, 4], "datatype": "FP32", "data": rows}
    infer = {"Inference-Header-Content-Length": str(length), "Content-Type": "application/octet-stream"}
    lines = "\n".join(json.dumps(IRIS) for _ in range(500)).encode()
    return {
        "one record": ("/models/iris/predict", JSON, json.dumps(IRIS)),
        "1,000 records": ("/models/iris/predict", JSON, json.dumps([IRIS] * 1000)),
        "ndjson": ("/models/iris/predict", {"Content-Type": "application/x-ndjson"}, lines),
        "npy": ("/models/iris/predict", {"Content-Type": "application/x-npy"}, npy(rows)),
        "oip": ("/v2/models/iris/infer", JSON, json.dumps({"inputs": [tensor]})),
        "oip binary": ("/v2/models/iris/infer", infer, binary),
        "tensorflow": ("/v1/models/iris:predict", JSON, json.dumps({"instances": rows})),
        "wrong": ("/models/iris/predict", JSON, json.dumps([[1, "x"]])),
    }


def asks(storm, name, request, expected):
    """A client of one dialect, whose answers never change."""
    path, headers, body = request
    connection = storm.connect()
    while not storm.is_over.is_set():
        started = time.perf_counter()
        try:
            connection.request("POST", path, body, headers)
            reply = connection.getresponse()
            answer = (reply.status, reply.read())
        except OSError as error:
            storm.fault(f"{name}: {error!r}")
            connection = storm.connect()
            continue
        storm.took(name, time.perf_counter() - started)
        if answer != expected:
            storm.fault(f"{name}: {answer[0]} {answer[1][:200]!r}")


def asks_what_changes(storm):
    """A client of the model that is replaced all the time."""
    connection = storm.connect()
    while not storm.is_over.is_set():
        started = time.perf_counter()
        try:
            connection.request("POST", "/models/m/predict", "[[1,1,1]]", JSON)
            reply = connection.getresponse()
            told = json.loads(reply.read())
        except (OSError, ValueError) as error:
            storm.fault(f"swapped: {error!r}")
            connection = storm.connect()
            continue
        storm.took("swapped", time.perf_counter() - started)
        score = told.get("predictions", [{}])[0].get("Y", 0)
        # Which file became which version is the server's to say; a version is one file for ever.
        factor = storm.versions.setdefault(told.get("version"), score / 6)
        if reply.status != 200 or factor not in storm.factors or score != 6 * factor:
            storm.fault(f"swapped: {reply.status} {told} where the version's factor is {factor}")


def swaps(storm):
    """Replaces the model's file each second; every fifth is no model."""
    factor = 1
    while not storm.is_over.wait(1):
        factor += 1
        if factor % 5 == 0:
            put(storm.folder / "m.onnx", b"no model")
            continue
        storm.factors.add(factor)
        put(storm.folder / "m.onnx", scaled(factor))


def unloads(storm):
    """Unloads and loads a model that nobody else asks."""
    while not storm.is_over.wait(0.5):
        connection = storm.connect()
        for path, body, status in [
            ("/v2/repository/models/digits/unload", "", 200),
            ("/models/digits/predict", "[]", 503),
            ("/v2/repository/models/digits/load", "", 200),
            ("/models/digits/predict", "[]", 200),
        ]:
            connection.request("POST", path, body, JSON)
            reply = connection.getresponse()
            reply.read()
            if reply.status != status:
                storm.fault(f"unload: {path} {reply.status}")
        connection.close()


RUDE = [
    b"GET / HTTP/1.1\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n[[5.1",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
    b"POST /predict HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"POST /models/iris/predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /" + b"a" * 20000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /models/iris/predict HTTP/1.1\r\nHost: a\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
    b"\x00" * 100,
]


def is_rude(storm, seed):
    """Clients that send something broken, and leave when and how they like."""
    chance = random.Random(seed)
    while not storm.is_over.wait(0.01):
        with socket.create_connection(("127.0.0.1", storm.port), 10) as connection:
            try:
                connection.sendall(chance.choice(RUDE))
                if chance.random() < 0.5:
                    connection.settimeout(0.05)
                    connection.recv(100)
                if chance.random() < 0.3:
                    # A reset instead of an orderly end.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            except OSError:
                pass


def is_slow(storm):
    """A client that sends a byte at a time, and takes its answer so."""
    body = json.dumps([IRIS])
    request = f"POST /models/iris/predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    while not storm.is_over.is_set():
        with socket.create_connection(("127.0.0.1", storm.port), 10) as connection:
            for byte in request:
                connection.sendall(bytes([byte]))
                time.sleep(0.005)
            if not connection.recv(12).startswith(b"HTTP/1.1 200"):
                storm.fault("slow: not answered")


def watches(storm):
    """Reads the pages for operators, and how the process is."""
    while not storm.is_over.wait(0.25):
        storm.samples.append(storm.sample())
        connection = storm.connect()
        for path in ["/metrics", "/models", "/openapi.json", "/readyz"]:
            connection.request("GET", path)
            reply = connection.getresponse()
            reply.read()
            if reply.status != 200:
                storm.fault(f"operator: {path} {reply.status}")
        connection.close()


def start(binary, folder):
    put(folder / "m.onnx", scaled(1))
    models = [str(folder / "m.onnx"), str(ROOT / "models/iris.onnx"), str(ROOT / "models/digits.onnx")]
    flags = ["--port", "0", "--watch", "--watch-interval-ms", "50", "--admin", "--log", "none"]
    process = subprocess.Popen([binary, "serve", *models, *flags], stderr=subprocess.PIPE, text=True)
    for line in process.stderr:
        if "http://" in line:
            port = int(line.rsplit(":", 1)[1].split("/")[0])
            break
    else:
        raise SystemExit("the server did not start")
    threading.Thread(target=process.stderr.read, daemon=True).start()
    return process, port


def report(storm, seconds):
    print(f"{'client':<16}{'answers':>9}{'p50 ms':>9}{'p99 ms':>9}{'max ms':>9}")
    slowest = 0
    for name, times in sorted(storm.times.items()):
        times.sort()
        p50, p99 = times[len(times) // 2], times[int(len(times) * 0.99)]
        slowest = max(slowest, p99)
        print(f"{name:<16}{len(times):>9}{p50 * 1000:>9.2f}{p99 * 1000:>9.2f}{times[-1] * 1000:>9.2f}")
    early = storm.samples[len(storm.samples) // 5 : len(storm.samples) // 3]
    before = [max(values) for values in zip(*early)]
    late = [min(values) for values in zip(*storm.samples[-max(1, len(storm.samples) // 10) :])]
    after = storm.sample()
    print(f"{'':<16}{'MB':>9}{'fds':>9}{'threads':>9}")
    for name, values in [("early, at most", before), ("late, at least", late), ("in the end", after)]:
        print(f"{name:<16}" + "".join(f"{value:>9}" for value in values))
    if late[0] > before[0] * 1.25 + 20:
        storm.fault(f"memory grows: {before[0]} MB, then {late[0]} MB")
    for what, index in [("descriptors", 1), ("threads", 2)]:
        if after[index] > before[index] + 8:
            storm.fault(f"{what} are left: {before[index]}, then {after[index]}")
    if slowest > 2:
        storm.fault(f"the slowest p99 is {slowest:.2f} s")
    if len(storm.versions) < seconds / 5:
        storm.fault(f"only {len(storm.versions)} versions answered")
    print(f"{len(storm.versions)} versions answered within {seconds} s")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--seconds", type=int, default=60)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        process, port = start(given.binary, folder)
        storm = Storm(process, port, folder)
        storm.factors, storm.versions = {1}, {}
        threads = []
        connection = storm.connect()
        for name, (path, headers, body) in dialects().items():
            connection.request("POST", path, body, headers)
            reply = connection.getresponse()
            expected = (reply.status, reply.read())
            wanted = 422 if name == "wrong" else 200
            if reply.status != wanted:
                storm.fault(f"{name}: {expected}")
            threads.append((asks, name, dialects()[name], expected))
        connection.close()
        threads += [(asks_what_changes,)] * 3 + [(swaps,), (unloads,), (is_slow,), (watches,)]
        threads += [(is_rude, seed) for seed in range(2)]
        threads = [threading.Thread(target=run, args=(storm, *args)) for run, *args in threads]
        for thread in threads:
            thread.start()
        time.sleep(given.seconds)
        storm.is_over.set()
        for thread in threads:
            thread.join(60)
        # Connections that were left behind have their time to be noticed.
        time.sleep(1)
        report(storm, given.seconds)
        process.send_signal(signal.SIGTERM)
        code = process.wait(40)
        if code != 0:
            storm.fault(f"the server ended with {code}")
    for fault in storm.faults[:20]:
        print("fault:", fault)
    if storm.faults:
        raise SystemExit(f"{len(storm.faults)} faults")
    print("soak: nothing was lost, and nothing is left")


if __name__ == "__main__":
    main()
