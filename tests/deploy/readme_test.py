#!/usr/bin/env python3
"""The commands of README.md and deploy/README.md. Each is run here as it stands there, or is named below with the test that does the
same, or with the page's own words that it was not run: so that neither page can say what nobody has tried.

    readme_test.py EASELD EASEL

A block of a page without a language is shell. What is run here has a network of its own (unshare), so that the pages' ports are free.
"""
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

from tools import DEPLOY, ROOT, run, tool

EASELD, EASEL = (Path(argument).resolve() for argument in sys.argv[1:3])
TIMEOUT = 120  # seconds, for a machine under load; nothing here depends on it
PAGES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "deploy/README.md")}
ALONE = "EASEL_README_TEST_ALONE"  # set in the network of our own

# The beginning of each command that is not run here: the file that does the same, and a word of it that would go with it.
HELD = {
    "make demo": ("Makefile", "\ndemo:"),
    "make test": ("Makefile", "\ntest:"),
    "make bench": ("Makefile", "\nbench:"),
    "cmake -S . -B build": ("Makefile", "cmake -S . -B"),
    "cmake --install build --prefix /opt/easel --strip": ("tests/deploy/install_test.py", '"cmake", "--install"'),
    "/opt/easel/bin/easeld --version": ("tests/deploy/install_test.py", '"--version"'),
    "cd build && SOURCE_DATE_EPOCH=": ("tests/deploy/package_test.py", "SOURCE_DATE_EPOCH"),
    "printf 'EASEL_LISTEN=": ("tests/deploy/container_test.py", "/etc/default/easel"),
    "systemctl enable --now easeld": ("tests/deploy/container_test.py", 'self.systemctl("start")'),
    "systemctl reload easeld": ("tests/deploy/container_test.py", 'self.systemctl("reload")'),
    "systemctl stop easeld": ("tests/deploy/container_test.py", 'self.systemctl("stop")'),
    "PREFIX=/opt/easel deploy/container/build.sh cpu": ("tests/deploy/container_test.py", '"deploy/container/build.sh", "cpu"'),
    "podman --runtime runc run": ("tests/deploy/shut_in.py", "no-new-privileges"),
    "kubectl create configmap easel-dashboard": ("tests/deploy/monitoring_test.py", "DASHBOARD = "),
    "deploy/prometheus/as_prometheus_rule.sh | kubectl apply": ("tests/deploy/monitoring_test.py", "as_prometheus_rule.sh"),
    "haproxy -f": ("tests/deploy/proxies_test.py", "haproxy/haproxy.cfg"),
    "nginx -t": ("tests/deploy/proxies_test.py", "nginx/easel.conf"),
    "envoy -c": ("tests/deploy/proxies_test.py", "envoy/envoy.yaml"),
    'easel generate "red apple" --server dns:///': ("tests/deploy/proxies_test.py", '"dns:///"'),
    "build/client/easel load --rate 5": ("tests/bench/soak.py", '"load", "--rate"'),  # itself a minute and more
    "easel load --concurrency 8 --server ipv4:": ("tests/deploy/proxies_test.py", '"ipv4:"'),
}
# Those that need what no test has: what the page itself says of it.
CLUSTER = "Nothing here was applied to a cluster."
NOT_RUN = {
    "apt-get install ./easel-": "both packages run",  # unpacked, not installed
    "docker ": "the CUDA image, and Docker itself",
    "apt-get install buildah": "`ctest -R '^container$'` (as root, with what `setup.sh --tests` installs; skipped elsewhere)",
    "deploy/container/build.sh cpu": "Not run so far: the compilation inside the image to its end",
    "cd deploy/kubernetes/overlays/cpu": CLUSTER,
    "kustomize edit ": CLUSTER,
    "kubectl ": CLUSTER,
}
# Where a word of a command is another here.
INSTEAD = {"chown -R 65532 secrets": ":"}  # no container, no other user


