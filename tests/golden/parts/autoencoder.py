"""Tiny autoencoders with random weights, their mean latents and their pictures: diffusers' AutoencoderKL, the book's two.

data/autoencoder/<name>/    config.json, diffusion_pytorch_model.safetensors (float16, so that a file is half as large)
data/autoencoder/<name>.safetensors    pixels, latent (their scaled mean), decoded (that latent's pixels)
"""
import json
import sys

import torch
from safetensors.torch import save_file

# Between them: one and two resnets a level, with and without attention, each quant convolution, shift, both spellings of the
# attention's tensors.
KL = {
    "kl_old_names": dict(block_out_channels=(4, 8), layers_per_block=1, latent_channels=4, scaling_factor=0.18215),
    "kl_shift": dict(block_out_channels=(4, 8, 8), layers_per_block=2, latent_channels=16, scaling_factor=1.5305,
                     shift_factor=0.0609, use_quant_conv=False, use_post_quant_conv=False),
    "kl_no_attention": dict(block_out_channels=(8, 4), layers_per_block=2, latent_channels=3, scaling_factor=0.5,
                            mid_block_add_attention=False, use_post_quant_conv=False),
}
OLD_NAMES = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}


def randomise(model, seed):
    """Random norms and biases, so that every tensor matters; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1 and name.endswith("weight"):
                p.copy_(1 + 0.3 * noise)
            elif p.dim() == 1:
                p.copy_(0.3 * noise)
            else:
                p.copy_(noise * (1.3 / p[0].numel() ** 0.5))
            if any(part in name for part in ("conv_in", "conv2", "conv_shortcut", "to_out")):
                p.mul_(0.2)  # a small residual stream, so that the norms' eps shows
            p.copy_(p.half())
    return model.double().eval()


def save(out, name, config, state, tensors):
    (out / name).mkdir(exist_ok=True)
    (out / name / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    save_file({k: v.half().contiguous() for k, v in state.items()}, out / name / "diffusion_pytorch_model.safetensors")
    save_file({k: v.float().contiguous() for k, v in tensors.items()}, out / f"{name}.safetensors")


@torch.no_grad()
def make_kl(out):
    from diffusers import AutoencoderKL

    for seed, (name, changes) in enumerate(KL.items()):
        levels = len(changes["block_out_channels"])
        model = AutoencoderKL(norm_num_groups=2, down_block_types=("DownEncoderBlock2D",) * levels,
                              up_block_types=("UpDecoderBlock2D",) * levels, **changes)
        randomise(model, seed)
        pixels = torch.rand(2, 3, 8, 16, generator=torch.Generator().manual_seed(100 + seed)) * 2 - 1
        shift = model.config.shift_factor or 0.0
        latent = (model.encode(pixels.double()).latent_dist.mean - shift) * model.config.scaling_factor
        latent = latent.float()
        decoded = model.decode(latent.double() / model.config.scaling_factor + shift).sample
        state = model.state_dict()
        if name == "kl_old_names":
            for new, old in OLD_NAMES.items():
                state = {k.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): v for k, v in state.items()}
        config = {"_class_name": "AutoencoderKL", **{k: v for k, v in model.config.items() if not k.startswith("_")}}
        save(out, name, config, state, {"pixels": pixels, "latent": latent, "decoded": decoded})


@torch.no_grad()
def make_book(out, book):
    sys.path.insert(0, book)
    from text_to_image.vae import VAE, SmallVAE

    # 64 channels, then 32: the smallest with a shortcut. Attention at the last level only, by its nominal resolution.
    vae = dict(in_channels=3, latent_channels=4, base_channels=32, channel_multipliers=(2, 1), num_res_blocks=1,
               attention_resolutions=(32,))
    small = dict(in_channels=3, latent_channels=3, hidden_channels=32)
    for seed, (name, kind, config) in enumerate([("book_vae", VAE, vae), ("book_small_vae", SmallVAE, small)]):
        model = randomise(kind(**config), 10 + seed)
        model.scale_factor.fill_(1.75)
        pixels = torch.rand(2, 3, 8, 16, generator=torch.Generator().manual_seed(110 + seed)) * 2 - 1
        latent = model.encode(pixels.double(), sample=False).float()
        decoded = model.decode(latent.double())
        save(out, name, {"_class_name": kind.__name__, **config}, model.state_dict(),
             {"pixels": pixels, "latent": latent, "decoded": decoded})


def make(out, options):
    make_kl(out)
    if options.book:
        make_book(out, options.book)
    else:
        print("without the book's (--book) ", end="")
