"""Whole model directories of diffusers' families, written by its own save_pretrained with small random weights, and what its
own pipelines make of them in float32, noise from torch's CPU generator.

data/pipelines/<model>/            a model directory, tensors in float16
data/pipelines/cases.json          cases: what was asked of which model, in the fields of GenerationSpec; use_resolution_binning
                                   where it is off. prompts: what encode_prompt was asked, and how many tokens the tokenizer
                                   cuts, the most of any
data/pipelines/pictures.safetensors    by the case's name: (H, W, 3) uint8
data/pipelines/captions.safetensors    what Python's lower and strip make of each code point: starts, kinds: where runs begin of
                                       those that are cased (0), ignored between letters (1), neither (2), not assigned (3);
                                       hashes: of every HASHED code points, lower-cased and stripped one by one
data/pipelines/prompts.safetensors     by the prompt's name: NAME.text, NAME.mask (PixArt), NAME.pooled (SD3, FLUX)
"""
import io
import json
import os
import pathlib
import shutil
import tempfile
import unicodedata

os.environ["TQDM_DISABLE"] = "1"
import torch  # noqa: E402
from safetensors.torch import save_file

import text
from pipeline import randomise, write_json

CLIP_TOKENS = 24
HASHED = 4096
DDPM = dict(beta_schedule="linear", beta_start=0.0001, beta_end=0.02, num_train_timesteps=1000)
LABELS = {"0": "tench, Tinca tinca", "1": "goldfish, Carassius auratus", "207": "golden retriever", "999": "toilet tissue, bathroom tissue"}

APPLE = "a red apple on a wooden table"
CAT = "Grinning CAT, in the style of an oil painting!"
MIXED = "\u00a0 ÖL ! <|endoftext|> </s> Straße ΟΔΟΣ ΣΟΦΙΑΣ; İstanbul fox\t\n"
LONG = "the quick brown fox jumps over the lazy dog; " * 60
PROMPTS = {"empty": "", "apple": APPLE, "mixed": MIXED, "long": LONG, "negative": "the blue car"}


# Tokenizers and text encoders

def t5_tokenizer():
    """A vocabulary that knows upper case and no charsmap."""
    import sentencepiece
    from transformers import T5Tokenizer

    model = io.BytesIO()
    lines = [line for line in text.CORPUS for _ in range(20)]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_writer=model, vocab_size=240, hard_vocab_limit=False, model_type="unigram", pad_id=0,
        eos_id=1, unk_id=2, bos_id=-1, num_threads=1, minloglevel=2, normalization_rule_name="identity")
    with tempfile.TemporaryDirectory() as directory:
        (pathlib.Path(directory) / "spiece.model").write_bytes(model.getvalue())
        return T5Tokenizer.from_pretrained(directory)


def t5_encoder(tokenizer, width, seed):
    from transformers import T5Config, T5EncoderModel
    config = T5Config(vocab_size=len(tokenizer) + 5, d_model=width, d_kv=4, num_heads=3, d_ff=20, num_layers=2,
                      feed_forward_proj="gated-gelu")
    return randomise(T5EncoderModel(config), seed)


def clip_tokenizer(name):
    from transformers import CLIPTokenizer
    return CLIPTokenizer.from_pretrained(pathlib.Path(text.__file__).parent.parent / "data" / "text" / name,
                                         model_max_length=CLIP_TOKENS)


def clip_encoder(cls, tokenizer, width, seed, **changes):
    from transformers import CLIPTextConfig
    config = dict(
        vocab_size=len(tokenizer), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=CLIP_TOKENS, projection_dim=width, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)
    return randomise(cls(CLIPTextConfig(**{**config, **changes})), seed)


def autoencoder(blocks, seed, **changes):
    from diffusers import AutoencoderKL
    config = dict(block_out_channels=[4] * (blocks - 1) + [8], layers_per_block=1, latent_channels=4, norm_num_groups=4,
                  down_block_types=["DownEncoderBlock2D"] * blocks, up_block_types=["UpDecoderBlock2D"] * blocks, **changes)
    return randomise(AutoencoderKL(**config), seed, ["decoder.conv_out"])


# Model directories

