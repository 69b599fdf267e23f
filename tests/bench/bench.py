#!/usr/bin/env python3
"""bench.py BUILD [--model DIR] [--python PYTHON] [--rounds N] [WORKLOAD ...]

Runs the named workloads (default: all) and prints a table. Ratios are of neighbours in one run: the two sides take turns, and each
round gives one ratio; the table has the median, and the second lowest and second highest. Leave the machine alone meanwhile.

  forward-2, forward-8   one forward of 2 and of 8 rows on all cores, against the same weights and threads in eager PyTorch
                         (needs PYTHON, an interpreter that has PyPI's torch 2.11; else only the time is given)
  dit-b-2                one forward of 2 rows of DiT-B/2's shape at 256×256 (random weights), against diffusers, eager and under
                         torch.compile (PYTHON needs diffusers 0.42, too)
  vae-decode, vae-decode-1
                         a picture of 256×256 out of Stable Diffusion's autoencoder (random weights), on all cores and on one, against
                         diffusers' eager one, channels-last
  load-f32, load-bf16    the memory that loading a model takes at the most: DiT-XL/2 with its autoencoder, stored in float32 and in
                         bfloat16, served in float32 (needs 2.7 GB of disk and 6 GB of memory)
  overhead               a picture through easeld (gRPC, engine, previews every second step) against Pipeline::Generate, one thread each
  two-at-once            two pictures through easeld at once, two workers of one thread, against one Pipeline::Generate on one thread
  alone                  default flags: from request to PNG, to the first preview; from start to "listening"; memory
"""
import argparse
import os
import pathlib
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORES = os.cpu_count()


