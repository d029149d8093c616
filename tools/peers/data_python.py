"""The peers of `panal bench tokenize` and `panal bench deduplicate`, on the same JSONL file.

    python tools/peers/data_python.py make --out texts.jsonl TEXT-FILE...      # passages of about 4 KB
    python tools/peers/data_python.py near --out near.jsonl --seed 1 texts.jsonl  # adds changed copies
    python tools/peers/data_python.py tokenizer --gguf SmolLM2.gguf --out FOLDER  # its tokenizer.json
    python tools/peers/data_python.py tokenize --tokenizer FOLDER/tokenizer.json --threads 2 texts.jsonl
    python tools/peers/data_python.py deduplicate near.jsonl    # MinHash as datasketch does it, 128 values

`tokenize` is Hugging Face `tokenizers` encode_batch; ids_sha256 must equal panal's.
"""

import argparse
import hashlib
import json
import os
import pathlib
import random
import re
import struct
import sys
import time


def read(path):
    return [json.loads(line)["text"] for line in open(path, encoding="utf-8")]


def write(path, texts):
    with open(path, "w", encoding="utf-8") as out:
        for text in texts:
            out.write(json.dumps({"text": text}, ensure_ascii=False) + "\n")


def make(args):
    passages = []
    for path in args.files:
        passage = ""
        for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines(keepends=True):
            passage += line
            if len(passage) >= 4096:
                passages.append(passage)
                passage = ""
        if passage.strip():
            passages.append(passage)
    write(args.out, passages)


def near(args):
    draw = random.Random(args.seed)
    texts = read(args.files[0])
    copies = []
    for text in draw.sample(texts, len(texts) // 5):
        words = text.split(" ")
        for _ in range(draw.randint(0, max(1, len(words) // 40))):
            words[draw.randrange(len(words))] = "changed"
        copies.append(" ".join(words))
    write(args.out, texts + copies)


def tokenizer(args):
    sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "goldens"))
    import tokenizer as goldens
    args.out.mkdir(parents=True, exist_ok=True)
    goldens.from_gguf(args.gguf)[0].save(str(args.out / "tokenizer.json"))


def median_speed(total, runs, work):
    speeds = []
    for run in range(runs + 1):
        begin = time.perf_counter()
        result = work()
        if run:
            speeds.append(total / 1e6 / (time.perf_counter() - begin))
    speeds.sort()
    return result, {"mb_per_s": speeds[len(speeds) // 2], "mb_per_s_low": speeds[0], "mb_per_s_high": speeds[-1]}


def tokenize(args):
    os.environ["RAYON_NUM_THREADS"] = str(args.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true" if args.threads > 1 else "false"
    import tokenizers
    made = tokenizers.Tokenizer.from_file(str(args.tokenizer))
    made.encode_special_tokens = True
    once = read(args.files[0])
    texts, total = [], 0
    while total < args.megabytes * 1e6:
        texts += once
        total += sum(len(text.encode()) for text in once)
    encoded, speed = median_speed(total, args.runs, lambda: made.encode_batch(texts, add_special_tokens=False))
    digest = hashlib.sha256()
    for one in encoded:
        digest.update(struct.pack(f"<{len(one.ids)}i", *one.ids))
    print(json.dumps({"version": tokenizers.__version__, "bytes": total, "tokens": sum(len(e.ids) for e in encoded),
                      "ids_sha256": digest.hexdigest(), **speed}))


def deduplicate(args):
    import numpy
    prime = (1 << 61) - 1
    draw = numpy.random.RandomState(1)
    a = draw.randint(1, prime, 128, dtype=numpy.uint64)
    b = draw.randint(0, prime, 128, dtype=numpy.uint64)
    texts = read(args.files[0])

    def shingles(text):
        words = re.findall(r"\w+", text.lower())
        return {" ".join(words[i:i + 5]) for i in range(max(1, len(words) - 4))}

    def work():
        buckets, removed, sets = {}, 0, []
        for index, text in enumerate(texts):
            own = shingles(text)
            sets.append(own)
            hashes = numpy.array([int.from_bytes(hashlib.sha1(s.encode()).digest()[:4], "little") for s in own],
                                 dtype=numpy.uint64)
            values = ((numpy.outer(hashes, a) + b) % prime & 0xFFFFFFFF).min(axis=0)
            keys = [(band, values[band * 5:band * 5 + 5].tobytes()) for band in range(25)]
            candidates = {i for key in keys for i in buckets.get(key, ())}
            if any(len(own & sets[i]) / len(own | sets[i]) >= 0.8 for i in candidates):
                removed += 1
                continue
            for key in keys:
                buckets.setdefault(key, []).append(index)
        return removed

    total = sum(len(text.encode()) for text in texts)
    removed, speed = median_speed(total, args.runs, work)
    print(json.dumps({"bytes": total, "documents": len(texts), "removed": removed, **speed}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=["make", "near", "tokenizer", "tokenize", "deduplicate"])
    parser.add_argument("files", nargs="*")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--gguf", type=pathlib.Path)
    parser.add_argument("--tokenizer", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--megabytes", type=float, default=20)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_intermixed_args()
    {"make": make, "near": near, "tokenizer": tokenizer, "tokenize": tokenize, "deduplicate": deduplicate}[
        args.command](args)


if __name__ == "__main__":
    main()
