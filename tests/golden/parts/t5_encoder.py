"""Tiny random T5 encoders, and what transformers makes of a few prompts: in float64, and in half precision as it does that.

data/t5_encoder/<name>/    config.json, model.safetensors (float16)
data/t5_encoder/<name>.safetensors    ids, mask; hidden (with the mask), hidden_unmasked;
                                      for the names of HALF also float16.hidden, bfloat16.hidden (with the mask)
data/t5_encoder/buckets.safetensors   <num_buckets>_<max_distance>: the buckets of distances -600 ... 600
"""
import json
import tempfile

import torch
from safetensors.torch import save_file

SIZES = dict(vocab_size=40, d_model=24, num_heads=3, num_layers=3)
# d_kv · num_heads is never d_model. Prompts are longer than the distances with a bucket of their own.
NETWORKS = {
    "relu": dict(d_kv=6, d_ff=20, feed_forward_proj="relu", layer_norm_epsilon=1e-3),
    "gated_gelu": dict(d_kv=10, d_ff=28, feed_forward_proj="gated-gelu", relative_attention_num_buckets=12,
                       relative_attention_max_distance=9),
    # As a file may say it that is not the class's own; an attention whose sums overflow float16.
    "gated_relu_overflow": dict(d_kv=6, d_ff=20, feed_forward_proj="relu", dense_act_fn="relu", is_gated_act=True),
}
EMBEDDING_NAMES = {"relu": ["shared.weight"], "gated_gelu": ["encoder.embed_tokens.weight"],
                   "gated_relu_overflow": ["shared.weight", "encoder.embed_tokens.weight"]}
OVERFLOW = {"v": 8, "o": 4.2e3}  # times the first attention's projections
LENGTH = 45
BUCKETS = [(32, 128), (12, 9), (33, 100), (4, 2), (128, 1000)]


def randomise(model, name, seed):
    """No tensor is neutral; all values such that float16 holds them."""
    generator = torch.Generator().manual_seed(seed)
    for key, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in key:
            p.copy_(1 + 0.3 * noise)
        elif "relative_attention_bias" in key:
            p.copy_(noise)
        elif key.startswith("shared"):
            p.copy_(0.05 * noise)  # a small residual stream, so that a wrong eps of a norm is seen
        else:
            p.copy_(noise * p.shape[1] ** -0.5)
        if name == "relu" and key.endswith((".o.weight", ".wo.weight")):
            p.mul_(0.1)
        if "overflow" in name and key.startswith("encoder.block.0.layer.0.SelfAttention."):
            p.mul_(OVERFLOW.get(key[-8], 1))
        if "overflow" in name and key == "encoder.block.1.layer.1.DenseReluDense.wo.weight":
            p.mul_(1e4)
        p.copy_(p.half())


def in_half(folder, dtype, ids, mask):
    """Loaded as transformers loads it, which keeps wo in float32 for float16; a prompt at a time."""
    from transformers import T5EncoderModel

    model = T5EncoderModel.from_pretrained(folder, dtype=dtype).eval()
    wo = model.encoder.block[0].layer[1].DenseReluDense.wo.weight.dtype
    assert wo == (torch.float32 if dtype == torch.float16 else dtype)
    return torch.cat([model(input_ids=ids[[i]], attention_mask=mask[[i]]).last_hidden_state for i in range(len(ids))])


@torch.no_grad()
def make_network(out, name, changes, seed):
    from transformers import T5Config, T5EncoderModel

    config = {"architectures": ["T5EncoderModel"], "model_type": "t5", "is_encoder_decoder": True, **SIZES, **changes}
    model = T5EncoderModel(T5Config.from_dict(config)).eval()
    randomise(model, name, seed)
    generator = torch.Generator().manual_seed(100 + seed)
    ids = torch.randint(2, SIZES["vocab_size"], (4, LENGTH), generator=generator)
    counts = torch.tensor([[LENGTH], [7], [20], [0]])  # the last is nothing but padding
    mask = torch.arange(LENGTH) < counts
    mask[2, 5] = False  # not only padding at the end
    ids[~mask] = 0

    folder = out / name
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    state = {k: v.half() for k, v in model.state_dict().items() if k not in ("shared.weight", "encoder.embed_tokens.weight")}
    table = model.shared.weight.detach().half()
    for key in EMBEDDING_NAMES[name]:
        state[key] = table.clone()
    if len(EMBEDDING_NAMES[name]) == 2:  # both there and not the same: the encoder's own counts
        state["shared.weight"] = -table
    save_file({k: v.contiguous() for k, v in state.items()}, folder / "model.safetensors", metadata={"format": "pt"})

    # Loaded from the file, so that names and config are read as transformers reads them.
    model = T5EncoderModel.from_pretrained(folder, dtype=torch.float32).double().eval()
    assert torch.equal(model.encoder.embed_tokens.weight, table.double())
    tensors = {"ids": ids.int(), "mask": mask.to(torch.uint8),
               "hidden": model(input_ids=ids, attention_mask=mask.long()).last_hidden_state.float(),
               "hidden_unmasked": model(input_ids=ids).last_hidden_state.float()}
    for dtype in (torch.float16, torch.bfloat16):
        hidden = in_half(folder, dtype, ids, mask.long())
        assert hidden.dtype == dtype and hidden.isfinite().all()
        tensors[f"{str(dtype).removeprefix('torch.')}.hidden"] = hidden
    if "overflow" in name:
        check_overflow(folder, ids, mask.long())
    save_file({k: v.contiguous() for k, v in tensors.items()}, out / f"{name}.safetensors")


def check_overflow(folder, ids, mask):
    """The float16 case has infinities to clamp in some rows and not in others."""
    from transformers import T5EncoderModel

    model = T5EncoderModel.from_pretrained(folder, dtype=torch.float16).eval()
    seen = []
    model.encoder.block[0].layer[0].register_forward_hook(lambda m, i, o: seen.append(o[0].isinf().flatten(1).any(1)))
    model(input_ids=ids, attention_mask=mask)
    assert seen[0].any() and not seen[0].all(), seen


def make(out, options):
    from transformers.models.t5.modeling_t5 import T5Attention

    for seed, (name, changes) in enumerate(NETWORKS.items()):
        make_network(out, name, changes, seed)
    # As in the network: the distances of every two of 601 positions, so that no distance has one place only.
    position = torch.arange(601)
    grid = position[None, :] - position[:, None]
    tensors = {}
    for buckets, distance in BUCKETS:
        result = T5Attention._relative_position_bucket(grid, num_buckets=buckets, max_distance=distance)
        row = torch.cat([result[600], result[0, 1:]])  # distances -600 ... 0, 1 ... 600
        for d in range(-600, 601):
            assert (result.diagonal(d) == row[600 + d]).all(), d
        tensors[f"{buckets}_{distance}"] = row.to(torch.uint8)
    save_file(tensors, out / "buckets.safetensors")
