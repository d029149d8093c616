"""Makes the goldens of tests/tokenizer/tokenizer_test.cc and tokenizer_trainer_test.cc with
Hugging Face `tokenizers` and `transformers`, and checks a folder that Tokenizer::save wrote.

    python tools/goldens/tokenizer.py make --gguf SmolLM2.gguf --quijote examples/data/quijote-es.txt \
        --out tests/golden/tokenizer
    python tools/goldens/tokenizer.py check --folder SAVED --gguf SmolLM2.gguf --quijote ...
    python tools/goldens/tokenizer.py speed --gguf SmolLM2.gguf --quijote ...
"""

import argparse
import copy
import hashlib
import json
import pathlib
import struct
import time

import gguf
import tokenizers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

MASK = (1 << 64) - 1
BLOCK_BYTES = 4096

# The same pools, in the same order, are in tests/data/tokenizer_golden.h.
RANGES = [
    (0x00, 0x1F), (0x20, 0x7E), (0x7F, 0x9F), (0xA0, 0xFF), (0x100, 0x17F), (0x300, 0x36F), (0x391, 0x3A1),
    (0x3B1, 0x3C9), (0x410, 0x44F), (0x5D0, 0x5EA), (0x621, 0x63A), (0x660, 0x669), (0x905, 0x939),
    (0x966, 0x96F), (0xE01, 0xE30), (0x1680, 0x1680), (0x180E, 0x180E), (0x2000, 0x206F), (0x2070, 0x2071),
    (0x2150, 0x218B), (0x20A0, 0x20BF), (0x2190, 0x21FF), (0x3000, 0x3002), (0x3041, 0x3096), (0x30A1, 0x30FA),
    (0x4E00, 0x9FA5), (0xAC00, 0xD7A3), (0xE000, 0xE010), (0xFB00, 0xFB06), (0xFE0F, 0xFE0F), (0xFEFF, 0xFEFF),
    (0xFF10, 0xFF19), (0xFFFD, 0xFFFD), (0x1D7CE, 0x1D7FF), (0x1F1E6, 0x1F1FF), (0x1F300, 0x1F5FF),
    (0x1F600, 0x1F64F), (0x1F900, 0x1F9FF), (0x20000, 0x20100), (0xE0020, 0xE007F), (0x10FFFF, 0x10FFFF),
]
SNIPPETS = [
    " ", "  ", "   ", "\n", "\r\n", "\t", "\n\n\n", " \n ", "\u00a0", "\u3000", "'s", "'t", "'re", "'ve", "'m", "'ll",
    "'d", "'S", " 's", "don't", "12345", " 2024-01-31", "3.14159", "1,000,000", "\u00bd", "the", " the", " The",
    "def f(x):\n    return x\n", "a_b-c.d", "https://example.org/?q=1&r=%20", "<|im_start|>", "<|im_end|>",
    "<|endoftext|>", "<|im_", "\U0001F468\u200D\U0001F469\u200D\U0001F467", "\U0001F44D\U0001F3FD", "e\u0301", "\u00e9",
    "\ufb01", "\u0130", "\u03a3\u03c3\u03c2", "!!!", "...", "\u2026", "{}[]()", "\\n", "\"", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
]


class SplitMix:
    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        return self.next() % bound


def mixed_text(seed, num_parts):
    random = SplitMix(seed)
    parts = []
    for _ in range(num_parts):
        if random.below(2) == 0:
            parts.append(SNIPPETS[random.below(len(SNIPPETS))])
            continue
        low, high = RANGES[random.below(len(RANGES))]
        for _ in range(1 + random.below(6)):
            parts.append(chr(low + random.below(high - low + 1)))
    return "".join(parts)


def mixed_bytes(seed, num_bytes):
    """Bytes that are UTF-8 here and there."""
    random = SplitMix(seed)
    leads = [0x00, 0x41, 0x20, 0x80, 0xBF, 0xC0, 0xC3, 0xE0, 0xE2, 0xED, 0xF0, 0xF4, 0xF5, 0xFF, 0xA0, 0x9F]
    return bytes(leads[random.below(16)] if random.below(3) else random.below(256) for _ in range(num_bytes))


def blocks_of(data):
    """Whole lines, at least BLOCK_BYTES each."""
    blocks, start = [], 0
    while start < len(data):
        end = data.find(b"\n", min(start + BLOCK_BYTES, len(data)))
        end = len(data) if end < 0 else end + 1
        blocks.append(data[start:end])
        start = end
    return blocks


def digest(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


def summary(ids):
    return {"count": len(ids), "sha256": digest(ids), "first": ids[:16], "last": ids[-16:]}


def from_gguf(path):
    """The tokenizer inside SmolLM2's GGUF, as its authors describe it."""
    fields = gguf.GGUFReader(path).fields
    tokens = fields["tokenizer.ggml.tokens"].contents()
    types = fields["tokenizer.ggml.token_type"].contents()
    merges = [tuple(m.split(" ")) for m in fields["tokenizer.ggml.merges"].contents()]
    made = Tokenizer(models.BPE(vocab={t: i for i, t in enumerate(tokens)}, merges=merges))
    made.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    made.decoder = decoders.ByteLevel()
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t, k in zip(tokens, types) if k == 3])
    return made, fields["tokenizer.chat_template"].contents()


