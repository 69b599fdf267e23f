#!/usr/bin/env python3
"""serving_load.py BUILD [--out DIR] [--requests N] [--seeds N] [--loads L,L] [--policies P,P] [--short]

What each policy of forwards makes of the same load on the same engine: a server of the shipped model (policy_server, one
worker of one thread) and, in a process of its own, `easel load`: steps {4, 10, 20, 50} × guidance or none × prompt or class, Poisson
arrivals at L times what the server does one request at a time ("burst": 0.8 in bursts of coefficient of variation 4), the
deadline 3 times what the request takes alone, every picture compared with the same alone. Then the same load in the
simulator, from the step times that easeld measured here. Prints the table of docs/serving.md.

Each policy, load and seed is a file in DIR, which is kept: a run that was stopped goes on where it was. Leave the machine alone
meanwhile. A whole run takes hours; --short a minute or so, which shows that it works and nothing else.
"""
import argparse
import itertools
import json
import pathlib
import statistics
import subprocess
import sys

from bench import ROOT, Server, Side
from soak import Metrics, free_port

# Whether requests are sent with their deadlines (serving_policies.h).
POLICIES = {"easel": True, "fcfs": False, "fcfs-timeout": True, "batch": False, "steps": False}
LOADS = ["0.3", "0.5", "0.8", "0.95", "1.1", "burst"]
BURST_LOAD = 0.8
SLO = 3  # × what it takes alone
LATE = {"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"}  # answers, too: the server says that it cannot be in time


def kept(path, make):
    """What `make` gives, from the file where it is there."""
    if not path.exists():
        made = make()
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(made, indent=1) + "\n")
        partial.rename(path)  # whole or not at all
    return json.loads(path.read_text())


def serve(options, policy, metrics="127.0.0.1:0"):
    return Server(options.build, options.model, "--workers", "1", "--threads", "1", "--max-queue", "1000000",
                  program=("tests/policy_server", policy), metrics=metrics)


def easel_load(options, server, *flags):
    command = [str(options.build / "client/easel"), "load", "--server", server.address, "--json", "--slo", str(SLO), *map(str, flags)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if not done.stdout.strip():
        sys.exit(f"serving_load: {' '.join(command)} gave no report (exit {done.returncode})")
    report = json.loads(done.stdout)
    if report["interrupted"]:
        sys.exit(f"serving_load: interrupted")
    return report


def capacity(options):
    """Requests a second, one at a time: the mean of the mix's latencies alone, which are all as likely."""
    server = serve(options, "fcfs")
    try:
        solo = easel_load(options, server, "--concurrency", 1, "--requests", 1)["solo_seconds"]
    finally:
        server.close()
    return {"requests_per_second": 1 / statistics.mean(kind["seconds"] for kind in solo), "solo_seconds": solo}


def cell(options, policy, load, seed, serial):
    rate = (BURST_LOAD if load == "burst" else float(load)) * serial
    flags = ["--rate", f"{rate:.4f}", "--requests", options.requests, "--warmup", options.requests // 10, "--seed", seed,
             "--preview", 1, "--verify", *(["--deadline"] if POLICIES[policy] else []), *(["--burst"] if load == "burst" else [])]
    server = serve(options, policy)
    try:
        report = easel_load(options, server, *flags)
    finally:
        server.close()
    return {"policy": policy, "load": load, "seed": seed, "rate": rate, "report": report}


def overhead(options):
    """What a worker spends on a step besides its forward, by the server's own clock, without previews and with one every second step; and
    what the same loop spends in a process without a server: its sampler. The difference is the server's: whose turn it is, telling
    who listens, metrics."""
    port = free_port()
    server = serve(options, "easel", f"127.0.0.1:{port}")
    side = Side(options.build / "tests/serving_bench", server.address, options.model)
    metrics = Metrics(port)

    def spent():
        series = metrics.series()
        return [sum(value for name, labels, value in series if name == wanted and label in labels) for wanted, label in (
            ("easel_stage_seconds_sum", 'stage="denoise"'), ("easel_step_seconds_sum", ""), ("easel_step_seconds_count", ""))]

    found = {}
    for name, line in (("plain", "plain"), ("previews", "stream 1")):
        side.seconds(line)
        before = spent()
        for _ in range(options.rounds):
            side.seconds(line)
        denoise, forwards, steps = (now - then for now, then in zip(spent(), before))
        found[name] = {"seconds_per_step": (denoise - forwards) / steps, "step_seconds": forwards / steps}
    side.seconds("between")
    found["sampler_seconds"] = statistics.median(side.seconds("between") for _ in range(options.rounds))
    side.close()
    server.close()
    return found


def simulated(options):
    """Shares in time by policy and load, from step times measured by easeld."""
    step_times = options.out / "step-times.json"
    if not step_times.exists():
        Server(options.build, options.model, "--workers", "1", "--threads", "1", "--step-times", str(step_times)).close()
    command = [options.build / "tests/simulate_serving", "--step-times", step_times, "--workers", "1", "--loads", ",".join(options.loads),
               "--policies", ",".join(options.policies), "--requests", options.requests, "--seeds", options.seeds]
    table = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, text=True, check=True).stdout
    rows = [[part.strip() for part in line.strip("|\n").split("|")] for line in table.splitlines()[2:]]
    return {f"{policy} {load}": share for _, _, load, policy, share, *_ in rows}


def lost(report):
    """Requests that were neither drawn nor told that they cannot be in time."""
    return report["requests"] - report["completed"] - sum(n for code, n in report["errors"].items() if code in LATE)