def dit():
    from diffusers import DDIMScheduler, DiTPipeline, DiTTransformer2DModel
    network = DiTTransformer2DModel(num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2,
                                    sample_size=8, patch_size=2, num_embeds_ada_norm=1000)
    return DiTPipeline(randomise(network, 1, ["proj_out_2"]), autoencoder(2, 2, scaling_factor=0.9),
                       DDIMScheduler(clip_sample=False, **DDPM))


def pixart(name, seed, blocks, **changes):
    import diffusers
    tokenizer = t5_tokenizer()
    network = diffusers.PixArtTransformer2DModel(
        **{**dict(num_attention_heads=2, attention_head_dim=8, in_channels=4, out_channels=8, num_layers=2, sample_size=32,
                  patch_size=2, cross_attention_dim=16, caption_channels=12, use_additional_conditions=False), **changes})
    return getattr(diffusers, name)(
        tokenizer, t5_encoder(tokenizer, 12, seed), autoencoder(blocks, seed + 1, scaling_factor=0.8),
        randomise(network, seed + 2, ["proj_out"]), diffusers.DPMSolverMultistepScheduler(**DDPM))


def sd3(with_t5, seed):
    from diffusers import FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel, StableDiffusion3Pipeline
    from transformers import CLIPTextModelWithProjection
    clip_l, clip_g = clip_tokenizer("vocab_and_merges"), clip_tokenizer("tokenizer_json")
    t5 = t5_tokenizer() if with_t5 else None
    network = SD3Transformer2DModel(
        sample_size=8, patch_size=2, in_channels=4, out_channels=4, num_layers=2, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=24, caption_projection_dim=16, pooled_projection_dim=8 + 10, pos_embed_max_size=12,
        **(dict(qk_norm="rms_norm", dual_attention_layers=(0,)) if not with_t5 else {}))
    return StableDiffusion3Pipeline(
        randomise(network, seed, ["proj_out"]), FlowMatchEulerDiscreteScheduler(shift=3.0),
        autoencoder(3, seed + 1, scaling_factor=1.1, shift_factor=0.1, use_quant_conv=False, use_post_quant_conv=False),
        clip_encoder(CLIPTextModelWithProjection, clip_l, 8, seed + 2), clip_l,
        clip_encoder(CLIPTextModelWithProjection, clip_g, 12, seed + 3, hidden_act="gelu", projection_dim=10), clip_g,
        t5_encoder(t5, 24, seed + 4) if with_t5 else None, t5)


def flux(guidance_embeds, seed):
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel
    from transformers import CLIPTextModel
    clip, t5 = clip_tokenizer("vocab_and_merges"), t5_tokenizer()
    network = FluxTransformer2DModel(
        in_channels=16, num_layers=1, num_single_layers=2, attention_head_dim=12, num_attention_heads=2, joint_attention_dim=12,
        pooled_projection_dim=8, axes_dims_rope=(2, 4, 6), guidance_embeds=guidance_embeds)
    scheduler = FlowMatchEulerDiscreteScheduler(shift=3.0, use_dynamic_shifting=True) if guidance_embeds else \
        FlowMatchEulerDiscreteScheduler(shift=1.0)
    return FluxPipeline(
        scheduler, autoencoder(2, seed + 1, scaling_factor=0.7, shift_factor=-0.1, use_quant_conv=False, use_post_quant_conv=False),
        clip_encoder(CLIPTextModel, clip, 8, seed + 2), clip, t5_encoder(t5, 12, seed + 3), t5,
        randomise(network, seed, ["proj_out"]))


MODELS = {
    "dit": dit,
    "pixart_alpha": lambda: pixart("PixArtAlphaPipeline", 10, 4),
    # With the conditions on size that this sample_size brings; an autoencoder of factor 16 keeps it small.
    "pixart_alpha_1024": lambda: pixart("PixArtAlphaPipeline", 20, 5, sample_size=128, use_additional_conditions=True,
                                        num_attention_heads=3, cross_attention_dim=24),
    "pixart_sigma": lambda: pixart("PixArtSigmaPipeline", 30, 4, interpolation_scale=0.5),
    "sd3": lambda: sd3(True, 40),
    "sd3_no_t5": lambda: sd3(False, 50),
    "flux_dev": lambda: flux(True, 60),
    "flux_schnell": lambda: flux(False, 70),
}

