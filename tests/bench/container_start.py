#!/usr/bin/env python3
"""container_start.py [IMAGE] [--rounds N]

Seconds from `podman run` of IMAGE (default: localhost/easel:cpu, as deploy/container/build.sh makes it), shut in as deploy/README.md
has it, until easeld says that it is ready; and of those the ones until its process began, which are podman's own. Needs root, podman
and runc. Prints both as "median (least to most)". Leave the machine alone meanwhile.
"""
import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "deploy"))
from shut_in import PODMAN_RUN, SETTINGS, SHUT_IN


def began(process):
    """When a process did, on the clock of time.monotonic."""
    after_name = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()
    return int(after_name[19]) / os.sysconf("SC_CLK_TCK") + time.monotonic() - time.clock_gettime(time.CLOCK_BOOTTIME)


def start(image):
    name = f"easel-start-{os.getpid()}"
    asked = time.monotonic()
    with subprocess.Popen([*PODMAN_RUN, *SHUT_IN, *SETTINGS, "--name", name, image], stdout=subprocess.PIPE, text=True) as run:
        line = run.stdout.readline()
        ready = time.monotonic()
        if not line.startswith("listening on "):
            sys.exit(f"container_start: {image} did not start")
        process = subprocess.run(["podman", "inspect", "--format", "{{.State.Pid}}", name], check=True, capture_output=True, text=True).stdout
        of_podman = began(int(process)) - asked
        subprocess.run(["podman", "stop", name], check=True, capture_output=True)
    return ready - asked, of_podman


def spread(seconds):
    return f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", nargs="?", default="localhost/easel:cpu")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    whole, of_podman = zip(*(start(options.image) for _ in range(options.rounds)))
    print(f"podman run to ready: {spread(whole)}; of those podman's: {spread(of_podman)}")


if __name__ == "__main__":
    main()
