"""Tiny random DiT and PixArt networks, and what diffusers makes of their files, in float64.

data/diffusion_transformers/<name>/    config.json, diffusion_pytorch_model.safetensors (float16)
data/diffusion_transformers/<name>.safetensors    latent, time, prediction (without the learned variance), and label, or
                                                  text and text_mask

The configs are written by hand, so that they may lack keys and bear the older class name, as published ones do; diffusers
then reads them.
"""
import json

import diffusers
import torch
from safetensors.torch import save_file

DIT = dict(norm_type="ada_norm_zero", num_layers=2, num_embeds_ada_norm=5)
PIXART = dict(norm_type="ada_norm_single", num_layers=2, caption_channels=20)
# name: (latent height and width, config).
CASES = {
    # norm_eps so large that it shows which norms it belongs to.
    "dit": ((6, 6), dict(_class_name="DiTTransformer2DModel", num_attention_heads=2, attention_head_dim=8, in_channels=3,
                         out_channels=6, sample_size=6, patch_size=2, activation_fn="gelu-approximate", norm_eps=0.05, **DIT)),
    # No learned variance, the exact GELU, an older class, and another size than the network was made for.
    "dit_old_class": ((4, 4), dict(_class_name="Transformer2DModel", num_attention_heads=3, attention_head_dim=4, in_channels=2,
                                   out_channels=None, sample_size=6, patch_size=1, activation_fn="gelu", attention_bias=True,
                                   cross_attention_dim=None, dropout=0.0, norm_elementwise_affine=False, norm_num_groups=32,
                                   num_vector_embeds=None, only_cross_attention=False, upcast_attention=False,
                                   use_linear_projection=False, **DIT)),
    # Hidden states so small that the usual eps show (see `faint`): norm_eps is absent.
    "dit_faint": ((2, 2), dict(_class_name="DiTTransformer2DModel", num_attention_heads=2, attention_head_dim=8, in_channels=3,
                               out_channels=6, sample_size=2, patch_size=2, **DIT)),
    "pixart": ((8, 12), dict(_class_name="PixArtTransformer2DModel", num_attention_heads=2, attention_head_dim=8, in_channels=3,
                             out_channels=6, sample_size=8, patch_size=2, cross_attention_dim=16, norm_eps=0.05,
                             interpolation_scale=0.5, **PIXART)),
    # The picture's size and shape as conditions, for sample_size is 128; interpolation_scale is null. A tensor left over.
    "pixart_old_class": ((10, 4), dict(_class_name="Transformer2DModel", num_attention_heads=2, attention_head_dim=12,
                                       in_channels=4, sample_size=128, patch_size=2, cross_attention_dim=24,
                                       activation_fn="gelu", attention_bias=True, attention_type="default", dropout=0.0,
                                       double_self_attention=False, interpolation_scale=None, norm_elementwise_affine=False,
                                       num_embeds_ada_norm=1000, num_vector_embeds=None, only_cross_attention=False,
                                       upcast_attention=False, use_additional_conditions=None, use_linear_projection=False,
                                       **PIXART)),
    "pixart_faint": ((2, 2), dict(_class_name="PixArtTransformer2DModel", num_attention_heads=2, attention_head_dim=8,
                                  in_channels=3, out_channels=None, sample_size=2, patch_size=2, cross_attention_dim=16, **PIXART)),
}
TOKENS = 7
# A row is (time, class, words); class 5 is the null class.
ROWS = [(999, 5, 7), (500, 0, 2), (37, 3, 1), (0, 4, 5)]


CLASSES = {"ada_norm_zero": diffusers.DiTTransformer2DModel, "ada_norm_single": diffusers.PixArtTransformer2DModel}


def random_weights(network, seed, faint):
    """No tensor is neutral, so that each matters; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, tensor in network.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        if tensor.dim() == 1:
            weights[name] = 0.3 * noise
        elif name.endswith(("scale_shift_table", "embedding_table.weight")):
            weights[name] = 0.5 * noise
        else:
            weights[name] = noise / tensor[0].numel() ** 0.5
        if faint and name.startswith("pos_embed.proj."):
            weights[name] *= 0.03
        if faint and (".to_out." in name or ".ff.net.2." in name):
            weights[name] *= 0.1
    if faint:  # the one patch's bias undoes its position
        weights["pos_embed.proj.bias"] -= network.pos_embed.pos_embed.flatten()
    return {name: tensor.half() for name, tensor in weights.items()}


def rows(config, height, width, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs = {"latent": torch.randn(len(ROWS), config["in_channels"], height, width, generator=generator),
              "time": torch.tensor([float(time) for time, _, _ in ROWS])}
    if "caption_channels" in config:
        # Padding behind a prompt is not zero, as an encoder's is not.
        inputs["text"] = torch.randn(len(ROWS), TOKENS, config["caption_channels"], generator=generator)
        inputs["text_mask"] = torch.arange(TOKENS)[None] < torch.tensor([words for _, _, words in ROWS])[:, None]
    else:
        inputs["label"] = torch.tensor([label for _, label, _ in ROWS])
    return inputs


def predict(network, inputs):
    latent = inputs["latent"].double()
    count, channels, height, width = latent.shape
    arguments = dict(timestep=inputs["time"].long())
    if "text" in inputs:
        arguments.update(encoder_hidden_states=inputs["text"].double(), encoder_attention_mask=inputs["text_mask"].long())
        added = dict(resolution=None, aspect_ratio=None)
        if network.use_additional_conditions:
            added = dict(resolution=torch.tensor([[8.0 * height, 8.0 * width]]).repeat(count, 1),
                         aspect_ratio=torch.tensor([[height / width]]).repeat(count, 1))
        arguments["added_cond_kwargs"] = added
    else:
        arguments["class_labels"] = inputs["label"]
    return network(latent, **arguments).sample[:, :channels].float()


@torch.no_grad()
def make(out, options):
    diffusers.utils.logging.set_verbosity_error()  # the older class, and the keys and the tensor that the newer one ignores
    for seed, (name, ((height, width), config)) in enumerate(CASES.items()):
        expected_class = CLASSES[config["norm_type"]]
        weights = random_weights(expected_class.from_config(config), seed, faint=name.endswith("_faint"))
        if name == "pixart_old_class":
            weights["caption_projection.y_embedding"] = torch.ones(TOKENS, config["caption_channels"]).half()
        folder = out / name
        folder.mkdir(exist_ok=True)
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
        save_file(weights, folder / "diffusion_pytorch_model.safetensors")

        network = getattr(diffusers, config["_class_name"]).from_pretrained(folder, low_cpu_mem_usage=False)
        assert type(network) is expected_class
        inputs = rows(config, height, width, 100 + seed)
        prediction = predict(network.double().eval(), inputs)
        assert prediction.shape == inputs["latent"].shape
        save_file({**inputs, "prediction": prediction.contiguous()}, out / f"{name}.safetensors")
