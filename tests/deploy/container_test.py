#!/usr/bin/env python3
"""The CPU image, built without a daemon around an installed tree, and run shut in as a cluster would; and in it with systemd, its unit.

    container_test.py BUILD REPOSITORY    exit 77 (skipped) where root, buildah, podman or runc is missing, or no container can run
"""
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from shut_in import MEMORY, PODMAN_RUN, SETTINGS, SHUT_IN

BUILD, ROOT = (Path(argument).resolve() for argument in sys.argv[1:3])
IMAGE, WITH_SYSTEMD = "localhost/easel:test", "localhost/easel:test-systemd"
TIMEOUT = 300  # seconds, for a machine under load; nothing here depends on it


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, **options)


def why_not():
    """What keeps any container from running here, whatever is in it; empty where one did."""
    missing = [tool for tool in ("buildah", "podman", "runc") if not shutil.which(tool)] + (["root"] if os.geteuid() else [])
    if missing:
        return "not here: " + " ".join(missing)
    with tempfile.TemporaryDirectory() as directory:
        for command in (["cc", "-static", "-x", "c", "-o", "nothing", "-"], ["tar", "-cf", "nothing.tar", "nothing"],
                        ["podman", "import", "nothing.tar", "localhost/nothing"], [*PODMAN_RUN, *SHUT_IN, "localhost/nothing", "/nothing"]):
            done = run(*command, cwd=directory, input="int main() { return 0; }" if command[0] == "cc" else None)
            if done.returncode != 0:
                return f"{' '.join(command[:2])}: {done.stderr.strip()}"
    run("podman", "rmi", "localhost/nothing")
    return ""


DIRECTORY = Path(tempfile.mkdtemp())
PREFIX = DIRECTORY / "easel"


def setUpModule():
    unittest.addModuleCleanup(shutil.rmtree, DIRECTORY)
    subprocess.run(["cmake", "--install", BUILD, "--prefix", PREFIX, "--strip"], check=True, capture_output=True)
    subprocess.run([ROOT / "deploy/container/build.sh", "cpu"], check=True, stdout=sys.stderr,
                   env={**os.environ, "PREFIX": str(PREFIX), "IMAGE": IMAGE})


def draw(picture, address, *options, **variables):
    return run(PREFIX / "bin/easel", "generate", "red apple", "--steps", "4", "-o", picture, "--server", address, *options,
               env={**os.environ, **variables})


class ContainerTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.inspected = json.loads(run("podman", "image", "inspect", IMAGE).stdout)[0]

    def setUp(self):
        self.name = f"easel-test-{os.getpid()}"
        self.server = subprocess.Popen(
            [*PODMAN_RUN, *SHUT_IN, "--name", self.name, *SETTINGS, "--env", f"EASEL_DRAIN_TIMEOUT={TIMEOUT}", IMAGE],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(self.server.communicate, timeout=TIMEOUT)
        self.addCleanup(run, "podman", "rm", "--force", "--time", "0", "--ignore", self.name)
        self.address = self.server.stdout.readline().removeprefix("listening on ").strip()
        self.assertTrue(self.address, "no address")

    def process(self):
        """The number of easeld's process, as this machine counts."""
        return run("podman", "inspect", "--format", "{{.State.Pid}}", self.name).stdout.strip()

    def inside(self, *command):
        return run("nsenter", "--target", self.process(), "--mount", "--pid", "--setuid", "65532", *command,
                   env={**dict(each.split("=", 1) for each in self.inspected["Config"]["Env"]), "EASEL_SERVER": self.address})

    def stop(self):
        """SIGTERM; the exit code of easeld, and its log."""
        stopped = run("podman", "stop", "--time", str(TIMEOUT), self.name)
        self.assertEqual(stopped.returncode, 0, stopped.stderr)
        _, log = self.server.communicate(timeout=TIMEOUT)
        return self.server.returncode, log

    def test_shut_in_it_draws_a_picture_and_stops_with_0(self):
        picture = DIRECTORY / "apple.png"
        done = draw(picture, self.address)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        self.assertEqual(self.stop()[0], 0)

    def test_sigterm_lets_a_picture_under_way_finish(self):
        picture = DIRECTORY / "late.png"
        client = subprocess.Popen([PREFIX / "bin/easel", "generate", "red apple", "--steps", "30", "-o", picture, "--json",
                                   "--server", self.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while "progress" not in json.loads(client.stdout.readline()):
            pass
        code, log = self.stop()
        _, told = client.communicate(timeout=TIMEOUT)
        self.assertEqual((code, client.returncode), (0, 0), told + log)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

    def test_its_health_check_is_easel_health(self):
        check = self.inspected["Healthcheck"]["Test"]
        self.assertEqual(check, ["CMD", "easel", "health"])
        done = self.inside(*check[1:])
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_the_process_has_no_rights_and_nowhere_to_write(self):
        lines = Path(f"/proc/{self.process()}/status").read_text().splitlines()
        status = dict(line.split(":\t", 1) for line in lines)
        self.assertEqual(status["Uid"].split()[0], "65532")
        self.assertEqual(status["NoNewPrivs"], "1")
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        for place in ("/", "/tmp", "/run", "/opt/easel", "/var/tmp"):
            self.assertNotEqual(self.inside("touch", place + "/file").returncode, 0, place)
        inspected = json.loads(run("podman", "inspect", self.name).stdout)[0]
        self.assertEqual(inspected["HostConfig"]["Memory"], MEMORY)

    def test_no_compiler_and_no_python_is_inside(self):
        root = Path(run("podman", "image", "mount", IMAGE).stdout.strip())
        self.addCleanup(run, "podman", "image", "unmount", IMAGE)
        names = {name for _, _, files in os.walk(root) for name in files}
        self.assertIn("libtorch_cpu.so", names)
        banned = re.compile(r"(gcc|g\+\+|cc|c\+\+|cpp|clang|ld|as)(-[\d.]+)?|make|cmake|ninja|(python|pip)[\d.]*|.*\.(h|a)|lib(torch_)?python.*")
        self.assertEqual(sorted(filter(banned.fullmatch, names)), [])

    def test_it_is_small_and_says_what_it_is(self):
        self.assertLessEqual(self.inspected["Size"], 900e6)
        config = self.inspected["Config"]
        self.assertEqual(config["User"], "65532:65532")
        self.assertEqual(config["StopSignal"], "SIGTERM")
        version = run(PREFIX / "bin/easeld", "--version").stdout
        self.assertIn("easeld " + config["Labels"]["org.opencontainers.image.version"] + "\n", version)
        revision = run("git", "describe", "--tags", "--always", "--dirty", cwd=ROOT).stdout.strip()
        self.assertEqual(config["Labels"]["org.opencontainers.image.revision"], revision)


class SystemdTest(unittest.TestCase):
    """systemd as Debian has it, in a container, with the unit linked and its ExecStart in a drop-in, as deploy/README.md has it."""

    @classmethod
    def setUpClass(cls):
        (DIRECTORY / "where.conf").write_text("[Service]\nExecStart=\nExecStart=/opt/easel/bin/easeld\n")
        (DIRECTORY / "settings").write_text("EASEL_LISTEN=127.0.0.1:0\nEASEL_METRICS_LISTEN=off\nEASEL_API_KEYS=/etc/easel.keys\n")
        (DIRECTORY / "keys").write_text(hashlib.sha256(b"first").hexdigest() + " shop\n")
        work = run("buildah", "from", "--pull-never", IMAGE).stdout.strip()
        cls.addClassCleanup(run, "buildah", "rm", work)
        for name, place in ((ROOT / "deploy/systemd/easeld.service", "/etc/systemd/system/easeld.service"), (DIRECTORY / "settings", "/etc/default/easel"),
                            (DIRECTORY / "where.conf", "/etc/systemd/system/easeld.service.d/where.conf"), (DIRECTORY / "keys", "/etc/easel.keys")):
            subprocess.run(["buildah", "copy", "--chmod", "644", work, name, place], check=True, capture_output=True)
        subprocess.run(["buildah", "run", "--isolation", "chroot", "--user", "root", work, "--", "sh", "-c",
                        "apt-get update -qq && apt-get install -y -qq --no-install-recommends systemd"], check=True, capture_output=True)
        subprocess.run(["buildah", "config", "--user", "root", "--entrypoint", "[]", work], check=True, capture_output=True)
        subprocess.run(["buildah", "commit", work, WITH_SYSTEMD], check=True, capture_output=True)
        cls.addClassCleanup(run, "podman", "rmi", "--force", WITH_SYSTEMD)

    def setUp(self):
        self.name = f"easel-systemd-{os.getpid()}"
        self.addCleanup(run, "podman", "rm", "--force", "--time", "0", "--ignore", self.name)
        begun = run(*PODMAN_RUN, "--detach", "--privileged", "--systemd", "always", "--name", self.name, WITH_SYSTEMD, "/lib/systemd/systemd")
        until = time.monotonic() + TIMEOUT
        while self.inside("systemctl", "is-system-running").stdout.strip() not in ("running", "degraded"):
            if begun.returncode or time.monotonic() > until:
                self.skipTest(f"systemd itself does not run in a container here: {begun.stderr}")
            time.sleep(0.2)

    def inside(self, *command):
        return run("podman", "exec", self.name, *command)

    def systemctl(self, verb):
        done = self.inside("systemctl", verb, "easeld")
        self.assertEqual(done.returncode, 0, done.stderr + self.inside("journalctl", "--unit", "easeld", "--no-pager").stdout)

    def show(self, key):
        return self.inside("systemctl", "show", "easeld", "--property", key, "--value").stdout.strip()

    def test_it_starts_draws_reads_keys_again_and_drains(self):
        self.systemctl("start")  # comes back when it serves
        address = re.search(r"^listening on (\S+)$", self.inside("journalctl", "--unit", "easeld", "--output", "cat").stdout, re.MULTILINE).group(1)
        process = self.show("MainPID")
        status = dict(line.split(":\t", 1) for line in self.inside("cat", f"/proc/{process}/status").stdout.splitlines())
        self.assertNotEqual(status["Uid"].split()[0], "0")
        self.assertEqual((int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]), (0, "1", "2"))
        picture = DIRECTORY / "unit.png"
        done = draw(picture, address, EASEL_API_KEY="first")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")

        self.inside("sh", "-c", f"echo {hashlib.sha256(b'second').hexdigest()} shop >/etc/easel.keys")
        self.systemctl("reload")
        until = time.monotonic() + TIMEOUT
        while draw(picture, address, "--retries", "0", EASEL_API_KEY="second").returncode != 0:
            self.assertLess(time.monotonic(), until, "the new key does not count")
        self.assertIn("UNAUTHENTICATED", draw(picture, address, EASEL_API_KEY="first").stderr)
        self.assertEqual(self.show("MainPID"), process)

        self.systemctl("stop")
        self.assertEqual((self.show("Result"), self.show("ExecMainStatus"), self.show("NRestarts")), ("success", "0", "0"))

    def test_it_comes_back_when_killed_but_not_where_that_mends_nothing(self):
        self.systemctl("start")
        self.inside("systemctl", "kill", "--signal", "KILL", "easeld")
        until = time.monotonic() + TIMEOUT
        while (self.show("NRestarts"), self.show("ActiveState")) != ("1", "active"):
            self.assertLess(time.monotonic(), until, self.inside("journalctl", "--unit", "easeld", "--no-pager").stdout)
            time.sleep(0.2)
        self.systemctl("stop")
        self.inside("sh", "-c", "echo EASEL_MODEL=/nowhere >>/etc/default/easel")
        self.assertNotEqual(self.inside("systemctl", "start", "easeld").returncode, 0)
        self.assertEqual((self.show("ActiveState"), self.show("ExecMainStatus")), ("failed", "3"))


if __name__ == "__main__":
    if reason := why_not():
        print("skipped;", reason)
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