def blocks(text):
    """The shell of a page, as a list of blocks, each as it stands there but for its indentation."""
    found = re.findall(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
    return ["".join(line.removeprefix(indent) for line in body.splitlines(True)) for indent, language, body in found if not language]


def commands(block):
    """Its commands, without comments, each on one line."""
    joined = block.replace("\\\n", "")
    lines = (re.sub(r"(^|\s\s)#.*", "", line).strip() for line in joined.splitlines())
    return [re.sub(r"\s+", " ", line) for line in lines if line]


def block_with(page, words):
    one, = (block for block in blocks(PAGES[page]) if words in block)
    return one


def runs():
    """The blocks that RunTest runs, by name."""
    page = "deploy/README.md"
    by_hand = block_with("README.md", "build/server/easeld &")
    return {"by hand": "\n".join(line for line in commands(by_hand) if "easel load" not in line),
            "configuration": block_with(page, "--print-config"),
            "tls": block_with(page, "--api-keys api.keys &"),
            "secrets": commands(block_with(page, "secrets/api.keys"))[0],
            "prometheus": commands(block_with(page, "prometheus --config.file"))[0],
            "promtool": "\n".join(line for line in commands(block_with(page, "promtool check")) if line.startswith("promtool")),
            "dev certs": commands(block_with(page, "easel-tls"))[0],
            "kubernetes": commands(block_with(page, "kubectl port-forward"))[-1]}


class PagesTest(unittest.TestCase):
    def test_each_command_is_run_or_held_by_a_test_or_said_not_to_be_run(self):
        here = {line for block in runs().values() for line in commands(block)}
        seen = set()
        for page, text in PAGES.items():
            for line in (line for block in blocks(text) for line in commands(block)):
                known = [begin for begin in (*HELD, *NOT_RUN) if line.startswith(begin)]
                seen.update(known)
                self.assertTrue(known or line in here, f"{page}: nobody has run `{line}`: name the test that does, or say that none does")
        self.assertEqual(sorted({*HELD, *NOT_RUN} - seen), [], "no page says this any more")

    def test_what_holds_a_command_is_there(self):
        for begin, (file, word) in HELD.items():
            self.assertIn(word, (ROOT / file).read_text(), f"{begin}: {file}")
        for begin, words in NOT_RUN.items():
            self.assertIn(words, re.sub(r"\s+", " ", PAGES["deploy/README.md"]), begin)

    def test_every_flag_and_variable_is_one_that_the_programs_know(self):
        told = {"easeld": run(EASELD, "--help")[1],
                "easel": "".join(run(EASEL, *command, "--help")[1] for command in ([], ["generate"], ["watch"], ["load"], ["health"]))}
        seen = set()
        for line in (line for text in PAGES.values() for block in blocks(text) for line in commands(block)):
            for program, words in re.findall(r"(?:^|[&(] ?)(?:[\w/]+/)?(easeld?) ([^&|;)]*)", line):
                for flag in re.findall(r"(?<!\S)--?[a-z][\w-]*", re.sub(r'"[^"]*"', "", words)):
                    seen.add(flag)
                    self.assertTrue(re.search(rf"(?<![\w-]){flag}(?![\w-])", told[program]), f"{program} knows no {flag}: {line}")
        self.assertLessEqual({"--tls-cert", "--print-config", "--server", "-o"}, seen)
        known = set(re.findall(r"Env:(EASEL_\w+)", "".join(told.values())))
        named = set(re.findall(r"(?<!-D)\b(EASEL_[A-Z_]+)\b", PAGES["deploy/README.md"]))
        self.assertIn("EASEL_TLS_SERVER_NAME", named)
        self.assertEqual(named - known, set())

    def test_every_file_named_is_there(self):
        named = {name for text in PAGES.values() for block in blocks(text) for line in commands(block)
                 for name in re.findall(r"\b(?:deploy|tests)/[\w./-]+\w", line) if not line.startswith("kubectl")}
        self.assertGreater(len(named), 8)
        for name in named:
            self.assertTrue((ROOT / name).exists(), name)


def lift_loopback():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP


@unittest.skipUnless(ALONE in os.environ, "no network of our own: unshare is not here, or not allowed")
class RunTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        lift_loopback()

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)
        bin = self.directory / "bin"  # as where Easel is installed
        bin.mkdir()
        for program in (EASELD, EASEL, Path(tool("promtool")), Path(tool("prometheus"))):
            (bin / program.name).symlink_to(program)
        for folder, at in (("deploy", DEPLOY), ("tests", ROOT / "tests"), ("build", EASELD.parents[1])):
            (self.directory / folder).symlink_to(at)
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("EASEL_")}
        self.environment = {**inherited, "PATH": f"{bin}:{os.environ['PATH']}"}

    def shell(self, text, **variables):
        """Runs it in a folder of its own, as who copies it would: an easeld in the background is waited for, and is stopped at the end, when
        it must leave with 0. What all of it said."""
        for words, instead in INSTEAD.items():
            text = text.replace(words, instead)
        script = re.sub(r"^(.*easeld.*) &(?=\s|$).*", r"\1 >listening 2>log & server=$!" "\n"
                        "until grep -q listening listening; do kill -0 $server || { cat log; exit 1; }; sleep 0.05; done",
                        text, flags=re.MULTILINE)
        script = f"set -e -o pipefail\n{script}\n" + 'if [ "${server:-}" ]; then kill -TERM $server; wait $server; fi\n'
        process = subprocess.Popen(["bash", "-c", script], cwd=self.directory, env={**self.environment, **variables}, text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        try:
            told, _ = process.communicate(timeout=TIMEOUT)
        finally:  # with all that it left behind
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.stdout.close()
        self.assertEqual(process.returncode, 0, script + told)
        return told

    def assert_pictures(self, *names):
        for name in names:
            self.assertEqual((self.directory / name).read_bytes()[:8], b"\x89PNG\r\n\x1a\n", name)

    def test_by_hand(self):
        self.shell(runs()["by hand"])
        self.assert_pictures("apple.png", "fruit-0.png", "fruit-3.png")

    def test_kubernetes_callers_command_through_a_forwarded_port(self):
        self.shell("easeld &\n" + runs()["kubernetes"])  # easeld in place of the port-forward
        self.assert_pictures("apple.png")

    def test_configuration(self):
        (self.directory / "easeld.toml").write_text('max-queue = 7\n')
        told = self.shell(runs()["configuration"])
        self.assertIn("max-queue=7", told.replace(" ", ""))
        self.assertIn("would listen on 127.0.0.1:50051", told)

    def test_tls_and_keys(self):
        self.shell(runs()["tls"])
        self.assert_pictures("apple.png")

    def test_a_server_with_the_containers_variables_answers_over_tls_and_its_health_check_says_so(self):
        container = next(line for line in commands(block_with("deploy/README.md", "secrets/api.keys")) if line.startswith("docker run"))
        variables = dict(re.findall(r"--env (\w+)=(\S+)", container))
        self.assertEqual(sorted(variables), ["EASEL_API_KEYS", "EASEL_TLS_CA", "EASEL_TLS_CERT", "EASEL_TLS_KEY"])
        mounted = re.search(r'-v "\$PWD/(\w+):(/\w+):ro"', container).groups()
        variables = {name: value.replace(mounted[1], str(self.directory / mounted[0])) for name, value in variables.items()}
        check = json.loads(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE).group(1))
        self.shell(runs()["secrets"], KEY="a-key")
        told = self.shell("easeld &\n" + " ".join(check) + '\neasel generate "red apple" --steps 2 -o apple.png --api-key a-key', **variables,
                          EASEL_LISTEN="0.0.0.0:50051")
        self.assertIn("SERVING", told)
        self.assert_pictures("apple.png")

    def test_certificates_for_the_cluster_are_for_the_names_of_its_services(self):
        self.shell(runs()["dev certs"])
        told = run("openssl", "x509", "-noout", "-ext", "subjectAltName", "-in", self.directory / "certs/server.crt")[1]
        self.assertLessEqual({"DNS:easel", "DNS:easel-headless"}, set(re.findall(r"[^\s,]+", told)))

    def test_promtool(self):
        told = self.shell(runs()["promtool"])
        self.assertIn("SUCCESS", told)

    def test_prometheus_scrapes_easeld_and_has_the_alerts(self):
        server = subprocess.Popen([EASELD], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.environment)
        self.addCleanup(lambda: (server.kill(), server.wait(), server.stdout.close()))
        self.assertIn("listening", server.stdout.readline())
        prometheus = subprocess.Popen(runs()["prometheus"].split(), cwd=self.directory, env=self.environment, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (prometheus.kill(), prometheus.wait()))

        def ask(path, **query):
            self.assertIsNone(prometheus.poll(), "prometheus has ended")
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:9090/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=TIMEOUT) as answer:
                    return json.load(answer)["data"]
            except OSError:  # not yet up
                return {"result": []}
        scraped = []
        while not scraped or scraped[0]["value"][1] != "1":
            signal.sigtimedwait([], 0.1)
            scraped = ask("query", query='up{job="easel"}')["result"]
        built = ask("query", query="easel_build_info")["result"]
        self.assertEqual(len(built), 1)
        named = {rule["name"] for group in ask("rules")["groups"] for rule in group["rules"]}
        self.assertLessEqual({"EaselDown", "EaselCertificateExpires", "easel:queue_wait_seconds"}, named)


if __name__ == "__main__":
    alone = ["unshare", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if ALONE not in os.environ and shutil.which("unshare") and run(*alone, "true")[0] == 0:
        os.execvpe(alone[0], [*alone, sys.executable, *sys.argv], {**os.environ, ALONE: "1"})
    unittest.main(argv=sys.argv[:1], verbosity=2)
