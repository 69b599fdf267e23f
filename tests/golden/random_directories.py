#!/usr/bin/env python3
"""random_directories.py BUILD [--trials N] [--seed N] [--family F,F] [--keep DIR]

Model directories that nobody has seen: of every family of diffusers, with what its configs allow drawn at random, written by
save_pretrained (any dtype, variant, shards), served by easeld and asked for pictures that are drawn at random, too. Each is
compared with the pipeline's own in float32 for the same seed: at most 2 levels of 255 anywhere, 0.1 in the mean. A directory
that the server refuses is told with its reason; a reason is a finding unless it names what model/README.md lists as not served.

The same environment as make_goldens.py. --keep: the directories that differ or are refused stay there.
"""
import argparse
import collections
import io
import json
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "parts"))
sys.path.insert(0, str(HERE.parent / "bench"))
import numpy  # noqa: E402
import pipelines  # noqa: E402
import text  # noqa: E402
import torch  # noqa: E402
from PIL import Image  # noqa: E402
from pipeline import randomise  # noqa: E402


def pick(rng, **choices):
    """One of each; the string "unset" leaves the key out."""
    drawn = {key: rng.choice(values) for key, values in choices.items()}
    return {key: value for key, value in drawn.items() if value != "unset"}


# Components

def autoencoder(rng, seed, channels, blocks=None, **changes):
    from diffusers import AutoencoderKL
    blocks = blocks or rng.choice([1, 2, 3])
    groups = rng.choice([1, 2, 4])
    config = dict(
        block_out_channels=[4 * rng.choice([1, 2]) for _ in range(blocks)], layers_per_block=rng.choice([1, 2]), latent_channels=channels,
        norm_num_groups=groups, down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks,
        scaling_factor=rng.choice([0.18215, 0.7, 1.3]), sample_size=rng.choice([32, 1024]),
        **pick(rng, mid_block_add_attention=["unset", True, False], force_upcast=["unset", True, False], act_fn=["unset", "silu"]))
    return randomise(AutoencoderKL(**{**config, **changes}), seed, ["decoder.conv_out"])


def flow_autoencoder(rng, seed, channels):
    quant = rng.choice([True, False])
    return autoencoder(rng, seed, channels, shift_factor=rng.choice([0.0609, -0.1, 0.0]), use_quant_conv=quant, use_post_quant_conv=quant)


def t5(rng, seed, width):
    from transformers import T5Config, T5EncoderModel
    tokenizer = pipelines.t5_tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer) + rng.choice([0, 7]), d_model=width, d_kv=rng.choice([4, 6]), num_heads=rng.choice([1, 2, 3]),
        d_ff=rng.choice([16, 20]), num_layers=rng.choice([1, 2, 3]),
        **pick(rng, feed_forward_proj=["gated-gelu", "relu", "gated-gelu"], relative_attention_num_buckets=["unset", 32, 8],
               relative_attention_max_distance=["unset", 128, 20], layer_norm_epsilon=["unset", 1e-5]))
    return tokenizer, randomise(T5EncoderModel(config), seed)


def clip(rng, cls, seed, width):
    import transformers
    tokenizer = pipelines.clip_tokenizer(rng.choice(["vocab_and_merges", "tokenizer_json"]))
    projection = rng.choice([6, 8]) if "Projection" in cls else width
    changes = pick(rng, hidden_act=["quick_gelu", "gelu"], num_hidden_layers=[2, 3], num_attention_heads=[1, 2], layer_norm_eps=["unset", 1e-6],
                   eos_token_id=["unset", 2])
    return tokenizer, pipelines.clip_encoder(getattr(transformers, cls), tokenizer, width, seed, projection_dim=projection, **changes), projection


