#!/usr/bin/env python3
"""eager_forward.py MODEL|CONFIG.json THREADS [--compile]: the same forward as denoise_bench and the same lines in and out, in eager
PyTorch or under torch.compile (needs PyPI's torch, and for a config its diffusers). Of a model directory it takes EaselDiT, which
is tests/golden/easel_dit_reference.py with the directory's weights."""
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


def shipped(directory):
    """EaselDiT of a model directory, and its inputs for so many rows."""
    config = json.loads((directory / "transformer/config.json").read_text())
    config.pop("_class_name")
    network = EaselDiT(**config).eval()
    network.load_state_dict(read_safetensors(directory / "transformer/diffusion_pytorch_model.safetensors"))
    tokens, size, context = 24, config["img_size"], config["context_dim"]

    def inputs(rows):
        has_text = (torch.arange(rows) % 2 == 0)[:, None]
        return dict(latent=torch.randn(rows, config["in_channels"], size, size), time=torch.rand(rows),
                    label=torch.full((rows,), config["num_classes"]), text=torch.randn(rows, tokens, context) * has_text[..., None],
                    text_mask=has_text & (torch.arange(tokens) < 5), pooled=torch.randn(rows, context) * has_text)
    return network, inputs


def of_diffusers(path):
    """A transformer of diffusers with random weights, and its inputs for so many rows, of the lengths of denoise_case.cc."""
    import diffusers

    config = json.loads(path.read_text())
    network = getattr(diffusers, config["_class_name"]).from_config(config).eval()
    c, get = network.config, torch.randn

    def inputs(rows):
        kind = config["_class_name"]
        if kind == "FluxTransformer2DModel":
            ids = torch.cartesian_prod(torch.zeros(1), torch.arange(64.0), torch.arange(64.0))
            return dict(hidden_states=get(rows, 64 * 64, c.in_channels), timestep=torch.full((rows,), 0.5), img_ids=ids,
                        encoder_hidden_states=get(rows, 512, c.joint_attention_dim), txt_ids=torch.zeros(512, 3),
                        pooled_projections=get(rows, c.pooled_projection_dim), guidance=torch.full((rows,), 3.5) if c.guidance_embeds else None)
        result = dict(hidden_states=get(rows, c.in_channels, c.sample_size, c.sample_size), timestep=torch.full((rows,), 500))
        if kind == "DiTTransformer2DModel":
            result |= dict(class_labels=torch.full((rows,), 207))
        elif kind == "PixArtTransformer2DModel":
            result |= dict(encoder_hidden_states=get(rows, 300, c.caption_channels), encoder_attention_mask=torch.ones(rows, 300),
                           added_cond_kwargs={"resolution": torch.full((rows, 2), 1024.0), "aspect_ratio": torch.ones(rows, 1)})
        else:
            result |= dict(encoder_hidden_states=get(rows, 333, c.joint_attention_dim), pooled_projections=get(rows, c.pooled_projection_dim))
        return result
    return network, inputs


def main():
    path, threads, compiled = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] == ["--compile"]
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network, inputs = of_diffusers(path) if path.suffix == ".json" else shipped(path)
    if compiled:
        network = torch.compile(network)
    with torch.inference_mode():
        for line in sys.stdin:
            rows, forwards = map(int, line.split())
            given = inputs(rows)
            began = time.perf_counter()
            for _ in range(forwards):
                network(**given)
            print((time.perf_counter() - began) / forwards, flush=True)


main()
