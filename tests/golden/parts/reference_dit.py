"""Tiny random networks of the book, DiT, ConditionalDiT and TextConditionalDiT, and what they predict.

data/reference_dit/<name>/    config.json, diffusion_pytorch_model.safetensors (float16)
data/reference_dit/<name>.safetensors    latent, time, prediction, and label or text, mask and prediction_without_mask
"""
import json
import sys

import torch
from safetensors.torch import save_file

# embed_dim · mlp_ratio is 55.2: the book cuts the fraction off.
SHAPE = dict(img_size=6, patch_size=2, embed_dim=24, depth=2, num_heads=3, mlp_ratio=2.3)
CONFIGS = {
    "DiT": dict(in_channels=1, **SHAPE),
    "ConditionalDiT": dict(num_classes=5, in_channels=3, **SHAPE),
    "TextConditionalDiT": dict(in_channels=4, context_dim=20, **SHAPE),
}


def randomise(model, seed):
    """Random norms, biases, positions and last layer, so that every tensor matters; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator)
            if name == "final_norm.weight":
                tensor.copy_(1 + 0.3 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(0.3 * noise)
            elif "class_embed" in name:
                tensor.copy_(noise)
            elif "pos_embed" in name:
                tensor.copy_(0.1 * noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            if any(part in name for part in ("patch_embed", "out_proj", "mlp.3")):
                tensor.mul_(0.1)  # a small residual stream, so that the norms' eps shows
            tensor.copy_(tensor.half())
    return model.double().eval()


@torch.no_grad()
def make(out, options):
    if not options.book:
        print("needs the book's package (--book), skipped; ", end="")
        return
    sys.path.insert(0, options.book)
    from text_to_image import dit

    for seed, (name, config) in enumerate(CONFIGS.items()):
        model = randomise(getattr(dit, name)(**config), seed)
        generator = torch.Generator().manual_seed(100 + seed)
        inputs = {"latent": torch.randn(4, config["in_channels"], 6, 6, generator=generator),
                  "time": torch.tensor([0.0, 0.371, 0.92, 1.0])}
        condition = []
        if name == "ConditionalDiT":
            inputs["label"] = torch.tensor([0, 3, 5, 4])  # 5: the null class
            condition = [inputs["label"]]
        if name == "TextConditionalDiT":
            inputs["text"] = torch.randn(4, 7, config["context_dim"], generator=generator)
            inputs["mask"] = torch.arange(7)[None, :] < torch.tensor([7, 4, 1, 2])[:, None]
            condition = [inputs["text"].double(), inputs["mask"]]
        arguments = [inputs["latent"].double(), inputs["time"].double()]
        outputs = {"prediction": model(*arguments, *condition).float()}
        if name == "TextConditionalDiT":
            outputs["prediction_without_mask"] = model(*arguments, condition[0]).float()
        (out / name).mkdir(exist_ok=True)
        (out / name / "config.json").write_text(json.dumps({"_class_name": name, **config}, indent=2) + "\n")
        save_file({k: v.half().contiguous() for k, v in model.state_dict().items()},
                  out / name / "diffusion_pytorch_model.safetensors")
        save_file({k: v.contiguous() for k, v in {**inputs, **outputs}.items()}, out / f"{name}.safetensors")
