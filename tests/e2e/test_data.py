"""What is read is said, chat data teaches what the assistant says, and special tokens are what the policy says."""

import gzip
import json
import os
import subprocess
import unittest

from harness import PANAL, SMOLLM2, Case

TURNS = [{"role": "user", "content": "¿Qué hora es?"}, {"role": "assistant", "content": "Las tres."}]
CHAT_FORMS = {
    "messages": {"messages": TURNS},
    "sharegpt": {"conversations": [{"from": "human", "value": TURNS[0]["content"]},
                                   {"from": "gpt", "value": TURNS[1]["content"]}]},
    "alpaca": {"instruction": TURNS[0]["content"], "input": "", "output": TURNS[1]["content"]},
}
MARKED = "<|im_start|>user\nSay hi.<|im_end|>\n<|im_start|>assistant\n"


class Reading(Case):
    def write(self, name, data):
        path = self.home.parent / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return path

    def test_content_decides_how_a_file_is_read(self):
        lines = "".join(json.dumps({"text": f"Una frase {i}."}) + "\n" for i in range(3))
        for name, data, kind in (("a.jsonl", lines, "JSON lines"), ("a.JSONL", lines, "JSON lines"),
                                 ("a.ndjson", lines, "JSON lines"), ("a.txt", lines, "JSON lines"),
                                 ("a.gz", gzip.compress(lines.encode()), "JSON lines (gzip)"),
                                 ("a.json", json.dumps([json.loads(line) for line in lines.splitlines()]), "JSON array"),
                                 ("a.csv", 'id,text\n1,"hola, mundo"\n2,"otra"\n3,fila\n', "table")):
            added = self.panal("data", "add", "one", self.write(name, data))
            self.assertEqual(added["read"], [{"kind": kind, "files": 1, "documents": 3}], name)
            self.assertEqual((added["kind"], added["num_documents"]), ("text", 3), name)

    def test_linked_folders_are_read_and_what_is_left_out_is_named(self):
        self.write("real/a.txt", "una línea de texto\n" * 20)
        folder = self.write("set/b.txt", "otra línea\n" * 20).parent
        self.write("set/x.png", b"\x89PNG\0")
        os.symlink("../real", folder / "linked")
        os.symlink("../nowhere", folder / "broken")
        added = self.panal("data", "add", "linked", folder)
        self.assertEqual(added["read"], [{"kind": "text", "files": 2, "documents": 2}])
        reasons = {entry["path"].rsplit("/", 1)[1]: entry["reason"] for entry in added["skipped"]}
        self.assertEqual(reasons, {"x.png": "binary: a PNG picture", "broken": "a link to nothing"})

    def test_standard_input_is_read(self):
        done = subprocess.run([PANAL, "--json", "data", "add", "piped", "-"], text=True, capture_output=True, timeout=60,
                              input='{"text": "uno"}\n{"text": "dos"}\n',
                              env={**os.environ, "PANAL_HOME": str(self.home)})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout)["num_documents"], 2)

    def test_a_table_without_a_text_column_lists_its_columns(self):
        path = self.write("t.csv", "id,frase\n1,uno\n")
        self.refused("data", "add", "t", path, code=2, words=["found the columns: id, frase", "--text-column"])
        self.assertEqual(self.panal("data", "add", "t", path, "--text-column", "frase")["num_documents"], 1)

    def test_the_three_chat_forms_become_conversations(self):
        for name, record in CHAT_FORMS.items():
            added = self.panal("data", "add", name, self.write(f"{name}.jsonl", (json.dumps(record) + "\n") * 3))
            self.assertEqual((added["kind"], added["num_conversations"]), ("chat", 3))
        kinds = {entry["name"]: entry["kind"] for entry in self.panal("data", "list")["datasets"]}
        self.assertLessEqual({name: "chat" for name in CHAT_FORMS}.items(), kinds.items())


class Learning(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.panal("models", "import", SMOLLM2, "--name", "core")

    def finetuned_tokens(self, data, *more):
        """Tokens of the data, with an end-of-text token for each document."""
        done = self.panal("finetune", "--core", "core", "--data", data, "--name", "g/x", "--steps", "1", "--context", "64",
                          "--batch", "1", *more)
        self.assertEqual(done["status"], "completed")
        return done["sources"][0]["tokens"]

    def test_a_prompts_special_tokens_are_read_unless_told_not(self):
        arguments = ("generate", "--model", "core", "--prompt", MARKED, "--max-tokens", "1", "--temperature", "0")
        self.assertEqual(self.panal(*arguments)["prompt_tokens"], 12)
        self.assertEqual(self.panal(*arguments, "--special", "none")["prompt_tokens"], 29)
        path = self.home.parent / "one.txt"
        path.write_text("<|im_start|>user\nSay hi.<|im_end|>\n")
        self.assertEqual(self.panal("tokenize", "--model", "core", "--file", path)["count"], 8)

    def test_a_chat_dataset_is_laid_out_by_the_models_template(self):
        path = self.home.parent / "chat.jsonl"
        path.write_text("".join(json.dumps({"messages": [
            {"role": "user", "content": f"What colour is item {i}?"},
            {"role": "assistant", "content": "It is green."}]}) + "\n" for i in range(40)))
        self.panal("data", "add", "chat", path)
        done = self.run_panal("finetune", "--core", "core", "--data", "chat", "--name", "g/y", "--steps", "1",
                              "--context", "64", "--batch", "1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("are learned (assistant)", done.stdout + done.stderr)

    def test_plain_text_in_a_chat_form_is_read_when_it_says_so(self):
        path = self.home.parent / "marked.jsonl"
        path.write_text("".join(json.dumps({"text": MARKED + f"Hi {i}.<|im_end|>\n"}) + "\n" for i in range(40)))
        self.panal("data", "add", "as-text", path)
        self.panal("data", "add", "marked", path, "--special", "read")
        as_text, marked = self.finetuned_tokens("as-text"), self.finetuned_tokens("marked")
        self.assertGreater(as_text, 1.8 * marked)
        self.assertEqual(self.finetuned_tokens(path, "--special", "read"), marked)


if __name__ == "__main__":
    unittest.main()
