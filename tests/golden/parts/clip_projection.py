"""Tiny random CLIP text encoders with a projection, as SD3 has them, and what transformers makes of a few prompts in float64.

data/clip_projection/<name>/    config.json, model.safetensors (float16)
data/clip_projection/<name>.safetensors    ids; hidden, penultimate (hidden_states[-2]), pooled (text_embeds), without a mask
"""
import json

import torch
from safetensors.torch import save_file

SIZES = dict(vocab_size=50, max_position_embeddings=12, bos_token_id=48)
# As published: CLIP-L and CLIP-G differ in width, activation, padding; both say eos_token_id 2. Transformers 5 writes the true one.
NETWORKS = {
    "clip_l": (dict(hidden_size=24, intermediate_size=36, num_hidden_layers=3, num_attention_heads=3, projection_dim=24,
                    hidden_act="quick_gelu", eos_token_id=2, pad_token_id=1), "text_model.", 49),
    "clip_g": (dict(hidden_size=20, intermediate_size=44, num_hidden_layers=2, num_attention_heads=2, projection_dim=28,
                    hidden_act="gelu", eos_token_id=2, pad_token_id=1), "text_model.", 0),
    # One layer, so that hidden_states[-2] is the embeddings; no prefix; the end token is not the largest id.
    "first_eos": (dict(hidden_size=20, intermediate_size=44, num_hidden_layers=1, num_attention_heads=2, projection_dim=12,
                       hidden_act="gelu", eos_token_id=40, pad_token_id=40), "", 40),
}


@torch.no_grad()
def make(out, options):
    from transformers import CLIPTextConfig, CLIPTextModelWithProjection

    for seed, (name, (changes, prefix, pad)) in enumerate(NETWORKS.items()):
        config = dict(SIZES, **changes)
        model = CLIPTextModelWithProjection(CLIPTextConfig(**config))
        generator = torch.Generator().manual_seed(seed)
        for key, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            p.copy_(0.05 * noise if "embedding" in key else
                    1 + 0.3 * noise if "norm" in key and key.endswith("weight") else
                    0.1 * noise if p.dim() == 1 else noise * p.shape[1] ** -0.5 * (0.3 if "out_proj" in key or "fc2" in key else 1))
            p.copy_(p.half())
        model = model.double().eval()
        length = SIZES["max_position_embeddings"]
        end = 40 if changes["eos_token_id"] == 40 else 49
        ids = torch.randint(3, 39 if end == 49 else 48, (4, length), generator=generator)
        ids[:, 0] = SIZES["bos_token_id"]
        ids[ids == 40] = 41
        for row, count in enumerate([5, 9, 12, 2]):
            ids[row, count - 1] = end
            ids[row, count:] = pad
        result = model(input_ids=ids, output_hidden_states=True)
        assert len(result.hidden_states) == changes["num_hidden_layers"] + 1
        tensors = {"ids": ids.int(), "hidden": result.last_hidden_state.float(), "penultimate": result.hidden_states[-2].float(),
                   "pooled": result[0].float()}  # SD3 takes [0]
        (out / name).mkdir(exist_ok=True)
        (out / name / "config.json").write_text(json.dumps(
            {"architectures": ["CLIPTextModelWithProjection"], "model_type": "clip_text_model", **config}, indent=2) + "\n")
        state = {k if k.startswith("text_projection") else prefix + k.removeprefix("text_model."): v.half()
                 for k, v in model.state_dict().items()}
        if prefix:  # as old files have it; the model's own loader ignores it
            state["text_model.embeddings.position_ids"] = torch.arange(length)[None]
        save_file({k: v.contiguous() for k, v in state.items()}, out / name / "model.safetensors", metadata={"format": "pt"})
        loaded = CLIPTextModelWithProjection.from_pretrained(out / name, dtype=torch.float32).double().eval()
        assert torch.equal(loaded(input_ids=ids)[0], result[0]), "names as transformers reads them"
        save_file({k: v.contiguous() for k, v in tensors.items()}, out / f"{name}.safetensors")
