#!/usr/bin/env python3
"""tritonclient, as PyPI has it, against easeld with the shipped model: all that deploy/README.md says of the Open Inference
Protocol.

    tritonclient_test.py EASELD EASEL
"""
import json
import queue
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from shipped_model import MODEL, ROOT, TIMEOUT, ShippedModelTest  # first: finds the packages below

import numpy as np
from tritonclient import grpc as triton
from tritonclient.utils import InferenceServerException

PNG = b"\x89PNG\r\n\x1a\n"
NUMPY = {"BYTES": object, "INT64": np.int64, "UINT64": np.uint64, "INT32": np.int32, "FP32": np.float32}
INPUTS = {"PROMPT": "BYTES", "NEGATIVE_PROMPT": "BYTES", "CLASS_LABEL": "INT64", "SEED": "UINT64", "STEPS": "INT32",
          "GUIDANCE_SCALE": "FP32", "WIDTH": "INT32", "HEIGHT": "INT32"}


def inputs(shape=(1,), **values):
    """Such as inputs(PROMPT="red apple", STEPS=4)."""
    tensors = []
    for name, value in values.items():
        datatype = INPUTS[name]
        data = np.full(shape, value.encode() if isinstance(value, str) else value, dtype=NUMPY[datatype])
        tensors.append(triton.InferInput(name, list(shape), datatype))
        tensors[-1].set_data_from_numpy(data)
    return tensors


def outputs(*names):
    return [triton.InferRequestedOutput(name) for name in names]


class Stream:
    """One ModelStreamInfer of a client, whose answers are kept in the order they come."""

    def __init__(self, client, **options):
        self.client, self.answers = client, queue.Queue()
        client.start_stream(lambda result, error: self.answers.put((result, error)), **options)

    def ask(self, request_id, tensors, **options):
        self.client.async_stream_infer(MODEL, tensors, request_id=request_id, **options)

    def next(self):
        """Id, whether it is final, and the result; or an error is raised."""
        result, error = self.answers.get(timeout=TIMEOUT)
        if error is not None:
            raise error
        response = result.get_response()
        return response.id, response.parameters["triton_final_response"].bool_param, result


