"""Which run a command means: the one it began, whatever was changed that does not shape its weights; another one when
something was that does."""

import json
import os
import pathlib
import shutil
import unittest

from harness import Case

WORDS = ("the bee", "a queen", "my drone", "carries", "finds", "guards", "honey", "the hive", "pollen", "a flower")

RUN = """kind: pretrain
name: tiny
model: {architecture: llama, width: 64, layers: 1, heads: 2, feed_forward_width: 128}
tokenizer: {vocabulary_size: 300}
data: {path: text.txt}
optimizer: {rule: adamw, learning_rate: 0.003}
precision: fp32
device: cpu
batch: {sequences: 2, context: 64}
checkpoint: {every_steps: 10, keep: 2}
limits: {steps: 20}
"""


def text_of(step):
    return "".join(" ".join(WORDS[(i * step + j * j) % len(WORDS)] for j in range(9)) + ".\n\n" for i in range(400))


class RunCase(Case):
    def setUp(self):
        self.folder_of_test = pathlib.Path(self.folder.name) / self._testMethodName
        self.folder_of_test.mkdir()
        self.home_of_test = self.folder_of_test / "home"
        self.yaml = self.folder_of_test / "run.yaml"
        self.yaml.write_text(RUN)
        self.text = self.folder_of_test / "text.txt"
        self.text.write_text(text_of(7))

    def go(self, command="train", *arguments, yaml=None, new=()):
        """A run to its end: what it told people, and its summary."""
        if command == "train":
            arguments = (yaml or self.yaml, *arguments)
        done = self.run_panal("--json", command, *arguments, *new, home=self.home_of_test)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stderr, json.loads(done.stdout)

    def change(self, old, new):
        yaml = self.yaml.read_text()
        self.assertIn(old, yaml)
        self.yaml.write_text(yaml.replace(old, new))

    def refuses(self, *arguments, words):
        done = self.run_panal(*arguments, home=self.home_of_test)
        self.assertNotEqual(done.returncode, 0)
        for word in words:
            self.assertIn(word, done.stderr)

    def losses(self, summary):
        lines = (pathlib.Path(summary["run_folder"]) / "run" / "metrics.jsonl").read_text().splitlines()
        return [line["loss"] for line in map(json.loads, lines) if "loss" in line]


class WhatAnEditedFileMeans(RunCase):
    def test_comments_limits_checkpoints_evaluation_and_names_go_on_with_the_run(self):
        _, first = self.go()
        self.yaml.write_text("# a note to myself\n" + self.yaml.read_text())
        told, again = self.go()
        self.assertEqual(again["run_folder"], first["run_folder"])
        self.assertIn("already completed: tiny after 20 steps", told)
        self.change("keep: 2", "keep: 3")
        self.change("name: tiny", "name: little\nevaluation: {every_steps: 5}")
        self.assertEqual(self.go()[1]["run_folder"], first["run_folder"])
        self.change("steps: 20", "steps: 30")
        told, more = self.go()
        self.assertEqual(more["run_folder"], first["run_folder"])
        self.assertEqual((more["resumed_from_step"], more["steps"]), (20, 30))
        self.assertIn("planned anew at step 20: 30 steps in all, not 20", told)
        self.change("steps: 30", "steps: 25")
        self.refuses("train", self.yaml, words=["limits.steps was 30 and is now 25", "has taken 30 steps"])

    def test_the_same_file_elsewhere_with_its_data_is_the_same_run(self):
        _, first = self.go()
        moved = self.folder_of_test / "moved"
        moved.mkdir()
        shutil.copy(self.yaml, moved / "other.yaml")
        shutil.copy(self.text, moved / "text.txt")
        self.assertEqual(self.go(yaml=moved / "other.yaml")[1]["run_folder"], first["run_folder"])

    def test_what_shapes_the_weights_begins_a_new_run_that_says_why(self):
        _, first = self.go()
        self.change("learning_rate: 0.003", "learning_rate: 0.004")
        told, second = self.go()
        self.assertNotEqual(second["run_folder"], first["run_folder"])
        self.assertEqual(second["resumed_from_step"], -1)
        self.assertIn("a new run: optimizer.learning_rate was 0.003 and is 0.004", told)
        self.assertIn(first["run_folder"], told)

    def test_other_numbers_of_processes_and_threads_go_on_with_the_run(self):
        _, first = self.go()
        self.change("steps: 20", "steps: 24, threads: 1")
        _, threads = self.go()
        self.change("steps: 24", "steps: 28")
        _, processes = self.go("train", "--processes", 2)
        for summary in (threads, processes):
            self.assertEqual(summary["run_folder"], first["run_folder"])
        self.assertEqual(processes["resumed_from_step"], 24)

    def test_a_changed_precision_is_refused_with_both_values(self):
        _, first = self.go()
        # As on a computer with bfloat16 products, which this one need not have.
        path = pathlib.Path(first["run_folder"]) / "run" / "config.json"
        began = json.loads(path.read_text())
        self.assertEqual(began["precision"], "fp32")
        path.write_text(json.dumps({**began, "precision": "bf16"}))
        self.change("steps: 20", "steps: 30")
        self.refuses("train", self.yaml, words=['began with precision = "bf16"', 'now says "fp32"', "--new"])

    def test_new_begins_a_run_beside_the_one_there_is(self):
        _, first = self.go()
        _, second = self.go(new=("--new",))
        self.assertNotEqual(second["run_folder"], first["run_folder"])
        self.assertEqual(self.losses(second), self.losses(first))
        self.assertEqual(self.go()[1]["run_folder"], second["run_folder"])


