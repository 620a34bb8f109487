"""Writes known.txt: the operators that the built-in ONNX Runtime's CPU build knows.

Run with the onnxruntime wheel of the built-in version and a current onnx. One line an operator:
domain, name, and for each schema version a letter with the version: k has a CPU kernel, f is made of
other operators, n has neither, d is deprecated. Lines that begin with "newest" have the newest opset
of a domain that is loaded.
"""

import pathlib
from collections import defaultdict

import onnx
import onnxruntime
from onnx import TensorProto, helper
from onnxruntime.capi import onnxruntime_pybind11_state as state

DOMAINS = {"": "ai.onnx", "ai.onnx.ml": "ai.onnx.ml", "com.microsoft": "com.microsoft"}
OPEN_END = 2**31 - 1


def has_body(domain, name, since):
    try:
        schema = onnx.defs.get_schema(name, since, domain)
    except onnx.defs.SchemaError:
        return False
    return schema.has_function or schema.has_context_dependent_function


def runs(ranges, since):
    """The runtime's own rule: a kernel without an end serves no schema newer than its start."""
    return any(
        start == since or (start < since <= end and end != OPEN_END) for start, end in ranges
    )


def loads(domain, version):
    """Whether a model that imports this opset loads."""
    info = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1])
    imports = {"": 13, domain: version}
    graph = helper.make_graph([], "g", [info], [info])
    opsets = [helper.make_opsetid(*pair) for pair in imports.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    try:
        onnxruntime.InferenceSession(model.SerializeToString())
    except Exception:
        return False
    return True


kernels = defaultdict(list)
for kernel in state.get_all_opkernel_def():
    if kernel.provider == "CPUExecutionProvider":
        kernels[kernel.domain, kernel.op_name].append(kernel.version_range)

operators = defaultdict(dict)
for schema in state.get_all_operator_schema():
    key = schema.domain, schema.name
    since = schema.since_version
    if schema.deprecated:
        letter = "d"
    # A constant is made a weight when the model is loaded.
    elif key == ("", "Constant") or runs(kernels[key], since):
        letter = "k"
    else:
        letter = "f" if has_body(*key, since) else "n"
    operators[key][since] = letter

lines = [f"runtime {onnxruntime.__version__}"]
for domain, shown in DOMAINS.items():
    newest = max(version for version in range(1, 64) if loads(domain, version))
    if newest < 63:
        lines.append(f"newest {shown} {newest}")
for (domain, name), versions in sorted(operators.items()):
    if domain in DOMAINS:
        marks = " ".join(f"{letter}{since}" for since, letter in sorted(versions.items()))
        lines.append(f"{DOMAINS[domain]} {name} {marks}")
pathlib.Path(__file__).with_name("known.txt").write_text("\n".join(lines) + "\n")
