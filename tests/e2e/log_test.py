#!/usr/bin/env python3
"""The log of a running server: one line an event, each of a call with its traceparent, none with a prompt unless asked for.

    log_test.py EASELD EASEL REPOSITORY
"""
import contextlib
import importlib
import json
import re
import subprocess
import sys
import tempfile
import unittest

from easeld_test import EASELD, MODEL, ROOT, TIMEOUT, Server, environment

sys.path.insert(0, str(ROOT / "tests/deploy"))
import tools  # noqa: E402,F401  puts grpc on the path

import grpc  # noqa: E402
from grpc_tools import protoc  # noqa: E402

PROMPT, NEGATIVE = "zanzibar lighthouse", "quixotic marmalade"
# What may come as a name from anywhere.
NAMES = ["no-such", 'quote " and \\', "line\nbreak", "\x01\x1b[31m", "図 é \u2028", "a=b c", "{}", "x" * 5000]


def traceparent(number):
    return f"00-{number:032x}-{number:016x}-01"


def lines_of(log):
    """Without what else Python takes for the end of a line, such as U+2028."""
    return log.removesuffix("\n").split("\n")


class LogTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        files = [str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto/easel").rglob("*.proto")]
        if protoc.main(["", f"-I{ROOT / 'proto'}", f"--python_out={directory.name}", f"--grpc_python_out={directory.name}", *files]):
            raise AssertionError("protoc failed")
        sys.path.insert(0, directory.name)
        cls.messages = importlib.import_module("easel.v1.image_generation_pb2")
        cls.stubs = importlib.import_module("easel.v1.image_generation_pb2_grpc")

    @contextlib.contextmanager
    def serving(self, *flags):
        """A stub of a server; when it is left, self.log and, where that is JSON, self.lines are the log."""
        server = Server("--log-level", "debug", *flags)
        with grpc.insecure_channel(server.address) as channel:
            try:
                yield self.stubs.ImageGenerationStub(channel)
            finally:
                code, self.log = server.stop()
        self.assertEqual(code, 0, self.log)
        if "json" in flags:
            self.lines = [json.loads(line) for line in lines_of(self.log)]

    def request(self, **fields):
        return self.messages.GenerateRequest(**{"prompt": PROMPT, "num_inference_steps": 2, "seed": 1, **fields})

    def code(self, call):
        """The name of the status with which a call, or a stream read to its end, ends."""
        try:
            answer = call()
            for _ in answer if hasattr(answer, "__next__") else ():
                pass
        except grpc.RpcError as error:
            return error.code().name
        return "OK"

    def test_every_line_about_a_call_has_its_traceparent(self):
        traced = {}

        def trace(number, rpc):
            traced[traceparent(number)] = rpc
            return {"metadata": [("traceparent", traceparent(number))], "timeout": TIMEOUT}

        with self.serving("--log-format", "json") as stub:
            self.assertEqual(self.code(lambda: stub.GenerateStream(self.request(), **trace(1, "GenerateStream"))), "OK")
            stub.Generate(self.request(), **trace(2, "Generate"))
            id = stub.SubmitGeneration(self.request(), **trace(3, "SubmitGeneration")).id
            watch = self.messages.WatchGenerationRequest(id=id)
            self.assertEqual(self.code(lambda: stub.WatchGeneration(watch, **trace(4, "WatchGeneration"))), "OK")
            stub.GetGeneration(self.messages.GetGenerationRequest(id=id), **trace(5, "GetGeneration"))
            stub.CancelGeneration(self.messages.CancelGenerationRequest(id=id), **trace(6, "CancelGeneration"))
            stub.ListModels(self.messages.ListModelsRequest(), **trace(7, "ListModels"))
            stub.GetModel(self.messages.GetModelRequest(name="text"), **trace(8, "GetModel"))
            refused = self.request(num_inference_steps=0)
            self.assertEqual(self.code(lambda: stub.Generate(refused, **trace(9, "Generate"))), "INVALID_ARGUMENT")
            running = stub.GenerateStream(self.request(num_inference_steps=1000), **trace(10, "GenerateStream"))
            next(running)
            running.cancel()
            late = {**trace(11, "Generate"), "timeout": 1e-3}
            self.code(lambda: stub.Generate(self.request(num_inference_steps=1000), **late))  # may not even reach the server
            # No trace context, so nothing to tell.
            stub.Generate(self.request(), metadata=[("traceparent", 'x" y')], timeout=TIMEOUT)
        calls = {line.get("traceparent"): line for line in self.lines if line["event"] == "call"}
        for trace, rpc in traced.items():
            if trace == traceparent(11) and trace not in calls:
                continue
            self.assertEqual(calls[trace]["rpc"], rpc)
        # One line an event: no trace has two, and every line that tells of a generation belongs to the call it came with.
        told = [line["traceparent"] for line in self.lines if "traceparent" in line]
        self.assertEqual(len(told), len(set(told)))
        untraced = [line for line in self.lines if "generation" in line and "traceparent" not in line]
        self.assertEqual([(line["rpc"], line["code"]) for line in untraced], [("Generate", "OK")])

    def test_a_detached_failure_that_nobody_hears_has_a_line_of_its_own(self):
        with self.serving("--log-format", "json", "--drain-timeout", "0") as stub:
            submitted = stub.SubmitGeneration(self.request(num_inference_steps=1000), timeout=TIMEOUT,
                                              metadata=[("traceparent", traceparent(1))])
        line, = (line for line in self.lines if line["event"] == "generation failed")
        self.assertEqual((line["level"], line["code"], line["rpc"]), ("warning", "UNAVAILABLE", "SubmitGeneration"))
        self.assertEqual((line["generation"], line["traceparent"]), (submitted.id, traceparent(1)))

    def hears_of_prompts(self, *flags):
        """Calls of every kind with a prompt, well and badly, and no call at all."""
        with self.serving(*flags) as stub:
            asked = {"prompt": PROMPT, "negative_prompt": NEGATIVE, "guidance_scale": 2.0}
            codes = [self.code(lambda fields=fields: stub.GenerateStream(self.request(**asked, **fields), timeout=TIMEOUT)) for fields in [
                {}, {"num_inference_steps": 0}, {"sampler": "none"}, {"model": "none"}, {"request_id": "one"},
                {"request_id": "one", "seed": 2}]]
            self.assertEqual(codes, ["OK", "INVALID_ARGUMENT", "INVALID_ARGUMENT", "NOT_FOUND", "OK", "ALREADY_EXISTS"])
            long = self.request(prompt=" ".join([PROMPT] * 200), negative_prompt=" ".join([NEGATIVE] * 200), guidance_scale=2.0)
            self.assertEqual(self.code(lambda: stub.Generate(long, timeout=TIMEOUT)), "OK")
            id = stub.SubmitGeneration(self.request(**asked), timeout=TIMEOUT).id
            stub.CancelGeneration(self.messages.CancelGenerationRequest(id=id), timeout=TIMEOUT)
            running = stub.GenerateStream(self.request(**asked, num_inference_steps=1000))
            next(running)
            running.cancel()

    def test_no_prompt_is_told_whatever_becomes_of_it(self):
        for flags in (["--log-format", "json"], []):
            self.hears_of_prompts(*flags)
            self.assertIn("GenerateStream", self.log)
            for word in (PROMPT + " " + NEGATIVE).split():
                self.assertNotIn(word, self.log)

    def test_a_class_model_refuses_a_prompt_without_telling_it(self):
        with self.serving("--model", str(ROOT / "tests/golden/data/pipeline/classes")) as stub:
            self.assertEqual(self.code(lambda: stub.Generate(self.request(model="classes"), timeout=TIMEOUT)), "INVALID_ARGUMENT")
        self.assertIn("INVALID_ARGUMENT", self.log)
        self.assertNotIn(PROMPT.split()[0], self.log)

    def test_prompts_are_told_where_they_are_asked_for(self):
        self.hears_of_prompts("--log-prompts", "--log-format", "json")
        self.assertIn(PROMPT, {line.get("prompt") for line in self.lines})

    def test_every_line_is_json_whatever_the_names(self):
        with self.serving("--log-format", "json", "--log-prompts", "--trust-tenant-header") as stub:
            for name in NAMES:
                for fields in ({"model": name}, {"sampler": name}, {"prompt": name}, {"request_id": name[:100]}):
                    self.code(lambda: stub.Generate(self.request(**fields), timeout=TIMEOUT))
                self.code(lambda: stub.GetGeneration(self.messages.GetGenerationRequest(id=name), timeout=TIMEOUT))
            self.assertEqual(self.code(lambda: stub.Generate(self.request(), timeout=TIMEOUT, metadata=[("x-easel-tenant", 'no "tenant')])),
                             "INVALID_ARGUMENT")
        calls = [line for line in self.lines if line["event"] == "call"]
        self.assertEqual(len(calls), 5 * len(NAMES) + 1)
        for line in self.lines:
            self.assertLessEqual({"time", "level", "event"}, line.keys())
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}[+-]\d\d:\d\d$")
            self.assertIn(line["level"], ("debug", "info", "warning", "error"))
        self.assertLessEqual(set(NAMES), {line.get("prompt") for line in calls})

    def test_text_has_one_line_an_event_whatever_the_names(self):
        with self.serving("--log-prompts") as stub:
            for name in NAMES:
                self.code(lambda: stub.Generate(self.request(prompt=name), timeout=TIMEOUT))
        for line in lines_of(self.log):
            self.assertRegex(line, r"^\d{4}-\d\d-\d\dT\S+ (debug|info|warning|error) [a-z]")
        self.assertEqual(len(re.findall(r" call rpc=Generate ", self.log)), len(NAMES))

    def test_bytes_that_are_no_text_make_a_line_like_others(self):
        for name in (b"no\xff such \" \n one", b"\xf0\x9f"):
            command = [EASELD, "--check", "--log-format", "json", "--model", b"m=/" + name]
            done = subprocess.run(command, capture_output=True, timeout=TIMEOUT, env=environment())
            self.assertEqual(done.returncode, 3)
            line, = done.stderr.decode().splitlines()
            self.assertEqual(json.loads(line)["level"], "error")
            self.assertIn("\ufffd", json.loads(line)["message"])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
