#!/usr/bin/env python3
"""stalled_reader.py BUILD [--model DIR] [--rounds N] [--seconds N]

What a reader that reads nothing costs the others: two pictures of many steps with a preview a step, of which in every other round one
caller is stopped while it reads. The mean seconds of a forward of both (the server's own figure, easel_step_seconds), stopped over
reading, and how much memory the server took meanwhile. Rounds take turns, so that a machine that slows down slows both. One worker
of one thread. Leave the machine alone meanwhile.
"""
import argparse
import pathlib
import signal
import subprocess
import time

from bench import ROOT, Server, spread
from soak import Metrics, free_port

STEPS = 1000000  # never done
PICTURES = 2
SETTLE = 2  # s until both are under way, and the buffers on the way to the stopped one are full


class StepTimes:
    def __init__(self, port):
        self.metrics = Metrics(port)

    def read(self):
        sums = self.metrics.sums()
        return sums.get("easel_step_seconds_sum", 0), sums.get("easel_step_seconds_count", 0)

    def mean_over(self, seconds):
        before = self.read()
        time.sleep(seconds)
        after = self.read()
        return (after[0] - before[0]) / (after[1] - before[1])


def one_round(options, server, times, stopped):
    """Seconds of a forward, and bytes of memory that came meanwhile."""
    command = [str(options.build / "client/easel"), "generate", "red apple", "--server", server.address, "--steps", str(STEPS),
               "--preview", "1", "-o", "never.png", "--json"]
    readers = [subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) for _ in range(PICTURES)]
    time.sleep(SETTLE)
    if stopped:
        readers[0].send_signal(signal.SIGSTOP)
    time.sleep(SETTLE)
    before = server.memory()[0]
    seconds = times.mean_over(options.seconds)
    grown = server.memory()[0] - before
    for reader in readers:
        reader.kill()
        reader.wait()
    time.sleep(SETTLE)  # until the server has noticed
    return seconds, grown


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model/reference")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=10, help="of a round's measuring")
    options = parser.parse_args()
    port = free_port()
    server = Server(options.build, options.model, "--workers", "1", "--threads", "1", "--max-steps", str(STEPS), "--stall-timeout", "3600",
                    metrics=f"127.0.0.1:{port}")
    times = StepTimes(port)
    reading, stopped = [], []
    try:
        one_round(options, server, times, stopped=False)  # warm-up
        for _ in range(options.rounds):
            reading.append(one_round(options, server, times, stopped=False))
            stopped.append(one_round(options, server, times, stopped=True))
    finally:
        server.close()
    middle, low, high = spread([s[0] / r[0] for s, r in zip(stopped, reading)])
    print("| seconds of a forward, a reader stopped over all reading | memory meanwhile, reading | stopped |\n|---|---|---|")
    print(f"| **{middle:.3f}** ({low:.3f} … {high:.3f}) | +{max(r[1] for r in reading) / 1e6:.1f} MB | "
          f"+{max(s[1] for s in stopped) / 1e6:.1f} MB |")


if __name__ == "__main__":
    main()
