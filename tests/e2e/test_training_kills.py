"""Training that is killed at random moments and begun again ends with the bits of training that nobody disturbed.

The short form is an ordinary test. `--seconds N` goes on with new seeds, rules and checkpoint settings until N seconds
are over: ./scripts/test.sh --full does so for half an hour. `--seed N` repeats one round."""

import argparse
import itertools
import json
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

from harness import PANAL

ENGINE = PANAL.parent / "panal-engine"
WORDS = "bee queen drone keeper honey hive pollen wax water flower finds builds guards carries the a my one red old".split()
STEPS = 24


def write_text(path, generator):
    with open(path, "w", encoding="utf-8") as file:
        for _ in range(400):
            file.write(" ".join(generator.choice(WORDS) for _ in range(60)) + ".\n\n")


def config_of(generator):
    rule = generator.choice(["rule: adamw, learning_rate: 0.003", "rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02"])
    flag = lambda: generator.choice(["true", "false"])
    # More checkpoints than anybody would want, so that many kills come while one is being written.
    checkpoint = (f"every_steps: {generator.choice([1, 2, 3])}, every_seconds: 0, keep: {generator.choice([1, 2])}, "
                  f"keep_best: {flag()}, asynchronous: {flag()}, verify: {flag()}")
    return (f"kind: pretrain\nname: kills\nseed: {generator.randrange(1000)}\n"
            "model: {width: 96, layers: 2, heads: 2, feed_forward_width: 192, context_length: 32}\n"
            "tokenizer: {vocabulary_size: 320}\n"
            "data: {path: text.txt, validation_fraction: 0.1, passage_bytes: 512}\n"
            f"optimizer: {{{rule}}}\nbatch: {{sequences: 2, context: 32, accumulate: {generator.choice([1, 2])}}}\n"
            f"checkpoint: {{{checkpoint}}}\nevaluation: {{sample_tokens: 4, max_tokens: 256}}\n"
            f"limits: {{steps: {STEPS}, threads: 1}}\n")


def start(folder, name, config):
    job = folder / name
    job.mkdir(exist_ok=True)
    (job / "job.json").write_text(json.dumps({"version": "1.0", "kind": "train", "spec": {
        "version": "1.0", "config": config, "config_name": "run.yaml", "base_directory": str(folder), "run_directory": str(job / "run")}}))
    log = open(job / "log.txt", "ab")
    return subprocess.Popen([ENGINE, "job", job], stdout=log, stderr=log)


def finish(folder, name, config):
    process = start(folder, name, config)
    if process.wait(timeout=600) != 0:
        raise AssertionError(f"training {name} failed: {(folder / name / 'log.txt').read_text()[-2000:]}")


def kill_once(folder, config, whole_s, generator):
    """Ends a run somewhere, half of the time while a checkpoint is being written; says whether it was still running."""
    process = start(folder, "killed", config)
    begin = time.monotonic()
    until = begin + generator.uniform(0.0, 1.1 * whole_s)
    wants_checkpoint = generator.random() < 0.5
    checkpoints = folder / "killed" / "run" / "checkpoints"
    while process.poll() is None and time.monotonic() < until + (whole_s if wants_checkpoint else 0):
        if time.monotonic() >= until and wants_checkpoint and any(checkpoints.glob(".unfinished_*")):
            break
        time.sleep(0.001)
    was_running = process.poll() is None
    if was_running:
        process.send_signal(signal.SIGTERM if generator.random() < 0.2 else signal.SIGKILL)
    process.wait(timeout=600)
    return was_running


def lines_of(run):
    """metrics.jsonl without what a clock said."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


def state_of(checkpoint):
    """The counters: step, tokens, data position, optimizer steps, checksums; without what a clock or meter said."""
    state = json.loads(json.loads((checkpoint / "state.json").read_text())["body"])
    return {key: value for key, value in state.items() if key not in ("seconds", "training_seconds", "checkpoint_seconds", "energy")}


def compare(folder):
    whole, killed = folder / "whole" / "run", folder / "killed" / "run"
    last = f"checkpoints/step_{STEPS:08}"
    # optimizer.safetensors holds the random generator too.
    for name in (f"{last}/weights.safetensors", f"{last}/optimizer.safetensors", "model/model.safetensors", "sample.txt"):
        assert (whole / name).read_bytes() == (killed / name).read_bytes(), f"{name} differs"
    assert state_of(whole / last) == state_of(killed / last), "the counters differ"
    for number, (one, other) in enumerate(itertools.zip_longest(lines_of(whole), lines_of(killed)), 1):
        assert one == other, f"line {number} of metrics.jsonl differs: {one} where nobody was killed, {other}"
    kept = [sorted(path.name for path in (run / "checkpoints").iterdir()) for run in (whole, killed)]
    assert not any(name.startswith(".") for names in kept for name in names), f"an unfinished checkpoint stayed: {kept}"


def round_of(seed, num_kills):
    print(f"seed {seed}", end=" ", flush=True)
    generator = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="panal-kills-") as name:
        folder = pathlib.Path(name)
        write_text(folder / "text.txt", generator)
        config = config_of(generator)
        begin = time.monotonic()
        finish(folder, "whole", config)
        whole_s = time.monotonic() - begin
        killed = sum(kill_once(folder, config, whole_s, generator) for _ in range(num_kills))
        finish(folder, "killed", config)
        compare(folder)
    print(f"killed {killed} times, equal", flush=True)
    return killed


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0, help="0: two rounds")
    parser.add_argument("--seed", type=int, help="of the first round; random when missing")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 30)
    begin, rounds, killed = time.monotonic(), 0, 0
    while rounds < (1 if options.seconds else 2) or time.monotonic() - begin < options.seconds:
        killed += round_of(seed + rounds, num_kills=6)
        rounds += 1
    print(f"{rounds} rounds, {killed} kills, no bit differs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
