"""Every C++ file looks as .clang-format says. The version is the one Debian 12 has: others lay out some lines differently."""

import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MAJOR = "14"


class Format(unittest.TestCase):
    def test_clang_format_would_change_nothing(self):
        version = subprocess.run(["clang-format", "--version"], capture_output=True, text=True, check=True).stdout
        if f"version {MAJOR}." not in version:
            self.skipTest(f"needs clang-format {MAJOR}, found {version.strip()}")
        files = sorted(path for folder in ("src", "tests") for end in ("*.h", "*.cc") for path in (ROOT / folder).rglob(end))
        self.assertGreater(len(files), 100)
        done = subprocess.run(["clang-format", "--dry-run", "--Werror", *files], capture_output=True, text=True, cwd=ROOT)
        self.assertEqual(done.returncode, 0, f"run clang-format -i on these files:\n{done.stderr}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