def wrong(report):
    return report["verification"]["different"] + report["verification"]["not_compared"]


def middle(reports, *keys):
    """The median over the seeds; none where nothing had such a figure."""
    values = []
    for value in reports:
        for key in keys:
            value = value and value[key]
        if value is not None:
            values.append(value)
    return statistics.median(values) if values else None


def text(value, unit=""):
    return "–" if value is None else f"{value:.3g}{unit}"


def print_table(results, prediction):
    print("| load | policy | in time (simulated) | in time, 1/s | p50 | p99 | first preview, p99 | pictures a forward | foretold wait is off by "
          "| refused or dropped | lost | wrong |\n|---|---|---|---|---|---|---|---|---|---|---|---|")
    for (load, policy), reports in results.items():
        refused = sum(r["requests"] - r["completed"] - lost(r) for r in reports)
        print(f"| {load} | {policy} | {100 * middle(reports, 'slo_attainment'):.1f} % ({prediction.get(f'{policy} {load}', '–')}) "
              f"| {text(middle(reports, 'goodput'))} | {text(middle(reports, 'latency_seconds', 'p50'), ' s')} "
              f"| {text(middle(reports, 'latency_seconds', 'p99'), ' s')} | {text(middle(reports, 'first_preview_seconds', 'p99'), ' s')} "
              f"| {text(middle(reports, 'mean_batch'))} | {text(middle(reports, 'wait_error'))} "
              f"| {refused} of {sum(r['requests'] for r in reports)} | {sum(map(lost, reports))} | {sum(map(wrong, reports))} |")


def print_goals(results, added):
    print("\n| goal | found |\n|---|---|")
    easel = results.get(("0.8", "easel"))
    for name in ("fcfs", "fcfs-timeout", "batch"):
        other = results.get(("0.8", name))
        if not easel or not other:
            continue
        points = 100 * (middle(easel, "slo_attainment") - middle(other, "slo_attainment"))
        print(f"| load 0.8, in time: 30 points over {name} (aim 45) | {points:+.1f} |")
        if middle(other, "goodput"):
            print(f"| load 0.8, in time a second: 1.5 × {name} (aim 2 ×) | {middle(easel, 'goodput') / middle(other, 'goodput'):.2f} × |")
        first, own = (middle(reports, "first_preview_seconds", "p99") for reports in (other, easel))
        if first and own:
            print(f"| load 0.8, first preview's p99: 5 × below {name} (aim 10 ×) | {first / own:.1f} × |")
    everything = list(itertools.chain(*results.values()))
    print(f"| none lost | {sum(map(lost, everything))} of {sum(r['requests'] for r in everything)} |")
    print(f"| none wrong | {sum(map(wrong, everything))} of {sum(r['verification']['compared'] for r in everything)} |")
    if easel and middle(easel, "wait_error") is not None:
        print(f"| load 0.8, foretold wait: within 20 % (median) | {100 * middle(easel, 'wait_error'):.0f} % |")
    for name, what in (("plain", "no previews"), ("previews", "a preview every second step")):
        extra = added[name]["seconds_per_step"] - added["sampler_seconds"]
        print(f"| a step of one picture, {what}: 50 µs over the same loop without a server, 2 % of it (aim 1 %) "
              f"| {1e6 * extra:.0f} µs, {100 * extra / added[name]['step_seconds']:.1f} % |")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "model/reference")
    parser.add_argument("--out", type=pathlib.Path, help="default: out/serving, of --short out/serving-short")
    parser.add_argument("--requests", type=int, default=1000, help="of each policy, load and seed; as many again by a tenth go before")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=20, help="pictures whose overhead is measured")
    parser.add_argument("--loads", type=lambda text: text.split(","), default=LOADS)
    parser.add_argument("--policies", type=lambda text: text.split(","), default=list(POLICIES))
    parser.add_argument("--short", action="store_true", help="easel and fcfs, 24 requests at 0.8")
    options = parser.parse_args()
    if options.short:
        options.requests, options.seeds, options.rounds, options.loads, options.policies = 24, 1, 3, ["0.8"], ["easel", "fcfs"]
    options.out = options.out or ROOT / ("out/serving-short" if options.short else "out/serving")
    options.out.mkdir(parents=True, exist_ok=True)

    asked = {"requests": options.requests, "model": str(options.model)}
    if kept(options.out / "asked.json", lambda: asked) != asked:
        parser.error(f"{options.out} has a run of other requests or another model; give another --out, or delete it")
    serial = kept(options.out / "capacity.json", lambda: capacity(options))["requests_per_second"]
    added = kept(options.out / "step-overhead.json", lambda: overhead(options))
    cells = list(itertools.product(range(1, options.seeds + 1), options.loads, options.policies))  # whole tables early
    results = {(load, policy): [] for load in options.loads for policy in options.policies}
    for done, (seed, load, policy) in enumerate(cells):
        print(f"serving_load: {done} of {len(cells)}: {policy} at {load}, seed {seed}", file=sys.stderr, flush=True)
        made = kept(options.out / f"{policy}-{load}-{seed}.json", lambda: cell(options, policy, load, seed, serial))
        results[load, policy].append(made["report"])
    print(f"{serial:.2f} requests a second one at a time; {options.requests} requests × {options.seeds} seeds, medians of the seeds; "
          f"latencies of those with a picture, first previews of those with one.\n")
    print_table(results, simulated(options))
    print_goals(results, added)


if __name__ == "__main__":
    main()