def encode(tokenizer, text, parse_special=False):
    tokenizer.encode_special_tokens = not parse_special
    return tokenizer.encode(text, add_special_tokens=False).ids


def text_golden(tokenizer, data, keep_blocks):
    text = data.decode("utf-8", "replace")
    golden = {"bytes": len(data), "whole": summary(encode(tokenizer, text)),
              "whole_special": summary(encode(tokenizer, text, True))}
    if keep_blocks:
        ids = [encode(tokenizer, block.decode("utf-8", "replace")) for block in blocks_of(data)]
        golden["blocks"] = [[len(i), digest(i)[:12]] for i in ids]
    return golden


def smollm_goldens(args, tokenizer):
    code = (args.out / "code_sample.txt").read_bytes()
    inputs = {"quijote": args.quijote.read_bytes(), "code": code,
              "mixed": mixed_text(7, 60000).encode(), "bytes": mixed_bytes(11, 40000)}
    golden = {"vocabulary_size": tokenizer.get_vocab_size(),
              "texts": {name: text_golden(tokenizer, data, name != "bytes") for name, data in inputs.items()},
              "short": []}
    for seed in range(300):
        text = mixed_text(1000 + seed, 12)
        ids = encode(tokenizer, text, True)
        golden["short"].append({"seed": 1000 + seed, "ids": ids})
    decoded = []
    random = SplitMix(5)
    for _ in range(200):
        ids = [random.below(49152) for _ in range(1 + random.below(12))]
        decoded.append({"ids": ids, "text": tokenizer.decode(ids, skip_special_tokens=True),
                        "with_special": tokenizer.decode(ids, skip_special_tokens=False)})
    golden["decoded"] = decoded
    return golden


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")


def byte_level(prefix_space=False, use_regex=True):
    return {"type": "ByteLevel", "add_prefix_space": prefix_space, "trim_offsets": True, "use_regex": use_regex}


def split(pattern, behavior="Isolated", invert=False):
    return {"type": "Split", "pattern": pattern, "behavior": behavior, "invert": invert}


def sequence(*steps):
    return {"type": "Sequence", "pretokenizers": list(steps)}


def added(content, **flags):
    token = {"id": 0, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
    return {**token, **flags}


def variants():
    """Changes of the base tokenizer.json, by name."""
    last = byte_level(use_regex=False)
    cases = {
        "gpt2": {}, "gpt2_prefix_space": {"pre_tokenizer": byte_level(True)},
        "digits_together": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": False}, byte_level())},
        "digits_prefix_space": {"pre_tokenizer": sequence({"type": "Digits", "individual_digits": True},
                                                          byte_level(True))},
        "no_pattern": {"pre_tokenizer": last},
        "llama3": {"pre_tokenizer": sequence(split({"Regex": LLAMA3}), last), "model": {"ignore_merges": True}},
        "qwen2": {"pre_tokenizer": sequence(split({"Regex": LLAMA3.replace("{1,3}", "")}), last),
                  "normalizer": {"type": "NFC"}},
        "words": {"pre_tokenizer": sequence(split({"Regex": r"\w+|[^\w\s]+"}, "Removed", True), last)},
        "string_merges": {"string_merges": True},
        "nfkc_lower": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}]}},
        "nfd": {"normalizer": {"type": "NFD"}}, "nfkd": {"normalizer": {"type": "NFKD"}},
        "prepend_replace": {"normalizer": {"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "_"}, {"type": "Replace", "pattern": {"String": " "}, "content": "_"},
            {"type": "Replace", "pattern": {"Regex": "[0-9]+"}, "content": "#"}]}},
        "added": {"added_tokens": [
            added("<s>"), added("<strip>", lstrip=True, rstrip=True),
            added("the", single_word=True, special=False),
            added("<|im_end|>", lstrip=True), added("<|im_end|>!", special=False),
            added("def f", special=False, normalized=True),
            added("\u00e9", special=False, normalized=True)]},
        "added_normalized": {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
                             "added_tokens": [added("THE", special=False, normalized=True),
                                              added("The", special=False),
                                              added("<|im_end|>")]},
    }
    for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"]:
        for invert in [False, True]:
            name = f"split_{behavior}{'_inverted' if invert else ''}"
            cases[name] = {"pre_tokenizer": sequence(split({"Regex": r"\s"}, behavior, invert), last)}
            cases[name + "_string"] = {"pre_tokenizer": sequence(split({"String": "e"}, behavior, invert), last)}
    return cases


def numbered(base, tokens):
    """Ids as `tokenizers` gives them: a token of the vocabulary keeps its own, new ones follow."""
    next_id = len(base["model"]["vocab"])
    for token in tokens:
        token["id"] = base["model"]["vocab"].get(token["content"], next_id)
        next_id += token["id"] == next_id
    return tokens


