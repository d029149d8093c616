#!/usr/bin/env python3
"""Seconds lm-evaluation-harness takes over the questions of a folder, what `panal eval --tasks` is compared with.

Usage: choices_lm_eval.py --model FOLDER --rows tests/golden/choices [--task hellaswag|arc] [--batch 8] [--repeats 3]
FOLDER is what `panal models export` wrote. float32, on as many threads as there are. The time is that of the requests,
without loading the model and building the prompts. Prints one JSON line: the median, with the lowest and highest.
Install: pip install lm_eval==0.4.13, on panal's own PyTorch.
"""
import argparse
import json
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "goldens"))

import choices  # noqa: E402


class Timed(choices.HFLM):
    seconds = 0.0

    def loglikelihood(self, requests, **options):
        begin = time.perf_counter()
        answers = super().loglikelihood(requests, **options)
        self.seconds += time.perf_counter() - begin
        return answers


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--rows", type=pathlib.Path, required=True)
    parser.add_argument("--task", choices=["hellaswag", "arc"], default="hellaswag")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    model = Timed(pretrained=options.model, dtype="float32", device="cpu", batch_size=options.batch)
    rows = (options.rows / f"{options.task}.jsonl").resolve()
    if options.task == "hellaswag":
        described = choices.task("timed", choices.original("hellaswag/hellaswag.yaml"), rows,
                                 process_docs=choices.hellaswag.process_docs)
    else:
        described = choices.task("timed", choices.original("arc/arc_easy.yaml"), rows)
    seconds = []
    for _ in range(options.repeats):
        model.seconds = 0.0
        found = choices.evaluated(model, described)
        seconds.append(model.seconds)
    print(json.dumps({"task": options.task, "items": len(found["items"]), "batch": options.batch, "acc": found["acc"],
                      "seconds": statistics.median(seconds), "lowest": min(seconds), "highest": max(seconds)}))


if __name__ == "__main__":
    main()
