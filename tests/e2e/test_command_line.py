"""The command line as scripts meet it: exit codes, output that could not be written, output files that are no plain
files, terminals without escape codes, and a home that cannot be written. Every device and pipe is the test's own."""

import json
import os
import pathlib
import pty
import stat
import subprocess
import threading
import unittest

from harness import PANAL, Case

ENGINE = PANAL.parent / "panal-engine"
BENCHMARK = {"arch": "gpt2", "precision": "fp32", "layers": 2, "width": 64, "heads": 2, "context": 32, "batch": 4,
             "parameters": 100000, "tokens_per_s": 1000.0, "gflops": 1.0, "step_seconds": [0.1, 0.11, 0.12]}


class CommandLine(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.work = pathlib.Path(cls.folder.name)
        cls.benchmark = cls.work / "benchmark.json"
        cls.benchmark.write_text(json.dumps(BENCHMARK))
        cls.text = cls.work / "text.txt"
        cls.text.write_text("Some words about bees and honey. " * 50)
        cls.panal("data", "add", "bees", cls.text)

    def run_into(self, stdout, *arguments, program=PANAL, **options):
        """Runs a command with this standard output and gives back its exit code and what it told."""
        done = subprocess.run([program, *map(str, arguments)], stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60,
                              env={**os.environ, "PANAL_HOME": str(self.home)}, **options)
        return done.returncode, done.stderr


class ExitCodes(CommandLine):
    def test_done_failed_and_wrong_are_told_apart(self):
        misspelt, torn, listed = (self.work / name for name in ("run.yaml", "torn.json", "list.yaml"))
        misspelt.write_text("kind: pretrain\nname: x\nmodel: {widht: 64}\n")
        listed.write_text("- a\n- b\n")
        torn.write_text(json.dumps(BENCHMARK)[:40])
        cut = self.work / "cut.jsonl"
        cut.write_text('{"text": "ok ok ok ok"}\n{"text": "cut')
        gguf = self.work / "torn.gguf"
        gguf.write_bytes(b"GGUF\x03\0\0\0" + b"\xff" * 40)
        table = [
            (0, "--help"), (0, "--version"), (0, "models", "--help"), (0, "models"), (0, "data", "list"), (0, "jobs"),
            (0, "report", self.benchmark),
            # The command line is wrong.
            (2,), (2, "modles"), (2, "models", "shwo"), (2, "data"), (2, "jobs", "--lats", "3"), (2, "jobs", "--last", "none"),
            (2, "jobs", "--last", "0"), (2, "jobs", "extra"), (2, "generate", "--prompt", "x"), (2, "eval"), (2, "eval", "x"),
            (2, "deploy", "name"), (2, "models", "promote", "x"), (2, "models", "show", "x@y"),
            (2, "models", "import", self.text, "--name", "Not A Name"), (2, "data", "add", "Not A Name", self.text),
            (2, "ask", "x", "--url", "nonsense"), (2, "ask", "x", "--temperature", "9"),
            (2, "serve", self.text, "--host", "0.0.0.0"), (2, "up", "--host", "0.0.0.0"), (2, "up", "--port", "70000"),
            # What it names is wrong as it stands.
            (2, "train", misspelt), (2, "plan", misspelt), (2, "train", listed), (2, "data", "add", "cut", cut),
            (2, "report", torn), (2, "models", "import", gguf, "--name", "torn"), (2, "report", self.benchmark, "--html", self.work),
            # It is right, but something is not there, or taken.
            (1, "models", "show", "nobody"), (1, "generate", "--model", "nobody", "--prompt", "x"), (1, "jobs", "--log", "none"),
            (1, "data", "partition", "nothing"), (1, "report", self.work / "nowhere"), (1, "train", self.work / "nowhere.yaml"),
            (1, "models", "import", self.work / "nowhere.gguf", "--name", "x"), (1, "ask", "x", "--url", "http://127.0.0.1:9"),
            (1, "report", self.benchmark, "--html", self.work / "nowhere" / "page.html"), (1, "deploy", "--remove", "nothing"),
            (1, "tokenize", "--model", "nobody", "--file", self.text),
        ]
        for code, *arguments in table:
            with self.subTest(arguments=" ".join(map(str, arguments))):
                done = self.run_panal(*arguments)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertEqual(done.stderr == "", code == 0, done.stderr)

    def test_with_json_every_error_is_a_document(self):
        for arguments in (["modles"], ["models", "show", "nobody"], ["train", self.work / "nowhere.yaml"]):
            done = self.run_panal("--json", *arguments)
            error = json.loads(done.stdout)["error"]
            self.assertIn(error["message"], done.stderr)

    def test_a_wrong_word_is_named_with_the_nearest_right_one(self):
        self.refused("modles", code=2, words=['"modles"', 'did you mean "models"?'])
        self.refused("jobs", "--lats", "3", code=2, words=['"--lats"', 'did you mean "--last"?'])
        self.refused("data", code=2, words=["add", "list", "partition"])

    def test_a_url_may_end_as_panal_up_prints_it(self):
        for end in ("", "/", "/v1", "/v1/"):
            self.refused("ask", "x", "--url", f"http://127.0.0.1:9{end}", code=1, words=["no hub answers", "panal up"])


class StandardOutput(CommandLine):
    COMMANDS = [("--help",), ("--version",), ("models",), ("models", "--help"), ("--json", "models"), ("data", "list"), ("--json", "jobs")]

    def test_a_full_disk_is_a_failure_with_its_reason_however_short_the_output(self):
        commands = [(PANAL, c) for c in [*self.COMMANDS, ("report", self.benchmark)]] + [(ENGINE, ("--help",)), (ENGINE, ("--version",))]
        for program, arguments in commands:
            with self.subTest(arguments=arguments), open("/dev/full", "wb") as full:
                code, told = self.run_into(full, *arguments, program=program)
                self.assertEqual(code, 1)
                self.assertIn("standard output: No space left on device", told)

    def test_a_reader_that_went_away_is_a_failure_with_its_reason(self):
        for arguments in self.COMMANDS:
            reader, writer = os.pipe()
            os.close(reader)
            with self.subTest(arguments=arguments), os.fdopen(writer, "wb") as closed:
                code, told = self.run_into(closed, *arguments)
                self.assertEqual(code, 1)
                self.assertIn("standard output: Broken pipe", told)

    def test_a_closed_output_is_a_failure_and_no_file_gets_its_place(self):
        for program, arguments in [(PANAL, c) for c in self.COMMANDS] + [(ENGINE, ("--version",))]:
            with self.subTest(arguments=arguments):
                code, told = self.run_into(None, *arguments, program=program, preexec_fn=lambda: os.close(1))
                self.assertEqual(code, 1)
                self.assertIn("cannot write to standard output", told)
        self.assertEqual(self.panal("data", "list")["datasets"][0]["name"], "bees")

    def test_an_error_that_cannot_be_told_keeps_its_code(self):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([PANAL, "modles"], stdout=full, stderr=full, timeout=60, env={**os.environ, "PANAL_HOME": str(self.home)})
        self.assertEqual(done.returncode, 2)


class OutputFiles(CommandLine):
    def report_to(self, path, **options):
        return self.run_into(subprocess.DEVNULL, "report", self.benchmark, "--html", path, **options)

    def test_a_link_is_followed_and_its_target_keeps_its_mode(self):
        target, link = self.work / "target.html", self.work / "link.html"
        target.write_text("old")
        target.chmod(0o640)
        link.symlink_to("target.html")
        self.assertEqual(self.report_to(link)[0], 0)
        self.assertTrue(link.is_symlink())
        self.assertIn("<!doctype html>", target.read_text())
        self.assertEqual(stat.S_IMODE(target.stat().st_mode), 0o640)

    def test_a_named_pipe_gets_the_page(self):
        pipe, got = self.work / "pipe", []
        os.mkfifo(pipe)
        reader = threading.Thread(target=lambda: got.append(pipe.read_text()), daemon=True)
        reader.start()
        self.assertEqual(self.report_to(pipe)[0], 0)
        reader.join(timeout=60)
        self.assertTrue(got[0].rstrip().endswith("</html>"))
        self.assertTrue(stat.S_ISFIFO(pipe.stat().st_mode))

    def test_a_device_stays_one(self):
        null, full = self.work / "null", self.work / "full"
        try:
            os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.mknod(full, stat.S_IFCHR | 0o666, os.makedev(1, 7))
            null.write_bytes(b"x")
        except OSError as error:
            self.skipTest(f"needs the right to make device nodes: {error}")
        self.assertEqual(self.report_to(null)[0], 0)
        code, told = self.report_to(full)
        self.assertEqual(code, 1)
        self.assertIn("No space left on device", told)
        self.assertTrue(stat.S_ISCHR(null.stat().st_mode) and stat.S_ISCHR(full.stat().st_mode))

    def test_a_descriptor_is_written_where_it_stands(self):
        page = self.work / "all.txt"
        with open(page, "wb", buffering=0) as file:
            file.write(b"before\n")
            code, told = self.run_into(file, "report", self.benchmark, "--html", "/dev/stdout")
            self.assertEqual(code, 0, told)
            file.write(b"after\n")
        text = page.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("</html>\nafter\n"), text[-200:])
        self.assertLess(text.index("tokens/s"), text.index("<!doctype html>"))
        reader, writer = os.pipe()
        os.close(reader)
        code, told = self.report_to(f"/dev/fd/{writer}", pass_fds=[writer])
        os.close(writer)
        self.assertEqual(code, 1)
        self.assertIn("Broken pipe", told)
        self.assertEqual(self.report_to("/dev/fd/77")[0], 1)

    def test_an_export_leaves_everything_else_as_it_is(self):
        for name in ("file", "out.partial"):
            (self.work / name).write_text("mine")
        self.refused("models", "export", "nobody", "--output", self.work / "file", code=1, words=["nobody"])
        self.assertEqual((self.work / "out.partial").read_text(), "mine")