class TritonClientTest(ShippedModelTest):
    def setUp(self):
        self.client = triton.InferenceServerClient(self.address)
        self.addCleanup(self.client.close)

    def statistics(self):
        stats, = self.client.get_inference_statistics(MODEL).model_stats
        return stats

    # What there is.

    def test_live_and_ready(self):
        self.assertTrue(self.client.is_server_live())
        self.assertTrue(self.client.is_server_ready())
        self.assertTrue(self.client.is_model_ready(MODEL))
        self.assertTrue(self.client.is_model_ready(MODEL, "1"))
        self.assertFalse(self.client.is_model_ready("nobody"))
        self.assertFalse(self.client.is_model_ready(MODEL, "2"))

    def test_server_metadata(self):
        metadata = self.client.get_server_metadata()
        self.assertEqual(metadata.name, "easel")
        self.assertRegex(metadata.version, r"^\d+\.\d+\.\d+")
        self.assertIn("statistics", metadata.extensions)

    def test_model_metadata_and_config_agree(self):
        metadata = self.client.get_model_metadata(MODEL)
        config = self.client.get_model_config(MODEL).config
        self.assertEqual(metadata.name, MODEL)
        self.assertEqual(list(metadata.versions), ["1"])
        told = {tensor.name: tensor.datatype for tensor in metadata.inputs}
        self.assertEqual(told, {name: INPUTS[name] for name in told})
        self.assertLessEqual({"PROMPT", "CLASS_LABEL", "SEED", "STEPS"}, set(told))
        self.assertEqual([tensor.name for tensor in config.input], list(told))
        self.assertEqual([tensor.name for tensor in config.output], [tensor.name for tensor in metadata.outputs])
        self.assertEqual([tensor.name for tensor in metadata.outputs], ["IMAGE", "IMAGE_RAW", "SEED", "STEP"])
        self.assertEqual(config.max_batch_size, 0)
        self.assertFalse(config.model_transaction_policy.decoupled)
        self.assertIn("euler", config.parameters["samplers"].string_value.split(","))

    def test_repository_index(self):
        index = self.client.get_model_repository_index()
        self.assertEqual([(m.name, m.version, m.state) for m in index.models], [(MODEL, "1", "READY")])

    def test_what_there_is_not_says_why(self):
        for call, why in [(lambda: self.client.load_model(MODEL), "--model"),
                          (lambda: self.client.unload_model(MODEL), "--model"),
                          (self.client.get_system_shared_memory_status, "shared memory"),
                          (lambda: self.client.register_system_shared_memory("r", "/r", 1), "shared memory"),
                          (self.client.get_cuda_shared_memory_status, "shared memory"),
                          (self.client.get_trace_settings, "traces"),
                          (self.client.get_log_settings, "--log-level")]:
            with self.assertRaises(InferenceServerException) as raised:
                call()
            self.assertEqual(raised.exception.status(), "StatusCode.UNIMPLEMENTED")
            self.assertIn(why, raised.exception.message())

    # One answer.

    def test_a_picture_is_the_one_that_easel_generate_draws(self):
        result = self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=4, SEED=7), request_id="mine")
        self.assertEqual(result.as_numpy("IMAGE")[0], self.generated("red apple", "--steps", "4", "--seed", "7"))
        self.assertEqual(result.as_numpy("SEED").tolist(), [7])
        self.assertEqual(result.as_numpy("STEP").tolist(), [4])
        self.assertEqual(result.get_response().id, "mine")
        self.assertIsNone(result.as_numpy("IMAGE_RAW"))

    def test_all_inputs_that_the_model_takes_and_a_batch_of_one(self):
        told = {tensor.name for tensor in self.client.get_model_metadata(MODEL).inputs}
        values = {"PROMPT": "red apple", "NEGATIVE_PROMPT": "blue", "SEED": 3, "STEPS": 3, "GUIDANCE_SCALE": 3.3, "WIDTH": 64,
                  "HEIGHT": 64}
        given = {name: value for name, value in values.items() if name in told}
        result = self.client.infer(MODEL, inputs(shape=(1, 1), **given), outputs=outputs("IMAGE"))
        flags = ["--steps", "3", "--seed", "3", "--guidance-scale", "3.3"]
        flags += ["--negative-prompt", "blue"] if "NEGATIVE_PROMPT" in told else []
        self.assertEqual(result.as_numpy("IMAGE")[0], self.generated("red apple", *flags))
        self.assertEqual([output.name for output in result.get_response().outputs], ["IMAGE"])

    def test_by_class(self):
        result = self.client.infer(MODEL, inputs(CLASS_LABEL=1, STEPS=3, SEED=1))
        self.assertEqual(result.as_numpy("IMAGE")[0], self.generated("--class-label", "1", "--steps", "3", "--seed", "1"))

    def test_several_pictures_and_their_pixels(self):
        result = self.client.infer(MODEL, inputs(PROMPT="cat face", STEPS=3, SEED=5), parameters={"num_images": 2},
                                   outputs=outputs("IMAGE", "IMAGE_RAW", "SEED"))
        self.assertEqual(result.as_numpy("SEED").tolist(), [5, 6])
        self.assertEqual(result.as_numpy("IMAGE").shape, (2,))
        self.assertEqual(result.as_numpy("IMAGE")[1], self.generated("cat face", "--steps", "3", "--seed", "6"))
        pixels = result.as_numpy("IMAGE_RAW")
        self.assertEqual((pixels.shape, pixels.dtype), ((2, 64, 64, 3), np.uint8))
        self.assertTrue((pixels[0] != pixels[1]).any())

    def test_parameters(self):
        result = self.client.infer(MODEL, inputs(PROMPT="cat face", STEPS=3, SEED=5), priority=1, timeout=60_000_000,
                                   parameters={"sampler": "heun", "output_format": "jpeg", "output_quality": 80})
        self.assertEqual(result.as_numpy("IMAGE")[0][:3], b"\xff\xd8\xff")

    def test_async_infer(self):
        answers = queue.Queue()
        self.client.async_infer(MODEL, inputs(PROMPT="red apple", STEPS=3), lambda result, error: answers.put((result, error)))
        result, error = answers.get(timeout=TIMEOUT)
        self.assertIsNone(error)
        self.assertEqual(result.as_numpy("IMAGE")[0][:8], PNG)

    def test_cancelling_async_infer_stops_the_work(self):
        before, answers = self.statistics(), queue.Queue()
        call = self.client.async_infer(MODEL, inputs(PROMPT="red apple", STEPS=1000),
                                       lambda result, error: answers.put(error))
        call.cancel()
        self.assertEqual(answers.get(timeout=TIMEOUT).status(), "StatusCode.CANCELLED")
        # The next one is drawn, and nothing was made of the cancelled one.
        self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=2))
        self.assertEqual(self.statistics().inference_count, before.inference_count + 1)

    def test_a_timeout_of_either_kind_ends_the_work(self):
        for options in ({"client_timeout": 0.2}, {"timeout": 200_000}):
            with self.assertRaises(InferenceServerException) as raised:
                self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=1000), **options)
            self.assertEqual(raised.exception.status(), "StatusCode.DEADLINE_EXCEEDED", options)

    def refused(self, status, tensors, **options):
        with self.assertRaises(InferenceServerException) as raised:
            self.client.infer(options.pop("model", MODEL), tensors, **options)
        self.assertEqual(raised.exception.status(), f"StatusCode.{status}")
        return raised.exception.message()

    def test_mistakes_are_named(self):
        prompt = inputs(PROMPT="red apple")
        self.assertIn("'nobody' given; served are: reference", self.refused("NOT_FOUND", prompt, model="nobody"))
        self.assertIn("model_version: '2'", self.refused("NOT_FOUND", prompt, model_version="2"))
        self.assertIn("STEPS: 0 given; allowed: 1 to", self.refused("INVALID_ARGUMENT", inputs(PROMPT="x", STEPS=0)))
        self.assertIn("CLASS_LABEL: 99999 given", self.refused("INVALID_ARGUMENT", inputs(CLASS_LABEL=99999)))
        self.assertIn("PROMPT: shape [2]", self.refused("INVALID_ARGUMENT", inputs(shape=(2,), PROMPT="x")))
        self.assertIn("'IMGE'", self.refused("INVALID_ARGUMENT", prompt, outputs=outputs("IMGE")))
        self.assertIn("'colour'", self.refused("INVALID_ARGUMENT", prompt, parameters={"colour": 1}))
        self.assertIn("'sequence_id'", self.refused("INVALID_ARGUMENT", prompt, sequence_id=3))
        self.assertIn("preview_every_n_steps", self.refused("INVALID_ARGUMENT", prompt, parameters={"preview_every_n_steps": 1}))
        unknown = triton.InferInput("PROMT", [1], "BYTES")
        unknown.set_data_from_numpy(np.array([b"x"], dtype=object))
        self.assertIn("'PROMT': no such input", self.refused("INVALID_ARGUMENT", [unknown]))
        steps = triton.InferInput("STEPS", [1], "INT64")
        steps.set_data_from_numpy(np.array([2], dtype=np.int64))
        self.assertIn("STEPS: datatype 'INT64' given; allowed: INT32", self.refused("INVALID_ARGUMENT", [steps]))
        shared = triton.InferInput("PROMPT", [1], "BYTES")
        shared.set_shared_memory("region", 8)
        self.assertRegex(self.refused("INVALID_ARGUMENT", [shared]), r"^PROMPT: parameter 'shared_memory_\w+' given; allowed: none")

    # Streams.

    def test_a_stream_has_previews_then_the_final_response(self):
        stream = Stream(self.client)
        stream.ask("a", inputs(PROMPT="red apple", STEPS=8, SEED=7), parameters={"preview_every_n_steps": 2},
                   enable_empty_final_response=True)
        steps = []
        while True:
            request_id, final, result = stream.next()
            self.assertEqual(request_id, "a")
            self.assertEqual(result.as_numpy("IMAGE")[0][:8], PNG)
            if final:
                break
            steps.append(int(result.as_numpy("STEP")[0]))
        self.assertTrue(steps and steps == sorted(set(steps)) and set(steps) <= {2, 4, 6}, steps)
        self.assertEqual(result.as_numpy("IMAGE")[0], self.generated("red apple", "--steps", "8", "--seed", "7"))
        self.client.stop_stream()

    def test_several_requests_on_one_stream(self):
        stream = Stream(self.client)
        for seed in range(6):
            stream.ask(f"r{seed}", inputs(PROMPT="sailboat", STEPS=3, SEED=seed))
        self.client.stop_stream()  # waits for those under way
        pictures = {}
        for _ in range(6):
            request_id, final, result = stream.next()
            self.assertTrue(final)
            pictures[request_id] = result.as_numpy("IMAGE")[0]
        self.assertEqual(set(pictures), {f"r{seed}" for seed in range(6)})
        self.assertEqual(len(set(pictures.values())), 6)
        self.assertEqual(pictures["r4"], self.generated("sailboat", "--steps", "3", "--seed", "4"))

    def test_an_error_does_not_end_the_stream(self):
        stream = Stream(self.client)
        stream.ask("bad", inputs(PROMPT="x", STEPS=0))
        with self.assertRaises(InferenceServerException) as raised:
            stream.next()
        self.assertIn("INVALID_ARGUMENT: STEPS: 0 given", raised.exception.message())
        stream.ask("good", inputs(PROMPT="x", STEPS=2))
        self.assertEqual(stream.next()[:2], ("good", True))
        self.client.stop_stream()

    def test_grpc_errors_where_asked_for(self):
        stream = Stream(self.client, headers={"triton_grpc_error": "true"})
        stream.ask("bad", inputs(PROMPT="x", STEPS=0))
        with self.assertRaises(InferenceServerException) as raised:
            stream.next()
        self.assertEqual(raised.exception.status(), "StatusCode.INVALID_ARGUMENT")
        self.client.stop_stream()

    def test_stop_stream_with_cancel_requests_stops_the_work(self):
        before = self.statistics().inference_stats
        stream = Stream(self.client)
        stream.ask("long", inputs(PROMPT="red apple", STEPS=1000), parameters={"preview_every_n_steps": 1})
        self.assertEqual(stream.next()[:2], ("long", False))  # it is under way
        self.client.stop_stream(cancel_requests=True)
        self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=2))
        after = self.statistics().inference_stats
        while after.fail.count == before.fail.count:  # until the server has noticed
            after = self.statistics().inference_stats
        self.assertEqual((after.success.count, after.fail.count), (before.success.count + 1, before.fail.count + 1))

    # Statistics, and what perf_analyzer asks for.

    def test_statistics_add_up(self):
        before = self.statistics()
        self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=3), parameters={"num_images": 2})
        self.client.infer(MODEL, inputs(PROMPT="red apple", STEPS=3))
        self.refused("INVALID_ARGUMENT", inputs(PROMPT="red apple", STEPS=0))
        self.refused("INVALID_ARGUMENT", inputs(shape=(2,), PROMPT="x"))
        after = self.statistics()
        self.assertEqual(after.inference_count - before.inference_count, 3)
        self.assertIn(after.execution_count - before.execution_count, (2, 3))
        then, now = before.inference_stats, after.inference_stats
        for stage in ("success", "queue", "compute_input", "compute_infer", "compute_output"):
            self.assertEqual(getattr(now, stage).count - getattr(then, stage).count, 2, stage)
        self.assertEqual(now.fail.count - then.fail.count, 2)
        self.assertGreater(now.compute_infer.ns, then.compute_infer.ns)
        self.assertGreater(after.last_inference, 1_600_000_000_000)  # milliseconds
        every = self.client.get_inference_statistics()
        self.assertEqual([stats.name for stats in every.model_stats], [MODEL])

    def test_what_perf_analyzer_asks_for(self):
        # In its order: is it alive, what is the model, then requests with the inputs that its --input-data gives, all outputs of
        # the metadata asked for, and statistics before and after.
        self.assertTrue(self.client.is_server_live())
        metadata = self.client.get_model_metadata(MODEL, as_json=True)
        config = self.client.get_model_config(MODEL, as_json=True)["config"]
        self.assertNotIn("decoupled", config.get("model_transaction_policy", {}))
        optional = {tensor["name"] for tensor in config["input"] if tensor.get("optional")}
        data = json.loads('{"data": [{"PROMPT": ["red apple"], "STEPS": [2], "SEED": [1]}]}')["data"][0]
        self.assertLessEqual({tensor["name"] for tensor in metadata["inputs"]} - set(data), optional)
        for tensor in metadata["inputs"]:
            self.assertEqual(tensor["shape"], ["1"])  # none is dynamic, so no --shape is needed
        given = inputs(**{name: value[0] for name, value in data.items()})
        asked = outputs(*(tensor["name"] for tensor in metadata["outputs"]))
        before = self.statistics()
        for _ in range(3):
            result = self.client.infer(MODEL, given, outputs=asked)
            self.assertEqual(len(result.get_response().outputs), len(metadata["outputs"]))
        self.assertEqual(self.statistics().inference_stats.success.count - before.inference_stats.success.count, 3)
        # What it makes up with --input-data zero is refused by name: a picture of no steps cannot be.
        zeros = inputs(**{name: "" if kind == "BYTES" else 0 for name, kind in INPUTS.items() if name not in ("CLASS_LABEL",)})
        self.assertIn("STEPS: 0 given", self.refused("INVALID_ARGUMENT", zeros))


class ReadmeTest(ShippedModelTest):
    """The lines of deploy/README.md, as they stand there."""

    def test_the_example_draws_a_picture_and_shows_previews(self):
        page = (ROOT / "deploy/README.md").read_text(encoding="utf-8")
        example, = (block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "tritonclient" in block)
        with tempfile.TemporaryDirectory() as directory:
            program = example.replace("localhost:50051", self.address)
            paths = "import sys\nsys.path[:0] = " + repr([path for path in sys.path if "deploy-tools" in path]) + "\n"
            done = subprocess.run([sys.executable, "-c", paths + program], cwd=directory, capture_output=True, text=True, timeout=TIMEOUT)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual((Path(directory) / "apple.png").read_bytes()[:8], PNG)
            self.assertIn("final", done.stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
