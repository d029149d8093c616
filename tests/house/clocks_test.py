"""Time comes in through base/clock.h: nobody else asks the machine's clock or sleeps, and tests wait for what happens, not for time."""

import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
DIRECT = re.compile(
    r"(?:steady|system|high_resolution|utc|tai|file)_clock\b(?!\()"  # system_clock() is base's own.
    r"|\b(?:clock_gettime|gettimeofday|timespec_get|nanosleep|usleep)\s*\("
    r"|(?:\bstd::|[^\w.>:])time\s*\(\s*(?:nullptr|NULL|0|&\w+)\s*\)"
    r"|\bthis_thread::sleep_|\bfile_time_type::clock\b")
SLEEP = re.compile(r"\bsystem_clock\(\)\s*\.\s*sleep_for|\btime\.sleep\s*\(")

# Where a test sleeps on the machine's clock, and why nothing else would do.
SLEEPERS = {
    "tests/e2e/harness.py": "looks again at another program until it has done what is waited for",
    "tests/e2e/test_training_kills.py": "kills another program at a random moment",
    "tests/registry/processes_test.cc": "kills another process at a random moment",
    "tests/swarm/group_test.cc": "a rank that comes late by the clock is what the test is about",
    "tests/train/run_test.cc": "kills another process at a random moment",
}


def direct_uses(path, text):
    """Lines of a C++ file that ask a clock or sleep."""
    code = COMMENT.sub(lambda comment: re.sub(r"[^\n]", " ", comment.group()), text)
    return [f"{path}:{number}: {line.strip()}" for number, line in enumerate(code.splitlines(), 1) if DIRECT.search(line)]


def files(folder, endings):
    return {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / folder).rglob("*")
            if path.suffix in endings and "golden" not in path.parts and path != pathlib.Path(__file__).resolve()}


class Clocks(unittest.TestCase):
    def test_only_base_asks_the_machines_clock(self):
        found = []
        for path, text in {**files("src", {".h", ".cc", ".cu", ".cuh"}), **files("tests", {".h", ".cc"})}.items():
            if not path.startswith("src/base/"):
                found += direct_uses(path, text)
        self.assertEqual(found, [], "pass a Clock& (base/clock.h), or use Stopwatch and Deadline")

    def test_tests_sleep_only_where_nothing_else_would_do(self):
        sleepers = {path for path, text in files("tests", {".h", ".cc", ".py"}).items() if SLEEP.search(text)}
        self.assertEqual(sleepers - SLEEPERS.keys(), set(), "wait for what happens (tests/patience.h), or move a ManualClock")
        self.assertEqual(SLEEPERS.keys() - sleepers, set(), "these sleep no more: take them off the list")

    def test_the_check_sees_each_kind_of_use(self):
        for line in ("auto now = std::chrono::steady_clock::now();", "std::this_thread::sleep_for(1ms);", "usleep(5);",
                     "clock_gettime(CLOCK_REALTIME, &now);", "const auto now = std::time(nullptr);", "x = time(NULL);",
                     "using Clock = std::chrono::system_clock;"):
            self.assertNotEqual(direct_uses("x.cc", line), [], line)
        for line in ("clock.sleep_for(1ms);", "system_clock().steady_now();", "asio::steady_timer timer;", "// steady_clock::now()",
                     "uptime(0);", "clock.time(0);"):
            self.assertEqual(direct_uses("x.cc", line), [], line)


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
