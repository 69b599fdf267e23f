#!/usr/bin/env python3
"""replicas.py BUILD [--model DIR] [--requests N]

Replicas of easeld on this machine, one worker of one thread each, and `easel load` taking turns between them:

  throughput   of two replicas, over that of one, both kept busy; every picture compared. To reach: 1.8
  rolling      p99 of the latency while two replicas are restarted one after the other, over p99 while nothing is. To reach: 2, and
               nothing lost. The rate is 0.4 of what one replica can do, so that one is enough

Needs two idle cores. Exit 1 when a request was lost or a picture differs; the figures are for a person to judge.
"""
import argparse
import json
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEPS = 20
BUSY = 8  # requests at a time, of each replica
SHARE = 0.4  # of one replica's throughput, during the restarts
RETRIES = 20


class Replica:
    def __init__(self, options, listen="127.0.0.1:0"):
        self.process = subprocess.Popen(
            [options.build / "server/easeld", "--listen", listen, "--metrics-listen", "off", "--model", options.model,
             "--device", "cpu", "--workers", "1", "--threads", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.address = self.process.stdout.readline().removeprefix("listening on ").strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait()


def load(options, replicas, *flags):
    """An `easel load` in the background."""
    target = "ipv4:" + ",".join(replica.address for replica in replicas)
    return subprocess.Popen([options.build / "client/easel", "load", "--server", target, "--mix", options.mix, "--retries", str(RETRIES),
                             "--requests", str(options.requests), "--warmup", str(options.requests // 10), "--json", *flags],
                            stdout=subprocess.PIPE, text=True)


def outcome(running):
    told, _ = running.communicate()
    return json.loads(told) if told else sys.exit("replicas: easel load failed")


def print_row(name, figures):
    print(f"{name:26} {figures['throughput']:8.2f}/s  p50 {figures['latency_seconds']['p50']:7.3f} s  p99 {figures['latency_seconds']['p99']:7.3f} s"
          f"  lost {figures['requests'] - figures['completed']}", flush=True)


def wrong(figures):
    verification = figures["verification"] or {}
    return figures["requests"] - figures["completed"] + verification.get("different", 0) + verification.get("not_compared", 0)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model/reference")
    parser.add_argument("--requests", type=int, default=400, help="of each of the four runs; a tenth more go before")
    options = parser.parse_args()
    faults = 0
    replicas = []
    with tempfile.TemporaryDirectory() as directory:
        options.mix = pathlib.Path(directory) / "mix.json"
        options.mix.write_text(json.dumps([{"request": {"prompt": "red apple", "num_inference_steps": STEPS}}]))
        try:
            replicas = [Replica(options), Replica(options)]
            one = outcome(load(options, replicas[:1], "--concurrency", str(BUSY), "--verify"))
            print_row("one replica", one)
            two = outcome(load(options, replicas, "--concurrency", str(2 * BUSY), "--verify"))
            print_row("two replicas", two)
            rate = ["--rate", str(SHARE * one["throughput"]), "--verify"]
            steady = outcome(load(options, replicas, *rate))
            print_row("two, nothing happens", steady)
            running = load(options, replicas, *rate)
            restarts = 0
            while running.poll() is None:
                try:  # not before the load has timed its kind alone, and not faster than an orchestrator would
                    running.wait(timeout=options.requests / 8 / float(rate[1]))
                except subprocess.TimeoutExpired:
                    if restarts < 2:
                        faults += replicas[restarts].stop() != 0
                        replicas[restarts] = Replica(options, replicas[restarts].address)
                        restarts += 1
            rolling = outcome(running)
            print_row(f"two, {restarts} restarts", rolling)
            faults += restarts != 2
            faults += sum(map(wrong, (one, two, steady, rolling)))
            print(f"throughput, two over one   {two['throughput'] / one['throughput']:.2f} (to reach: 1.8)")
            print(f"p99, restarts over steady  {rolling['latency_seconds']['p99'] / steady['latency_seconds']['p99']:.2f} (to reach: 2)")
        finally:
            for replica in replicas:
                replica.process.kill()
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
