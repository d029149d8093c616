"""Several processes train one model: the same losses as one, no run differs from its repeat, and a killed process ends
the run with its name, not its work."""

import json
import os
import pathlib
import signal
import subprocess
import time
import unittest

from harness import PANAL, Case

WHO = ["the bee", "a queen", "my drone", "the keeper", "one worker"]
DOES = ["carries", "finds", "builds", "guards", "remembers"]
WHAT = ["honey", "the hive", "pollen", "a flower", "wax", "water"]


def text():
    return "\n\n".join(
        " ".join(f"{WHO[(i * 7 + j) % 5]} {DOES[(i + j * 3) % 5]} {WHAT[(i * j + i) % 6]}." for j in range(8))
        for i in range(120))


MUON = "{rule: muon, learning_rate: 0.003, muon_learning_rate: 0.02}"
# Evaluated away from where its gradients are taken, with a rule of its own for a tensor that one process owns.
ACCELERATED = ("{rule: transported_scion, learning_rate: 0.003, transported_scion: {learning_rate: 0.01, extrapolation: 2, "
               "extrapolation_warmup_steps: 4}, qk_clip: {threshold: 3.4}, "
               "rules: [{match: lm_head, rule: scion, norm: sign, learning_rate: 0.0005}]}")


def config(processes, steps=20, sequences=4, every_steps=10, optimizer=MUON, packing="across_documents", limits=None):
    return f"""kind: pretrain
precision: fp32
model: {{width: 32, layers: 2, heads: 2, feed_forward_width: 64, context_length: 32, tied_embeddings: false}}
tokenizer: {{vocabulary_size: 320}}
data: {{path: text.txt, validation_fraction: 0.1, passage_bytes: 256, packing: {packing}}}
optimizer: {optimizer}
batch: {{sequences: {sequences}, context: 32}}
checkpoint: {{every_steps: {every_steps}, every_seconds: 0}}
evaluation: {{every_steps: 5, sample_tokens: 0, max_tokens: 256}}
limits: {{{limits or f"steps: {steps}"}, threads: 1}}
parallel: {{processes: {processes}, deadline_seconds: 20}}
"""