class Terminals(CommandLine):
    def told_on_a_terminal(self, **environment):
        """What `data partition`, which shows how far it is, writes to a terminal."""
        master, slave = pty.openpty()
        base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM")}
        done = subprocess.run([PANAL, "data", "partition", "bees"], stdout=subprocess.DEVNULL, stderr=slave, timeout=120,
                              env={**base, "PANAL_HOME": str(self.home), **environment})
        os.close(slave)
        told = b""
        try:
            while piece := os.read(master, 4096):
                told += piece
        except OSError:
            pass  # A terminal without its other side ends so.
        os.close(master)
        self.assertEqual(done.returncode, 0, told)
        return told

    def test_escape_codes_only_where_they_are_known_and_wanted(self):
        self.assertIn(b"\033[", self.told_on_a_terminal(TERM="xterm-256color"))
        for plain in ({"TERM": "dumb"}, {}, {"TERM": "xterm", "NO_COLOR": "1"}):
            self.assertNotIn(b"\033", self.told_on_a_terminal(**plain), plain)


class ReadOnlyHome(CommandLine):
    def read_only(self, *arguments):
        """Runs a command for which the home cannot be written: mounted so for root, by its mode for others."""
        command = [str(word) for word in (PANAL, *arguments)]
        if os.geteuid() == 0:
            script = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
            command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, str(self.home), *command]
            if subprocess.run([*command[:6], "exit 0"], capture_output=True).returncode != 0:
                self.skipTest("needs the right to mount")
        else:
            self.home.chmod(0o500)
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env={**os.environ, "PANAL_HOME": str(self.home)})
        self.home.chmod(0o700)
        return done

    def test_reading_commands_work_and_writing_ones_say_why_not(self):
        for arguments in (["models"], ["data", "list"], ["jobs"], ["models", "verify"], ["report", self.benchmark]):
            done = self.read_only(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("bees", self.read_only("data", "list").stdout)
        for arguments in (["data", "add", "more", self.text], ["data", "partition", "bees"], ["deploy", "--remove", "x"]):
            done = self.read_only(*arguments)
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertRegex(done.stderr, "read-only|Read-only|Permission denied|no endpoint")


if __name__ == "__main__":
    unittest.main(verbosity=2)