# name: model, what is asked
CASES = {
    "dit": ("dit", dict(class_label=207, num_inference_steps=4, guidance_scale=4.0)),
    "dit_scale_1": ("dit", dict(class_label=0, num_inference_steps=6, guidance_scale=1.0)),
    "dit_scale_0.5": ("dit", dict(class_label=999, num_inference_steps=3, guidance_scale=0.5)),
    "dit_scale_1.5": ("dit", dict(class_label=1, num_inference_steps=2, guidance_scale=1.5)),

    "pixart_alpha": ("pixart_alpha", dict(prompt=APPLE, height=48, width=48, num_inference_steps=3, guidance_scale=4.5)),
    "pixart_alpha_crop": ("pixart_alpha", dict(prompt=CAT, negative_prompt="The Blue car", height=40, width=64,
                                               num_inference_steps=4, guidance_scale=3.0)),
    "pixart_alpha_scale_1": ("pixart_alpha", dict(prompt=MIXED, height=64, width=24, num_inference_steps=2, guidance_scale=1.0)),
    "pixart_alpha_long": ("pixart_alpha", dict(prompt=LONG, height=32, width=40, num_inference_steps=2, guidance_scale=2.0)),
    "pixart_alpha_no_bins": ("pixart_alpha", dict(prompt=APPLE, height=64, width=48, num_inference_steps=5, guidance_scale=4.5,
                                                  use_resolution_binning=False)),
    "pixart_alpha_1024": ("pixart_alpha_1024", dict(prompt=CAT, height=32, width=96, num_inference_steps=2, guidance_scale=3.0)),
    "pixart_alpha_1024_no_bins": ("pixart_alpha_1024", dict(prompt=APPLE, height=64, width=32, num_inference_steps=4,
                                                            guidance_scale=4.5, use_resolution_binning=False)),
    "pixart_sigma": ("pixart_sigma", dict(prompt=CAT, height=48, width=32, num_inference_steps=4, guidance_scale=4.5)),
    "pixart_sigma_negative": ("pixart_sigma", dict(prompt=APPLE, negative_prompt="the BLUE car", height=24, width=56,
                                                   num_inference_steps=6, guidance_scale=2.0)),
    "pixart_sigma_scale_0": ("pixart_sigma", dict(prompt=MIXED, height=32, width=32, num_inference_steps=3, guidance_scale=0.0)),

    "sd3": ("sd3", dict(prompt=APPLE, height=32, width=32, num_inference_steps=6, guidance_scale=7.0)),
    "sd3_negative": ("sd3", dict(prompt=CAT, negative_prompt="the blue car", height=24, width=48, num_inference_steps=4,
                                 guidance_scale=3.5)),
    "sd3_scale_1": ("sd3", dict(prompt=MIXED, height=16, width=40, num_inference_steps=2, guidance_scale=1.0)),
    "sd3_long": ("sd3", dict(prompt=LONG, height=32, width=32, num_inference_steps=3, guidance_scale=2.0)),
    "sd3_no_t5": ("sd3_no_t5", dict(prompt=CAT, height=32, width=32, num_inference_steps=5, guidance_scale=5.0)),
    "sd3_no_t5_negative": ("sd3_no_t5", dict(prompt=APPLE, negative_prompt="the blue car", height=40, width=24,
                                             num_inference_steps=3, guidance_scale=2.5)),

    "flux_dev": ("flux_dev", dict(prompt=APPLE, height=32, width=32, num_inference_steps=6, guidance_scale=3.5)),
    "flux_dev_wide": ("flux_dev", dict(prompt=CAT, height=20, width=44, num_inference_steps=4, guidance_scale=1.0)),
    "flux_dev_long": ("flux_dev", dict(prompt=LONG, height=32, width=24, num_inference_steps=2, guidance_scale=0.0)),
    "flux_dev_true_cfg": ("flux_dev", dict(prompt=CAT, negative_prompt="the blue car", height=24, width=32, num_inference_steps=4,
                                           guidance_scale=2.5, true_cfg_scale=3.0)),
    "flux_schnell": ("flux_schnell", dict(prompt=MIXED, height=32, width=32, num_inference_steps=4, guidance_scale=0.0)),
    "flux_schnell_true_cfg": ("flux_schnell", dict(prompt=APPLE, negative_prompt="the blue car", height=28, width=16,
                                                   num_inference_steps=3, guidance_scale=3.5, true_cfg_scale=2.0)),
    "flux_dev_true_cfg_empty": ("flux_dev", dict(prompt=APPLE, negative_prompt="", height=20, width=32, num_inference_steps=4,
                                                 guidance_scale=3.5, true_cfg_scale=2.0)),
}


