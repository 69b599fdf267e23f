"""CLIP's tokenizer and text model as transformers has them: a small vocabulary, many strings, tiny networks.

data/text/vocab_and_merges/     a tokenizer as published directories have it, its special tokens `normalized`
data/text/tokenizer_json/       the same vocabulary as transformers 5 writes it; pads with `!`, a special token
data/text/tokens.safetensors    texts (bytes, end to end; some are not UTF-8), text_ends; for each directory NAME:
                                NAME.ids (end to end, without padding), NAME.counts, NAME.cut
data/text/<network>/            config.json, model.safetensors (float16)
data/text/<network>.safetensors    ids, mask; hidden, pooled with the mask; hidden_unmasked, pooled_unmasked without
"""
import json
import random
import unicodedata

import torch
from safetensors.torch import save_file

MERGES = 300
CORPUS = """a photo of a red apple on a wooden table, in the style of an oil painting
an astronaut riding a horse; highly detailed, 4k, trending 2024 2023 1999
the quick brown fox jumps over the lazy dog; it's what they're for, isn't it? I've said we'll see, he'd say I'm not
smiling face with heart-eyes, grinning cat, blue car, the green the blue the yellow the purple heart
Straße über Öl, façade déjà vu, niño señor, Łódź, İstanbul ılık, ΣΟΦΙΑ σοφος ΟΔΟΣ, Привет мир, здравствуй
日本語のテキスト 東京タワー 一匹の猫 中文提示词 红色的苹果 한국어 문장 사과
مرحبا بالعالم تفاحة حمراء שלום עולם सेब लाल है แอปเปิ้ลสีแดง
😀😃🍎🚗👩‍🚀👨‍👩‍👧‍👦🏳️‍🌈👍🏽 !!! ... ??? ,, -- :: (( )) [[ ]] <| |> &amp; <b> </w>""".split("\n")

SPECIAL = ["<|startoftext|>", "<|endoftext|>", "<|STARTOFTEXT|>", "<|EndOfText|>", "<|endoftext", "|endoftext|>", "<|", "!"]
CONTRACTIONS = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d", "'S", "'RE", "'x", "'", "''s", "\u2019s", "'sad", "!'s"]
BLANKS = [" ", "  ", "\t", "\n", "\r\n", "\u00a0", "\u3000", "\u2003", "\u0085", "\u200b", "\u180e", "\u2028", "\x1f", "\x00"]
PIECES = ["e\u0301", "o\u0302\u0323", "q\u0323\u0307", "\u1100\u1161\u11a8", "\uac00\u11a8", "\u212b", "\ufb01", "\u0344", "\u0958",
          "\u2126", "\U0001d15e", "\u0130", "\u03a3", "\u1e9e", "\u01c5", "\u2160", "\u24b6", "\u00bd", "\u0663", "\u4e09",
          "\U0001f469\u200d\U0001f680", "\U0001f3f3\ufe0f\u200d\U0001f308", "\U0001f44d\U0001f3fd", "1\ufe0f\u20e3",
          "\ufeff", "\ufffd", "\U0010ffff", "\ue000", "\u0378", "\U00010400", "\u13a0", "\u10a0", "\u1c90"]
RANGES = [(0x20, 0x7f), (0xa0, 0x180), (0x180, 0x250), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x590, 0x700),
          (0x900, 0xe00), (0xe00, 0xf00), (0x10a0, 0x1200), (0x13a0, 0x1400), (0x1e00, 0x2000), (0x2000, 0x2c00),
          (0x3040, 0x3100), (0x4e00, 0x5200), (0xa640, 0xa800), (0xac00, 0xad00), (0xf900, 0xfb50), (0xff00, 0xfff0),
          (0x10400, 0x10450), (0x1d400, 0x1d500), (0x1f300, 0x1f700), (0x2f800, 0x2f900), (0x0, 0x20), (0x7f, 0xa0)]
NOT_UTF8 = [b"\xff", b"\xc3", b"\xc0\x80", b"\xe2\x82", b"\xe2\x82A", b"\xed\xa0\x80", b"\xf0\x9f\x98", b"\xf4\x90\x80\x80",
            b"\xf0\x80\x80\x80", b"\x80\x80", b"\xe0\x80\x80", b"\xf8\x88\x80\x80\x80", b"\xf0\x9f\x98\x80"]


