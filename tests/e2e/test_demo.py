"""The main job in its small size, end to end, in a fresh home."""

import collections
import unittest

from harness import Case


class SmallDemo(Case):
    def assert_does_not_loop(self, text):
        words = text.split()
        runs = collections.Counter(tuple(words[at:at + 4]) for at in range(len(words) - 3))
        self.assertLess(max(runs.values(), default=0), 3, text)

    def test_every_step_leaves_what_it_promises(self):
        report = self.panal("demo", "--small", timeout=900)
        self.assertEqual(report["import"]["state"], "preferred")
        self.assertEqual(report["pretrain"]["status"], "completed")
        self.assertGreaterEqual(report["partitioning"]["purity"], 0.95)
        self.assertGreaterEqual(len(report["partitioning"]["partitions"]), 3)
        self.assertEqual(len(report["experts"]), len(report["partitioning"]["partitions"]))
        self.assertEqual(report["data"]["kind"], "chat")
        cells = report["evaluation"]["evaluations"]
        self.assertTrue(all(cell["perplexity"] > 1 for cell in cells))
        self.assertEqual(len(report["answers"]), 4)
        for answer in report["answers"]:
            self.assertTrue(answer["text"])
            self.assertTrue(answer["panal"]["parts"])
            self.assert_does_not_loop(answer["text"])
        routes = {part["expert"] for answer in report["answers"] for part in answer["panal"]["parts"]}
        self.assertGreaterEqual(len(routes - {"core"}), 2)
        self.assertGreaterEqual(len(report["answers"][3]["panal"]["parts"]), 2)
        again = self.panal("eval", "--model", "smollm2", "--partitioning", report["partitioning"]["partitioning"],
                           "--context", "64", "--max-tokens", "128")
        self.assertCountEqual([row["expert"] for row in again["experts"]],
                              [row["expert"] for row in report["evaluation"]["experts"]])
        for model in self.panal("models")["models"]:
            if model["kind"] == "adapter":
                self.assertEqual(model["lineage"]["parent"], "smollm2@1")
                self.assertEqual(len(model["lineage"]["dataset_sha256"]), 64)


if __name__ == "__main__":
    unittest.main(verbosity=2)
