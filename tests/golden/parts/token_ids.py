"""T5's and CLIP's tokenizers on 20,000 generated strings, and two small T5 vocabularies.

data/token_ids/t5_spiece/    spiece.model as published ones are (nmt_nfkc), with the files of a slow tokenizer beside it
data/token_ids/t5_json/      another vocabulary as transformers 5 writes it, with a charsmap of a few rules
data/token_ids/strings.safetensors    fragments (bytes, end to end) and fragment_ends: what the strings are made of, by
    generated_string here and GeneratedString in tests/model/conditioning/token_ids_test.cc; t5.hashes and clip.hashes: 16
    bits a string, of the ids without padding and the number of cut tokens, for each tokenizer of that kind in turn;
    t5.sweep and clip.sweep: likewise, without the cut tokens, of every SWEEP_GROUP strings of sweep_string; for each
    tokenizer NAME the ids of the first strings: NAME.ids (end to end, without padding), NAME.counts
"""
import io
import json
import pathlib
import random
import tempfile

import torch
from safetensors.torch import save_file

import text

STRINGS, WHOLE = 20000, 100
T5_LENGTH = 128
SWEEP_END, SWEEP_STEP, SWEEP_GROUP = 0x34000, 8, 16  # beyond are no letters; strings of so many code points, so many in one hash
MASK = 2**64 - 1

# Rules of the small charsmap: lower case, whole characters, what vanishes, more than one code point on either side.
RULES = [(chr(c), chr(c + 32)) for c in range(ord("A"), ord("Z") + 1)] + [
    ("e\u0301", "é"), ("a\u030a", "å"), ("a\u030a\u0301", "ǻ"), ("\ufb01", "fi"), ("\uff01", "!"), ("\u2026", "..."), ("\u00ad", ""),
    ("\u200b", ""), ("\u00a0", " "), ("\t", " "), ("\n", " "), ("\r", ""), ("か\u3099", "が"), ("©", "(c)"), ("\u3000", " "),
    ("\U0001f34e", "apple"), ("\uff41", "a"), ("ㅎ", " h"), ("q", "\u2581k")]

T5_SPECIAL = ["</s>", "<pad>", "<unk>", "<extra_id_0>", "<extra_id_5>", "<extra_id_99>", "<extra_id_100>", "<extra_id_1", " <extra_id_42>  ",
              "</S>", "＜pad＞", "<unk><unk>", "\u2581", "\u2581\u2581a", "a\u2581b", "<s>", "<extra_id_05>", "\u00a0\u0301"]


class Generator:
    def __init__(self, seed):
        self.state = (seed + 1) * 0x9E3779B97F4A7C15 & MASK

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & MASK
        return (self.state >> 33) % n


def generated_string(index, fragments):
    g = Generator(index)
    parts = g.below(12)
    if g.below(200) == 0:
        parts *= 100
    result = b""
    for _ in range(parts):
        kind = g.below(16)
        if kind < 10:
            result += fragments[g.below(len(fragments))]
        elif kind < 12:
            result += b" "
        elif kind < 14:
            bits = 7 + g.below(14)
            c = g.below(1 << bits)
            result += (chr(c) if not 0xD800 <= c < 0xE000 else "?").encode()
        elif kind == 14:
            result += chr(0x300 + g.below(0x70)).encode()
        else:
            result += bytes([g.below(256)])
    return result


def sweep_string(first):
    """Eight code points, each between a letter and two marks, so that it shows whether it is letter, number or mark."""
    return "".join(f"e{chr(c)}\u0323\u0301" for c in range(first, first + SWEEP_STEP) if not 0xD800 <= c < 0xE000)


def hash_of(values):
    h = 0xCBF29CE484222325
    for value in values:
        h = (h ^ value) * 0x100000001B3 & MASK
    return h >> 48


