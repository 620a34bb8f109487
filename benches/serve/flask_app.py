"""What a person writes with Flask today: get_json, an ONNX Runtime session, jsonify."""

import os

import numpy as np
import onnxruntime as rt
from flask import Flask, jsonify, request

options = rt.SessionOptions()
options.intra_op_num_threads = 1
session = rt.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
names = [f"f{i}" for i in range(session.get_inputs()[0].shape[1])]
only = session.get_inputs()[0].name
outs = [output.name for output in session.get_outputs()]
app = Flask(__name__)


@app.post("/predict")
def predict():
    records = request.get_json()
    matrix = np.array([[record[name] for name in names] for record in records], dtype=np.float32)
    outputs = [output.tolist() for output in session.run(None, {only: matrix})]
    answers = [dict(zip(outs, row)) for row in zip(*outputs)]
    return jsonify({"predictions": answers})


@app.get("/livez")
def live():
    return {"status": "ok"}
