#!/usr/bin/env python3
"""eager_decode.py CONFIG.json THREADS: the same decoder as decode_bench and the same lines in and out (but for the memory), in
diffusers' eager AutoencoderKL, channels-last (needs PyPI's torch 2.11 and diffusers 0.42)."""
import json
import pathlib
import sys
import time

import diffusers
import torch


def main():
    config, threads = json.loads(pathlib.Path(sys.argv[1]).read_text()), int(sys.argv[2])
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    network = diffusers.AutoencoderKL.from_config(config).eval().to(memory_format=torch.channels_last)
    downscale = 2 ** (len(network.config.block_out_channels) - 1)
    with torch.inference_mode():
        for line in sys.stdin:
            side, decodes = map(int, line.split())
            latent = torch.randn(1, network.config.latent_channels, side // downscale, side // downscale)
            latent = latent.to(memory_format=torch.channels_last)
            began = time.perf_counter()
            for _ in range(decodes):
                network.decode(latent / network.config.scaling_factor)
            print((time.perf_counter() - began) / decodes, flush=True)


main()