class Parallel(Case):
    def folder_for(self, name):
        folder = self.home.parent / name
        folder.mkdir()
        (folder / "text.txt").write_text(text())
        return folder

    def train(self, folder, yaml):
        (folder / "run.yaml").write_text(yaml)
        summary = self.panal("train", folder / "run.yaml", home=folder / "home")
        return pathlib.Path(summary["run_folder"]) / "run"

    def losses(self, run, of="loss"):
        lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        return [line[of] for line in lines if of in line]

    def weights(self, run):
        return (run / "model" / "model.safetensors").read_bytes()

    def test_two_and_four_processes_learn_what_one_learns_and_repeat_themselves(self):
        runs = {name: self.train(self.folder_for(name), config(processes))
                for name, processes in (("one", 1), ("two", 2), ("again", 2), ("four", 4))}
        losses = {name: self.losses(run) for name, run in runs.items()}
        self.assertEqual(len(losses["one"]), 20)
        self.assertLess(losses["one"][-1], losses["one"][0])
        for name in ("two", "four"):
            for step, (one, several) in enumerate(zip(losses["one"], losses[name], strict=True)):
                self.assertAlmostEqual(one, several, delta=1e-5, msg=f"{name}, step {step + 1}")
        self.assertEqual(losses["two"], losses["again"])
        # What the others used is the run's too.
        machine = json.loads((runs["four"] / "machines.json").read_text())["calls"][0]["machine"]
        self.assertEqual(machine["threads"], 4)
        for name, processes in (("one", 1), ("four", 4)):
            call = json.loads((runs[name] / "machines.json").read_text())["calls"][0]
            summary = json.loads((runs[name] / "summary.json").read_text())
            self.assertEqual(summary["peak_resident_bytes"], call["peak_resident_bytes"])
            largest = call.get("largest_process_bytes", call["peak_resident_bytes"])
            self.assertEqual("largest_process_bytes" in call, processes > 1)
            # Each holds the same libraries, and little else in so small a run.
            self.assertGreater(call["peak_resident_bytes"], 0.7 * processes * largest)
            self.assertLessEqual(call["peak_resident_bytes"], processes * largest)
        energy = json.loads((runs["four"] / "summary.json").read_text())["energy"]
        if energy["method"].startswith("estimated:cpu-time"):
            self.assertIn("this process and 3 more", energy["detail"])
        self.assertEqual(self.weights(runs["two"]), self.weights(runs["again"]))

    def test_an_accelerated_rule_is_evaluated_where_one_process_evaluates_it(self):
        runs = {processes: self.train(self.folder_for(f"accelerated_{processes}"),
                                      config(processes, steps=10, optimizer=ACCELERATED, packing="within_documents"))
                for processes in (1, 3)}
        for of, count in (("loss", 10), ("validation_loss", 3)):
            one, three = (self.losses(run, of) for run in runs.values())
            self.assertEqual(len(one), count)
            for one_loss, loss in zip(one, three, strict=True):
                self.assertAlmostEqual(one_loss, loss, delta=1e-5, msg=of)
        one, three = (self.losses(run, "qk_clipped") for run in runs.values())
        self.assertTrue(one)
        self.assertEqual(one, three)

    def test_an_adapter_learns_what_it_learns_in_one_process(self):
        folder = self.folder_for("core")
        core = self.train(folder, config(1)) / "model"
        (folder / "other.txt").write_text(" ".join(f"{WHAT[i * i % 7 % 6]} {DOES[i % 5]} {WHO[(i // 2) % 5]}." for i in range(600)))

        def adapt(name, processes, limits="steps: 20", optimizer="{rule: adamw, learning_rate: 0.02}"):
            (folder / f"{name}.yaml").write_text(f"""kind: lora
precision: fp32
model: {{core: {core}}}
lora: {{rank: 4, alpha: 8}}
data: {{path: other.txt, passage_bytes: 256, validation_fraction: 0.1}}
optimizer: {optimizer}
batch: {{sequences: 3, context: 24}}
checkpoint: {{every_steps: 8, every_seconds: 0}}
limits: {{{limits}, threads: 1}}
parallel: {{processes: {processes}}}
""")
            # A home of its own: in one home another number of processes goes on with the same run.
            summary = self.panal("train", folder / f"{name}.yaml", home=folder / f"home-{name}")
            return pathlib.Path(summary["run_folder"]) / "run"

        for optimizer in ("{rule: adamw, learning_rate: 0.02}", MUON):
            rule = optimizer.split(":")[1].split(",")[0].strip()
            runs = {n: adapt(f"{rule}_{n}", n, optimizer=optimizer) for n in (1, 2)}
            one, two = (self.losses(run) for run in runs.values())
            self.assertEqual(len(one), 20)
            self.assertLess(one[-1], one[0])
            for of in ("loss", "validation_loss"):
                for alone, together in zip(*(self.losses(run, of) for run in runs.values()), strict=True):
                    self.assertAlmostEqual(alone, together, delta=1e-5, msg=f"{rule} {of}")
            self.assertTrue((runs[2] / "model" / "adapter_model.safetensors").is_file())
            self.assertEqual((runs[1] / "model" / "adapter_config.json").read_text(),
                             (runs[2] / "model" / "adapter_config.json").read_text())
        timed = adapt("timed", 2, limits="max_seconds: 4")
        self.assertGreater(json.loads((timed / "plan.json").read_text())["steps"], 0)
        self.panal("train", folder / "run.yaml", "--name", "toy", home=folder / "home")
        tuned = self.panal("finetune", "--core", "toy", "--data", folder / "other.txt", "--name", "bees/other", "--batch", 3,
                           "--context", 24, "--steps", 4, "--processes", 2, home=folder / "home")
        self.assertEqual(tuned["steps"], 4)
        self.assertGreater(tuned["peak_resident_bytes"], tuned["largest_process_bytes"])

    def test_a_time_limit_alone_plans_the_steps_of_all_and_a_resume_knows_what_was_decided(self):
        folder = self.folder_for("timed")
        (folder / "run.yaml").write_text(config(2, every_steps=5, limits="max_seconds: 8"))
        self.interrupt_after_a_checkpoint(folder, 2, lambda process: process.send_signal(signal.SIGINT))
        plan = next((folder / "home").rglob("plan.json"))
        planned = json.loads(plan.read_text())
        summary = self.panal("train", folder / "run.yaml", home=folder / "home")
        later = json.loads(plan.read_text())
        self.assertEqual(later["decisions"][:len(planned["decisions"])], planned["decisions"])
        self.assertEqual(summary["planned_steps"], later["steps"])
        self.assertGreater(summary["resumed_from_step"], 0)
        # Each process follows the schedule of the plan: the losses are those of one process that was told the steps,
        # up to where the plan was made anew.
        several = self.losses(pathlib.Path(summary["run_folder"]) / "run")
        first, *others = later["decisions"]
        equal_steps = min([20, *(decision["from_step"] for decision in others)])
        one = self.losses(self.train(self.folder_for("told"), config(1, every_steps=5, steps=first["steps"])))
        for step, (alone, together) in enumerate(zip(one[:equal_steps], several[:equal_steps])):
            self.assertAlmostEqual(alone, together, delta=1e-5, msg=f"step {step + 1}")

    def start(self, folder, processes):
        return subprocess.Popen([PANAL, "train", folder / "run.yaml", "--processes", str(processes)],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                                env={**os.environ, "PANAL_HOME": str(folder / "home")})

    def checkpoints(self, folder):
        return {path.name for path in (folder / "home").rglob("checkpoints/step_*")}

    def interrupt_after_a_checkpoint(self, folder, processes, end):
        before = self.checkpoints(folder)
        process = self.start(folder, processes)
        self.wait_until(lambda: self.checkpoints(folder) - before or process.poll() is not None, deadline_s=120)
        end(process)
        _, errors = process.communicate(timeout=120)
        self.assertNotEqual(process.returncode, 0, "it ended before it was interrupted")
        return errors

    def test_a_killed_process_is_named_and_fewer_go_on_from_the_checkpoint(self):
        yaml = config(1, steps=400, every_steps=20)
        whole = self.losses(self.train(self.folder_for("whole"), yaml))
        folder = self.folder_for("fewer")
        (folder / "run.yaml").write_text(yaml)

        def kill_rank_2(process):
            children = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(process.pid)], capture_output=True,
                                      text=True).stdout.splitlines()
            os.kill(next(int(line.split()[0]) for line in children if "/rank_2" in line), signal.SIGKILL)

        errors = self.interrupt_after_a_checkpoint(folder, 4, kill_rank_2)
        self.assertIn("rank 2 of 4 is lost", errors)
        self.assertIn("the process of rank 2 was killed by signal 9", errors)
        self.interrupt_after_a_checkpoint(folder, 2, lambda process: process.send_signal(signal.SIGINT))
        summary = self.panal("train", folder / "run.yaml", home=folder / "home")
        self.assertGreater(summary["resumed_from_step"], 0)
        several = self.losses(pathlib.Path(summary["run_folder"]) / "run")
        self.assertEqual(len(several), 400)
        # Sums in another order are other roundings, which grow with the steps.
        for step in range(400):
            self.assertAlmostEqual(whole[step], several[step], delta=1e-5 if step < 20 else 0.05, msg=f"step {step + 1}")

    def test_more_processes_than_sequences_are_refused_with_the_line(self):
        folder = self.folder_for("many")
        (folder / "run.yaml").write_text(config(5))
        self.refused("train", folder / "run.yaml", code=2, words=["run.yaml:11", "batch.sequences 4", "5"])
        self.assertEqual(list((self.home / "jobs").glob("train-*")), [], "a refused run left its folder")


if __name__ == "__main__":
    unittest.main()
