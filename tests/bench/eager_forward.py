#!/usr/bin/env python3
"""eager_forward.py MODEL THREADS: the same forward as denoise_bench and the same lines in and out, in eager PyTorch (needs
PyPI's torch). EaselDiT is tests/golden/easel_dit_reference.py with the weights of the model directory."""
import json
import pathlib
import struct
import sys
import time

import torch

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "golden"))
from easel_dit_reference import EaselDiT  # noqa: E402

DTYPES = {"F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32}


def read_safetensors(path):
    data = path.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    tensors = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = torch.frombuffer(bytearray(data[8 + length + begin:8 + length + end]), dtype=DTYPES[entry["dtype"]])
        tensors[name] = raw.reshape(entry["shape"]).float()
    return tensors


def main():
    directory, threads = pathlib.Path(sys.argv[1]) / "transformer", int(sys.argv[2])
    torch.set_num_threads(threads)
    config = json.loads((directory / "config.json").read_text())
    config.pop("_class_name")
    network = EaselDiT(**config).eval()
    network.load_state_dict(read_safetensors(directory / "diffusion_pytorch_model.safetensors"))
    tokens, context = 24, config["context_dim"]
    torch.manual_seed(0)
    with torch.inference_mode():
        for line in sys.stdin:
            rows, forwards = map(int, line.split())
            size = config["img_size"]
            inputs = dict(latent=torch.randn(rows, config["in_channels"], size, size), time=torch.rand(rows),
                          label=torch.full((rows,), config["num_classes"]))
            if context:
                has_text = (torch.arange(rows) % 2 == 0)[:, None]
                inputs |= dict(text=torch.randn(rows, tokens, context) * has_text[..., None],
                               text_mask=has_text & (torch.arange(tokens) < 5), pooled=torch.randn(rows, context) * has_text)
            began = time.perf_counter()
            for _ in range(forwards):
                network(**inputs)
            print((time.perf_counter() - began) / forwards, flush=True)


main()
