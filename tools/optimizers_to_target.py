"""How many tokens does each optimizer need to a validation loss? Runs `panal train` on the same text, model and seeds.

    python3 tools/optimizers_to_target.py --data text.txt --target 3.9 --budget 1200 [--seeds 3] [--json out.json]

Every rule first runs each learning rate of its grid on seed 1; the one that needs fewest tokens runs the other seeds.
The learning rate is constant after a warm-up, so that a run that goes on longer is the same run. The target is crossed
where the line between two evaluations crosses it. Runs that do not get there count as "not reached". The budget bounds
the whole: when it is spent, what is missing is said to be missing.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MODEL = "{width: 128, layers: 4, heads: 4, feed_forward_width: 352, context_length: 128}"
RULES = {
    "adamw": (["rule: adamw, learning_rate: %g", (0.002, 0.004, 0.008)]),
    "muon": (["rule: muon, learning_rate: 0.004, muon_learning_rate: %g", (0.01, 0.02, 0.04)]),
    "normuon": (["rule: normuon, learning_rate: 0.004, muon_learning_rate: %g", (0.01, 0.02, 0.04)]),
    "scion": (["rule: scion, learning_rate: 0.004, scion: {learning_rate: %g}", (0.0002, 0.0004, 0.0008)]),
    "transported_scion": (["rule: transported_scion, learning_rate: 0.004, transported_scion: "
                           "{learning_rate: %g, extrapolation: 3, extrapolation_warmup_steps: 40}",
                           (0.01, 0.02, 0.04)]),
    "ema_nesterov_muon": (["rule: muon, learning_rate: 0.004, muon_learning_rate: %g, "
                           "ema_nesterov: {extrapolation: 2, keep: 0.95, begin_step: 40}", (0.01, 0.02, 0.04)]),
}


def run_yaml(options, optimizer, seed):
    return (f"kind: pretrain\nname: optimizers\nseed: {seed}\nprecision: fp32\nmodel: {MODEL}\n"
            "tokenizer: {vocabulary_size: 512}\n"
            f"data: {{path: {options.data.resolve()}, validation_fraction: 0.05}}\n"
            f"optimizer: {{{optimizer}}}\nschedule: {{shape: constant, warmup_steps: 20}}\n"
            f"batch: {{sequences: {options.batch}, context: 128}}\n"
            "checkpoint: {every_seconds: 0}\n"
            f"evaluation: {{every_steps: {options.every}, max_tokens: 8192, sample_tokens: 0}}\n"
            f"limits: {{steps: {options.steps}}}\n")


def crossing(lines, target):
    """Steps, tokens and seconds of training at the target; None when it is not reached."""
    seconds, tokens_at, seconds_at, before = 0.0, {0: 0}, {0: 0.0}, None
    for line in lines:
        if "validation_loss" in line:
            point = (line["step"], line["validation_loss"])
            if point[1] <= target:
                share = 1.0 if before is None else (before[1] - target) / (before[1] - point[1])
                low = before[0] if before else 0
                step = low + share * (point[0] - low)
                between = lambda of: of[low] + share * (of[point[0]] - of[low])
                return step, between(tokens_at), between(seconds_at)
            before = point
        elif "seconds" in line:
            seconds += line["seconds"]
            tokens_at[line["step"]], seconds_at[line["step"]] = line["tokens"], seconds
    return None


def train(options, optimizer, seed):
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "run.yaml"
        path.write_text(run_yaml(options, optimizer, seed))
        done = subprocess.run([options.panal, "train", str(path)], env=os.environ | {"PANAL_HOME": home + "/home"},
                              capture_output=True, text=True)
        metrics = list(Path(home).glob("home/**/metrics.jsonl"))
        if done.returncode != 0 or len(metrics) != 1:
            sys.exit(f"{options.panal} train failed: {done.stderr.strip() or done.stdout.strip()}")
        return [json.loads(line) for line in metrics[0].read_text().splitlines()]


def curve(lines):
    return [(line["step"], line["validation_loss"]) for line in lines if "validation_loss" in line]


def measure(options, name, ends):
    pattern, grid = RULES[name]
    runs, best = [], None
    for rate in grid:
        if time.monotonic() > ends:
            break
        lines = train(options, pattern % rate, 1)
        found = crossing(lines, options.target)
        print(f"  {name} {rate:g} seed 1: {found and tuple(round(x, 1) for x in found)} last {curve(lines)[-1]}",
              file=sys.stderr, flush=True)
        key = found[1] if found else float("inf")
        if best is None or key < best[0]:
            best, runs = (key, rate), [{"seed": 1, "at": found, "curve": curve(lines)}]
    for seed in range(2, options.seeds + 1):
        if best is None or time.monotonic() > ends:
            break
        lines = train(options, pattern % best[1], seed)
        runs.append({"seed": seed, "at": crossing(lines, options.target), "curve": curve(lines)})
    return {"rule": name, "learning_rate": best and best[1], "runs": runs}


def spread(values, form):
    return f"{statistics.mean(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--target", type=float, required=True, help="validation loss in nats per token")
    parser.add_argument("--panal", default="build/bin/panal")
    parser.add_argument("--rules", nargs="+", choices=list(RULES), default=list(RULES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=400, help="of each run at most")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--every", type=int, default=20, help="steps between evaluations")
    parser.add_argument("--budget", type=float, default=1200, help="seconds")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    ends = time.monotonic() + options.budget
    results = [measure(options, name, ends) for name in options.rules]
    print("| rule | learning rate | seeds | steps | tokens | seconds |\n|---|---|---|---|---|---|")
    for result in results:
        reached = [run["at"] for run in result["runs"] if run["at"]]
        counts = f"{len(reached)} of {len(result['runs'])}"
        if not reached:
            print(f"| {result['rule']} | {result['learning_rate']} | {counts} | not reached | | |")
            continue
        steps, tokens, seconds = zip(*reached)
        print(f"| {result['rule']} | {result['learning_rate']} | {counts} | {spread(steps, '.0f')} | "
              f"{spread([t / 1000 for t in tokens], '.0f')} k | {spread(seconds, '.1f')} |")
    if options.json:
        options.json.write_text(json.dumps({"options": vars(options) | {"data": str(options.data), "json": None},
                                            "results": results}, indent=1))


if __name__ == "__main__":
    main()
