"""Training on a disk that fills up: it pauses, says what is missing, and ends with the same bits once there is room.

The disk is a tmpfs of 24 MB in a mount namespace of its own: this file runs itself inside it."""

import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import unittest

from harness import PANAL
from test_training_kills import lines_of, state_of, write_text

ENGINE = PANAL.parent / "panal-engine"
STEPS = 60
CONFIG = ("kind: pretrain\nname: full\n"
          "model: {width: 96, layers: 2, heads: 2, feed_forward_width: 192, context_length: 32}\n"
          "tokenizer: {vocabulary_size: 320}\ndata: {path: text.txt, validation_fraction: 0.1, passage_bytes: 512}\n"
          "optimizer: {rule: adamw, learning_rate: 0.003}\nbatch: {sequences: 2, context: 32}\n"
          "checkpoint: {every_steps: 2, every_seconds: 0}\nevaluation: {sample_tokens: 4, max_tokens: 256}\n"
          f"limits: {{steps: {STEPS}, threads: 1}}\n")


def start(folder):
    (folder / "job.json").write_text(json.dumps({"version": "1.0", "kind": "train", "spec": {
        "version": "1.0", "config": CONFIG, "config_name": "run.yaml", "base_directory": str(folder), "run_directory": str(folder / "run")}}))
    return subprocess.Popen([ENGINE, "job", folder], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def fill(path):
    with open(path, "wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                pass


def inside(disk):
    """In the namespace: trains, fills the disk after the second checkpoint, makes room when the pause was told."""
    filler, told, checkpoints = disk / "filler", [], 0
    process = start(disk)
    for line in process.stdout:
        told.append(line)
        checkpoints += '"checkpoint"' in line
        if checkpoints == 2 and not filler.exists() and not any("training pauses" in text for text in told):
            fill(filler)
        if "training pauses" in line:
            whole = [path for path in (disk / "run" / "checkpoints").glob("step_*")]
            print("whole checkpoints", len(whole))
            filler.unlink(missing_ok=True)
    print("code", process.wait(), "\n", *[line for line in told if '"message"' in line])
    for name in ("metrics.jsonl", f"checkpoints/step_{STEPS:08}"):
        subprocess.run(["cp", "-r", disk / "run" / name, sys.argv[3]], check=True)


@unittest.skipUnless(subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0,
                     "mounting a small disk is not allowed here")
class TrainingOnAFullDisk(unittest.TestCase):
    def test_pauses_and_ends_as_if_there_had_been_room(self):
        with tempfile.TemporaryDirectory(prefix="panal-full-") as name:
            folder = pathlib.Path(name)
            disk, whole, kept = folder / "disk", folder / "whole", folder / "kept"
            for path in (disk, whole, kept):
                path.mkdir()
            write_text(whole / "text.txt", random.Random(5))
            process = start(whole)
            output = process.communicate(timeout=300)[0]
            self.assertEqual(process.returncode, 0, output)
            done = subprocess.run(
                ["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=24m tmpfs '{disk}' && cp '{whole}/text.txt' '{disk}' && "
                 f"'{sys.executable}' -B '{__file__}' inside '{disk}' '{kept}'"],
                capture_output=True, text=True, timeout=300, env=os.environ)
            self.assertIn("code 0", done.stdout, done.stderr)
            self.assertIn("No space left on device", done.stdout)
            self.assertIn("0 bytes are free on that disk", done.stdout)
            self.assertIn("training goes on", done.stdout)
            last = f"step_{STEPS:08}"
            for file in ("weights.safetensors", "optimizer.safetensors"):
                self.assertEqual((kept / last / file).read_bytes(), (whole / "run" / "checkpoints" / last / file).read_bytes(), file)
            self.assertEqual(state_of(kept / last), state_of(whole / "run" / "checkpoints" / last))
            self.assertEqual(lines_of(kept), lines_of(whole / "run"))


if __name__ == "__main__":
    if len(sys.argv) > 1 and sys.argv[1] == "inside":
        inside(pathlib.Path(sys.argv[2]))
    else:
        unittest.main(verbosity=2)
