"""Replicas of easeld on loopback, and callers of them."""
import json
import re
import signal
import subprocess
import tempfile
import threading
import time
from pathlib import Path

from tools import ROOT

MODEL = ROOT / "tests/golden/data/pipeline/text"
TIMEOUT = 120  # seconds, for a machine under load; nothing here depends on it
ENDLESS = 1_000_000  # steps: such a picture runs until it is cut


class Replica:
    def __init__(self, easeld, *flags, listen="127.0.0.1:0"):
        self.log_file = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [easeld, "--listen", listen, "--metrics-listen", "off", "--model", str(MODEL), "--workers", "1", "--threads", "1",
             "--max-steps", str(ENDLESS), "--drain-timeout", str(TIMEOUT), *flags],
            stdout=subprocess.PIPE, stderr=self.log_file, text=True)
        self.address = self.process.stdout.readline().removeprefix("listening on ").strip()

    def calls(self, code):
        """Generation calls that it has ended with this code."""
        self.log_file.seek(0)
        return len(re.findall(rf"rpc=GenerateStream code={code} ", self.log_file.read()))

    def stop(self, *signals):
        for each in signals or (signal.SIGTERM,):
            self.process.send_signal(each)
        return self.process.wait(TIMEOUT)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log_file.close()


class Caller:
    """`easel generate` of one picture, in the background. It does not try again."""

    def __init__(self, easel, server, picture, seed, steps):
        self.picture = Path(picture)
        self.process = subprocess.Popen(
            [easel, "generate", "some words", "--server", server, "-o", str(picture), "--seed", str(seed), "--steps", str(steps), "--retries", "0", "--json"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def await_event(self, name):
        for line in self.process.stdout:
            if name in json.loads(line):
                return self
        raise AssertionError(f"no {name}: {self.process.stderr.read()}")

    def accepted(self):
        """Whether it heard anything before it ended."""
        return self.process.stdout.readline() != ""

    def end(self):
        """Exit code and stderr, when it is over."""
        _, told = self.process.communicate(timeout=TIMEOUT)
        return self.process.returncode, told

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Load:
    """`easel load`, in the background: pictures that take a while, `concurrency` at a time, each with its solo bytes or it is told."""

    def __init__(self, easel, server, mix, requests, concurrency, retries):
        Path(mix).write_text(json.dumps([
            {"request": {"prompt": "some words", "num_inference_steps": 200, "on_disconnect": "ON_DISCONNECT_DETACH"}},
            {"request": {"prompt": "other words", "num_inference_steps": 300}}]))
        self.process = subprocess.Popen(
            [easel, "load", "--server", server, "--mix", str(mix), "--requests", str(requests), "--concurrency", str(concurrency),
             "--retries", str(retries), "--verify", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def await_pictures(self, replicas, count):
        """Until the replicas have made `count` pictures in all, each of them some."""
        while self.process.poll() is None:
            made = [replica.calls("OK") for replica in replicas]
            if sum(made) >= count and min(made) > 0:
                return
            time.sleep(0.05)
        raise AssertionError("it ended before: " + "".join(self.process.communicate()))

    def end(self):
        """Its figures."""
        told, failed = self.process.communicate(timeout=5 * TIMEOUT)
        if not told:
            raise AssertionError(failed)
        return json.loads(told)

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class Proxy:
    """A proxy in the foreground; what it says on stderr can be waited for."""

    def __init__(self, *command, **options):
        self.process = subprocess.Popen([str(word) for word in command], stderr=subprocess.PIPE, text=True, **options)
        self._said, self._news = [], threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self):
        for line in self.process.stderr:
            with self._news:
                self._said.append(line)
                self._news.notify_all()
        with self._news:
            self._said.append(None)
            self._news.notify_all()

    def await_line(self, pattern):
        with self._news:
            self._news.wait_for(lambda: any(line is None or re.search(pattern, line) for line in self._said), TIMEOUT)
            told = [line for line in self._said if line is not None]
        if not any(re.search(pattern, line) for line in told):
            raise AssertionError(f"{pattern} was not said:\n{''.join(told)}")

    def close(self):
        self.process.terminate()
        self.process.wait(TIMEOUT)
        self._reader.join()
        self.process.stderr.close()