def corpus():
    r = random.Random(0)
    words = " ".join(text.CORPUS).split()
    halves = [w[:1 + len(w) // 2] for w in words] + [w[len(w) // 2:] for w in words]
    words += [r.choice(halves) + r.choice(halves) for _ in range(1500)]
    return [" ".join(r.choice(words) for _ in range(r.randrange(3, 14))) for _ in range(3000)] + text.CORPUS * 20


def train(path, vocab_size, **options):
    import sentencepiece
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(corpus()), model_writer=model, vocab_size=vocab_size, hard_vocab_limit=False, model_type="unigram",
        pad_id=0, eos_id=1, unk_id=2, bos_id=-1, character_coverage=0.98, num_threads=1, minloglevel=2, **options)
    path.write_bytes(model.getvalue())


def write_t5_tokenizers(out):
    from transformers import T5Tokenizer
    spiece = out / "t5_spiece"
    spiece.mkdir(exist_ok=True)
    train(spiece / "spiece.model", 600, normalization_rule_name="nmt_nfkc")
    # As transformers 4 saved a slow tokenizer: the extra ids take the white space about them with them.
    size = len(T5Tokenizer.from_pretrained(spiece)) - 100
    plain = {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}
    decoder = {str(i): {"content": t, **plain} for i, t in enumerate(["<pad>", "</s>", "<unk>"])}
    decoder |= {str(size + i): {"content": f"<extra_id_{99 - i}>", **plain, "lstrip": True, "rstrip": True} for i in range(100)}
    config = {"added_tokens_decoder": decoder, "additional_special_tokens": [f"<extra_id_{i}>" for i in range(100)],
              "eos_token": "</s>", "extra_ids": 100, "legacy": True, "model_max_length": 512, "pad_token": "<pad>", "sp_model_kwargs": {},
              "tokenizer_class": "T5Tokenizer", "unk_token": "<unk>"}
    (spiece / "tokenizer_config.json").write_text(json.dumps(config) + "\n")

    with tempfile.TemporaryDirectory() as directory:
        rules = pathlib.Path(directory) / "rules.tsv"
        rules.write_text("".join(f"{' '.join(f'{ord(c):X}' for c in a)}\t{' '.join(f'{ord(c):X}' for c in b)}\n" for a, b in RULES))
        train(pathlib.Path(directory) / "spiece.model", 400, normalization_rule_tsv=str(rules))
        T5Tokenizer.from_pretrained(directory).save_pretrained(out / "t5_json")
    path = out / "t5_json" / "tokenizer.json"
    path.write_text(json.dumps(json.loads(path.read_text()), ensure_ascii=False) + "\n")
    return {name: T5Tokenizer.from_pretrained(out / name) for name in ["t5_spiece", "t5_json"]}


def make(out, options):
    from transformers import CLIPTokenizer
    clip = {name: CLIPTokenizer.from_pretrained(out.parent / "text" / name) for name in ["vocab_and_merges", "tokenizer_json"]}
    kinds = {"t5": write_t5_tokenizers(out), "clip": clip}

    fragments = sorted(set(" ".join(text.CORPUS).split()))
    fragments += T5_SPECIAL + text.SPECIAL + text.CONTRACTIONS + text.BLANKS + text.PIECES + [a for a, _ in RULES]
    fragments = [f.encode() for f in fragments] + text.NOT_UTF8
    tensors = {"fragments": torch.tensor(list(b"".join(fragments)), dtype=torch.uint8),
               "fragment_ends": torch.tensor([len(f) for f in fragments]).cumsum(0).int()}
    sweep = [sweep_string(first) for first in range(0, SWEEP_END, SWEEP_STEP)]
    strings = [generated_string(i, fragments).decode("utf-8", errors="replace") for i in range(STRINGS)]
    for kind, tokenizers in kinds.items():
        hashed, swept = [[] for _ in strings], [[] for _ in range(len(sweep) // SWEEP_GROUP)]
        for name, tokenizer in tokenizers.items():
            length = T5_LENGTH if kind == "t5" else tokenizer.model_max_length
            ids, counts = [], []
            for i, string in enumerate(strings):
                padded = tokenizer(string, truncation=True, max_length=length, padding="max_length")
                count = sum(padded["attention_mask"])
                assert padded["input_ids"][count:] == [tokenizer.pad_token_id] * (length - count)
                kept = padded["input_ids"][:count]
                hashed[i] += [*kept, len(tokenizer(string)["input_ids"]) - count]
                if i < WHOLE:
                    ids += kept
                    counts.append(count)
            for i, string in enumerate(sweep):
                swept[i // SWEEP_GROUP] += tokenizer(string, truncation=True, max_length=length)["input_ids"]
            tensors |= {f"{name}.ids": torch.tensor(ids, dtype=torch.int16), f"{name}.counts": torch.tensor(counts, dtype=torch.uint8)}
        for suffix, values in [("hashes", hashed), ("sweep", swept)]:
            hashes = torch.tensor([hash_of(v) for v in values])
            tensors[f"{kind}.{suffix}"] = (hashes - (hashes >= 2**15) * 2**16).to(torch.int16)  # the same bits
    save_file(tensors, out / "strings.safetensors")