def apply_variant(base, change):
    made = copy.deepcopy(base)
    for key, value in change.items():
        if key == "model":
            made["model"].update(value)
        elif key == "string_merges":
            made["model"]["merges"] = [" ".join(m) for m in made["model"]["merges"]]
        else:
            made[key] = value
    return made


def variant_goldens(args):
    text = args.quijote.read_text(encoding="utf-8")[:60000] + mixed_text(3, 2000)
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(vocab_size=700, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  show_progress=False)
    made.train_from_iterator([text], trainer)
    base = json.loads(made.to_str())
    texts = [{"seed": 2000 + i, "parts": 25} for i in range(6)]
    cases = []
    for name, change in variants().items():
        numbered(base, change.get("added_tokens", []))
        tokenizer = Tokenizer.from_str(json.dumps(apply_variant(base, change)))
        ids = [encode(tokenizer, mixed_text(t["seed"], t["parts"]), True) for t in texts]
        plain = [encode(tokenizer, mixed_text(t["seed"], t["parts"]), False) for t in texts]
        cases.append({"name": name, "change": change, "ids": ids, "ids_plain": plain})
    return {"base": base, "texts": texts, "cases": cases}


def trainer_goldens(args):
    text = args.quijote.read_bytes()[:300000].decode("utf-8", "ignore")
    goldens = []
    for splits_digits, size, specials in [(True, 2000, ["<|endoftext|>", "<pad>"]), (False, 1200, [])]:
        made = Tokenizer(models.BPE())
        steps = [pre_tokenizers.Digits(individual_digits=True)] if splits_digits else []
        made.pre_tokenizer = pre_tokenizers.Sequence(steps + [pre_tokenizers.ByteLevel(add_prefix_space=False)])
        trainer = trainers.BpeTrainer(vocab_size=size, special_tokens=specials, min_frequency=2, show_progress=False,
                                      initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
        made.train_from_iterator([text, mixed_text(21, 3000)], trainer)
        tokens = [made.id_to_token(i) for i in range(made.get_vocab_size())]
        goldens.append({"splits_digits": splits_digits, "vocabulary_size": size, "special_tokens": specials,
                        "last_tokens": tokens[-24:],
                        "tokens_sha256": hashlib.sha256("\n".join(tokens).encode()).hexdigest(),
                        "ids": summary(encode(made, text[:50000]))})
    return goldens


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n", encoding="utf-8")
    print(path, path.stat().st_size, "bytes")


def make(args):
    tokenizer, _ = from_gguf(args.gguf)
    write(args.out / "smollm2.json", smollm_goldens(args, tokenizer))
    write(args.out / "variants.json", variant_goldens(args))
    write(args.out / "trainer.json", trainer_goldens(args))


def check(args):
    """Compares a saved folder, loaded by AutoTokenizer and by `tokenizers`, with the tokenizer of the GGUF."""
    from transformers import AutoTokenizer
    oracle, chat_template = from_gguf(args.gguf)
    auto = AutoTokenizer.from_pretrained(args.folder)
    plain = Tokenizer.from_file(str(args.folder / "tokenizer.json"))
    texts = [args.quijote.read_bytes().decode(), mixed_text(7, 60000)]
    for text in texts:
        wanted = encode(oracle, text, True)
        assert encode(plain, text, True) == wanted
        assert auto(text, add_special_tokens=False)["input_ids"] == wanted
        assert auto.decode(wanted, skip_special_tokens=True) == oracle.decode(wanted, skip_special_tokens=True)
    assert auto.chat_template == chat_template
    print("equal:", type(auto).__name__, "bos", auto.bos_token, "eos", auto.eos_token, auto.eos_token_id)


def check_trained(args):
    """A trained tokenizer's folder against ids panal printed: FOLDER/ids.json of FOLDER/text.txt."""
    from transformers import AutoTokenizer
    text = (args.folder / "text.txt").read_bytes().decode("utf-8", "replace")
    ids = json.loads((args.folder / "ids.json").read_text())
    assert AutoTokenizer.from_pretrained(args.folder)(text, add_special_tokens=False)["input_ids"] == ids
    print("equal:", len(ids), "ids")


def speed(args):
    tokenizer, _ = from_gguf(args.gguf)
    text = args.quijote.read_bytes()[: args.bytes].decode("utf-8", "ignore")
    tokenizer.encode_special_tokens = True
    for _ in range(5):
        fresh = Tokenizer.from_str(tokenizer.to_str())
        fresh.encode_special_tokens = True
        start = time.perf_counter()
        ids = fresh.encode(text, add_special_tokens=False).ids
        cold = time.perf_counter() - start
        start = time.perf_counter()
        fresh.encode(text, add_special_tokens=False)
        warm = time.perf_counter() - start
        print(f"tokenizers {tokenizers.__version__}: {len(ids)} ids, cold {cold * 1000:.1f} ms, warm {warm * 1000:.1f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "check", "check_trained", "speed"])
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--quijote", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path)
    parser.add_argument("--bytes", type=int, default=1_000_000)
    args = parser.parse_args()
    {"make": make, "check": check, "check_trained": check_trained, "speed": speed}[args.command](args)


if __name__ == "__main__":
    main()
