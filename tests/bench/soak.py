#!/usr/bin/env python3
"""soak.py BUILD [--minutes N] [--model DIR] [--seed N]

A server under 0.9 of what it can do, most of it an honest load (`easel load --verify`), the rest clients that are interrupted, are
killed, stop reading, ask for what is wrong, or leave their work behind and come back for it. In rounds; after each the server comes to rest and is measured. Exit 1 unless

  nothing is lost     every honest request gets its picture; clients end with the code that is theirs
  nothing is wrong    every picture that was sent has the bytes that it has alone
  nothing is leaked   at rest no picture and no call is left, memory is within 2 % of what it was after the first round,
                      and there are no more open files
  nothing is kept     longer than it is to be: a result left behind is there until then, and not after
  the metrics agree   admitted = ended (in any way) + waiting + active, under load and at rest
  it ends             SIGTERM, exit 0
"""
import argparse
import json
import os
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

from bench import ROOT, Server

LOAD, HONEST = 0.9, 0.7  # of the server's capacity: all, and what easel load sends
ROUNDS = 5
CROWD = 24  # honest requests at once, before the first round: what memory a full batch and its streams take is taken by then
PATIENCE = 120  # s, for a machine under load; nothing but a failure depends on it
MEMORY = 1.02  # × that after the first round
STEPS = (4, 10, 20, 50)
KEPT = 2  # s, what has ended
NOT_YET, GONE = "nothing to write yet", "no longer kept"  # what easel get says
NUMBER = re.compile(r"^(\w+)(?:\{([^}]*)\})? (\S+)$", re.MULTILINE)


class Faults:
    def __init__(self):
        self.found = []
        self.lock = threading.Lock()

    def add(self, what):
        with self.lock:
            self.found.append(what)
            print(f"soak: FAULT: {what}", file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Metrics:
    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}/metrics"

    def series(self):
        """(name, labels as they are written, value) of each."""
        page = urllib.request.urlopen(self.url, timeout=PATIENCE).read().decode()
        return [(name, labels, float(value)) for name, labels, value in NUMBER.findall(page)]

    def sums(self):
        """By name."""
        sums = {}
        for name, _, value in self.series():
            sums[name] = sums.get(name, 0) + value
        return sums

    def balance(self):
        """Pictures under way, and how many are missing from the sum."""
        sums = self.sums()
        running = sums.get("easel_queue_depth", 0) + sums.get("easel_pictures_active", 0)
        return running, sums.get("easel_pictures_admitted_total", 0) - sums.get("easel_pictures_ended_total", 0) - running


def await_true(condition):
    """A page of metrics is no snapshot, and what has ended is counted a moment later: so it is asked again."""
    until = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