class WhatChangedDataMeans(RunCase):
    def test_changed_text_begins_a_new_run_with_its_own_tokens(self):
        _, first = self.go("train", "--name", "m")
        self.text.write_text(text_of(3))
        told, second = self.go("train", "--name", "m")
        self.assertIn("a new run: what data.paths leads to has changed", told)
        self.assertEqual((first["model"]["version"], second["model"]["version"]), (1, 2))
        self.assertNotEqual(second["dataset_sha256"], first["dataset_sha256"])
        self.assertNotEqual(self.losses(second), self.losses(first))
        self.text.write_text(text_of(7))
        told, back = self.go()
        self.assertEqual(back["run_folder"], first["run_folder"])

    def test_text_that_keeps_its_size_and_time_is_noticed(self):
        before = self.text.stat()
        _, first = self.go()
        self.text.write_text(text_of(7).replace("honey", "money"))
        os.utime(self.text, ns=(before.st_atime_ns, before.st_mtime_ns))
        self.assertEqual(self.text.stat().st_size, before.st_size)
        self.assertNotEqual(self.go()[1]["run_folder"], first["run_folder"])

    def test_a_run_whose_text_is_gone_says_so(self):
        self.go()
        self.text.unlink()
        self.refuses("train", self.yaml, words=["data.paths", "text.txt"])


class WhatAFinetuneMeans(RunCase):
    def finetune(self, core="core", data=None, name="team/wax", **options):
        flags = [str(part) for key, value in options.items() for part in (f"--{key.replace('_', '-')}", value)]
        return self.go("finetune", "--core", core, "--data", data or self.text, "--name", name, "--batch", 2,
                       "--context", 32, "--precision", "fp32", *flags)

    def test_what_it_learns_from_and_on_decides(self):
        self.go("train", "--name", "core")
        _, first = self.finetune(steps=4)
        _, longer = self.finetune(steps=6, processes=2)
        self.assertEqual((longer["run_folder"], longer["resumed_from_step"]), (first["run_folder"], 4))
        _, renamed = self.finetune(steps=6, name="team/other")
        self.assertEqual(renamed["run_folder"], first["run_folder"])
        self.assertEqual(renamed["model"]["name"], "team/other")
        # The text by a dataset's name, then another version of it.
        self.panal("data", "add", "texts", self.text, home=self.home_of_test)
        _, by_name = self.finetune(steps=6, data="texts", name="team/named")
        self.text.write_text(text_of(3))
        self.panal("data", "add", "texts", self.text, home=self.home_of_test)
        told, newer = self.finetune(steps=6, data="texts", name="team/named")
        self.assertNotEqual(newer["run_folder"], by_name["run_folder"])
        self.assertIn("what data.paths leads to has changed", told)
        self.assertNotEqual(self.finetune(steps=6, data="texts", rank=4)[1]["run_folder"], newer["run_folder"])
        # The core by its name, then another version of it.
        self.change("learning_rate: 0.003", "learning_rate: 0.01")
        self.go("train", "--name", "core")
        told, over = self.finetune(steps=6, data="texts", name="team/named")
        self.assertNotEqual(over["run_folder"], newer["run_folder"])
        self.assertIn("what model.core leads to has changed", told)


if __name__ == "__main__":
    unittest.main(verbosity=2)