def byte_symbols():
    from transformers.convert_slow_tokenizer import bytes_to_unicode
    return list(bytes_to_unicode().values())


def learn_merges():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(" ", "removed"), pre_tokenizers.ByteLevel(add_prefix_space=False)])
    trainer = trainers.BpeTrainer(vocab_size=100000, end_of_word_suffix="</w>", initial_alphabet=byte_symbols(),
                                  show_progress=False)
    tokenizer.train_from_iterator([line.lower() for line in CORPUS], trainer)
    return [tuple(m) for m in json.loads(tokenizer.to_str())["model"]["merges"]][:MERGES]


def write_tokenizers(out):
    from transformers import CLIPTokenizer
    symbols, merges = byte_symbols(), learn_merges()
    tokens = symbols + [s + "</w>" for s in symbols] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    assert len(set(tokens)) == len(tokens)
    plain = out / "vocab_and_merges"
    plain.mkdir(exist_ok=True)
    (plain / "vocab.json").write_text(json.dumps({t: i for i, t in enumerate(tokens)}, ensure_ascii=False))
    (plain / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    special = {role: {"content": text, "lstrip": False, "normalized": True, "rstrip": False, "single_word": False}
               for role, text in [("bos_token", "<|startoftext|>"), ("eos_token", "<|endoftext|>"), ("unk_token", "<|endoftext|>")]}
    special["pad_token"] = "<|endoftext|>"
    (plain / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    config = {**{k: v if isinstance(v, str) else {"__type": "AddedToken", **v} for k, v in special.items()},
              "add_prefix_space": False, "do_lower_case": True, "errors": "replace", "model_max_length": 77,
              "tokenizer_class": "CLIPTokenizer"}
    (plain / "tokenizer_config.json").write_text(json.dumps(config, indent=2))

    other = CLIPTokenizer(vocab={t: i for i, t in enumerate(tokens)}, merges=merges, pad_token="!", model_max_length=16)
    other.save_pretrained(out / "tokenizer_json")
    text = json.loads((out / "tokenizer_json" / "tokenizer.json").read_text())
    (out / "tokenizer_json" / "tokenizer.json").write_text(json.dumps(text, ensure_ascii=False))
    return {name: CLIPTokenizer.from_pretrained(out / name) for name in ["vocab_and_merges", "tokenizer_json"]}


def make_texts(r):
    words = " ".join(CORPUS).split()

    def character():
        low, high = r.choice(RANGES)
        while True:
            c = chr(r.randrange(low, high))
            if unicodedata.category(c) not in ("Cn", "Cs"):
                return c

    def part():
        kind = r.random()
        if kind < 0.35:
            return r.choice(words)
        if kind < 0.45:
            return r.choice([str.upper, str.title, str.swapcase])(r.choice(words))
        if kind < 0.55:
            return r.choice(PIECES)
        if kind < 0.62:
            return r.choice(CONTRACTIONS)
        if kind < 0.67:
            return r.choice(SPECIAL)
        if kind < 0.8:
            return "".join(character() for _ in range(r.randrange(1, 5)))
        if kind < 0.85:
            return unicodedata.normalize(r.choice(["NFD", "NFKD"]), r.choice(words))
        return r.choice(BLANKS)

    texts = [b"", b" ", b"a photo of a cat", b"<|startoftext|>", b"<|endoftext|>", b"!", b"\n\t\r", "a" * 500, "aA" * 40,
             "\u0301" * 30, "\u0300\u0323" * 20, *SPECIAL, *CONTRACTIONS, *BLANKS, *PIECES, *CORPUS, *NOT_UTF8, " ".join(CORPUS)]
    texts += [f"x{b}y" for b in BLANKS] + [a + b for a in SPECIAL for b in SPECIAL] + [c + "x" for c in CONTRACTIONS]
    while len(texts) < 2400:
        if r.random() < 0.05:
            texts.append(r.choice(words).encode() + r.choice(NOT_UTF8) + r.choice(words).encode() + r.choice(NOT_UTF8))
        else:
            texts.append(r.choice(["", " "]).join(part() for _ in range(r.randrange(1, 8))))
    return [t if isinstance(t, bytes) else t.encode() for t in texts]


def make_tokens(out):
    tokenizers = write_tokenizers(out)
    texts = make_texts(random.Random(1))
    tensors = {"texts": torch.tensor(list(b"".join(texts)), dtype=torch.uint8),
               "text_ends": torch.tensor([len(t) for t in texts]).cumsum(0).int()}
    for name, tokenizer in tokenizers.items():
        ids, counts, cut = [], [], []
        for text in (t.decode("utf-8", errors="replace") for t in texts):
            padded = tokenizer(text, truncation=True, max_length=tokenizer.model_max_length, padding="max_length")
            count = sum(padded["attention_mask"])
            assert padded["input_ids"][count:] == [tokenizer.pad_token_id] * (tokenizer.model_max_length - count)
            ids += padded["input_ids"][:count]
            counts.append(count)
            cut.append(len(tokenizer(text)["input_ids"]) - count)
        tensors |= {f"{name}.ids": torch.tensor(ids, dtype=torch.int16), f"{name}.counts": torch.tensor(counts, dtype=torch.uint8),
                    f"{name}.cut": torch.tensor(cut, dtype=torch.int16)}
    save_file(tensors, out / "tokens.safetensors")


SIZES = dict(vocab_size=50, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3,
             max_position_embeddings=12)
# name: config, prefix of the tensors' names
NETWORKS = {"quick_gelu_largest_id": (dict(hidden_act="quick_gelu", eos_token_id=2, layer_norm_eps=1e-5), "text_model."),
            "gelu_first_eos": (dict(hidden_act="gelu", eos_token_id=40, layer_norm_eps=1e-3), "")}


@torch.no_grad()
def make_networks(out):
    from transformers import CLIPTextConfig, CLIPTextModel
    for seed, (name, (changes, prefix)) in enumerate(NETWORKS.items()):
        config = dict(SIZES, bos_token_id=0, pad_token_id=1, **changes)
        model = CLIPTextModel(CLIPTextConfig(**config))
        generator = torch.Generator().manual_seed(seed)
        for key, p in model.named_parameters():
            noise = torch.randn(p.shape, generator=generator)
            # A small residual stream, so that a wrong eps of a norm is seen.
            p.copy_(0.05 * noise if "embedding" in key else
                    1 + 0.3 * noise if "norm" in key and key.endswith("weight") else
                    0.02 * noise if p.dim() == 1 else noise * p.shape[1] ** -0.5 * (0.1 if "out_proj" in key or "fc2" in key else 1))
            p.copy_(p.half())
        model = model.double().eval()
        length = 10
        ids = torch.randint(3, 40, (4, length), generator=generator)
        for row, end in enumerate([4, 6, 10, 2]):  # the end token, repeated as padding
            ids[row, end - 1:] = 40
        mask = torch.arange(length) < torch.tensor([[4], [6], [10], [2]])
        mask[1, 2] = False  # not only padding at the end
        tensors = {"ids": ids.int(), "mask": mask.to(torch.uint8)}
        for suffix, given in [("", mask.long()), ("_unmasked", None)]:
            result = model(input_ids=ids, attention_mask=given)
            tensors |= {f"hidden{suffix}": result.last_hidden_state, f"pooled{suffix}": result.pooler_output}
        (out / name).mkdir(exist_ok=True)
        (out / name / "config.json").write_text(
            json.dumps({"architectures": ["CLIPTextModel"], "model_type": "clip_text_model", **config}, indent=2) + "\n")
        state = {prefix + k.removeprefix("text_model."): v.half() for k, v in model.state_dict().items()}
        if prefix:  # as old files have it; the model's own loader ignores it
            state["text_model.embeddings.position_ids"] = torch.arange(SIZES["max_position_embeddings"])[None]
        save_file({k: v.contiguous() for k, v in state.items()}, out / name / "model.safetensors")
        save_file({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, out / f"{name}.safetensors")


def make(out, options):
    make_tokens(out)
    make_networks(out)
