"""Importing, generating, evaluating, exporting: the contracts scripts rely on, with the real model."""

import math
import os
import random
import signal
import subprocess
import unittest

from harness import PANAL, SMOLLM2, Case, needs_python_torch


class ImportedModel(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.panal("models", "import", SMOLLM2, "--name", "smollm2")

    def test_import_registers_a_preferred_version_with_its_architecture(self):
        models = self.panal("models")["models"]
        self.assertEqual([m["name"] for m in models], ["smollm2"])
        self.assertEqual(models[0]["state"], "preferred")
        self.assertEqual(models[0]["architecture"]["layers"], 30)
        self.assertEqual(models[0]["architecture"]["vocabulary_size"], 49152)

    def test_importing_twice_changes_nothing(self):
        again = self.panal("models", "import", SMOLLM2, "--name", "smollm2")
        self.assertEqual(again["version"], 1)
        self.assertEqual(len(self.panal("models")["models"]), 1)

    def test_generate_is_greedy_and_repeats(self):
        arguments = ("generate", "--model", "smollm2", "--prompt", "The capital of France is", "--max-tokens", "8",
                     "--temperature", "0")
        first, second = self.panal(*arguments), self.panal(*arguments)
        self.assertEqual(first["token_ids"], second["token_ids"])
        self.assertIn("Paris", first["text"])
        self.assertLessEqual(len(first["token_ids"]), 8)

    def test_tokenize_counts_every_token(self):
        path = self.home.parent / "text.txt"
        path.write_bytes("﻿¿Quién? 🙂\r\n\x00\x07 if x == 1:\n".encode())
        result = self.panal("tokenize", "--model", "smollm2", "--file", path)
        self.assertEqual(result["count"], len(result["ids"]))
        self.assertGreater(result["count"], 10)

    def test_eval_scores_every_token_but_a_windows_first(self):
        path = self.home.parent / "eval.txt"
        path.write_text("The quick brown fox jumps over the lazy dog. " * 40)
        tokens = self.panal("tokenize", "--model", "smollm2", "--file", path)["count"]
        result = self.panal("eval", "--model", "smollm2", "--data", path, "--context", "32")
        full, rest = divmod(tokens, 32)
        self.assertEqual(result["tokens"], full * 31 + max(0, rest - 1))
        self.assertGreater(result["perplexity"], 1)

    def test_an_exported_folder_keeps_tokens_and_text(self):
        output = self.home.parent / "exported"
        self.panal("models", "export", "smollm2", "--output", output)
        names = {path.name for path in output.iterdir()}
        self.assertLessEqual({"config.json", "model.safetensors", "tokenizer.json"}, names)
        from tokenizers import Tokenizer
        prompt = "The capital of France is"
        path = self.home.parent / "prompt.txt"
        path.write_text(prompt)
        ids = self.panal("tokenize", "--model", "smollm2", "--file", path)["ids"]
        self.assertEqual(Tokenizer.from_file(str(output / "tokenizer.json")).encode(prompt, add_special_tokens=False).ids, ids)
        ours = self.panal("generate", "--model", output, "--prompt", prompt, "--max-tokens", "6", "--greedy")
        theirs = self.panal("generate", "--model", "smollm2", "--prompt", prompt, "--max-tokens", "6", "--greedy")
        self.assertEqual(ours["token_ids"], theirs["token_ids"])


class Bench(Case):
    def test_training_is_measured_with_the_peers_keys(self):
        shape = {"layers": 1, "width": 32, "heads": 2, "vocab": 300, "context": 16, "batch": 2, "steps": 2}
        arguments = [word for name, value in shape.items() for word in (f"--{name}", value)]
        result = self.panal("bench", "train", "--arch", "llama", *arguments)
        self.assertEqual({key: result[key] for key in shape}, shape)
        self.assertEqual(result["parameters"], 2 * 300 * 32 + 4 * 32 * 32 + 3 * 32 * 128 + 3 * 32)
        for key in ("tokens_per_s", "step_s", "gflops", "gemm_peak_gflops", "mfu"):
            self.assertGreater(result[key], 0, key)
        self.assertLess(result["loss"], math.log(300))

    def test_a_preset_is_listed_and_measured_with_changes_beside_it(self):
        presets = {preset["name"]: preset for preset in self.panal("models", "presets")["presets"]}
        self.assertEqual(presets["gpt2-1.5b"]["parameters"], 1_557_611_200)
        self.assertEqual(presets["gpt2-124m"]["matrix_parameters"], 12 * 12 * 768 * 768 + 50257 * 768)
        result = self.panal("bench", "train", "--preset", "llama-0.2b", "--layers", "1", "--vocab", "300",
                            "--context", "16", "--batch", "1", "--steps", "1")
        self.assertEqual([result[key] for key in ("arch", "layers", "width", "vocab", "context")],
                         ["llama", 1, 1024, 300, 16])
        self.refused("bench", "train", "--preset", "gpt2-7b", code=2, words=["gpt2-124m", "gpt2-7b"])
        self.refused("bench", "train", "--preset", "gpt2-124m", "--width", "64", code=2, words=["--width"])

    def test_heads_that_do_not_divide_the_width_are_refused(self):
        self.refused("bench", "train", "--width", "30", "--heads", "4", code=2, words=["--heads", "30", "4"])


class BenchOptim(Case):
    SMALL = ("--layers", "1", "--width", "32", "--heads", "2", "--vocab", "300", "--context", "32", "--batch", "4",
             "--warmup", "4", "--evaluate-every", "4", "--validation-tokens", "256", "--seeds", "2")

    def text(self):
        path = self.home.parent / "text.txt"
        words = "the bee carries honey to a queen who guards wax and water near one flower".split()
        generator = random.Random(1)
        path.write_text("\n\n".join(" ".join(generator.choices(words, k=400)) for _ in range(60)))
        return path

    def test_two_rules_are_compared_and_drawn(self):
        page, image = self.home.parent / "page.html", self.home.parent / "curves.svg"
        result = self.panal("bench", "optim", "--data", self.text(), *self.SMALL, "--rules", "adamw,muon", "--max-steps", "40",
                            "--learning-rates", "adamw=0.004", "muon=0.02", "--embedding-learning-rates", "adamw=0.008",
                            "muon=0.008", "--html", page, "--svg", image)
        self.assertEqual([rule["rule"] for rule in result["rules"]], ["adamw", "muon"])
        self.assertTrue(result["target_is_automatic"])
        for rule in result["rules"]:
            self.assertEqual(len(rule["seeds"]), 2)
            self.assertEqual(rule["reached"], 2)
        self.assertIn(result["goals"][0]["met"], (True, False))
        self.assertIn("</html>", page.read_text())
        self.assertIn("<style>", image.read_text())

    def test_bad_input_is_told(self):
        bench = ("bench", "optim", "--data", self.text(), *self.SMALL)
        self.refused(*bench, "--rules", "adamw,sgd", code=2, words=["muon", "sgd"])
        self.refused(*bench, "--target", "20", code=2, words=["target", "20"])
        self.refused(*bench, "--width", "0", code=2, words=["--width"])
        self.refused(*bench, "--learning-rates", "muon:0.1", code=2, words=["--learning-rates", "muon:0.1"])
        self.refused("bench", "optim", code=2, words=["--data"])
        self.refused("bench", "optim", "--data", self.home.parent / "nowhere.txt", code=1, words=["nowhere.txt"])


class ExportedToTransformers(Case):
    """The folders we write, loaded by the libraries users load them with."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        needs_python_torch()
        cls.panal("models", "import", SMOLLM2, "--name", "smollm2")
        cls.output = cls.home.parent / "exported"
        cls.panal("models", "export", "smollm2", "--output", cls.output)
        cls.text = cls.home.parent / "text.txt"
        cls.text.write_text("".join(f"{i}. En un lugar de la Mancha vivia un hidalgo con {i} galgos. " for i in range(24)))

    def perplexity(self, model, ids, context):
        import torch
        loss, scored = 0.0, 0
        for at in range(0, len(ids), context):
            window = torch.tensor([ids[at:at + context]])
            if window.shape[1] < 2:
                continue
            with torch.no_grad():
                logits = model(window).logits[0, :-1].double().log_softmax(-1)
            loss -= float(logits.gather(1, window[0, 1:, None]).sum())
            scored += window.shape[1] - 1
        return math.exp(loss / scored)

    def test_the_core_gives_the_same_tokens_and_perplexity(self):
        import torch
        import transformers
        model = transformers.AutoModelForCausalLM.from_pretrained(self.output, dtype=torch.float32).eval()
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.output)
        prompt = "The capital of France is"
        inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
        theirs = model.generate(**inputs, do_sample=False, max_new_tokens=16)[0, inputs["input_ids"].shape[1]:].tolist()
        ours = self.panal("generate", "--model", "smollm2", "--prompt", prompt, "--max-tokens", "16", "--greedy")
        self.assertEqual(ours["token_ids"], theirs)
        ids = self.panal("tokenize", "--model", "smollm2", "--file", self.text)["ids"]
        scored = self.panal("eval", "--model", "smollm2", "--data", self.text, "--context", "64")
        self.assertAlmostEqual(scored["perplexity"] / self.perplexity(model, ids, 64), 1, delta=0.005)

    def core_of_peft(self):
        """A fresh one each time: peft changes the model it is put over."""
        import torch
        import transformers
        return transformers.AutoModelForCausalLM.from_pretrained(self.output, dtype=torch.float32).eval()

    def assert_same_expert(self, name, theirs):
        """panal's answers and perplexity with an expert are those of peft's model."""
        import torch
        import transformers
        tokenizer = transformers.AutoTokenizer.from_pretrained(self.output)
        for prompt in ("The capital of France is", "17. En un lugar de la Mancha"):
            inputs = tokenizer(prompt, return_tensors="pt", add_special_tokens=False)
            prompt_ids = inputs["input_ids"][0].tolist()
            ours = self.panal("generate", "--model", name, "--prompt", prompt, "--max-tokens", "24", "--greedy")["token_ids"]
            with torch.no_grad():
                logits = theirs(torch.tensor([prompt_ids + ours])).logits[0, len(prompt_ids) - 1:-1]
            lost = logits.max(-1).values - logits.gather(-1, torch.tensor(ours)[:, None])[:, 0]
            self.assertLess(float(lost.max()), 0.1, f"{prompt}: each token is peft's likeliest, or as good but for rounding")
        ids = self.panal("tokenize", "--model", "smollm2", "--file", self.text)["ids"]
        scored = self.panal("eval", "--model", name, "--data", self.text, "--context", "64")
        of_theirs = self.perplexity(theirs, ids, 64)
        self.assertAlmostEqual(scored["perplexity"] / of_theirs, 1, delta=0.005)
        self.assertLess(of_theirs, self.perplexity(self.core_of_peft(), ids, 64), "the adapter does nothing")

    def test_an_expert_is_what_peft_makes_of_it(self):
        import peft
        self.panal("finetune", "--core", "smollm2", "--data", self.text, "--name", "team/hidalgo", "--steps", "3",
                   "--batch", "1", "--context", "64", "--rank", "4")
        folder = self.home.parent / "adapter"
        self.panal("models", "export", "team/hidalgo", "--output", folder)
        self.assertEqual({path.name for path in folder.iterdir()}, {"adapter_config.json", "adapter_model.safetensors"})
        self.assert_same_expert("team/hidalgo", peft.PeftModel.from_pretrained(self.core_of_peft(), folder).eval())

    def test_an_adapter_trained_by_peft_is_the_same_expert_here(self):
        import peft
        import torch
        torch.manual_seed(1)
        theirs = peft.get_peft_model(self.core_of_peft(), peft.LoraConfig(
            task_type="CAUSAL_LM", r=4, lora_alpha=8, use_rslora=True, target_modules=["q_proj", "v_proj", "down_proj"]))
        ids = self.panal("tokenize", "--model", "smollm2", "--file", self.text)["ids"][:64]
        optimizer = torch.optim.AdamW([weight for weight in theirs.parameters() if weight.requires_grad], lr=2e-3)
        for _ in range(3):
            theirs(torch.tensor([ids]), labels=torch.tensor([ids])).loss.backward()
            optimizer.step()
            optimizer.zero_grad()
        folder = self.home.parent / "of_peft"
        theirs.eval().save_pretrained(folder)
        expert = self.panal("models", "import", folder, "--name", "team/of-peft", "--core", "smollm2")
        self.assertEqual(expert["state"], "preferred")
        self.assertEqual(expert["lineage"]["parent"], "smollm2@1")
        self.assert_same_expert("team/of-peft", theirs)


class NamesAndRemoval(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.panal("models", "import", SMOLLM2, "--name", "smollm2")
        cls.text = cls.home.parent / "text.txt"
        cls.text.write_text("Bees dance to tell where the flowers are. " * 50)
        cls.panal("data", "add", "bees", cls.text)

    def test_a_taken_name_is_refused_whatever_the_order(self):
        self.refused("deploy", "smollm2", "--core", "smollm2", code=1, words=["smollm2", "base models already"])
        self.panal("deploy", "home", "--core", "smollm2")
        self.refused("models", "import", SMOLLM2, "--name", "home", code=1, words=["home", "endpoint", "smollm2@1"])
        self.refused("models", "import", SMOLLM2, "--name", "auto", code=2, words=["auto", "default endpoint"])
        self.refused("finetune", "--core", "smollm2", "--data", self.text, "--name", "home", code=1, words=["home"])
        self.assertEqual([m["name"] for m in self.panal("models")["models"]], ["smollm2"])
        self.panal("deploy", "--remove", "home")

    def test_what_answers_stays_and_what_does_not_is_gone_from_the_disk(self):
        self.panal("models", "import", SMOLLM2, "--name", "other")
        self.panal("deploy", "other-home", "--core", "other")
        told = self.panal("models", "remove", "other", "--dry-run")
        self.assertEqual((told["is_done"], told["removed"]), (False, ["model other@1"]))
        self.assertIn("other-home", told["refused_by"][0])
        self.refused("models", "remove", "other", "--force", code=1, words=["other-home", "deploy --remove"])
        self.panal("deploy", "--remove", "other-home")
        self.assertTrue(self.panal("models", "remove", "other")["is_done"])
        self.assertEqual(self.panal("models", "verify")["damage"], [])
        self.assertFalse((self.home / "models" / "other").exists())
        self.refused("models", "remove", "other", code=1, words=["other"])

    def test_datasets_and_jobs_go_too(self):
        self.panal("data", "add", "wasps", self.text, "--licence", "MIT")
        self.assertEqual(self.panal("data", "remove", "wasps")["freed_bytes"], 0)  # The bees have the same bytes.
        self.assertEqual([d["name"] for d in self.panal("data", "list")["datasets"]], ["bees"])
        job = self.panal("jobs")["jobs"][0]["id"]
        self.assertEqual(self.panal("jobs", "follow", job)["state"], "succeeded")
        self.refused("jobs", "cancel", job, code=1, words=[job, "ended already"])
        self.assertTrue(self.panal("jobs", "remove", job)["is_done"])
        self.assertNotIn(job, [j["id"] for j in self.panal("jobs")["jobs"]])


class DamagedStore(Case):
    def test_verify_names_a_file_whose_bytes_changed_behind_our_back(self):
        text = self.home.parent / "text.txt"
        text.write_text("Bees dance to tell where the flowers are. " * 50)
        self.panal("data", "add", "bees", text)
        self.assertEqual(self.panal("models", "verify")["damage"], [])
        blob = max((path for path in (self.home / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
        blob.chmod(0o600)
        with open(blob, "r+b") as file:
            file.seek(100)
            file.write(b"X")
        self.refused("models", "verify", code=1, words=["1 file is damaged", blob.name[:12]])


class BadInput(Case):
    def test_a_truncated_gguf_is_refused_and_nothing_is_registered(self):
        path = self.home.parent / "torn.gguf"
        with open(SMOLLM2, "rb") as source:
            path.write_bytes(source.read(5_000_000))
        self.refused("models", "import", path, "--name", "torn", code=2, words=["torn.gguf"])
        self.assertEqual(self.panal("models")["models"], [])

    def test_a_file_that_is_no_model(self):
        path = self.home.parent / "notes.gguf"
        path.write_text("not a model")
        done = self.run_panal("models", "import", path, "--name", "notes")
        self.assertIn(done.returncode, (1, 2))
        self.assertIn("notes.gguf", done.stderr)

    def test_a_misspelt_key_in_a_run_file_names_its_line(self):
        path = self.home.parent / "run.yaml"
        path.write_text("kind: pretrain\nmodel: {widht: 64}\ndata: {path: x.txt}\nlimits: {steps: 1}\n")
        self.refused("train", path, code=2, words=["run.yaml", "2", "widht", "width"])

    def test_unknown_commands_and_models(self):
        self.assertEqual(self.run_panal("frobnicate").returncode, 2)
        self.refused("generate", "--model", "nobody", "--prompt", "x", code=1, words=["nobody"])

    def test_binary_and_empty_datasets(self):
        empty, binary = self.home.parent / "empty.txt", self.home.parent / "binary.txt"
        empty.write_bytes(b"")
        binary.write_bytes(b"abc\x00def")
        self.refused("data", "add", "empty", empty, code=2, words=["empty.txt"])
        self.refused("data", "add", "binary", binary, code=2, words=["binary.txt"])
        self.assertEqual(self.panal("data", "list")["datasets"], [])


@unittest.skipUnless(subprocess.run(["unshare", "--mount", "true"], stderr=subprocess.DEVNULL).returncode == 0,
                     "mounting a small disk is not allowed here")
class FullDisk(Case):
    """A home on a disk of its own, in a mount namespace that goes away with its shell."""

    def on_small_disk(self, script):
        self.home.mkdir(exist_ok=True)
        return subprocess.run(["unshare", "--mount", "sh", "-c", f"mount -t tmpfs -o size=20m tmpfs '{self.home}' && {script}"],
                              capture_output=True, text=True, timeout=300,
                              env={**os.environ, "PANAL_HOME": str(self.home), "PANAL": str(PANAL), "MODEL": str(SMOLLM2)})

    def test_an_import_that_does_not_fit_says_so_and_leaves_the_home_in_order(self):
        done = self.on_small_disk('"$PANAL" data add mine "$0"; "$PANAL" models import "$MODEL" --name big; '
                                  'echo "code $?"; "$PANAL" models; "$PANAL" data list'.replace("$0", __file__))
        self.assertIn("No space left on device", done.stderr)
        self.assertIn("code 1", done.stdout)
        self.assertIn("No models yet", done.stdout)
        self.assertIn("mine@1", done.stdout)

    def test_a_disk_without_a_free_byte_is_named_as_the_cause(self):
        done = self.on_small_disk('"$PANAL" data add mine "$0" && { cat /dev/zero 2>/dev/null > "$PANAL_HOME/filler"; '
                                  '"$PANAL" data add more "$0"; echo "code $?"; '
                                  'rm "$PANAL_HOME/filler"; "$PANAL" data list; }'.replace("$0", __file__))
        self.assertIn("No space left on device", done.stderr)
        self.assertIn("code 1", done.stdout)
        self.assertIn("mine@1", done.stdout)
        self.assertNotIn("more@1", done.stdout)


class KilledImport(Case):
    def test_kill_at_any_moment_leaves_a_home_that_opens(self):
        seed = random.randrange(1 << 30)
        print(f"seed {seed}")
        generator = random.Random(seed)
        for _ in range(4):
            process = subprocess.Popen([PANAL, "models", "import", SMOLLM2, "--name", "smollm2"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                       env={**os.environ, "PANAL_HOME": str(self.home)})
            try:
                process.wait(timeout=generator.uniform(0.05, 3))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            process.wait()
            for model in self.panal("models")["models"]:
                self.assertEqual(model["name"], "smollm2")
        self.panal("models", "import", SMOLLM2, "--name", "smollm2")
        self.assertEqual(len(self.panal("models")["models"]), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
