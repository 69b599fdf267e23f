"""Tiny random networks of Stable Diffusion 3 and FLUX.1 (diffusers' SD3Transformer2DModel, FluxTransformer2DModel), and what
they predict.

data/joint_transformers/<name>/    config.json, diffusion_pytorch_model.safetensors (float16)
data/joint_transformers/<name>.safetensors    time, text, pooled, perhaps guidance; by size: latent_HxW, prediction_HxW, and of
the first size bfloat16_HxW, the prediction with all of the network in bfloat16
"""
import json

import torch
from safetensors.torch import save_file

SD3 = dict(attention_head_dim=8, num_attention_heads=2, caption_projection_dim=16, joint_attention_dim=20,
           pooled_projection_dim=12)
FLUX = dict(in_channels=16, num_layers=2, num_single_layers=2, attention_head_dim=12, num_attention_heads=2,
            joint_attention_dim=20, pooled_projection_dim=10, axes_dims_rope=(2, 4, 6))
# name: config, latent sizes. Positions are cut out of the middle, of odd rests and even ones.
SD3_CASES = {
    "sd3": (dict(num_layers=3, in_channels=4, out_channels=4, sample_size=8, pos_embed_max_size=7, **SD3),
            [(8, 8), (4, 10), (14, 2)]),
    "sd3_qk_norm": (dict(num_layers=2, in_channels=5, out_channels=None, sample_size=8, pos_embed_max_size=6, patch_size=1,
                         qk_norm="rms_norm", **SD3), [(6, 6), (5, 2)]),
    # The last block, where the text ends, is one of the dual ones.
    "sd3_dual": (dict(num_layers=3, in_channels=3, out_channels=3, sample_size=12, pos_embed_max_size=5, patch_size=3,
                      qk_norm="rms_norm", dual_attention_layers=(0, 2), **SD3), [(12, 12), (6, 15)]),
    "sd3_dual_no_qk_norm": (dict(num_layers=2, in_channels=4, out_channels=4, sample_size=8, pos_embed_max_size=4,
                                 dual_attention_layers=(0,), **SD3), [(6, 8)]),
}
FLUX_CASES = {
    "flux_schnell": (dict(guidance_embeds=False, **FLUX), [(8, 8), (4, 14)]),
    "flux_dev": (dict(guidance_embeds=True, **FLUX), [(6, 6), (12, 2)]),
}
TIMES = [1.0, 0.92334, 0.43223, 0.008929, 0.0]
GUIDANCE = [3.5, 1.0, 0.0, 30.0, 7.25]
TOKENS = 7


def randomise(model, seed):
    """No tensor is neutral, so that each matters; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in model.state_dict().items():
            noise = torch.randn(tensor.shape, generator=generator)
            if "norm_" in name and name.endswith(("q.weight", "k.weight")):
                tensor.copy_(1 + 0.3 * noise)
            elif tensor.dim() == 1:
                tensor.copy_(0.3 * noise)
            elif name == "pos_embed.pos_embed":
                tensor.copy_(0.3 * noise)
            else:
                tensor.copy_(noise / tensor[0].numel() ** 0.5)
            if "embedder" in name and "time_text" not in name or "pos_embed" in name:
                tensor.mul_(0.1)  # a small residual stream, so that the norms' eps shows
            if any(part in name for part in ("to_q", "to_k", "add_q", "add_k")) and getattr(model.config, "qk_norm", 1):
                tensor.mul_(0.02)  # small queries and keys, so that their norms' eps shows
            tensor.copy_(tensor.half())
    return model.double().eval()


def pack(latent):
    from diffusers import FluxPipeline
    rows, channels, height, width = latent.shape
    return (FluxPipeline._pack_latents(latent, rows, channels, height, width),
            FluxPipeline._prepare_latent_image_ids(rows, height // 2, width // 2, "cpu", torch.float32))


def predict_sd3(model, latent, time, text, pooled, guidance):
    return model(latent.to(model.dtype), text.to(model.dtype), pooled.to(model.dtype), time, return_dict=False)[0]


def predict_flux(model, latent, time, text, pooled, guidance):
    from diffusers import FluxPipeline

    def rounded(t):  # the network multiplies by 1000 in its dtype; in float64 as in float32, which rounds
        return t if t is None or model.dtype != torch.float64 else (t * 1000).double() / 1000

    tokens, image_ids = pack(latent.to(model.dtype))
    result = model(tokens, text.to(model.dtype), pooled.to(model.dtype), rounded(time), image_ids, torch.zeros(TOKENS, 3),
                   rounded(guidance), return_dict=False)[0]
    return FluxPipeline._unpack_latents(result, latent.shape[2] * 8, latent.shape[3] * 8, 8)


@torch.no_grad()
def make_case(out, seed, name, model, channels, sizes, time, guidance, predict):
    randomise(model, seed)
    generator = torch.Generator().manual_seed(100 + seed)
    rows = len(TIMES)
    tensors = {"time": time, "text": torch.randn(rows, TOKENS, model.config.joint_attention_dim, generator=generator),
               "pooled": torch.randn(rows, model.config.pooled_projection_dim, generator=generator)}
    conditions = (tensors["time"], tensors["text"], tensors["pooled"], guidance)
    if guidance is not None:
        tensors["guidance"] = guidance
    for height, width in sizes:
        latent = torch.randn(rows, channels, height, width, generator=generator)
        tensors[f"latent_{height}x{width}"] = latent
        tensors[f"prediction_{height}x{width}"] = predict(model, latent, *conditions).float()
    height, width = sizes[0]
    state = {k: v.half().contiguous() for k, v in model.state_dict().items()}
    tensors[f"bfloat16_{height}x{width}"] = predict(model.bfloat16(), tensors[f"latent_{height}x{width}"], *conditions)
    (out / name).mkdir(exist_ok=True)
    config = {"_class_name": type(model).__name__, **{k: v for k, v in model.config.items() if not k.startswith("_")}}
    (out / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file(state, out / name / "diffusion_pytorch_model.safetensors")
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / f"{name}.safetensors")


def make(out, options):
    from diffusers import FluxTransformer2DModel, SD3Transformer2DModel
    for seed, (name, (config, sizes)) in enumerate(SD3_CASES.items()):
        make_case(out, seed, name, SD3Transformer2DModel(**config), config["in_channels"], sizes,
                  torch.tensor(TIMES) * 1000, None, predict_sd3)
    for seed, (name, (config, sizes)) in enumerate(FLUX_CASES.items(), 10):
        make_case(out, seed, name, FluxTransformer2DModel(**config), config["in_channels"] // 4, sizes, torch.tensor(TIMES),
                  torch.tensor(GUIDANCE) if config["guidance_embeds"] else None, predict_flux)
