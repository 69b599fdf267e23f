#!/usr/bin/env python3
"""The Open Inference Protocol itself: our .proto files beside tritonclient's, and a plain gRPC client of them.

    inference_protocol_test.py EASELD EASEL
"""
import re
import sys
import tempfile
import unittest
from pathlib import Path

from shipped_model import MODEL, ROOT, TIMEOUT, ShippedModelTest  # first: finds the packages below

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from grpc_tools import protoc
from tritonclient.grpc import model_config_pb2, service_pb2


def our_files():
    """Descriptors of proto/inference, as protoc compiles them."""
    with tempfile.TemporaryDirectory() as directory:
        out = Path(directory) / "set"
        names = [f"inference/{path.name}" for path in sorted((ROOT / "proto/inference").glob("*.proto"))]
        code = protoc.main(["protoc", f"-I{ROOT / 'proto'}", f"--descriptor_set_out={out}", "--include_imports", *names])
        assert code == 0, names
        return descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes()).file


def messages_of(file):
    """Every message of a FileDescriptorProto, nested ones too, by its full name."""
    found = {}

    def add(prefix, message):
        found[f"{prefix}.{message.name}"] = message
        for nested in message.nested_type:
            add(f"{prefix}.{message.name}", nested)

    for message in file.message_type:
        add(file.package, message)
    return found


def fields_of(message):
    return {field.name: (field.number, field.type, field.label, field.type_name,
                         message.oneof_decl[field.oneof_index].name if field.HasField("oneof_index") else None)
            for field in message.field}


class ProtocolTest(unittest.TestCase):
    """Ours is a part of tritonclient's, by names, numbers and types."""

    def setUp(self):
        self.ours = {Path(file.name).name: file for file in our_files()}
        self.theirs = {}
        for module in (service_pb2, model_config_pb2):
            file = descriptor_pb2.FileDescriptorProto()
            module.DESCRIPTOR.CopyToProto(file)
            self.theirs[file.name] = file

    def test_every_field_is_theirs(self):
        compared = 0
        for name, file in self.ours.items():
            theirs = messages_of(self.theirs[name])
            for full_name, message in messages_of(file).items():
                fields = fields_of(theirs[full_name])
                for field, facts in fields_of(message).items():
                    self.assertEqual(facts, fields[field], f"{full_name}.{field}")
                    compared += 1
        self.assertGreater(compared, 100)

    def test_messages_that_are_read_or_answered_are_whole(self):
        # All of the service's, but those of calls that are UNIMPLEMENTED.
        unserved = re.compile(r"inference\.(RepositoryModel|SystemSharedMemory|CudaSharedMemory|TraceSetting|LogSettings)")
        ours, theirs = (messages_of(files["grpc_service.proto"]) for files in (self.ours, self.theirs))
        for full_name, message in ours.items():
            if not unserved.match(full_name):
                self.assertEqual(fields_of(message), fields_of(theirs[full_name]), full_name)

    def test_enums_are_theirs(self):
        for name, file in self.ours.items():
            theirs = {enum.name: enum for enum in self.theirs[name].enum_type}
            for enum in file.enum_type:
                self.assertEqual(enum, theirs[enum.name])
            nested = messages_of(self.theirs[name])
            for full_name, message in messages_of(file).items():
                for enum in message.enum_type:
                    self.assertIn(enum, list(nested[full_name].enum_type))

    def test_the_service_has_their_methods(self):
        ours, theirs = (files["grpc_service.proto"].service[0] for files in (self.ours, self.theirs))
        facts = [{m.name: (m.input_type, m.output_type, m.client_streaming, m.server_streaming) for m in service.method}
                 for service in (ours, theirs)]
        self.assertEqual(*facts)


class KServeTest(ShippedModelTest):
    """A plain client of our own .proto, which sends typed contents."""

    def setUp(self):
        pool = descriptor_pool.DescriptorPool()  # not the default one, where tritonclient's are
        for file in sorted(our_files(), key=lambda file: len(file.dependency)):
            pool.Add(file)
        get = lambda name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"inference.{name}"))  # noqa: E731
        self.Request, self.Response = get("ModelInferRequest"), get("ModelInferResponse")
        self.channel = grpc.insecure_channel(self.address)
        self.addCleanup(self.channel.close)
        self.infer = self.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer",
                                              request_serializer=self.Request.SerializeToString,
                                              response_deserializer=self.Response.FromString)

    def request(self):
        request = self.Request(model_name=MODEL, id="k")
        for name, datatype, contents in [("PROMPT", "BYTES", {"bytes_contents": [b"red apple"]}),
                                         ("SEED", "UINT64", {"uint64_contents": [7]}),
                                         ("STEPS", "INT32", {"int_contents": [4]}),
                                         ("GUIDANCE_SCALE", "FP32", {"fp32_contents": [2.5]})]:
            request.inputs.add(name=name, datatype=datatype, shape=[1], contents=contents)
        return request

    def test_typed_contents(self):
        response = self.infer(self.request(), timeout=TIMEOUT)
        self.assertEqual([output.name for output in response.outputs], ["IMAGE", "SEED", "STEP"])
        picture = response.raw_output_contents[0][4:]
        self.assertEqual(int.from_bytes(response.raw_output_contents[0][:4], "little"), len(picture))
        self.assertEqual(picture, self.generated("red apple", "--seed", "7", "--steps", "4", "--guidance-scale", "2.5"))

    def test_mixing_kinds_of_contents_is_refused(self):
        request = self.request()
        request.raw_input_contents.extend([b"\3\0\0\0red"] * len(request.inputs))
        with self.assertRaises(grpc.RpcError) as raised:
            self.infer(request, timeout=TIMEOUT)
        self.assertEqual(raised.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertIn("PROMPT: contents given beside raw_input_contents", raised.exception.details())


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