def write_model(directory, pipe):
    shutil.rmtree(directory, ignore_errors=True)
    for part in pipe.components.values():
        if isinstance(part, torch.nn.Module):
            part.half()
    pipe.save_pretrained(directory)
    for path in directory.rglob("tokenizer.json"):
        path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False) + "\n")
    if type(pipe).__name__ == "DiTPipeline":  # published there; the class reads and does not write it
        path = directory / "model_index.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "id2label": LABELS}, indent=2) + "\n")


def load(directory):
    import diffusers
    index = json.loads((directory / "model_index.json").read_text())
    absent = {key: None for key, value in index.items() if value == [None, None]}
    pipe = getattr(diffusers, index["_class_name"]).from_pretrained(directory, torch_dtype=torch.float32, **absent)
    assert all(p.dtype == torch.float32 for part in pipe.components.values() if isinstance(part, torch.nn.Module)
               for p in part.parameters())
    return pipe


def picture_of(pipe, seed, class_label=None, **asked):
    if class_label is not None:
        asked["class_labels"] = [class_label]
    if "PixArt" in type(pipe).__name__:
        asked["clean_caption"] = False
    result = pipe(**asked, generator=torch.Generator("cpu").manual_seed(seed), output_type="pil").images[0]
    import numpy
    return torch.from_numpy(numpy.array(result))


def other(asked, key):
    """The same but for one field."""
    value = {"class_label": 500, "prompt": "the blue car", "negative_prompt": APPLE + " 2024"}.get(key)
    return {**asked, key: asked[key] + 1.5 if value is None else value}


def fields_that_matter(name, asked):
    fields = [key for key in ("class_label", "prompt", "negative_prompt", "true_cfg_scale") if key in asked]
    if name.startswith("flux_dev") or not name.startswith("flux") and asked["guidance_scale"] > 1:
        fields.append("guidance_scale")
    return fields


def make_pictures(pipe, name, asked, seed, out):
    picture = picture_of(pipe, seed, **asked)
    flat = ((picture == 0) | (picture == 255)).float().mean()
    assert flat < 0.5 and picture.float().std() > 10, f"{name}: {flat:.2f} saturated, std {picture.float().std():.1f}"
    for key in fields_that_matter(name, asked):
        moved = (picture_of(pipe, seed, **other(asked, key)).float() - picture.float()).abs()
        assert moved.mean() > 1, f"{name}: another {key} moves it by {moved.mean():.2f} levels, at most {moved.max():.0f}"
    out[name] = picture.contiguous()


def tokens_cut(pipe, prompt, t5_length):
    if "PixArt" in type(pipe).__name__:
        lengths, prompt = [(pipe.tokenizer, t5_length)], prompt.lower().strip()
    elif "Flux" in type(pipe).__name__:
        lengths = [(pipe.tokenizer, CLIP_TOKENS), (pipe.tokenizer_2, t5_length)]
    else:
        lengths = [(pipe.tokenizer, CLIP_TOKENS), (pipe.tokenizer_2, CLIP_TOKENS), (pipe.tokenizer_3, t5_length)]
    return max(max(len(tokenizer(prompt).input_ids) - length, 0) for tokenizer, length in lengths if tokenizer)


