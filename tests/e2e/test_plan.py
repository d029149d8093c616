"""Plans of runs: judged by the computer they are for, whatever this one is."""

import os
import unittest
from unittest import mock

from harness import Case

RUN = """kind: pretrain
model: {preset: llama-8b}
data: {path: text.txt}
precision: bf16
optimizer: {rule: muon, state_precision: bf16}
memory: {weights: bf16, recompute: full}
batch: {sequences: 1, context: 512, accumulate: 4}
limits: {steps: 10}
"""


class Plan(Case):
    def write(self, name, text):
        path = self.home.parent / name
        path.write_text(text)
        return path

    def kinds(self, plan):
        return {tensor["name"] for tensor in plan["memory"]["tensors"]}

    def test_a_gpu_multiplies_bfloat16_whatever_this_cpu_can(self):
        self.write("text.txt", "bees carry pollen\n" * 100)
        run = self.write("bf16.yaml", RUN)
        there = self.write("there.yaml", RUN + "device: cuda\n")
        with mock.patch.dict(os.environ, PANAL_CPU_LEVEL="avx512"):
            for file in (run, there):
                plan = self.panal("plan", file, "--device", "A40")
                self.assertEqual(plan["device"]["peak_flops"], 149.7e12)
                self.assertIn("remainders of weights", self.kinds(plan))
            for command in ("plan", "train"):
                self.refused(command, run, code=2, words=["bf16.yaml:4", "this CPU has no bfloat16 instructions"])
        with mock.patch.dict(os.environ, PANAL_CPU_LEVEL="sse9"):
            self.refused("plan", run, code=2, words=["PANAL_CPU_LEVEL must be baseline, avx2", "sse9"])

    def test_needs_no_engine_and_makes_no_home(self):
        run = self.write("alone.yaml", RUN.replace("precision: bf16", "precision: fp32").replace("{weights: bf16, ", "{"))
        home = self.home.parent / "nowhere"
        with mock.patch.dict(os.environ, PANAL_ENGINE="/nonexistent/panal-engine"):
            plan = self.panal("plan", run, home=home)
            self.assertEqual(self.panal("models", "presets", home=home)["presets"][0]["name"], "gpt2-124m")
            self.refused("plan", run, "--measure", code=1, words=["panal-engine"])
        self.assertFalse(home.exists())
        self.assertGreater(plan["device"]["peak_flops"], 1e8)
        self.assertIn("timed now", plan["device"]["peak_source"])
        self.assertGreater(plan["memory"]["process_bytes"], 10 << 20)
        self.assertIn("found elsewhere", plan["device"]["process_source"])

    def test_what_was_measured_once_is_planned_with(self):
        run = self.write("measured.yaml", RUN.replace("llama-8b", "llama-0.2b").replace("precision: bf16", "precision: fp32")
                         .replace("{weights: bf16, ", "{"))
        first = self.panal("plan", run, "--measure")
        self.assertIn("2,048 x 2,048 product, measured here", first["device"]["peak_source"])
        self.assertIn("measured here", first["device"]["process_source"])
        again = self.panal("plan", run)
        for figure in ("peak_flops", "peak_source", "process_source"):
            self.assertEqual(again["device"][figure], first["device"][figure])
        self.assertEqual(again["memory"], first["memory"])
        self.refused("plan", run, "--measure", "--device", "A40", code=2, words=["--measure", "A40"])

    def test_processes_share_the_memory_of_one_machine(self):
        run = self.write("shared.yaml", """kind: pretrain
precision: fp32
model: {width: 256, layers: 4, heads: 4, context_length: 64}
data: {path: text.txt}
optimizer: {rule: muon}
batch: {sequences: 4, context: 64}
limits: {max_seconds: 10}
parallel: {processes: 2}
""")
        plan = self.panal("plan", run)
        self.assertEqual(plan["processes"], 2)
        memory = plan["memory"]
        self.assertEqual(len(memory["bytes_by_process"]), 2)
        self.assertAlmostEqual(memory["device_bytes"], sum(memory["bytes_by_process"]) + 2 * memory["process_bytes"])
        one = self.panal("plan", run, "--processes", "1")
        self.assertEqual(len(one["memory"]["bytes_by_process"]), 1)
        self.assertLess(memory["bytes_by_process"][1], one["memory"]["bytes"])
        shown = self.run_panal("plan", run).stdout
        self.assertIn("all 2 processes", shown)
        self.refused("plan", run, "--processes", "5", code=2, words=["--processes", "batch.sequences 4", "5"])
        self.refused("plan", run, "--processes", "2", "--device", "A40", code=2, words=["--processes is for plans of the CPU", "A40"])

    def test_gpus_of_one_site_share_out_the_states(self):
        run = self.write("gpus.yaml", RUN.replace("sequences: 1", "sequences: 4") + "parallel: {processes: 2}\n")
        by_file = self.panal("plan", run, "--device", "A40")
        self.assertEqual((by_file["device"]["count"], by_file["processes"]), (2, 2))
        four = self.panal("plan", run, "--device", "A40", "--count", "4")
        self.assertEqual(len(four["memory"]["bytes_by_process"]), 4)
        self.assertLess(four["memory"]["by_kind"]["states"], 0.7 * by_file["memory"]["by_kind"]["states"])
        self.assertNotIn("states of all processes", self.kinds(four))
        self.assertEqual(four["memory"]["device_bytes"], max(four["memory"]["bytes_by_process"]))
        eight = self.panal("plan", run, "--device", "A40", "--count", "8")
        self.assertEqual((eight["device"]["count"], eight["processes"]), (8, 1))
        self.assertIn("each holds all optimizer states", self.run_panal("plan", run, "--device", "A40", "--count", "8").stdout)


if __name__ == "__main__":
    unittest.main()
