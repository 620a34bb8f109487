"""Holds a running server to its own OpenAPI document.

    pip install openapi-spec-validator jsonschema requests
    mlserve serve models/iris.onnx models/titanic.onnx
    python tests/clients/openapi_check.py http://127.0.0.1:8080

The document is valid OpenAPI 3.1; every GET without a body is answered as it says; every example of a
body is sent to its path and answered with 2xx, in JSON that fits the schema that the document has for
it. One line for each request; exit status 1 where one differs. schemathesis asks many more questions
(it cannot write NDJSON, and says so):

    pip install schemathesis
    schemathesis run http://127.0.0.1:8080/openapi.json --max-examples 20 \\
        --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
"""

import argparse
import re
import sys
from urllib.parse import quote

import requests
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate


class Checks:
    def __init__(self):
        self.failed = 0
        self.passed = 0

    def that(self, name, is_fine, found=""):
        self.failed += not is_fine
        self.passed += bool(is_fine)
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}")


def resolved(document, item):
    while "$ref" in item:
        found = document
        for step in item["$ref"].removeprefix("#/").split("/"):
            found = found[step.replace("~1", "/").replace("~0", "~")]
        item = found
    return item


def misfit(document, reply, response):
    """What is wrong with a reply that the document describes as `response`; nothing where it fits."""
    kind = reply.headers.get("content-type", "").split(";")[0]
    content = resolved(document, response).get("content", {})
    if content and kind not in content:
        return f"content type {kind}, told {list(content)}"
    schema = content.get(kind, {}).get("schema")
    if schema is None or kind != "application/json":
        return None
    whole = {**schema, "components": document["components"]}
    errors = sorted(Draft202012Validator(whole).iter_errors(reply.json()), key=str)
    return errors[0].message[:300] if errors else None


def bodies(content):
    """Names, content types and bodies of the examples of a request."""
    for kind, told in content.items():
        examples = dict(told.get("examples", {}))
        if "example" in told:
            examples["example"] = {"value": told["example"]}
        for name, example in examples.items():
            yield name, kind, example["value"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", nargs="?", default="http://127.0.0.1:8080")
    base = parser.parse_args().base.rstrip("/")
    checks = Checks()
    document = requests.get(base + "/openapi.json", timeout=30).json()
    try:
        validate(document)
        checks.that("the document is valid OpenAPI", True)
    except Exception as error:
        checks.that("the document is valid OpenAPI", False, str(error)[:500])
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    checks.that(f"{len(ids)} operations have ids of their own", len(ids) == len(set(ids)))
    examples = 0
    for template, item in document["paths"].items():
        for method, operation in item.items():
            values = {one["name"]: one["example"] for one in operation.get("parameters", []) if one["in"] == "path"}
            path = re.sub(r"\{(\w+)\}", lambda found: quote(values[found[1]], safe=""), template)
            asked = [("no body", None, None)] if "requestBody" not in operation else bodies(operation["requestBody"]["content"])
            for name, kind, body in asked:
                if body is None:
                    reply = requests.request(method, base + path, timeout=30)
                elif kind == "application/json":
                    reply = requests.request(method, base + path, json=body, timeout=30)
                else:
                    headers = {"content-type": kind}
                    reply = requests.request(method, base + path, data=body.encode(), headers=headers, timeout=30)
                examples += body is not None
                wrong = None if reply.ok else f"{reply.status_code} {reply.text[:200]}"
                told = operation["responses"].get(str(reply.status_code))
                wrong = wrong or ("a status that is not told of" if told is None else misfit(document, reply, told))
                checks.that(f"{method.upper()} {path} {kind or ''} {name}", wrong is None, wrong)
    checks.that(f"{examples} examples", examples > 0)
    print(f"{checks.passed} passed, {checks.failed} failed")
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
