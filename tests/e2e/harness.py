"""The real programs, driven as a user or an OpenAI client would: no mocks, one private home per test class."""

import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PANAL = pathlib.Path(os.environ.get("PANAL_BIN_DIR", ROOT / "build" / "bin")) / "panal"
SMOLLM2 = ROOT / ".deps" / "models" / "SmolLM2-135M-Instruct.Q4_1.gguf"


def needs_python_torch():
    """transformers runs on the PyTorch panal is built with. A bare libtorch has no Python half, and the half of a CUDA
    build does not load without CUDA's libraries: only then the test is skipped."""
    try:
        import torch  # noqa: F401
    except (ImportError, OSError, ValueError) as error:
        if os.environ.get("PANAL_TORCH") or "cuda" in str(error).lower():
            raise unittest.SkipTest(f"this PyTorch cannot be imported by Python: {error}") from error
        raise


class Server:
    """`panal up` or `panal serve` on a free port, stopped by process id."""

    def __init__(self, home, *arguments):
        self.process = subprocess.Popen(
            [PANAL, "--json", *arguments, "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "PANAL_HOME": str(home)})
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the server did not start: {self.process.stderr.read()}")
        self.url = json.loads(line)["url"]

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=60)
        self.process.stdout.close()
        self.process.stderr.close()


class Case(unittest.TestCase):
    """A test class with one home for all of its tests."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="panal-e2e-")
        cls.addClassCleanup(cls.folder.cleanup)
        cls.home = pathlib.Path(cls.folder.name) / "home"

    @classmethod
    def run_panal(cls, *arguments, home=None, timeout=300):
        return subprocess.run([PANAL, *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env={**os.environ, "PANAL_HOME": str(home or cls.home)})

    @classmethod
    def panal(cls, *arguments, **options):
        """The --json document of a command that must succeed."""
        done = cls.run_panal("--json", *arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"panal {arguments} exited with {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def refused(self, *arguments, code, words):
        """A command that must fail with this exit code and a message that has all the words."""
        done = self.run_panal(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        for word in words:
            self.assertIn(word, done.stderr)
        self.assertNotIn("Traceback", done.stderr)

    def wait_until(self, claim, deadline_s=30):
        until = time.monotonic() + deadline_s
        while not claim():
            self.assertLess(time.monotonic(), until, "what was waited for did not happen")
            time.sleep(0.05)