class Client:
    """The command line, against one server."""

    def __init__(self, build, address, directory):
        self.easel, self.address, self.directory = str(build / "client/easel"), address, pathlib.Path(directory)

    def start(self, *arguments, **pipes):
        return subprocess.Popen([self.easel, arguments[0], "--server", self.address, *map(str, arguments[1:])], text=True, **pipes)

    def run(self, *arguments):
        running = self.start(*arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = running.communicate(timeout=3600)
        return running.returncode, out, err


def request(steps):
    return ["red apple", "--steps", steps, "--seed", steps, "--preview", 1]


class Mischief(threading.Thread):
    """Clients that do not behave, one at random times, each in a thread of its own."""

    def __init__(self, client, alone, rate, seed, faults):
        super().__init__()
        self.client, self.alone, self.rate, self.faults = client, alone, rate, faults
        self.random = random.Random(seed)
        self.stopped = threading.Event()
        self.kinds = [self.interrupted, self.killed, self.hung_up, self.slow, self.wrong, self.detached]
        self.counts = {}
        self.left_behind = []  # ids

    def run(self):
        clients = []
        number = 0
        while not self.stopped.wait(self.random.expovariate(self.rate)):
            kind = self.random.choice(self.kinds)
            self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
            number += 1
            one = threading.Thread(target=kind, args=(self.random.choice(STEPS), self.random.random(), f"m{number}.png"))
            one.start()
            clients = [other for other in clients if other.is_alive()] + [one]
        for one in clients:
            one.join()

    def finish(self):
        self.stopped.set()
        self.join()

    def ended(self, running, steps, name, codes):
        """Waits for a client; what it wrote must be the picture."""
        try:
            _, err = running.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            running.kill()
            running.communicate()
            return self.faults.add(f"{name}: no answer in {PATIENCE} s")
        if running.returncode not in codes:
            self.faults.add(f"{name}: exit {running.returncode}, not {codes}: {err.strip()}")
        if running.returncode == 0:
            self.compare(steps, name)
        (self.client.directory / name).unlink(missing_ok=True)

    def compare(self, steps, name):
        if (self.client.directory / name).read_bytes() != self.alone[steps]:
            self.faults.add(f"{name}: the picture of {steps} steps is not what it is alone")

    def begin(self, steps, name):
        return self.client.start("generate", *request(steps), "-o", self.client.directory / name, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)

    def stopped_by(self, number, steps, wait, name, codes):
        running = self.begin(steps, name)
        time.sleep(wait)
        running.send_signal(number)
        self.ended(running, steps, name, codes)

    def interrupted(self, steps, wait, name):
        # 130 by the program, -2 before it has begun to listen for signals; 0 where it was done already.
        self.stopped_by(signal.SIGINT, steps, wait, name, (0, 130, -signal.SIGINT))

    def killed(self, steps, wait, name):
        self.stopped_by(signal.SIGKILL, steps, wait, name, (0, -signal.SIGKILL))

    def hung_up(self, steps, wait, name):
        self.stopped_by(signal.SIGHUP, steps, wait, name, (0, 129, -signal.SIGHUP))

    def slow(self, steps, wait, name):
        running = self.begin(steps, name)
        time.sleep(wait / 10)
        running.send_signal(signal.SIGSTOP)  # reads nothing
        time.sleep(3 * wait)
        running.send_signal(signal.SIGCONT)
        self.ended(running, steps, name, (0,))

    def wrong(self, steps, wait, name):
        wrong = self.random.choice([["--width", 7], ["--steps", 100000], ["--sampler", "none"], ["--guidance-scale", "nan"]])
        code, _, err = self.client.run("generate", "red apple", *wrong, "-o", self.client.directory / name)
        if code not in (1, 2) or not err:
            self.faults.add(f"{name}: {wrong} ended with {code} and said: {err.strip()}")

    def detached(self, steps, wait, name):
        """Submitted, watched by another process, which leaves, and got by a third."""
        code, out, err = self.client.run("submit", *request(steps))
        if code != 0:
            return self.faults.add(f"{name}: submit ended with {code}: {err.strip()}")
        generation = out.strip()
        self.left_behind.append(generation)
        path = self.client.directory / name
        watched = self.client.directory / f"watched-{name}"
        watching = self.client.start("watch", generation, "-o", watched, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        watching.send_signal(self.random.choice([signal.SIGINT, signal.SIGKILL]))
        watching.communicate(timeout=PATIENCE)
        watched.unlink(missing_ok=True)
        began = running_at = time.monotonic()
        while True:
            asked = time.monotonic()
            code, _, err = self.client.run("get", generation, "-o", path)
            if code == 0:
                self.compare(steps, name)
                return path.unlink()
            if GONE in err and time.monotonic() - running_at > KEPT:
                return None  # too late, on a machine under load: it was done at some time since, and kept for so long
            if NOT_YET not in err or asked - began > PATIENCE:
                return self.faults.add(f"{name}: get ended with {code}: {err.strip()}")
            running_at = asked
            time.sleep(0.2)


def honest(client, rate, seconds, mix, seed, faults):
    _, out, err = client.run("load", "--rate", f"{rate:.4f}", "--duration", f"{seconds:.1f}", "--mix", mix, "--seed", seed, "--preview", 1,
                             "--verify", "--json")
    if not out.strip():
        faults.add(f"easel load gave no report: {err.strip()}")
        return 0
    report = json.loads(out)
    if report["completed"] != report["requests"]:
        faults.add(f"of {report['requests']} honest requests {report['completed']} got a picture: {report['errors']}")
    found = report["verification"]
    if found["different"] or found["not_compared"]:
        faults.add(f"{found['different']} pictures are wrong, {found['not_compared']} could not be compared")
    return report["requests"]


def write_mix(path):
    """Of fixed seeds, so that there is little to be drawn alone."""
    mix = []
    for steps in STEPS:
        for guidance in (1, 5):
            for condition in ({"prompt": "red apple"}, {"class_label": 3}):
                mix.append({"request": {**condition, "num_inference_steps": steps, "guidance_scale": guidance, "seed": str(len(mix))}})
    path.write_text(json.dumps(mix))
    return path


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def rest(server, metrics, faults, files_before):
    """Waits until nothing is left; then memory and open files."""
    if not await_true(lambda: metrics.balance() == (0, 0)):
        faults.add(f"at rest (pictures under way, missing from the sum) are {metrics.balance()}")
    if not await_true(lambda: metrics.sums().get("easel_requests_in_flight", 0) == 0):
        faults.add("at rest calls are in flight")
    if files_before is not None and not await_true(lambda: open_files(server.process.pid) <= files_before):
        faults.add(f"{open_files(server.process.pid)} open files, {files_before} after the first round")
    time.sleep(KEPT + 1)  # until no result is kept any more
    return server.memory()[0], open_files(server.process.pid)


def soak(options, server, metrics, directory, faults):
    client = Client(options.build, server.address, directory)
    mix = write_mix(client.directory / "mix.json")
    alone = {}
    for steps in STEPS:
        path = client.directory / "alone.png"
        code, _, err = client.run("generate", *request(steps), "-o", path)
        if code != 0:
            sys.exit(f"soak: a picture of {steps} steps alone: {err}")
        alone[steps] = path.read_bytes()
    solo = json.loads(client.run("load", "--concurrency", 1, "--requests", 1, "--mix", mix, "--json")[1])["solo_seconds"]
    capacity = len(solo) / sum(kind["seconds"] for kind in solo)
    print(f"soak: {capacity:.2f} requests a second one at a time; {ROUNDS} rounds of {60 * options.minutes / ROUNDS:.0f} s", flush=True)

    crowd = json.loads(client.run("load", "--concurrency", CROWD, "--requests", CROWD, "--mix", mix, "--preview", 1, "--json")[1])
    if crowd["completed"] != CROWD:
        faults.add(f"of {CROWD} requests at once {crowd['completed']} got a picture: {crowd['errors']}")
    first_memory = files = None
    for number in range(ROUNDS):
        mischief = Mischief(client, alone, (LOAD - HONEST) * capacity, options.seed * ROUNDS + number, faults)
        mischief.start()
        under_load = threading.Thread(target=lambda: await_true(lambda: metrics.balance()[1] == 0)
                                      or faults.add(f"under load the metrics never agree: {metrics.balance()}"))
        under_load.start()
        requests = honest(client, HONEST * capacity, 60 * options.minutes / ROUNDS, mix, options.seed * ROUNDS + number, faults)
        mischief.finish()
        under_load.join()
        memory, open_now = rest(server, metrics, faults, files)
        for generation in mischief.left_behind:
            code, _, err = client.run("get", generation)
            if code == 0 or GONE not in err:
                faults.add(f"{generation} is still kept, {KEPT} s after all have ended: {err.strip()}")
        print(f"soak: round {number + 1}: {requests} honest requests, {mischief.counts}; at rest {memory / 1e6:.1f} MB, {open_now} files",
              flush=True)
        if first_memory is None:
            first_memory, files = memory, open_now
    if memory > MEMORY * first_memory:
        faults.add(f"memory grew from {first_memory / 1e6:.1f} to {memory / 1e6:.1f} MB after the first round")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model/reference")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    faults = Faults()
    port = free_port()
    # Kept results would count as a leak.
    server = Server(options.build, options.model, "--workers", "1", "--threads", "1", "--max-queue", "10000", "--keep-results", str(KEPT),
                    metrics=f"127.0.0.1:{port}")
    with tempfile.TemporaryDirectory() as directory:
        try:
            soak(options, server, Metrics(port), directory, faults)
        finally:
            server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(PATIENCE)
    if code != 0:
        faults.add(f"easeld ended with {code}")
    print(f"soak: {len(faults.found)} faults")
    sys.exit(1 if faults.found else 0)


if __name__ == "__main__":
    main()
