"""A long-lived `mlserve predict --stream` child that scores JSON lines: loaded once, asked many times.

It knows neither Spark nor Ray; both examples use it. Why it cannot deadlock: three threads, and each
waits for one pipe only. The caller's thread reads the child's stdout, a writer thread fills its stdin,
a third one empties its stderr. So the child can always write, therefore always goes on reading, and
whatever dies closes its ends, which wakes the others up. A child that neither answers nor dies is ended
after ANSWER_WAIT_S.
"""

import collections
import queue
import subprocess
import threading

# One batch is scored while the next is being prepared; more would only take memory.
BATCHES_AHEAD = 1
STDERR_KEPT_BYTES = 64 * 1024
# A child that owes an answer for so long is told that there is no more input, then killed.
ANSWER_WAIT_S = 600
# Where the command is a script around mlserve, what the script started may hold the pipes a little longer.
LEFTOVERS_WAIT_S = 10


class ChildFailed(RuntimeError):
    """The child ended, or answered wrongly; says how, with the end of what it wrote to stderr."""

    def __init__(self, command, what, exit_code=None, stderr=""):
        super().__init__(f"{' '.join(command)}: {what}\n{stderr}".rstrip())
        self.exit_code = exit_code
        self.stderr = stderr

    def __reduce__(self):  # engines send exceptions from one machine to another
        return (_rebuilt, (str(self), self.exit_code, self.stderr))

    @property
    def worth_a_retry(self):
        """Whether another try may succeed: not for the data (1), the usage (2) or the model (3)."""
        return self.exit_code not in (1, 2, 3)


def _rebuilt(text, exit_code, stderr):
    failure = ChildFailed([], "", exit_code, stderr)
    failure.args = (text,)
    return failure


class Child:
    """`command` is a list like ["mlserve", "predict", "model.onnx", "--keep", "none", "--jobs", "1"]."""

    def __init__(self, command, answer_wait_s=ANSWER_WAIT_S):
        self.answer_wait_s = answer_wait_s
        self.command = [*command, "--from", "jsonl", "--to", "jsonl", "--stream", "--quiet"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self.command, stdin=pipe, stdout=pipe, stderr=pipe)
        self._to_write = queue.SimpleQueue()
        self._stderr = b""
        self._writer = self._start(self._write)
        self._stderr_reader = self._start(self._read_stderr)

    def send(self, lines):
        """Hands records (JSON texts without line ends) to the child. Never waits."""
        if any("\n" in line for line in lines):
            raise ValueError("a record is one line of JSON and has no line end inside")
        self._to_write.put("".join(line + "\n" for line in lines).encode())

    def receive(self, count):
        """The next `count` answers, one line each, in the order of the records."""
        watchdog = threading.Timer(self.answer_wait_s, self._give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            answers = []
            while len(answers) < count:
                line = self._process.stdout.readline()
                if not line.endswith(b"\n"):
                    raise self._failed(f"answered {len(answers)} of {count} records")
                answers.append(line[:-1].decode())
            return answers
        finally:
            watchdog.cancel()

    def score(self, lines):
        self.send(lines)
        return self.receive(len(lines))

    def close(self):
        """Ends the child in order: no more input, no more answers, exit code 0."""
        self._to_write.put(None)
        surplus = self._process.stdout.readline()
        if surplus:
            self.kill()
            raise self._failed(f"answered more than it was asked: {surplus.decode(errors='replace').rstrip()}")
        if self._process.wait() != 0:
            raise self._failed("failed at the end")
        self._release()

    def kill(self):
        """Ends the child at once; to be called when nobody wants its answers any more."""
        self._process.kill()
        self._process.wait()
        self._release()

    def _give_up(self):
        self._to_write.put(None)
        try:
            self._process.wait(LEFTOVERS_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _release(self):
        self._to_write.put(None)
        self._writer.join(LEFTOVERS_WAIT_S)
        self._stderr_reader.join(LEFTOVERS_WAIT_S)
        self._process.stdout.close()

    def _failed(self, what):
        # Its stdout is at its end, so the child is dead or dying.
        try:
            code = self._process.wait(LEFTOVERS_WAIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            code = None
        self._stderr_reader.join(LEFTOVERS_WAIT_S)
        how = "did not end" if code is None else f"exit code {code}" if code >= 0 else f"killed by signal {-code}"
        exit_code = code if code is None or code >= 0 else 128 - code
        return ChildFailed(self.command, f"{how}, {what}", exit_code, self._stderr.decode(errors="replace"))

    def _start(self, work):
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    def _write(self):
        try:
            with self._process.stdin as stdin:
                while (data := self._to_write.get()) is not None:
                    stdin.write(data)
                    stdin.flush()
        except OSError:
            pass  # the child is gone: whoever reads its stdout learns that, with the reason

    def _read_stderr(self):
        with self._process.stderr as stderr:
            while text := stderr.read1():
                self._stderr = (self._stderr + text)[-STDERR_KEPT_BYTES:]


def score_batches(command, batches, lines_of):
    """Yields (batch, answers) for each batch, with one child for all of them.

    `lines_of(batch)` gives the batch's records as JSON texts. The child is ended whatever happens,
    also when the consumer stops early.
    """
    child = Child(command)
    waiting = collections.deque()
    try:
        for batch in batches:
            lines = lines_of(batch)
            child.send(lines)
            waiting.append((batch, len(lines)))
            if len(waiting) > BATCHES_AHEAD:
                batch, count = waiting.popleft()
                yield batch, child.receive(count)
        while waiting:
            batch, count = waiting.popleft()
            yield batch, child.receive(count)
        child.close()
    except BaseException:
        child.kill()
        raise
