"""Tiny random EaselDiT networks, and what their twin in PyTorch predicts in float64.

data/easel_dit/<name>/    config.json, diffusion_pytorch_model.safetensors (float16)
data/easel_dit/<name>.safetensors    latent, time, label, prediction, and with text: text, text_mask, pooled
"""
import json
import pathlib
import sys

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from easel_dit_reference import EaselDiT

SHAPE = dict(img_size=6, patch_size=2, in_channels=3, embed_dim=24, num_heads=3, layout_hidden=14, layout_dim=5)
CONFIGS = {
    # embed_dim · mlp_ratio is 55.2: the fraction is cut off.
    "text_and_class": dict(depth=3, mlp_ratio=2.3, num_classes=5, context_dim=20, recall_size=11, recall_dim=9, **SHAPE),
    "text": dict(depth=2, num_classes=0, context_dim=20, **SHAPE),
    "class": dict(depth=2, num_classes=5, context_dim=0, **SHAPE),
}
TOKENS = 7
# A row is (time, class or None, words or None).
ROWS = [(1.0, None, 7), (0.625, 3, None), (0.371, 0, 2), (0.03125, None, None), (0.92, 4, 7), (0.0, None, 1)]


def randomise(model, seed):
    """No tensor is neutral, so that each matters; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.named_parameters():
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith(("q_norm", "k_norm")):
                tensor.copy_(1 + 0.3 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(0.3 * noise)
            elif name == "class_embed.weight" or name == "null_token":
                tensor.copy_(noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            if ".qkv." in name:
                tensor[: 2 * len(tensor) // 3] *= 0.02  # small queries and keys, so that their norms' eps shows
            tensor.copy_(tensor.half())
    return model.double().eval()


@torch.no_grad()
def make(out, options):
    for seed, (name, config) in enumerate(CONFIGS.items()):
        model = randomise(EaselDiT(**config), seed)
        generator = torch.Generator().manual_seed(100 + seed)
        classes, context = config["num_classes"], config["context_dim"]
        rows = len(ROWS)
        size = config["img_size"]
        inputs = {"latent": torch.randn(rows, config["in_channels"], size, size, generator=generator),
                  "time": torch.tensor([time for time, _, _ in ROWS]),
                  "label": torch.tensor([classes if label is None else min(label, classes)
                                         for _, label, _ in ROWS])}
        if context:
            has_text = torch.tensor([words is not None for _, _, words in ROWS])
            # Padding behind a prompt is not zero, as an encoder's is not.
            inputs["text"] = torch.randn(rows, TOKENS, context, generator=generator) * has_text[:, None, None]
            words = torch.tensor([words or 0 for _, _, words in ROWS])
            inputs["text_mask"] = torch.arange(TOKENS)[None] < words[:, None]
            inputs["pooled"] = torch.randn(rows, context, generator=generator) * has_text[:, None]
        prediction = model(**{k: v.double() if v.is_floating_point() and k != "time" else v
                              for k, v in inputs.items()})
        folder = out / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps({"_class_name": "EaselDiT", **config}, indent=2) + "\n")
        save_file({k: v.half().contiguous() for k, v in model.named_parameters()},
                  folder / "diffusion_pytorch_model.safetensors")
        save_file({**{k: v.contiguous() for k, v in inputs.items()}, "prediction": prediction.float()},
                  out / f"{name}.safetensors")