def beta_scheduler(rng, kinds, algorithms=("unset", "unset", "sde-dpmsolver++")):
    import diffusers
    betas = pick(rng, beta_schedule=["linear", "scaled_linear", "squaredcos_cap_v2"], beta_start=[0.0001, 0.00085], beta_end=[0.02, 0.012],
                 num_train_timesteps=[1000, 500], timestep_spacing=["unset", "leading", "linspace", "trailing"], steps_offset=["unset", 1],
                 prediction_type=["epsilon", "epsilon", "v_prediction"])
    kind = rng.choice(kinds)
    more = {"DDIM": dict(set_alpha_to_one=["unset", False], clip_sample=[False, "unset"]),
            "DPMSolverMultistep": dict(use_karras_sigmas=["unset", True], solver_type=["unset", "heun", "midpoint"],
                                       lower_order_final=["unset", False], euler_at_final=["unset", True], solver_order=[2, 2, 1, 3]),
            "EulerDiscrete": dict(use_karras_sigmas=["unset", True]),
            "HeunDiscrete": dict(use_karras_sigmas=["unset", True], clip_sample=["unset", True])}[kind]
    return getattr(diffusers, kind + "Scheduler")(**betas, **pick(rng, **more))


def flow_scheduler(rng, dynamic):
    from diffusers import FlowMatchEulerDiscreteScheduler
    config = pick(rng, shift=["unset", 1.0, 3.0, 1.15], num_train_timesteps=[1000, 1000, 500])
    if dynamic:
        config |= dict(use_dynamic_shifting=True) | pick(rng, base_shift=["unset", 0.4], max_shift=["unset", 1.3],
                                                         time_shift_type=["unset", "linear"], max_image_seq_len=["unset", 8192])
    return FlowMatchEulerDiscreteScheduler(**config)


# Families: what makes a pipeline, and what asks it

def dit(rng, seed):
    from diffusers import DiTPipeline, DiTTransformer2DModel
    channels = rng.choice([4, 4, 6])
    network = DiTTransformer2DModel(
        in_channels=channels, **pick(rng, num_attention_heads=[1, 2, 3], attention_head_dim=[8, 12, 16], num_layers=[1, 2, 3], sample_size=[6, 12],
                                     patch_size=[2, 2, 1, 3], num_embeds_ada_norm=[1000], out_channels=[channels, 2 * channels],
                                     norm_eps=["unset", 1e-6], attention_bias=["unset", True], activation_fn=["unset", "gelu-approximate"]))
    # DiTPipeline forgets the initial scale of the others' noise, and gives its scheduler no generator.
    return DiTPipeline(randomise(network, seed, ["proj_out_2"]), autoencoder(rng, seed + 1, channels),
                       beta_scheduler(rng, ["DDIM", "DPMSolverMultistep"], ["unset"]))


def ask_dit(rng, pipe):
    return dict(class_label=rng.choice([0, 1, 207, 999]), guidance_scale=rng.choice([1.0, 1.5, 4.0]))


def pixart(rng, seed):
    import diffusers
    name = rng.choice(["PixArtAlphaPipeline", "PixArtSigmaPipeline"])
    width, heads, head = rng.choice([8, 12]), rng.choice([1, 2, 3]), rng.choice([8, 12])
    size = rng.choice([32, 32, 64, 128])
    conditions = size == 128 and "Alpha" in name and heads * head % 3 == 0
    if size == 128 and "Alpha" in name and not conditions:
        size = 64
    network = diffusers.PixArtTransformer2DModel(
        num_attention_heads=heads, attention_head_dim=head, in_channels=4, num_layers=rng.choice([1, 2, 3]), sample_size=size,
        cross_attention_dim=heads * head, caption_channels=width, use_additional_conditions=conditions,
        **pick(rng, out_channels=[4, 8], patch_size=[2], interpolation_scale=["unset", None, 0.5, 1, 2], norm_eps=["unset", 1e-5]))
    tokenizer, encoder = t5(rng, seed, width)
    # Of a large factor: bins of hundreds of pixels are few latents.
    return getattr(diffusers, name)(tokenizer, encoder, autoencoder(rng, seed + 1, 4, {32: 4, 64: 5, 128: 6}[size]),
                                    randomise(network, seed + 2, ["proj_out"]),
                                    beta_scheduler(rng, ["DPMSolverMultistep", "DDIM", "EulerDiscrete", "HeunDiscrete"]))


def prompts(rng):
    words = " ".join(rng.choice(text.CORPUS).split()[:rng.randrange(1, 30)])
    return rng.choice([words, words + "!", words.upper(), words, pipelines.LONG, pipelines.MIXED, ""])


