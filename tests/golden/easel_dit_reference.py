"""EaselDiT (model/transformers/easel_dit.h) in plain PyTorch, with its tensor names: the reference of the
golden tests and the eager forward of the benchmarks."""
import math

import torch
import torch.nn.functional as F
from torch import nn

EPS = 1e-6
TIME_FREQUENCIES = 256
TIME_SCALE = 1000.0


def sinusoidal_time(t, dim):
    """t (B) → (B, dim) float32, whatever the network computes in."""
    f = torch.exp(torch.arange(dim // 2, dtype=torch.float32) * (-math.log(10000) / (dim // 2)))
    angles = t.float()[:, None] * f
    return torch.cat([angles.cos(), angles.sin()], 1)


def sinusoidal_grid(grid, dim):
    """(grid², dim): the row's sines and cosines, then the column's."""
    f = torch.exp(torch.arange(dim // 4, dtype=torch.float64) * (-math.log(10000) / (dim // 4)))
    angles = torch.arange(grid, dtype=torch.float64)[:, None] * f
    axis = torch.cat([angles.sin(), angles.cos()], 1)  # (grid, dim/2)
    rows = axis[:, None].expand(grid, grid, -1)
    columns = axis[None].expand(grid, grid, -1)
    return torch.cat([rows, columns], 2).reshape(grid * grid, dim)


def modulate(x, shift, scale):
    return F.layer_norm(x, x.shape[-1:], eps=EPS) * (1 + scale[:, None]) + shift[:, None]


def split_heads(x, heads):
    return x.unflatten(-1, (heads, -1)).transpose(1, 2)  # (B, H, L, D)


def join_heads(x):
    return x.transpose(1, 2).flatten(2)  # (B, L, H·D)


class SelfAttention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)
        self.q_norm = nn.Parameter(torch.ones(dim // heads))
        self.k_norm = nn.Parameter(torch.ones(dim // heads))

    def forward(self, x):
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, -1))
        q = F.rms_norm(q, self.q_norm.shape, self.q_norm, EPS)
        k = F.rms_norm(k, self.k_norm.shape, self.k_norm, EPS)
        return self.out(join_heads(F.scaled_dot_product_attention(q, k, v)))


class CrossAttention(nn.Module):
    def __init__(self, dim, context_dim, heads):
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(context_dim, 2 * dim)
        self.out = nn.Linear(dim, dim)

    def forward(self, x, text, mask):
        k, v = (split_heads(part, self.heads) for part in self.kv(text).chunk(2, -1))
        q = split_heads(self.q(x), self.heads)
        return self.out(join_heads(F.scaled_dot_product_attention(q, k, v, mask)))


class Mlp(nn.Module):
    def __init__(self, dim, hidden, out):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, out)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


class Block(nn.Module):
    def __init__(self, dim, heads, mlp_ratio, context_dim):
        super().__init__()
        self.modulation = nn.Linear(dim, (9 if context_dim else 6) * dim)
        self.attn = SelfAttention(dim, heads)
        if context_dim:
            self.cross_attn = CrossAttention(dim, context_dim, heads)
        self.mlp = Mlp(dim, int(dim * mlp_ratio), dim)

    def forward(self, x, condition, text, mask):
        parts = self.modulation(condition).split(x.shape[-1], 1)  # (B, D) each
        shift, scale, gate, mlp_shift, mlp_scale, mlp_gate, *cross = parts
        x = x + gate[:, None] * self.attn(modulate(x, shift, scale))
        if cross:
            x = x + cross[2][:, None] * self.cross_attn(modulate(x, cross[0], cross[1]), text, mask)
        return x + mlp_gate[:, None] * self.mlp(modulate(x, mlp_shift, mlp_scale))


class EaselDiT(nn.Module):
    def __init__(self, img_size, patch_size, in_channels, embed_dim, depth, num_heads, mlp_ratio=4, num_classes=0,
                 context_dim=0, layout_hidden=512, layout_dim=32, recall_size=0, recall_dim=256):
        super().__init__()
        self.patch_size, self.grid, self.context_dim = patch_size, img_size // patch_size, context_dim
        patch = in_channels * patch_size**2
        self.register_buffer("positions", sinusoidal_grid(self.grid, embed_dim).float(), persistent=False)
        self.patch_embed = nn.Linear(patch, embed_dim)
        self.time_embed = nn.ModuleDict({"fc1": nn.Linear(TIME_FREQUENCIES, embed_dim),
                                         "fc2": nn.Linear(embed_dim, embed_dim)})
        self.class_embed = nn.Embedding(num_classes + 1, embed_dim)
        if context_dim:
            self.pooled_proj = nn.Linear(context_dim, embed_dim)
            self.null_token = nn.Parameter(torch.zeros(1, 1, context_dim))
        whole = in_channels * img_size**2 + embed_dim
        self.recall = None
        if recall_size:
            self.recall = nn.ModuleDict({"query": nn.Linear(whole + embed_dim, recall_dim),
                                         "gain": nn.Linear(embed_dim, 1),
                                         "key": nn.Linear(recall_dim, recall_size),
                                         "value": nn.Linear(recall_size, context_dim, bias=False)})
        self.layout = nn.ModuleDict({"fc1": nn.Linear(embed_dim, layout_hidden),
                                     "latent": nn.Linear(whole, layout_hidden, bias=False),
                                     "mlp": nn.ModuleDict({"fc1": nn.Linear(layout_hidden, 2 * layout_hidden),
                                                           "fc2": nn.Linear(2 * layout_hidden, layout_hidden)}),
                                     "fc2": nn.Linear(layout_hidden, self.grid**2 * layout_dim),
                                     "out": nn.Linear(layout_dim, embed_dim)})
        self.blocks = nn.ModuleList(Block(embed_dim, num_heads, mlp_ratio, context_dim if i % 2 == 0 else 0)
                                    for i in range(depth))
        self.final = nn.ModuleDict({"modulation": nn.Linear(embed_dim, 2 * embed_dim),
                                    "proj": nn.Linear(embed_dim, patch)})

    def forward(self, latent, time, label, text=None, text_mask=None, pooled=None):
        b, c, p, g = latent.shape[0], latent.shape[1], self.patch_size, self.grid
        patches = latent.reshape(b, c, g, p, g, p).permute(0, 2, 4, 1, 3, 5).reshape(b, g * g, c * p * p)
        x = self.patch_embed(patches) + self.positions  # (B, N, D)

        what = self.class_embed(label)  # (B, D)
        when = sinusoidal_time(time * TIME_SCALE, TIME_FREQUENCIES).to(latent.dtype)
        when = self.time_embed["fc2"](F.silu(self.time_embed["fc1"](when)))  # (B, D)
        mask = None
        if self.context_dim:
            if self.recall is not None:
                query = self.recall["query"](torch.cat([latent.flatten(1), when, what], 1))
                scores = self.recall["key"](query * torch.exp(self.recall["gain"](when)))  # (B, recall_size)
                recalled = self.recall["value"](scores.softmax(1))
                pooled = torch.where(text_mask.any(1, keepdim=True), pooled, recalled)
            what = what + self.pooled_proj(pooled)
            text = torch.cat([self.null_token.expand(b, -1, -1), text], 1)
            mask = F.pad(text_mask, (1, 0), value=True)[:, None, None]  # (B, 1, 1, 1 + L)

        whole = torch.cat([latent.flatten(1), when], 1)
        rough = F.silu(self.layout["fc1"](what) + self.layout["latent"](whole))  # (B, layout_hidden)
        rough = rough + self.layout["mlp"]["fc2"](F.silu(self.layout["mlp"]["fc1"](rough)))
        x = x + self.layout["out"](self.layout["fc2"](rough).reshape(b, g * g, -1))

        condition = F.silu(when + what)
        for block in self.blocks:
            x = block(x, condition, text, mask)

        shift, scale = self.final["modulation"](condition).chunk(2, 1)
        x = self.final["proj"](modulate(x, shift, scale))  # (B, N, p·p·C)
        return x.reshape(b, g, g, p, p, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, g * p, g * p)
