"""AutoencoderKL with the configs of the families that use it, at tiny widths, and what diffusers makes of pictures whole and in tiles.

data/autoencoder_families/<name>/    config.json, diffusion_pytorch_model.safetensors (float16)
data/autoencoder_families/<name>.safetensors
    pixels, latent (their mean, as the pipelines scale it), decoded (that latent's pixels)
    tiled_latent, tiled_decoded (after enable_tiling()), tiled_moments (of tiled_decoded, after enable_tiling())
"""
import torch
from autoencoder import randomise, save

LEVELS = 4
COMMON = dict(down_block_types=("DownEncoderBlock2D",) * LEVELS, up_block_types=("UpDecoderBlock2D",) * LEVELS, act_fn="silu")
# The keys that published configs have; sample_size is of the smallest tiles that four levels allow, or twice that.
FAMILIES = {
    # stable-diffusion-v1-5/vae, stabilityai/sd-vae-ft-ema (DiT, PixArt-alpha): no force_upcast, shift or use_quant_conv keys.
    "sd": (dict(block_out_channels=(4, 8, 8, 8), layers_per_block=2, latent_channels=4, norm_num_groups=4, sample_size=32,
                scaling_factor=0.18215), ["shift_factor", "latents_mean", "latents_std", "force_upcast", "use_quant_conv",
                                          "use_post_quant_conv", "mid_block_add_attention"], (7, 11)),
    "sd3": (dict(block_out_channels=(4, 4, 8, 8), layers_per_block=2, latent_channels=16, norm_num_groups=2, sample_size=32,
                 scaling_factor=1.5305, shift_factor=0.0609, force_upcast=True, use_quant_conv=False,
                 use_post_quant_conv=False), [], (4, 9)),  # one row of tiles
    "flux": (dict(block_out_channels=(4, 8, 8, 4), layers_per_block=2, latent_channels=16, norm_num_groups=4, sample_size=64,
                  scaling_factor=0.3611, shift_factor=0.1159, force_upcast=True, use_quant_conv=False,
                  use_post_quant_conv=False), [], (13, 8)),  # one column; the last tile lies within the one before
    "no_attention": (dict(block_out_channels=(4, 4, 4, 8), layers_per_block=1, latent_channels=4, norm_num_groups=1,
                          sample_size=32, scaling_factor=0.13025, force_upcast=False, mid_block_add_attention=False), [], (5, 6)),
}


@torch.no_grad()
def make(out, options):
    from diffusers import AutoencoderKL

    for seed, (name, (changes, absent, tiled_size)) in enumerate(FAMILIES.items()):
        model = randomise(AutoencoderKL(**COMMON, **changes), 20 + seed)
        generator = torch.Generator().manual_seed(200 + seed)
        shift, scale = model.config.shift_factor or 0.0, model.config.scaling_factor
        pixels = torch.rand(1, 3, 24, 40, generator=generator) * 2 - 1
        latent = ((model.encode(pixels.double()).latent_dist.mean - shift) * scale).float()
        decoded = model.decode(latent.double() / scale + shift).sample
        tiled_latent = torch.randn(1, changes["latent_channels"], *tiled_size, generator=generator) * scale
        model.enable_tiling()
        tiled_decoded = model.decode(tiled_latent.double() / scale + shift).sample.float()
        tiled_moments = model.encode(tiled_decoded.double()).latent_dist.parameters
        model.disable_tiling()
        whole = model.decode(tiled_latent.double() / scale + shift).sample
        assert (whole - tiled_decoded).abs().max() > 1e-3 * whole.abs().max()  # tiles make a difference
        config = {"_class_name": "AutoencoderKL", "_diffusers_version": "0.42.0",
                  **{k: v for k, v in model.config.items() if not k.startswith("_") and k not in absent}}
        save(out, name, config, model.state_dict(),
             {"pixels": pixels, "latent": latent, "decoded": decoded, "tiled_latent": tiled_latent,
              "tiled_decoded": tiled_decoded, "tiled_moments": tiled_moments})
