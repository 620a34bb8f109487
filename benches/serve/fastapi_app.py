"""What a person writes with FastAPI today: a typed record, an ONNX Runtime session, a route."""

import os

import numpy as np
import onnxruntime as rt
from fastapi import FastAPI
from pydantic import create_model

options = rt.SessionOptions()
options.intra_op_num_threads = 1
session = rt.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
names = [f"f{i}" for i in range(session.get_inputs()[0].shape[1])]
only = session.get_inputs()[0].name
outs = [output.name for output in session.get_outputs()]
Record = create_model("Record", **{name: (float, ...) for name in names})
app = FastAPI()


@app.post("/predict")
def predict(records: list[Record]):
    matrix = np.array([[getattr(record, name) for name in names] for record in records], dtype=np.float32)
    outputs = [output.tolist() for output in session.run(None, {only: matrix})]
    answers = [dict(zip(outs, row)) for row in zip(*outputs)]
    return {"predictions": answers}


@app.get("/livez")
def live():
    return {"status": "ok"}
