#!/usr/bin/env python3
"""Draws a picture, keeps every preview of it on the way, and tries again where the server could not.

    generate.py 127.0.0.1:50051 "red apple" apple.png      # and apple-step-5.png, apple-step-10.png ...
"""
import json
import sys
from pathlib import Path

import grpc
from easel.v1 import image_generation_pb2 as pb
from easel.v1.image_generation_pb2_grpc import ImageGenerationStub

server, prompt, output = sys.argv[1], sys.argv[2], Path(sys.argv[3])
again = {"maxAttempts": 4, "initialBackoff": "0.25s", "maxBackoff": "5s", "backoffMultiplier": 2,
         "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"]}
config = {"loadBalancingConfig": [{"round_robin": {}}],
          "methodConfig": [{"name": [{"service": "easel.v1.ImageGeneration"}], "retryPolicy": again}]}
request = pb.GenerateRequest(prompt=prompt, preview=pb.Preview(every_n_steps=5, format=pb.IMAGE_FORMAT_PNG))

with grpc.insecure_channel(server, [("grpc.service_config", json.dumps(config))]) as channel:
    picture = b""
    try:
        for event in ImageGenerationStub(channel).GenerateStream(request, timeout=300):
            if event.HasField("started"):
                print("seed", event.started.parameters.seed)
            elif event.HasField("progress"):
                print(f"step {event.progress.step} of {event.progress.total}")
            elif event.HasField("preview"):
                output.with_stem(f"{output.stem}-step-{event.preview.step}").write_bytes(event.preview.data)
            elif event.HasField("image"):
                picture += event.image.chunk
                if event.image.last_chunk:
                    output.write_bytes(picture)
    except grpc.RpcError as error:
        sys.exit(f"{error.code().name}: {error.details()}")
