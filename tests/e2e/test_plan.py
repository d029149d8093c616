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


if __name__ == "__main__":
    unittest.main()
