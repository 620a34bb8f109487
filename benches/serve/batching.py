"""Times `mlserve serve` with and without joining what waits, on networks where that can pay, and prints the table.

    python3 benches/serve/batching.py --make target/batching-models      (needs onnx and numpy)
    cargo build --release
    python3 benches/serve/batching.py target/batching-models

wrk asks, as in bench.py; both ways take turns, a round after the other, and a ratio is taken within each round.
The models: an MLP (30 -> 512 -> 512 -> 3), a CNN of one 28 x 28 image, and a logistic regression of 30 numbers,
where runs are so short that nothing should ever be joined. `--before` times another program too. The time of the
processor, the server's alone, says most on a machine that does other things too.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import tempfile
import urllib.request

from bench import LUA, ROOT, Server, wrk


def make(folder):
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper, save

    rng = np.random.default_rng(7)

    def weights(name, *shape, fan):
        return numpy_helper.from_array((rng.standard_normal(shape) / np.sqrt(fan)).astype(np.float32), name)

    def written(name, nodes, inputs, weights, classes):
        output = helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", classes])
        graph = helper.make_graph(nodes, name, [helper.make_tensor_value_info(*inputs)], [output], weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        checker.check_model(model)
        save(model, folder / f"{name}.onnx")

    node = helper.make_node
    written("logistic", [node("Gemm", ["x", "w", "b"], ["z"]), node("Softmax", ["z"], ["scores"])],
            ("x", TensorProto.FLOAT, ["N", 30]), [weights("w", 30, 3, fan=30), weights("b", 3, fan=9)], 3)
    written("mlp", [
        node("Gemm", ["x", "w1", "b1"], ["a"]), node("Relu", ["a"], ["ra"]),
        node("Gemm", ["ra", "w2", "b2"], ["b"]), node("Relu", ["b"], ["rb"]),
        node("Gemm", ["rb", "w3", "b3"], ["c"]), node("Softmax", ["c"], ["scores"]),
    ], ("x", TensorProto.FLOAT, ["N", 30]), [
        weights("w1", 30, 512, fan=30), weights("b1", 512, fan=9), weights("w2", 512, 512, fan=512),
        weights("b2", 512, fan=9), weights("w3", 512, 3, fan=512), weights("b3", 3, fan=9),
    ], 3)
    written("cnn", [
        node("Conv", ["x", "k1", "c1"], ["a"], pads=[1, 1, 1, 1]), node("Relu", ["a"], ["ra"]),
        node("MaxPool", ["ra"], ["pa"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Conv", ["pa", "k2", "c2"], ["b"], pads=[1, 1, 1, 1]), node("Relu", ["b"], ["rb"]),
        node("MaxPool", ["rb"], ["pb"], kernel_shape=[2, 2], strides=[2, 2]), node("Flatten", ["pb"], ["f"]),
        node("Gemm", ["f", "w1", "b1"], ["d"]), node("Relu", ["d"], ["rd"]),
        node("Gemm", ["rd", "w2", "b2"], ["e"]), node("Softmax", ["e"], ["scores"]),
    ], ("x", TensorProto.FLOAT, ["N", 1, 28, 28]), [
        weights("k1", 16, 1, 3, 3, fan=9), weights("c1", 16, fan=9), weights("k2", 32, 16, 3, 3, fan=144),
        weights("c2", 32, fan=9), weights("w1", 1568, 64, fan=1568), weights("b1", 64, fan=9),
        weights("w2", 64, 10, fan=64), weights("b2", 10, fan=9),
    ], 10)
    image = rng.random((1, 28, 28)).round(4).tolist()
    record = rng.standard_normal(30).round(4).tolist()
    for name, x in (("logistic", record), ("mlp", record), ("cnn", image)):
        (folder / f"{name}.json").write_text(json.dumps([{"x": x}]))


def records_a_run(port):
    text = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10).read().decode()
    found = {end: re.search(rf"^mlserve_batch_records_{end}\{{[^}}]*\}} (\S+)", text, re.M) for end in ("sum", "count")}
    total, runs = (float(match.group(1)) if match else 0 for match in found.values())
    return total / runs if runs else 0


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--make", action="store_true", help="write the models and stop")
    parser.add_argument("--models", default="mlp,cnn,logistic")
    parser.add_argument("--connections", default="1,16,64")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    parser.add_argument("--program", default=str(ROOT / "target/release/mlserve"))
    parser.add_argument("--before", help="another mlserve, for what the queue itself costs")
    arguments = parser.parse_args()
    if arguments.make:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        return make(arguments.folder)
    ways = {"joined": [arguments.program, []], "each alone": [arguments.program, ["--max-batch", "1"]]}
    if arguments.before:
        ways["before"] = [arguments.before, []]
    print("| model | clients | way | requests/s | joined is | p50 ms | p99 ms | CPU us a request | records a run |")
    print("|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        for model in arguments.models.split(","):
            path = str(arguments.folder / f"{model}.onnx")
            body = arguments.folder / f"{model}.json"
            script = pathlib.Path(temporary, "ask.lua")
            script.write_text(LUA.format(path=body.resolve()))
            for connections in map(int, arguments.connections.split(",")):
                runs = {way: [] for way in ways}
                for _ in range(arguments.rounds):
                    for way, (program, flags) in ways.items():
                        command = lambda port: [program, "serve", f"model={path}", "-p", str(port), "--quiet", *flags]
                        server = Server(command, path, body.read_bytes())
                        wrk(server.port, str(script), connections, 1)
                        before = cpu_s(server.process.pid)
                        timed = wrk(server.port, str(script), connections, arguments.seconds)
                        cpu_us = (cpu_s(server.process.pid) - before) * 1e6 / (timed[0] * arguments.seconds)
                        runs[way].append((*timed, cpu_us, records_a_run(server.port)))
                        server.stop()
                for way in ways:
                    rate, p50, p99, cpu_us, records = (statistics.median(values) for values in zip(*runs[way]))
                    ratio = statistics.median(ours[0] / theirs[0] for ours, theirs in zip(runs["joined"], runs[way]))
                    print(f"| {model} | {connections} | {way} | {rate:,.0f} | {ratio:.2f} | {p50:.2f} | {p99:.2f} | {cpu_us:.1f} | {records:.1f} |", flush=True)


if __name__ == "__main__":
    main()
