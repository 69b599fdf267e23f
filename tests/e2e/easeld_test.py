#!/usr/bin/env python3
"""The programs themselves: exit codes, where settings come from, what stdout and the log say, signals.

    easeld_test.py EASELD EASEL REPOSITORY
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

EASELD, EASEL, ROOT = sys.argv[1], sys.argv[2], Path(sys.argv[3])
MODEL = ROOT / "tests/golden/data/pipeline/text"
TIMEOUT = 120  # seconds, for a machine under load; nothing here depends on it


def environment(**variables):
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("EASEL_")}
    return {**inherited, **variables}


class Server:
    """easeld, running, on ports of its own."""

    def __init__(self, *flags, **variables):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            [EASELD, "--listen", "127.0.0.1:0", "--metrics-listen", "off", "--model", str(MODEL), *flags],
            stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment(**variables))
        self.line = self.process.stdout.readline()
        self.address = self.line.removeprefix("listening on ").strip()

    def generate(self, *arguments, background=False):
        command = [EASEL, "generate", "--server", self.address, *arguments]
        if background:  # comes back when work has begun
            running = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                       env=environment())
            for line in running.stdout:
                if "progress" in json.loads(line):
                    return running
            raise AssertionError(running.stderr.read())
        return subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, env=environment())

    def await_log(self, word):
        until = time.monotonic() + TIMEOUT
        while word not in Path(f"/proc/self/fd/{self.log.fileno()}").read_text():
            if time.monotonic() > until:
                raise AssertionError(f"the log never says {word}")
            time.sleep(0.01)

    def stop(self, *signals):
        for number, each in enumerate(signals or (signal.SIGTERM,)):
            if number > 0:
                self.await_log("stopping")  # two of a kind at once are one
            self.process.send_signal(each)
        code = self.process.wait(TIMEOUT)
        self.process.stdout.close()
        with self.log as log:
            log.seek(0)
            return code, log.read()


def fails(*flags, **variables):
    """Exit code and stderr of an easeld that does not come up."""
    variables.setdefault("EASEL_METRICS_LISTEN", "off")
    done = subprocess.run([EASELD, *flags], capture_output=True, text=True,
                          timeout=TIMEOUT, env=environment(**variables))
    return done.returncode, done.stderr


class EaseldTest(unittest.TestCase):
    def setUp(self):
        self.directory = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.directory)

    def config(self, text):
        path = self.directory / "easeld.toml"
        path.write_text(text)
        return str(path)

    def models(self, server):
        done = subprocess.run([EASEL, "models", "--json", "--server", server.address], capture_output=True, text=True,
                              timeout=TIMEOUT, env=environment())
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_serves_and_stops_cleanly(self):
        server = Server()
        self.assertRegex(server.line, r"^listening on 127\.0\.0\.1:[1-9]\d*\n$")
        picture = self.directory / "out.png"
        done = server.generate("some words", "-o", str(picture), "--steps", "3")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(picture.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
        code, log = server.stop()
        self.assertEqual(code, 0)
        self.assertRegex(log, r"info call rpc=GenerateStream code=OK .*model=text steps=3 ")
        self.assertNotIn("some words", log)

    def test_a_prompt_that_is_no_text_is_refused_in_one_line(self):
        server = Server()
        refused = server.generate(b"caf\xe9")
        self.assertEqual((refused.returncode, refused.stderr),
                         (1, "easel: INVALID_ARGUMENT: prompt: the text given is not valid UTF-8\n"))
        self.assertEqual(server.stop()[0], 0)

    def test_output_that_cannot_be_written_is_a_failure(self):
        server = Server()
        with open("/dev/full", "w") as full:
            for command in (["models"], ["health", "--json"], ["generate", "a", "--steps", "1", "--json", "-o", "/dev/null"]):
                done = subprocess.run([EASEL, *command, "--server", server.address], stdout=full, stderr=subprocess.PIPE, text=True,
                                      timeout=TIMEOUT, env=environment())
                self.assertEqual((done.returncode, done.stderr), (1, "easel: cannot write to stdout\n"))
        self.assertEqual(server.stop()[0], 0)

    def test_json_log_with_prompts_where_asked(self):
        server = Server("--log-format", "json", "--log-prompts", "--log-level", "debug")
        prompt = 'quote " and\nline break'
        server.generate(prompt, "-o", str(self.directory / "out.png"), "--steps", "2")
        server.generate("x", "-o", str(self.directory / "no.png"), "--steps", "0")
        code, log = server.stop()
        self.assertEqual(code, 0)
        lines = [json.loads(line) for line in log.splitlines()]
        calls = [line for line in lines if line["event"] == "call" and line["rpc"] == "GenerateStream"]
        self.assertEqual([call["code"] for call in calls], ["OK", "INVALID_ARGUMENT"])
        self.assertEqual(calls[0]["prompt"], prompt)
        self.assertIn("num_inference_steps", calls[1]["message"])

    def test_usage_mistakes_exit_2(self):
        taken = self.config("max-queue = 7\nmax-kew = 8\n")
        for flags, told in [
            (["--bogus"], "--bogus"),
            (["--max-queue", "0"], "--max-queue"),
            (["--max-steps", "ten"], "ten"),
            (["--listen", "nowhere"], "HOST:PORT"),
            (["--listen", "localhost:70000"], "HOST:PORT"),
            (["--dtype", "int8"], "float32|bfloat16|float16"),
            (["--log-level", "loud"], "debug|info|warning|error"),
            (["--drain-timeout", "-1"], "--drain-timeout"),
            (["--stall-timeout", "soon"], "--stall-timeout"),
            (["--keep-results", "-1"], "--keep-results"),
            (["--keep-results-bytes", "1.5"], "--keep-results-bytes"),
            (["--device", "tpu"], "tpu"),
            (["--device", "cuda:99"], "cuda:99"),
            (["--model", f"a={MODEL}", "--model", f"a={MODEL}"], "two models are named 'a'"),
            (["--model", "=x"], "name"),
            (["--config", taken], "max-kew"),
            (["--config", str(self.directory / "missing.toml")], "missing.toml"),
        ]:
            code, stderr = fails(*flags)
            self.assertEqual(code, 2, (flags, stderr))
            self.assertIn(told, stderr)
        code, stderr = fails(EASEL_MAX_QUEUE="many")
        self.assertEqual(code, 2)
        self.assertIn("many", stderr)

    def test_help_and_version(self):
        for flag, told in [("--help", "Examples:"), ("--version", "easeld ")]:
            done = subprocess.run([EASELD, flag], capture_output=True, text=True, timeout=TIMEOUT, env=environment())
            self.assertEqual(done.returncode, 0)
            self.assertIn(told, done.stdout)

    def test_a_model_that_cannot_be_loaded_exits_3_and_is_named(self):
        broken = self.directory / "broken"
        shutil.copytree(MODEL, broken)
        index = broken / "model_index.json"
        weights = next((broken / "transformer").glob("*.safetensors"))
        cases = [
            (lambda: weights.write_bytes(weights.read_bytes()[:-5]), weights.name),
            (lambda: index.write_text("{"), "model_index.json"),
            (lambda: index.write_text('{"_class_name": "NoSuchPipeline"}'), "NoSuchPipeline"),
            (lambda: index.unlink(), "model_index.json"),
        ]
        for spoil, told in cases:
            spoil()
            code, stderr = fails("--listen", "127.0.0.1:0", "--model", str(broken))
            self.assertEqual(code, 3, stderr)
            self.assertIn(told, stderr)

    def check(self, *flags, **variables):
        """Exit code, stdout and stderr of easeld --check."""
        done = subprocess.run([EASELD, "--check", *flags], capture_output=True, text=True, timeout=TIMEOUT,
                              env=environment(**variables))
        return done.returncode, done.stdout, done.stderr

    def test_check_loads_the_models_tells_of_them_and_opens_no_address(self):
        times = self.directory / "times.json"
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            code, told, log = self.check("--listen", address, "--metrics-listen", address, "--model", f"words={MODEL}",
                                         "--step-times", str(times))
        self.assertEqual((code, log), (0, ""))
        self.assertRegex(told, f"model words: {MODEL} on cpu, \\d+ MiB of weights, loaded in [\\d.]+ s\n")
        self.assertIn(f"would listen on {address}, metrics on {address}\n", told)
        self.assertNotIn("\nlistening on", told)
        self.assertFalse(times.exists())

    def test_check_ends_with_the_code_that_a_start_would_have(self):
        broken = self.directory / "broken"
        shutil.copytree(MODEL, broken)
        (broken / "model_index.json").unlink()
        times = self.directory / "times.json"
        times.write_text("{")
        here = ["--listen", "127.0.0.1:0", "--model", str(MODEL)]
        for flags, expected, told in [
            (["--model", str(broken), "--listen", "127.0.0.1:0"], 3, "model_index.json"),
            ([*here, "--device", "cuda:99"], 2, "cuda:99"),
            ([*here, "--workers", "4096", "--threads", "4096"], 2, "4096"),
            ([*here, "--step-times", str(times)], 2, "times.json"),
            ([*here, "--step-times", str(self.directory / "nowhere/times.json")], 2, "nowhere/times.json: cannot be written"),
            ([*here, "--config", self.config("max-kew = 8\n")], 2, "max-kew"),
        ]:
            code, out, log = self.check(*flags, EASEL_METRICS_LISTEN="off")
            self.assertEqual((code, out), (expected, ""), (flags, log))
            self.assertIn(told, log)
            self.assertEqual(fails(*flags)[0], expected, flags)

    def test_what_print_config_prints_serves_the_same(self):
        words = [EASELD, "--print-config", "--model", f"words={MODEL}", "--max-steps", "77", "--metrics-listen", "off"]
        printed = subprocess.run(words, capture_output=True, text=True, timeout=TIMEOUT, env=environment(EASEL_LISTEN="127.0.0.1:0"))
        self.assertEqual((printed.returncode, printed.stderr), (0, ""))
        process = subprocess.Popen([EASELD, "--config", self.config(printed.stdout)], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=environment())
        line = process.stdout.readline()
        done = subprocess.run([EASEL, "models", "--json", "--server", line.removeprefix("listening on ").strip()],
                              capture_output=True, text=True, timeout=TIMEOUT, env=environment())
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, log)
        models = json.loads(done.stdout.splitlines()[0])
        model = models["models"][0] if "models" in models else models
        self.assertEqual((model["name"], model["limits"]["max_steps"]), ("words", 77))

    def test_an_address_in_use_exits_4_and_is_named(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            for flags in (["--listen", address], ["--listen", "127.0.0.1:0", "--metrics-listen", address]):
                code, stderr = fails(*flags)
                self.assertEqual(code, 4, stderr)
                self.assertIn(address, stderr)

    def test_flag_before_variable_before_file_before_default(self):
        config = self.config('max-steps = 11\nmax-images = 12\nmax-queue = 64\nlog-level = "error"\n')
        server = Server("--config", config, "--max-images", "3", EASEL_MAX_STEPS="22", EASEL_MAX_IMAGES="2")
        models = json.loads(self.models(server).splitlines()[0])
        limits = (models["models"][0] if "models" in models else models)["limits"]
        self.assertEqual(server.stop()[0], 0)
        self.assertEqual((limits["max_steps"], limits["max_images"]), (22, 3))
        server = Server(EASEL_CONFIG=config)
        models = json.loads(self.models(server).splitlines()[0])
        limits = (models["models"][0] if "models" in models else models)["limits"]
        code, log = server.stop()
        self.assertEqual((code, log), (0, ""))  # nothing was worth an error
        self.assertEqual((limits["max_steps"], limits["max_images"]), (11, 12))

    def test_several_models_from_a_file(self):
        config = self.config(f'model = ["words={MODEL}", "{ROOT}/tests/golden/data/pipeline/classes"]\n'
                             'listen = "127.0.0.1:0"\nmetrics-listen = "127.0.0.1:0"\nreflection = true\n')
        process = subprocess.Popen([EASELD, "--config", config], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment())
        line = process.stdout.readline()
        done = subprocess.run([EASEL, "models", "--server", line.removeprefix("listening on ").strip()],
                              capture_output=True, text=True, timeout=TIMEOUT, env=environment())
        process.send_signal(signal.SIGINT)
        _, log = process.communicate(timeout=TIMEOUT)
        self.assertEqual(process.returncode, 0, log)
        self.assertIn("words", done.stdout)
        self.assertIn("classes", done.stdout)

    def test_metrics_page(self):
        process = subprocess.Popen([EASELD, "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--model", str(MODEL),
                                    "--log-format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   env=environment())
        process.stdout.readline()
        serving = json.loads(process.stderr.readline())
        with urllib.request.urlopen(f"http://{serving['metrics']}/metrics", timeout=TIMEOUT) as page:
            text = page.read().decode()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
        self.assertIn("easel_build_info", text)
        self.assertIn('easel_model_weights_bytes{model="text"}', text)

    def test_sigterm_lets_running_work_finish(self):
        server = Server()
        picture = self.directory / "out.png"
        running = server.generate("words", "-o", str(picture), "--steps", "300", background=True)
        code, log = server.stop()
        _, stderr = running.communicate(timeout=TIMEOUT)
        self.assertEqual(running.returncode, 0, stderr + log)
        self.assertEqual(code, 0)
        self.assertTrue(picture.exists())

    def test_the_drain_timeout_and_a_second_signal_cut_what_runs(self):
        for flags, signals in [(["--drain-timeout", "0"], [signal.SIGTERM]), ([], [signal.SIGTERM, signal.SIGTERM]), ([], [signal.SIGTERM, signal.SIGINT])]:
            server = Server("--max-steps", "1000000", *flags)
            running = server.generate("words", "-o", str(self.directory / "out.png"), "--steps", "1000000", background=True)
            code, log = server.stop(*signals)
            _, stderr = running.communicate(timeout=TIMEOUT)
            self.assertEqual(code, 0, log)
            self.assertEqual(running.returncode, 1, stderr)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