def ask_text(rng, pipe, factor, sizes):
    asked = dict(prompt=prompts(rng), guidance_scale=rng.choice([0.0, 1.0, 1.5, 3.5, 7.0]), height=factor * rng.choice(sizes), width=factor * rng.choice(sizes))
    if rng.random() < 0.5 and asked["guidance_scale"] > 1:
        asked["negative_prompt"] = prompts(rng)
    return asked


def ask_pixart(rng, pipe):
    return ask_text(rng, pipe, pipe.vae_scale_factor, [1, 2, 3, 4, 5] if pipe.vae_scale_factor >= 8 else [8])


def sd3(rng, seed):
    from diffusers import SD3Transformer2DModel, StableDiffusion3Pipeline
    channels = rng.choice([4, 16])
    clip_l, encoder_l, pooled_l = clip(rng, "CLIPTextModelWithProjection", seed, 8)
    clip_g, encoder_g, pooled_g = clip(rng, "CLIPTextModelWithProjection", seed + 1, 12)
    width = 8 + 12 + rng.choice([0, 4])
    tokenizer, encoder = t5(rng, seed + 2, width) if rng.random() < 0.6 else (None, None)
    layers, heads, head = rng.choice([1, 2, 3]), rng.choice([1, 2]), rng.choice([8, 12])
    network = SD3Transformer2DModel(
        sample_size=rng.choice([8, 12]), patch_size=2, in_channels=channels, out_channels=channels, num_layers=layers, attention_head_dim=head,
        num_attention_heads=heads, joint_attention_dim=width, caption_projection_dim=heads * head, pooled_projection_dim=pooled_l + pooled_g,
        pos_embed_max_size=rng.choice([12, 24]), qk_norm=rng.choice([None, "rms_norm"]),
        dual_attention_layers=tuple(sorted(rng.sample(range(layers), rng.randrange(layers + 1)))))
    return StableDiffusion3Pipeline(randomise(network, seed + 3, ["proj_out"]), flow_scheduler(rng, rng.random() < 0.2),
                                    flow_autoencoder(rng, seed + 4, channels), encoder_l, clip_l, encoder_g, clip_g, encoder, tokenizer)


def ask_sd3(rng, pipe):
    return ask_text(rng, pipe, 2 * pipe.vae_scale_factor, [2, 3, 4, 5])


def flux(rng, seed):
    from diffusers import FluxPipeline, FluxTransformer2DModel
    channels = rng.choice([4, 16])
    tokenizer_1, encoder_1, pooled = clip(rng, "CLIPTextModel", seed, 8)
    width = rng.choice([8, 12])
    tokenizer_2, encoder_2 = t5(rng, seed + 1, width)
    axes = rng.choice([(2, 4, 6), (4, 4, 4), (4, 6, 6)])
    network = FluxTransformer2DModel(
        in_channels=4 * channels, num_layers=rng.choice([1, 2]), num_single_layers=rng.choice([0, 1, 2]), attention_head_dim=sum(axes),
        num_attention_heads=rng.choice([1, 2]), joint_attention_dim=width, pooled_projection_dim=pooled, axes_dims_rope=axes,
        guidance_embeds=rng.choice([True, False]))
    return FluxPipeline(flow_scheduler(rng, rng.random() < 0.5), flow_autoencoder(rng, seed + 2, channels), encoder_1, tokenizer_1,
                        encoder_2, tokenizer_2, randomise(network, seed + 3, ["proj_out"]))


def ask_flux(rng, pipe):
    asked = ask_text(rng, pipe, 2 * pipe.vae_scale_factor, [2, 3, 5, 8])
    asked.pop("negative_prompt", None)
    if not pipe.transformer.config.guidance_embeds:
        asked["guidance_scale"] = 1.0  # any other changes nothing there, and is refused here
    if rng.random() < 0.3:
        asked |= dict(negative_prompt=prompts(rng), true_cfg_scale=2.0)
    return asked


FAMILIES = {"dit": (dit, ask_dit), "pixart": (pixart, ask_pixart), "sd3": (sd3, ask_sd3), "flux": (flux, ask_flux)}


# A trial

