"""What transformers computes in float32 with SmolLM2-135M-Instruct read from its GGUF file.

Writes expected.json: greedy continuations of 5 prompts (64 tokens each, with the margin between the best and the
second logit at each step), the top logits after each prompt, and the perplexity of a text: non-overlapping windows,
every token but a window's first scored, no special tokens. The ids of the text are in it too.

    python tools/goldens/smollm2.py MODEL.gguf TEXT.txt tests/golden/smollm2
"""

import json
import math
import pathlib
import sys

import torch
import transformers

PROMPTS = [
    "The capital of Peru is",
    "<|im_start|>user\nWhat is a honeycomb?<|im_end|>\n<|im_start|>assistant\n",
    "def fibonacci(n):\n    ",
    "En un lugar de la Mancha, de cuyo nombre",
    "1, 2, 3, 4,",
]
WINDOW = 256
NUM_TEXT_TOKENS = 2048


def greedy(model, ids, steps):
    """Plain argmax with a cache; no generation settings in between."""
    new_ids, margins, cache = [], [], None
    tokens = torch.tensor([ids])
    first = None
    for _ in range(steps):
        out = model(tokens, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits = out.logits[0, -1]
        if first is None:
            first = logits
        best = torch.topk(logits, 2)
        margins.append(round((best.values[0] - best.values[1]).item(), 6))
        new_ids.append(best.indices[0].item())
        tokens = best.indices[:1].view(1, 1)
    return new_ids, margins, first


def perplexity(model, ids):
    total, scored = 0.0, 0
    for begin in range(0, len(ids), WINDOW):
        window = torch.tensor([ids[begin:begin + WINDOW]])
        if window.size(1) < 2:
            continue
        logits = model(window).logits[0, :-1]
        total += torch.nn.functional.cross_entropy(logits, window[0, 1:], reduction="sum").item()
        scored += window.size(1) - 1
    return total / scored, scored


@torch.no_grad()
def main(gguf, text, folder):
    torch.set_num_threads(2)
    place = {"gguf_file": gguf.name}
    model = transformers.AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.float32, **place).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(gguf.parent, **place)
    prompts = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        new_ids, margins, logits = greedy(model, ids, 64)
        top = torch.topk(logits, 50)
        prompts.append({"prompt": prompt, "ids": ids, "greedy_ids": new_ids, "margins": margins,
                        "top_ids": top.indices.tolist(), "top_logits": [round(x, 5) for x in top.values.tolist()],
                        "logits_every_997": [round(x, 5) for x in logits[::997].tolist()]})
    text_ids = tokenizer(text.read_text(encoding="utf-8"), add_special_tokens=False).input_ids[:NUM_TEXT_TOKENS]
    loss, scored = perplexity(model, text_ids)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "expected.json").write_text(json.dumps(
        {"prompts": prompts, "window": WINDOW, "loss": loss, "perplexity": math.exp(loss), "scored": scored,
         "text_ids": text_ids}) + "\n")


if __name__ == "__main__":
    main(*[pathlib.Path(argument) for argument in sys.argv[1:]])
