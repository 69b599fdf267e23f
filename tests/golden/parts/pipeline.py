"""Whole model directories (EaselPipeline, the book's networks with small random weights) and the pictures that the book's
sampling loops make with them, noise from torch's CPU generator.

data/pipeline/<model>/            a model directory, tensors in float16
data/pipeline/cases.json          what was asked: the fields of GenerationSpec
data/pipeline/pictures.safetensors    by the case's name: (H, W, 3) uint8
"""
import json
import os
import sys

os.environ["TQDM_DISABLE"] = "1"  # the book's loops draw a bar
import torch  # noqa: E402
from safetensors.torch import save_file

TOKENS = 16  # of a prompt


def randomise(model, seed, last=()):
    """Random norms and biases, so that every tensor matters; all values such that float16 holds them. The modules named in
    `last` are made smaller, so that few pixels are cut off at black and white."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.dim() == 1 and name.endswith("weight"):
                p.copy_(1 + 0.2 * noise)
            elif p.dim() == 1:
                p.copy_(0.2 * noise)
            else:
                p.copy_(noise / p[0].numel() ** 0.5)
            if name.startswith(tuple(last)):
                p.mul_(0.5)
            p.copy_(p.half())
    return model.eval()


def write_json(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_component(directory, config, model, file="diffusion_pytorch_model.safetensors"):
    write_json(directory / "config.json", config)
    state = {k: v.half().contiguous() for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    save_file(state, directory / file)


def write_model(directory, components, networks, shift=None, prediction_type=None, **extra):
    """networks: component → (class name, config, model, weights file)."""
    index = {"_class_name": "EaselPipeline", "_diffusers_version": "0.42.0", **components, **extra}
    if shift is not None or prediction_type is not None:
        index["scheduler"] = ["diffusers", "FlowMatchEulerDiscreteScheduler"]
        scheduler = {"_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000}
        if shift is not None:
            scheduler["shift"] = shift
        if prediction_type is not None:
            scheduler["prediction_type"] = prediction_type
        write_json(directory / "scheduler" / "scheduler_config.json", scheduler)
    write_json(directory / "model_index.json", index)
    for component, (class_name, config, model) in networks.items():
        write_component(directory / component, {"_class_name": class_name, **config}, model)


def to_picture(pixels):
    """diffusers' VaeImageProcessor for one picture (3 or 1, H, W)."""
    rgb = (pixels.expand(3, -1, -1) / 2 + 0.5).clamp(0, 1).permute(1, 2, 0)
    return torch.from_numpy((rgb.numpy() * 255).round().astype("uint8")).contiguous()


class Pictures:
    def __init__(self):
        self.cases, self.pictures = [], {}

    def add(self, name, model, pixels, **spec):
        picture = to_picture(pixels)
        flat = ((picture == 0) | (picture == 255)).float().mean()
        assert flat < 0.7 and picture.float().std() > 10, f"{name}: {flat:.2f} saturated"
        self.cases.append({"name": name, "model": model, **spec})
        self.pictures[name] = picture


def guided_loop(predict, guidance, rescale, shape, steps, shift, seed, sampler="euler", kind="velocity"):
    """The book's loop with what it lacks: shift, Heun, rescale, epsilon. predict(x, t, conditional) → prediction."""
    from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import rescale_noise_cfg

    times = torch.linspace(1, 0, steps + 1)
    times = shift * times / (1 + (shift - 1) * times)

    def velocity(x, t):
        v = predict(x, t[None], True)
        if guidance != 1:
            cond, uncond = v, predict(x, t[None], False)
            v = rescale_noise_cfg(uncond + guidance * (cond - uncond), cond, rescale)
        if kind == "epsilon" and t < 1:
            v = (v - x) / (1 - t)
        return v

    x = torch.randn(1, *shape, generator=torch.Generator("cpu").manual_seed(seed))
    for t, t_next in zip(times[:-1], times[1:]):
        v = velocity(x, t)
        if sampler == "heun" and t_next > 0:
            v = (v + velocity(x - (t - t_next) * v, t_next)) / 2
        x = x - (t - t_next) * v
    return x