class Server:
    def __init__(self, build, directory):
        self.process = subprocess.Popen(
            [str(build / "server/easeld"), "--model", str(directory), "--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0", "--device", "cpu",
             "--dtype", "float32"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.address = line.split()[-1] if line.startswith("listening on ") else None
        self.reason = "" if self.address else self.process.stderr.read().strip()

    def close(self):
        self.process.terminate()
        self.process.wait(30)


def write(rng, pipe, directory):
    """As somebody would save it: a dtype, shards, a variant."""
    dtype = rng.choice([torch.float32, torch.float16, torch.bfloat16])
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.to(dtype)
    options = pick(rng, variant=["unset", "unset", "fp16"], max_shard_size=["unset", "20KB"])
    pipe.save_pretrained(directory, **options)
    if type(pipe).__name__ == "DiTPipeline":
        path = directory / "model_index.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "id2label": pipelines.LABELS}))
    return options


def load(directory, options):
    import diffusers
    index = json.loads((directory / "model_index.json").read_text())
    absent = {key: None for key, value in index.items() if value == [None, None]}
    variant = {"variant": options["variant"]} if "variant" in options else {}
    pipe = getattr(diffusers, index["_class_name"]).from_pretrained(directory, torch_dtype=torch.float32, **variant, **absent)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def served(build, server, asked, seed):
    names = {"class_label": "class-label", "num_inference_steps": "steps", "guidance_scale": "guidance-scale", "true_cfg_scale": "true-cfg-scale",
             "negative_prompt": "negative-prompt", "height": "height", "width": "width"}
    command = [str(build / "client/easel"), "generate", "--server", server.address, "-o", "-", "--format", "png", "--seed", str(seed),
               *(word for key, value in asked.items() if key in names for word in (f"--{names[key]}", str(value)))]
    if "prompt" in asked:
        command += ["--", asked["prompt"]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
    if done.returncode != 0:
        return None, done.stderr.decode().strip()
    return numpy.array(Image.open(io.BytesIO(done.stdout)).convert("RGB")), ""


def trial(build, family, seed, directory):
    """What was found: (verdict, words)."""
    rng = random.Random(seed)
    torch.manual_seed(seed)
    make, ask = FAMILIES[family]
    pipe = make(rng, seed)
    options = write(rng, pipe, directory)
    pipe = load(directory, options)
    server = Server(build, directory)
    if server.address is None:
        return "refused", server.reason.splitlines()[-1]
    try:
        for number in range(3):
            asked = dict(ask(rng, pipe), num_inference_steps=rng.randrange(1, 7))
            try:
                expected = pipelines.picture_of(pipe, seed + number, **asked).numpy()
            except Exception as error:  # diffusers cannot: whatever is served is right
                return "diffusers", f"{type(error).__name__}: {error} for {asked}"
            got, reason = served(build, server, asked, seed + number)
            if got is None:
                return "request refused", f"{reason} for {asked}"
            if got.shape != expected.shape:
                return "DIFFERENT", f"{got.shape} for {expected.shape}, {asked}"
            off = numpy.abs(got.astype(int) - expected.astype(int))
            if off.max() > 2 or off.mean() > 0.1:
                flat = ((expected == 0) | (expected == 255)).mean()
                return "DIFFERENT", f"by {off.max()} levels, {off.mean():.3f} in the mean ({flat:.2f} flat) for {asked}"
    finally:
        server.close()
    return "same", ""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1, help="of the first trial; the others follow")
    parser.add_argument("--family", type=lambda words: words.split(","), default=list(FAMILIES))
    parser.add_argument("--keep", type=pathlib.Path)
    options = parser.parse_args()
    import diffusers
    import transformers
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    counts = collections.Counter()
    for number in range(options.seed, options.seed + options.trials):
        family = options.family[number % len(options.family)]
        with tempfile.TemporaryDirectory() as place:
            directory = pathlib.Path(place) / "model"
            try:
                verdict, words = trial(options.build, family, number, directory)
            except Exception:
                verdict, words = "not made", traceback.format_exc().strip().splitlines()[-1]
            counts[verdict] += 1
            if verdict != "same":
                print(f"{number} {family}: {verdict}: {words}", flush=True)
                if options.keep and directory.exists():
                    shutil.copytree(directory, options.keep / str(number), dirs_exist_ok=True)
    print(", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items())))
    sys.exit(1 if counts["DIFFERENT"] else 0)


if __name__ == "__main__":
    main()
