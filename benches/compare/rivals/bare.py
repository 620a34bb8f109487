"""onnxruntime alone: the session on batches that lie in memory, on all cores; prints the seconds of the runs.

The floor under everything that reads and writes: one session with one thread inside, run from as many
threads as there are cores, which was the fastest way to use them (threads inside the session: 1.2 times as
long on trees).
"""

import concurrent.futures
import os
import sys
import time

import numpy
import onnxruntime

BATCH_ROWS = 1024


def main(model, matrix):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    data = numpy.load(matrix)
    batches = [data[start : start + BATCH_ROWS] for start in range(0, len(data), BATCH_ROWS)]
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()

    def run(share):
        for batch in share:
            session.run(["score"], {"X": batch})

    run(batches[:2])
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        started = time.perf_counter()
        list(pool.map(run, [batches[first::cores] for first in range(cores)]))
        print(time.perf_counter() - started)


main(*sys.argv[1:])