def encode(pipe, prompt):
    """text, mask and pooled as the pipeline's own call has them."""
    kind = type(pipe).__name__
    if "PixArt" in kind:
        length = 300 if "Sigma" in kind else 120
        embeds, mask, _, _ = pipe.encode_prompt(prompt, do_classifier_free_guidance=False, max_sequence_length=length)
        return {"text": embeds, "mask": mask.to(torch.uint8)}, length
    if "Flux" in kind:
        embeds, pooled, _ = pipe.encode_prompt(prompt)
        return {"text": embeds, "pooled": pooled}, 512
    embeds, _, pooled, _ = pipe.encode_prompt(prompt, None, None, do_classifier_free_guidance=False)
    return {"text": embeds, "pooled": pooled}, 256


def check_negative(pipe):
    """A negative prompt is encoded as a prompt is, so that the tensors of one are those of the other."""
    kind, prompt = type(pipe).__name__, PROMPTS["negative"]
    if "PixArt" in kind:
        _, _, embeds, mask = pipe.encode_prompt("", negative_prompt=prompt, max_sequence_length=300 if "Sigma" in kind else 120)
        got = {"text": embeds, "mask": mask}
    elif "Flux" in kind:
        return  # which calls encode_prompt twice
    else:
        _, embeds, _, pooled = pipe.encode_prompt("", None, None, negative_prompt=prompt)
        got = {"text": embeds, "pooled": pooled}
    assert all(torch.equal(got[key], value) for key, value in encode(pipe, prompt)[0].items())


def hash_of(values):
    h = 0xCBF29CE484222325
    for value in values:
        h = (h ^ value) * 0x100000001B3 & 2**64 - 1
    return h >> 1


def kind_of(c):
    if unicodedata.category(c) in ("Cn", "Cs"):
        return 3
    if (c + "Σ").lower().endswith("ς"):
        return 0
    return 1 if ("A" + c + "Σ").lower().endswith("ς") else 2


def captions():
    code_points = [chr(c) for c in range(0x110000)]
    kinds = [kind_of(c) for c in code_points]
    starts = [c for c, kind in enumerate(kinds) if c == 0 or kind != kinds[c - 1]]
    hashes = [hash_of(b"".join(c.lower().strip().encode() for c in code_points[i:i + HASHED] if kinds[ord(c)] != 3))
              for i in range(0, len(code_points), HASHED)]
    return {"starts": torch.tensor(starts, dtype=torch.int32), "kinds": torch.tensor([kinds[c] for c in starts], dtype=torch.uint8),
            "hashes": torch.tensor(hashes)}


@torch.no_grad()
def make(out, options):
    import diffusers
    import transformers
    diffusers.utils.logging.set_verbosity_error()
    transformers.utils.logging.set_verbosity_error()
    pictures, encoded, prompts = {}, {}, []
    for model, build in MODELS.items():
        torch.manual_seed(0)  # for what is not randomised: nothing that is saved
        write_model(out / model, build())
        pipe = load(out / model)
        pipe.set_progress_bar_config(disable=True)
        assert model != "dit" or pipe.labels["Carassius auratus"] == 1
        for seed, (name, (of, asked)) in enumerate(CASES.items(), 100):
            if of == model:
                make_pictures(pipe, name, asked, seed, pictures)
        for name, prompt in PROMPTS.items():
            if model in ("dit", "pixart_alpha_1024", "flux_schnell") or model == "sd3_no_t5" and name not in ("mixed", "long", "negative"):
                continue
            tensors, t5_length = encode(pipe, prompt)
            encoded |= {f"{model}.{name}.{key}": value.contiguous() for key, value in tensors.items()}
            prompts.append({"name": f"{model}.{name}", "model": model, "prompt": prompt,
                            "tokens_cut": tokens_cut(pipe, prompt, t5_length)})
        if model in ("pixart_alpha", "pixart_sigma", "sd3", "sd3_no_t5"):
            check_negative(pipe)
    cases = [{"name": name, "model": model, **asked, "seed": seed}
             for seed, (name, (model, asked)) in enumerate(CASES.items(), 100)]
    write_json(out / "cases.json", {"cases": cases, "prompts": prompts})
    save_file(pictures, out / "pictures.safetensors")
    save_file(encoded, out / "prompts.safetensors")
    save_file(captions(), out / "captions.safetensors")
