#!/usr/bin/env python3
"""LoRA training speed of transformers + peft, what `panal finetune` is compared with.

Usage: lora_peft.py --model FOLDER --text FILE [--precision fp32|bf16] [--rank 8] [--batch 4] [--context 256] [--steps 6]
FOLDER is what `panal models export` wrote. bf16 is autocast over float32 weights. Prints one JSON line: the median over the
steps after the first, with the lowest and highest.
Install: the test clients of scripts/setup.sh --tests (transformers, peft), on panal's own PyTorch.
"""
import argparse
import contextlib
import json
import statistics
import time

import peft
import torch
import transformers

LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    for name, value in {"rank": 8, "batch": 4, "context": 256, "steps": 6, "threads": 0}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(1)

    core = transformers.AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
    model = peft.get_peft_model(core, peft.LoraConfig(r=options.rank, lora_alpha=2 * options.rank, target_modules=LINEAR,
                                                      task_type="CAUSAL_LM"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
    ids = torch.tensor(tokenizer(open(options.text, encoding="utf-8").read(), add_special_tokens=False)["input_ids"])
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=2e-3)
    rounded = options.precision == "bf16"

    seconds = []
    for _ in range(options.steps + 1):
        starts = torch.randint(0, len(ids) - options.context, (options.batch,))
        windows = torch.stack([ids[s:s + options.context] for s in starts])
        begin = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16) if rounded else contextlib.nullcontext():
            loss = model(input_ids=windows, labels=windows).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seconds.append(time.perf_counter() - begin)
    rate = [options.batch * options.context / s for s in seconds[1:]]
    print(json.dumps({"peer": "transformers + peft", "precision": options.precision, "tokens_per_s": round(statistics.median(rate), 1),
                      "low": round(min(rate), 1), "high": round(max(rate), 1), "steps": options.steps, "torch": torch.__version__}))


main()