class Side:
    """A process that answers a line with seconds, and perhaps more numbers: the last answer's are in `more`."""

    def __init__(self, *command):
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def seconds(self, line):
        time.sleep(0.05)  # the other side's threads may still be spinning
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"bench: {self.process.args[0]} ended")
        seconds, *self.more = map(float, answer.split())
        return seconds

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Server:
    def __init__(self, build, model, *flags, program=("server/easeld",), metrics="127.0.0.1:0"):
        """`program`: its path in BUILD, and arguments before the flags; `metrics`: HOST:PORT."""
        began = time.monotonic()
        self.process = subprocess.Popen([str(build / program[0]), *program[1:], "--model", str(model), "--listen", "127.0.0.1:0",
                                         "--metrics-listen", metrics, "--log-level", "warning", *flags],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.start_seconds = time.monotonic() - began
        if not line.startswith("listening on "):
            sys.exit(f"bench: {program[0]} did not start")
        self.address = line.split()[-1]

    def memory(self):
        """Resident bytes now and at the most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        fields = {line.split(":")[0]: line.split()[1] for line in status.splitlines() if line.startswith("Vm")}
        return int(fields["VmRSS"]) * 1024, int(fields["VmHWM"]) * 1024

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def spread(values):
    values = sorted(values)
    inner = values[1:-1] if len(values) > 4 else values
    return statistics.median(values), inner[0], inner[-1]


def row(workload, what, text):
    print(f"| {workload} | {what} | {text} |", flush=True)


def ms(values):
    return f"{1000 * statistics.median(values):.1f} ms"


def ratio(numerators, denominators):
    middle, low, high = spread([n / d for n, d in zip(numerators, denominators)])
    return f"**{middle:.2f}** ({low:.2f} … {high:.2f})"


def forward(options, workload, model, rows, forwards, against):
    """Easel's forward, and each of `against`: its name, and more arguments of eager_forward.py."""
    sides = [Side(options.build / "tests/denoise_bench", model, CORES)]
    names = [name for name in against if options.python]
    for name in names:
        sides.append(Side(options.python, ROOT / "tests/bench/eager_forward.py", model, CORES, *against[name]))
    for side in sides:
        side.seconds(f"{rows} 3")
    times, flops, shares = [], [], []
    for _ in range(options.rounds):
        times.append([side.seconds(f"{rows} {forwards}") for side in sides])
        rate, ceiling, memory = sides[0].more
        flops.append(rate)
        shares.append(rate / ceiling)
    for side in sides:
        side.close()
    columns = list(zip(*times))
    row(workload, f"Easel, {CORES} threads", ms(columns[0]))
    row(workload, "Easel's products and attention", f"{statistics.median(flops) / 1e9:.0f} GFLOP/s")
    row(workload, "of a plain product's rate", f"{statistics.median(shares):.0%}")
    row(workload, "Easel's memory at the most", f"{memory / 1e6:.0f} MB")
    for name, column in zip(names, columns[1:]):
        row(workload, f"{name}, {CORES} threads", ms(column))
        row(workload, f"{name} ÷ Easel", ratio(column, columns[0]))


def vae_decode(options, workload, threads):
    config = ROOT / "tests/golden/data/true_configs/vae_sd/config.json"
    sides = [Side(options.build / "tests/decode_bench", config, threads)]
    if options.python:
        sides.append(Side(options.python, ROOT / "tests/bench/eager_decode.py", config, threads))
    for side in sides:
        side.seconds("256 1")
    columns = list(zip(*[[side.seconds("256 1") for side in sides] for _ in range(options.rounds)]))
    memory = sides[0].more[0]
    for side in sides:
        side.close()
    what = f"{threads} thread{'s' if threads > 1 else ''}"
    row(workload, f"Easel, {what}", ms(columns[0]))
    row(workload, "Easel's memory at the most", f"{memory / 1e6:.0f} MB")
    if options.python:
        row(workload, f"eager diffusers, channels-last, {what}", ms(columns[1]))
        row(workload, "eager diffusers ÷ Easel", ratio(columns[1], columns[0]))


def load(options, workload, dtype):
    bench = str(options.build / "tests/load_bench")
    with tempfile.TemporaryDirectory() as parent:
        subprocess.run([bench, "write", f"{parent}/model", dtype], check=True)
        answer = subprocess.run([bench, "load", f"{parent}/model"], check=True, stdout=subprocess.PIPE, text=True).stdout
    weights, peak, seconds = map(float, answer.split())
    row(workload, "weights as served", f"{weights / 1e9:.2f} GB")
    row(workload, "memory at the most", f"{peak / 1e9:.2f} GB")
    row(workload, "goal: 1.15 × weights + 0.5 GB", f"{1.15 * weights / 1e9 + 0.5:.2f} GB")
    row(workload, "the load", f"{seconds:.1f} s")


def served(options, flags, lines):
    """A list of seconds for each of `lines`, taking turns."""
    server = Server(options.build, options.model, *flags)
    side = Side(options.build / "tests/serving_bench", server.address, options.model)
    for line in lines:
        side.seconds(line)
    times = [[side.seconds(line) for line in lines] for _ in range(options.rounds)]
    side.close()
    server.close()
    return list(zip(*times))


def overhead(options):
    serial, stream = served(options, ["--workers", "1", "--threads", "1"], ["serial", "stream 1"])
    row("overhead", "Pipeline::Generate, one thread", ms(serial))
    row("overhead", "through easeld, one thread", ms(stream))
    row("overhead", "easeld ÷ Pipeline::Generate", ratio(stream, serial))


def two_at_once(options):
    serial, stream = served(options, ["--workers", "2", "--threads", "1"], ["serial", "stream 2"])
    row("two-at-once", "two through easeld ÷ one Pipeline::Generate, a core each", ratio(stream, serial))


def alone(options):
    whole, preview = served(options, [], ["stream 1", "preview"])
    server = Server(options.build, options.model)
    start = server.start_seconds
    side = Side(options.build / "tests/serving_bench", server.address, options.model)
    for _ in range(options.rounds):
        side.seconds("stream 4")
    side.close()
    memory, most = server.memory()
    server.close()
    row("alone", "request to PNG", ms(whole))
    row("alone", "request to first preview", ms(preview))
    row("alone", "start to listening", f"{start:.2f} s")
    row("alone", "easeld's memory after a load, and at the most", f"{memory / 1e6:.0f} MB, {most / 1e6:.0f} MB")


EAGER = {"eager PyTorch": []}
WORKLOADS = {
    "forward-2": lambda o: forward(o, "forward-2", o.model, 2, 20, EAGER),
    "forward-8": lambda o: forward(o, "forward-8", o.model, 8, 5, EAGER),
    "dit-b-2": lambda o: forward(o, "dit-b-2", ROOT / "tests/bench/configs/dit_b_2_256.json", 2, 1,
                                 {"eager diffusers": [], "torch.compile": ["--compile"]}),
    "vae-decode": lambda o: vae_decode(o, "vae-decode", CORES),
    "vae-decode-1": lambda o: vae_decode(o, "vae-decode-1", 1),
    "load-f32": lambda o: load(o, "load-f32", "F32"),
    "load-bf16": lambda o: load(o, "load-bf16", "BF16"),
    "overhead": overhead,
    "two-at-once": two_at_once,
    "alone": alone,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("workloads", nargs="*", metavar="WORKLOAD", help=", ".join(WORKLOADS))
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model/reference")
    parser.add_argument("--python", default=os.environ.get("EASEL_BENCH_PYTHON"), help="interpreter with torch (EASEL_BENCH_PYTHON)")
    parser.add_argument("--rounds", type=int, default=15)
    options = parser.parse_intermixed_args()
    unknown = set(options.workloads) - set(WORKLOADS)
    if unknown:
        parser.error(f"unknown workload {', '.join(sorted(unknown))}; known: {', '.join(WORKLOADS)}")
    if not options.python:
        print("bench: no --python with torch: eager PyTorch is left out", file=sys.stderr)
    print("| workload | what | median (second lowest … second highest) |\n|---|---|---|", flush=True)
    for name in options.workloads or WORKLOADS:
        WORKLOADS[name](options)


if __name__ == "__main__":
    main()