def make_pixels(out, pictures):
    """DiT, no autoencoder, grey; as velocity and, in a second directory, as epsilon."""
    from text_to_image.dit import DiT
    from text_to_image.sampling import sample

    config = dict(img_size=12, patch_size=4, in_channels=1, embed_dim=32, depth=2, num_heads=4, mlp_ratio=2.0)
    model = randomise(DiT(**config), 1, ["final_proj"])
    components = {"transformer": ["easel", "DiT"]}
    write_model(out / "pixels", components, {"transformer": ("DiT", config, model)}, default_num_inference_steps=7)
    torch.manual_seed(11)
    x = sample(model, 1, (1, 12, 12), num_steps=7)
    pictures.add("pixels_euler", "pixels", x[0], num_inference_steps=7, seed=11)

    predict = lambda x, t, conditional: model(x, t)  # noqa: E731
    x = guided_loop(predict, 1, 0, (1, 12, 12), 5, 1, 12, sampler="heun")
    pictures.add("pixels_heun", "pixels", x[0], num_inference_steps=5, seed=12, sampler="heun")

    write_model(out / "epsilon", components, {"transformer": ("DiT", config, model)}, prediction_type="epsilon")
    x = guided_loop(predict, 1, 0, (1, 12, 12), 2, 1, 13, kind="epsilon")
    pictures.add("pixels_epsilon", "epsilon", x[0], num_inference_steps=2, seed=13)


def make_classes(out, pictures):
    """ConditionalDiT on the latents of diffusers' AutoencoderKL, with a shift and names of classes."""
    from diffusers import AutoencoderKL
    from text_to_image.dit import ConditionalDiT
    from text_to_image.sampling import sample_latent_conditional

    kl = dict(block_out_channels=[8, 8], layers_per_block=1, latent_channels=4, norm_num_groups=4, scaling_factor=0.9,
              shift_factor=0.1, down_block_types=["DownEncoderBlock2D"] * 2, up_block_types=["UpDecoderBlock2D"] * 2)
    vae = randomise(AutoencoderKL(**kl), 2, ["decoder.conv_out"])

    class Decoder(torch.nn.Module):  # what the book's loop asks of an autoencoder
        def decode(self, z):
            return vae.decode(z / kl["scaling_factor"] + kl["shift_factor"]).sample

    config = dict(num_classes=3, img_size=8, patch_size=2, in_channels=4, embed_dim=32, depth=2, num_heads=4)
    model = randomise(ConditionalDiT(**config), 3, ["final_proj"])
    write_model(out / "classes", {"transformer": ["easel", "ConditionalDiT"], "vae": ["diffusers", "AutoencoderKL"]},
                {"transformer": ("ConditionalDiT", config, model), "vae": ("AutoencoderKL", kl, vae)}, shift=3.0,
                id2label={"0": "cat, tabby", "1": "dog", "2": "red fox"})
    shape = (4, 8, 8)
    for seed, label, scale in [(21, 2, 2.0), (22, 0, 1.0), (23, 1, 0.0)]:
        torch.manual_seed(seed)
        x = sample_latent_conditional(model, Decoder(), label, shape, num_steps=6, cfg_scale=scale, num_classes=3)
        pictures.add(f"class_{label}_scale_{scale:g}", "classes", x[0], class_label=label, num_inference_steps=6,
                     guidance_scale=scale, seed=seed, flow_shift=1.0)
    x = guided_loop(lambda x, t, c: model(x, t, torch.tensor([1 if c else 3])), 3.0, 0.7, shape, 5, 3.0, 24)
    pictures.add("class_shift_rescale", "classes", Decoder().decode(x)[0], class_label=1, num_inference_steps=5,
                 guidance_scale=3.0, guidance_rescale=0.7, seed=24)  # the shift is the model's own
    x = guided_loop(lambda x, t, c: model(x, t, torch.tensor([3])), 1, 0, shape, 5, 3.0, 25)
    pictures.add("class_none", "classes", Decoder().decode(x)[0], num_inference_steps=5, seed=25)


