#!/usr/bin/env python3
"""Python's gRPC before easeld: client/python/generate.py with a stub made as its README says, and without a stub by reflection.

    python_client_test.py EASELD
"""
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "tests/deploy"))
from replicas import ENDLESS, TIMEOUT, Replica  # noqa: E402  (tools, which it brings, puts what deploy/setup.sh --tests unpacked on the path)

import grpc  # noqa: E402
from google.protobuf import descriptor_pool, message_factory  # noqa: E402
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase  # noqa: E402

EASELD = sys.argv[1]
SERVICE = "easel.v1.ImageGeneration"
BUSY = 10_000  # steps: some seconds
PNG = b"\x89PNG\r\n\x1a\n"


class PythonClientTest(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = Path(directory.name)

    def replica(self, *flags):
        replica = Replica(EASELD, *flags)
        self.addCleanup(replica.close)
        return replica

    def channel(self, replica):
        channel = grpc.insecure_channel(replica.address)
        self.addCleanup(channel.close)
        return channel

    def stub(self):
        """Made by the README's own line; the folder to import it from."""
        line, = re.findall(r"^venv/bin/python (-m grpc_tools\.protoc .*)$", (ROOT / "client/python/README.md").read_text(), re.MULTILINE)
        folder = self.directory / "stub"
        folder.mkdir()
        words = [word.replace("=stub", f"={folder}") for word in line.split()]
        subprocess.run([sys.executable, *words], cwd=ROOT, check=True, env=self.environment())
        return folder

    def environment(self, *folders):
        return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*folders, *filter(lambda each: "deploy-tools" in each, sys.path)]))}

    def generate(self, replica, output):
        return subprocess.run([sys.executable, ROOT / "client/python/generate.py", replica.address, "red apple", output],
                              env=self.environment(self.stub()), capture_output=True, text=True, timeout=TIMEOUT)

    def test_the_example_writes_the_picture_and_its_previews(self):
        done = self.generate(self.replica(), self.directory / "apple.png")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stdout, r"^seed \d+\n(step \d+ of \d+\n)*step (\d+) of \2\n$")
        total = int(re.search(r"of (\d+)", done.stdout).group(1))
        written = {path.name: path.read_bytes()[:8] for path in self.directory.glob("*.png")}
        self.assertEqual(set(written.values()), {PNG})
        self.assertIn("apple.png", written)
        previews = written.keys() - {"apple.png"}
        self.assertTrue(previews)  # all of them, but for those that a newer one replaced on the way
        self.assertLessEqual(previews, {f"apple-step-{step}.png" for step in range(5, total, 5)})

    def test_the_example_tries_again_while_the_server_is_full(self):
        replica = self.replica("--reflection", "--max-tenant-jobs", "1")
        first = self.call(self.channel(replica), "GenerateStream", prompt="a", num_inference_steps=BUSY)
        next(event for event in first if event.progress.step >= BUSY // 10)  # the server knows its pace, and when there will be room
        done = self.generate(replica, self.directory / "apple.png")
        refusals = replica.calls("RESOURCE_EXHAUSTED")
        self.assertGreaterEqual(refusals, 1)
        if done.returncode != 0:  # the server was slower than it had thought
            self.assertEqual(refusals, 4, done.stderr)
        first.cancel()

    def test_the_example_tells_of_a_refusal_that_would_take_long(self):
        replica = self.replica("--reflection", "--max-tenant-jobs", "1")
        endless = self.call(self.channel(replica), "GenerateStream", timeout=None, prompt="a", num_inference_steps=ENDLESS)
        self.assertTrue(next(endless).generation_id)
        done = self.generate(replica, self.directory / "apple.png")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^RESOURCE_EXHAUSTED: \S")
        self.assertEqual(replica.calls("RESOURCE_EXHAUSTED"), 1)
        endless.cancel()

    def test_the_example_tells_of_a_server_that_is_not_there(self):
        replica = self.replica()
        replica.process.kill()
        replica.process.wait()
        done = self.generate(replica, self.directory / "apple.png")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"^UNAVAILABLE: \S")

    def service(self, channel):
        """What the server tells of itself, as grpcurl asks for it."""
        return descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel)).FindServiceByName(SERVICE)

    def call(self, channel, name, timeout=TIMEOUT, **fields):
        """A call of which nothing is known but that: its answer, or the iterator of its answers."""
        method = self.service(channel).methods_by_name[name]
        request, answer = (message_factory.GetMessageClass(each) for each in (method.input_type, method.output_type))
        rpc = channel.unary_stream if method.server_streaming else channel.unary_unary
        return rpc(f"/{SERVICE}/{name}", request_serializer=request.SerializeToString,
                   response_deserializer=answer.FromString)(request(**fields), timeout=timeout)

    def test_reflection_lists_the_services_and_is_enough_to_draw_a_picture(self):
        channel = self.channel(self.replica("--reflection"))
        services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
        self.assertLessEqual({SERVICE, "grpc.health.v1.Health"}, services)
        model, = self.call(channel, "ListModels").models
        self.assertTrue(model.takes_prompt)
        events = list(self.call(channel, "GenerateStream", prompt="red apple", num_inference_steps=2))
        self.assertEqual(events[-1].WhichOneof("event"), "done")
        self.assertTrue(b"".join(event.image.chunk for event in events).startswith(PNG))

    def test_without_the_flag_there_is_no_reflection(self):
        with self.assertRaises(grpc.RpcError) as caught:
            list(ProtoReflectionDescriptorDatabase(self.channel(self.replica())).get_services())
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
