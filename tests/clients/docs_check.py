"""Uses the pages of a running server as a person does, in a headless Chromium, without any other host.

    pip install websocket-client requests
    mlserve serve models/iris.onnx
    python tests/clients/docs_check.py http://127.0.0.1:8080 --screenshots shots

On / it presses Predict; on /docs it opens POST /predict and presses Execute; on /redoc it looks for the
models. Each has to show an answer with status 200, to ask nothing of another host, and to break no rule
of its content security policy. One line for each check; exit status 1 where one fails.
"""

import argparse
import base64
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import requests
import websocket

SIZES = {"wide": (1280, 1600), "phone": (390, 1200)}
# Redoc's own picture, which our policy keeps it from asking for.
BLOCKED = "cdn.redoc.ly"


class Browser:
    """A Chromium that is spoken to over its DevTools protocol."""

    def __init__(self, path):
        self.profile = tempfile.mkdtemp()
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage"]
        flags += ["--remote-debugging-port=0", "--remote-allow-origins=*", f"--user-data-dir={self.profile}"]
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen([path, *flags, "about:blank"], **quiet)
        active = Path(self.profile) / "DevToolsActivePort"
        until(active.exists, 60)
        port = active.read_text().split()[0]
        pages = requests.get(f"http://127.0.0.1:{port}/json", timeout=10).json()
        page = next(page for page in pages if page["type"] == "page")
        self.socket = websocket.create_connection(page["webSocketDebuggerUrl"], timeout=60)
        self.number = 0
        self.requests = []
        self.complaints = []
        for domain in ["Page", "Network", "Runtime", "Log"]:
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.socket.recv())
            self.note(message)
            if message.get("id") == self.number:
                return message.get("result", message)

    def note(self, message):
        params = message.get("params", {})
        match message.get("method"):
            case "Network.requestWillBeSent":
                self.requests.append(params["request"]["url"])
            case "Log.entryAdded" if params["entry"]["level"] == "error":
                self.complaints.append(params["entry"]["text"])
            case "Runtime.exceptionThrown":
                self.complaints.append(str(params["exceptionDetails"])[:300])

    def run(self, script):
        told = self.ask("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        return told.get("result", {}).get("value")

    def wait(self, script, seconds=30):
        return until(lambda: self.run(script), seconds)

    def open(self, url, size, dark=False):
        width, height = SIZES[size]
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
        self.ask("Emulation.setDeviceMetricsOverride", **metrics)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.requests, self.complaints = [], []
        self.ask("Page.navigate", url=url)
        self.wait("document.readyState === 'complete'")

    def picture(self, path):
        time.sleep(0.5)
        path.write_bytes(base64.b64decode(self.ask("Page.captureScreenshot", format="png")["data"]))

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.profile, ignore_errors=True)


def until(is_so, seconds):
    end = time.time() + seconds
    while time.time() < end:
        if found := is_so():
            return found
        time.sleep(0.1)
    return None


class Checks:
    def __init__(self, base, folder):
        self.base, self.folder, self.failed = base, folder, 0

    def that(self, name, is_fine, found=""):
        self.failed += not is_fine
        print(f"{'ok  ' if is_fine else 'FAIL'} {name}{'' if is_fine else f': {found}'}", flush=True)

    def stayed(self, page, browser):
        """Nothing was asked of others, and the console is clean."""
        ours = urlsplit(self.base).netloc
        others = [url for url in browser.requests if url.startswith("http") and urlsplit(url).netloc != ours]
        others = [url for url in others if BLOCKED not in url]
        complaints = [one for one in browser.complaints if BLOCKED not in one]
        self.that(f"{page}: nothing is asked of other hosts", not others, others)
        self.that(f"{page}: the console has no errors", not complaints, complaints)


LOOKS = [("wide", False), ("wide", True), ("phone", False)]
UNLABELLED = "[...document.querySelectorAll('textarea,button')].filter(one => !one.textContent && !one.labels?.length).length"
STICKS_OUT = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def home(checks, browser):
    for size, dark in LOOKS:
        name = f"home-{size}{'-dark' if dark else ''}"
        browser.open(checks.base + "/", size, dark)
        browser.run("document.querySelector('form button').click()")
        status = browser.wait("document.querySelector('form output').textContent")
        checks.that(f"{name}: Predict is answered", (status or "").startswith("200"), status)
        answer = browser.run("document.querySelector('pre.answer').textContent") or ""
        checks.that(f"{name}: predictions are shown", "predictions" in answer, answer)
        wide = browser.run(STICKS_OUT)
        checks.that(f"{name}: nothing sticks out", wide == 0, wide)
        unlabelled = browser.run(UNLABELLED)
        checks.that(f"{name}: what is typed into has a label", unlabelled == 0, unlabelled)
        checks.stayed(name, browser)
        browser.picture(checks.folder / f"{name}.png")


def docs(checks, browser):
    execute = "document.querySelector('#swagger-ui button.execute')"
    responses = ".live-responses-table"
    for size, dark in LOOKS:
        name = f"docs-{size}{'-dark' if dark else ''}"
        browser.open(checks.base + "/docs", size, dark)
        shown = browser.wait("document.querySelectorAll('.opblock-post').length")
        checks.that(f"{name}: operations are shown", shown, shown)
        browser.picture(checks.folder / f"{name}.png")
        browser.run("document.querySelector('.opblock-post .opblock-summary-control').click()")
        browser.wait(f"!!({execute} || document.querySelector('.try-out__btn'))")
        browser.run(f"{execute} || document.querySelector('.try-out__btn').click()")
        # The example is there a moment after the button.
        filled = "document.querySelector('.body-param__text')?.value"
        checks.that(f"{name}: it can be tried", browser.wait(f"{execute} && {filled}"))
        time.sleep(0.5)
        browser.run(f"{execute}.click()")
        status = browser.wait(f"document.querySelector('{responses} tbody .response-col_status')?.textContent")
        shown = browser.run(f"document.querySelector('{responses} tbody .response-col_description')?.textContent") or ""
        checks.that(f"{name}: Execute is answered with 200", (status or "").startswith("200"), f"{status} {shown[:300]}")
        checks.that(f"{name}: predictions are shown", "predictions" in shown, shown[:300])
        browser.run(f"document.querySelector('{responses}').scrollIntoView({{block: 'center'}})")
        checks.stayed(name, browser)
        browser.picture(checks.folder / f"{name}-executed.png")


def redoc(checks, browser):
    browser.open(checks.base + "/redoc", "wide")
    shown = browser.wait("document.querySelector('#redoc')?.textContent.includes('/predict')", 60)
    checks.that("redoc: the reference is shown", shown, shown)
    checks.stayed("redoc", browser)
    browser.picture(checks.folder / "redoc-wide.png")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("base", nargs="?", default="http://127.0.0.1:8080")
    parser.add_argument("--screenshots", default="screenshots", type=Path)
    parser.add_argument("--chromium", default=shutil.which("chromium") or shutil.which("chromium-browser") or "chrome")
    args = parser.parse_args()
    args.screenshots.mkdir(parents=True, exist_ok=True)
    checks = Checks(args.base.rstrip("/"), args.screenshots)
    browser = Browser(args.chromium)
    try:
        for page in [home, docs, redoc]:
            page(checks, browser)
    finally:
        browser.close()
    return 1 if checks.failed else 0


if __name__ == "__main__":
    sys.exit(main())