def byte_symbols():
    """GPT-2's printable stand-ins for the 256 bytes, in the order of CLIP's vocabulary."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [b for b in range(256) if b not in printable]
    return [chr(b) for b in printable] + [chr(256 + i) for i in range(len(rest))]


def write_tokenizer(directory):
    symbols = byte_symbols()
    merges = ["r e", "re d</w>", "c a", "ca t</w>", "a n", "an d</w>", "d o", "do g</w>", "b l"]
    vocab = symbols + [s + "</w>" for s in symbols] + [m.replace(" ", "") for m in merges]
    vocab += ["<|startoftext|>", "<|endoftext|>"]
    write_json(directory / "vocab.json", {t: i for i, t in enumerate(vocab)})
    (directory / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    write_json(directory / "tokenizer_config.json",
               {"tokenizer_class": "CLIPTokenizer", "model_max_length": TOKENS, "bos_token": "<|startoftext|>",
                "eos_token": "<|endoftext|>", "pad_token": "<|endoftext|>", "unk_token": "<|endoftext|>"})
    return len(vocab)


def make_text(out, pictures):
    """TextConditionalDiT with a CLIP text encoder on the latents of the book's SmallVAE."""
    from text_to_image.dit import TextConditionalDiT
    from text_to_image.sampling import sample_text_conditional
    from text_to_image.text_encoder import CLIPTextEncoder
    from text_to_image.vae import SmallVAE
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    directory = out / "text"
    vocab_size = write_tokenizer(directory / "tokenizer")
    clip_config = CLIPTextConfig(vocab_size=vocab_size, hidden_size=32, intermediate_size=64, num_hidden_layers=2,
                                 num_attention_heads=4, max_position_embeddings=TOKENS, projection_dim=32,
                                 bos_token_id=vocab_size - 2, eos_token_id=vocab_size - 1, pad_token_id=vocab_size - 1)
    clip = randomise(CLIPTextModel(clip_config), 4)
    config = dict(img_size=8, patch_size=2, in_channels=4, embed_dim=32, depth=2, num_heads=4, context_dim=32)
    model = randomise(TextConditionalDiT(**config), 5, ["final_proj"])
    vae_config = dict(latent_channels=4, hidden_channels=32)
    vae = randomise(SmallVAE(in_channels=3, **vae_config), 6)
    vae.scale_factor.fill_(1.25)
    write_model(directory,
                {"transformer": ["easel", "TextConditionalDiT"], "text_encoder": ["transformers", "CLIPTextModel"],
                 "tokenizer": ["transformers", "CLIPTokenizer"], "vae": ["easel", "SmallVAE"]},
                {"transformer": ("TextConditionalDiT", config, model), "vae": ("SmallVAE", vae_config, vae)},
                default_guidance_scale=4.0)
    write_component(directory / "text_encoder", {"architectures": ["CLIPTextModel"], **clip_config.to_diff_dict(),
                    "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}, clip, "model.safetensors")

    encoder = CLIPTextEncoder("", max_length=TOKENS)
    encoder._tokenizer = CLIPTokenizer.from_pretrained(directory / "tokenizer")
    encoder._encoder = clip
    shape = (4, 8, 8)
    for name, seed, prompt, scale in [("text_short", 31, "a red cat", 2.5), ("text_scale_1", 32, "Red CAT and dog!", 1.0),
                                      ("text_long", 33, "red cat and blue dog " * 5, 2.0)]:
        torch.manual_seed(seed)
        x = sample_text_conditional(model, encoder, prompt, shape, num_steps=6, cfg_scale=scale, device="cpu")
        pictures.add(name, "text", vae.decode(x)[0], prompt=prompt, num_inference_steps=6, guidance_scale=scale, seed=seed)

    (cond, cond_mask), (negative, negative_mask) = encoder(["cat"]), encoder(["a blue dog"])
    predict = lambda x, t, c: model(x, t, *((cond, cond_mask) if c else (negative, negative_mask)))  # noqa: E731
    x = guided_loop(predict, 3.0, 0, shape, 4, 1, 34, sampler="heun")
    pictures.add("text_negative_heun", "text", vae.decode(x)[0], prompt="cat", negative_prompt="a blue dog",
                 num_inference_steps=4, guidance_scale=3.0, seed=34, sampler="heun")
    null, null_mask = encoder([""])
    x = guided_loop(lambda x, t, c: model(x, t, null, null_mask), 1, 0, shape, 5, 1, 35)
    pictures.add("text_none", "text", vae.decode(x)[0], num_inference_steps=5, seed=35)


@torch.no_grad()
def make(out, options):
    if not options.book:
        print("skipped, needs the book's (--book) ", end="")
        return
    sys.path.insert(0, options.book)
    pictures = Pictures()
    make_pixels(out, pictures)
    make_classes(out, pictures)
    make_text(out, pictures)
    write_json(out / "cases.json", {"cases": pictures.cases})
    save_file(pictures.pictures, out / "pictures.safetensors")
