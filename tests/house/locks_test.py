"""Whatever a lock guards is touched with that lock held: clang's thread-safety analysis says so of every file that has to do with a
Mutex (base/mutex.h), and nobody locks by other means.

The flags are those of the build's own compile_commands.json, as far as they decide what the code means; the rest is GCC's. The same
headers are parsed ahead as in the build, by clang for itself. clang 14, which Debian 12 has, takes all of our headers and torch's as
they are."""

import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import tempfile
import unittest

from floors_test import INCLUDE, SOURCE, source_files

BUILD = pathlib.Path(os.environ.get("PANAL_BUILD_DIR", SOURCE.parent / "build"))
HOME = "base/mutex.h"
COMMENT = re.compile(r"//[^\n]*")
STANDARD = re.compile(r"\bstd::(?:(?:recursive_|shared_|timed_)*(?:mutex|lock)|condition_variable(?:_any)?|lock_guard|scoped_lock"
                      r"|unique_lock)\b|#\s*include\s*<(?:mutex|shared_mutex|condition_variable)>")
MEMBER = re.compile(r"^( *)(?:mutable )?(?:panal::)?Mutex (\w+);", re.MULTILINE)
HOLDER = re.compile(r"^( *)(?:class|struct) (?:PANAL_\w+(?:\(.*?\))? )*([\w:]+)(?: final)?(?: :[^:;]*)? {$")
CLANG = ("clang++", "-fsyntax-only", "-Wno-everything", "-Wthread-safety", "-Werror=thread-safety")

# Who locks by other means, and why.
OTHERS = {"tensor/runtime.cc": "the generator's mutex is torch's"}
# Mutexes without a member that they guard, by "path: name", and what they are for.
WITHOUT_MEMBERS = {}


def standard_locks(path, text):
    """Lines that use the standard library's locks, which the analysis cannot see."""
    code = COMMENT.sub("", text)
    return [f"{path}:{number}: {line.strip()}" for number, line in enumerate(code.splitlines(), 1) if STANDARD.search(line)]


def idle_mutexes(path, text):
    """Mutexes that are no member's guard."""
    return [f"{path}: {name}" for _, name in MEMBER.findall(text) if not re.search(rf"PANAL_GUARDED_BY\({name}\)", text)]


def holders(text):
    """Classes with a Mutex in them, and the classes around those."""
    found, lines = set(), text.splitlines()
    for match in MEMBER.finditer(text):
        indent = len(match[1])
        for line in reversed(lines[:text.count("\n", 0, match.start())]):
            holder = HOLDER.match(line)
            if holder and len(holder[1]) < indent:
                indent = len(holder[1])
                found.add(holder[2].split("::")[-1])
    return found


def concerned(path, files):
    """Whether a .cc file locks, or defines functions of a class that has a Mutex."""
    text = files[path]
    if re.search(r"\bMutex", text):
        return True
    included = [name for mark, name in INCLUDE.findall(text) if mark == '"' and name in files]
    names = set().union(*(holders(files[name]) for name in included))
    return any(re.search(rf"^(?:[\w:<>,&*~ ]+ )?(?:\w+::)*{name}::~?\w+\(", text, re.MULTILINE) for name in names)


def headers_of(path, files, seen):
    """Our headers that a file includes, however far down."""
    for mark, name in INCLUDE.findall(files[path]):
        if mark == '"' and name in files and name not in seen:
            seen.add(name)
            headers_of(name, files, seen)
    return seen


class Unit:
    """A .cc file as the build compiles it: what decides its meaning, and the headers parsed ahead, if any."""

    def __init__(self, path, command):
        self.path, self.flags, self.ahead = path, [], None
        words = iter(shlex.split(command))
        for word in words:
            if word == "-isystem":
                self.flags.append("-isystem" + next(words))
            elif word == "-include":
                self.ahead = next(words)
            elif word.startswith(("-D", "-I", "-std=")):
                self.flags.append(word)


def units(files):
    commands = {}
    for entry in json.loads((BUILD / "compile_commands.json").read_text()):
        file = pathlib.Path(entry["file"])
        if file.is_relative_to(SOURCE) and file.suffix == ".cc":
            commands[str(file.relative_to(SOURCE))] = entry["command"]
    return {path: Unit(path, command) for path, command in commands.items()}


def run_clang(*arguments):
    """What clang says against it; "" when it is content."""
    run = subprocess.run([*CLANG, *arguments], capture_output=True, text=True, check=False)
    return "" if run.returncode == 0 else run.stderr or f"clang++ ended with {run.returncode}"


def parse_ahead(group, output):
    """The header that a group of units has in common, parsed with the flags they have in common."""
    flags = [flag for flag in group[0].flags if all(flag in unit.flags for unit in group)]
    subprocess.run(["clang++", "-w", "-fpch-instantiate-templates", *flags, "-x", "c++-header", group[0].ahead, "-o", output], check=True)
    return ("-include-pch", output)


def complaints(all_units):
    groups = {}
    for unit in all_units:
        groups.setdefault(unit.ahead, []).append(unit)
    # The longest first: what has the largest header.
    ordered = sorted(groups.items(), key=lambda group: -pathlib.Path(group[0]).stat().st_size if group[0] else 0)
    workers = min(4, len(os.sched_getaffinity(0)))
    with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(workers) as pool:
        ahead = {header: pool.submit(parse_ahead, group, f"{folder}/{number}.pch") if header else None
                 for number, (header, group) in enumerate(ordered)}
        results = []
        for header, group in ordered:
            parsed = ahead[header].result() if header else ()
            results += [pool.submit(run_clang, *unit.flags, *parsed, str(SOURCE / unit.path)) for unit in group]
        return [said for said in (result.result() for result in results) if said]


class Locks(unittest.TestCase):
    def test_nobody_locks_by_other_means(self):
        found = {path: standard_locks(path, text) for path, text in source_files().items() if path != HOME}
        self.assertEqual([line for path, lines in found.items() for line in lines if path not in OTHERS], [],
                         "Mutex, MutexLock and ConditionVariable of base/mutex.h are what can be checked")
        self.assertEqual([path for path in OTHERS if not found.get(path)], [], "these do so no more: take them off the list")

    def test_every_mutex_guards_a_member(self):
        found = {name for path, text in source_files().items() if path != HOME for name in idle_mutexes(path, text)}
        self.assertEqual(found, WITHOUT_MEMBERS.keys(), "PANAL_GUARDED_BY(mutex) says what it is for")

    def test_clang_finds_no_guarded_member_without_its_lock(self):
        files = source_files()
        built = units(files)
        chosen = [unit for path, unit in built.items() if concerned(path, files)]
        self.assertGreater(len(chosen), 10)
        reached = set().union(*(headers_of(unit.path, files, set()) for unit in chosen))
        rooms = {path.split("/")[0] for path in built}
        self.assertEqual([path for path, text in files.items() if path.endswith(".h") and MEMBER.search(text)
                          and path.split("/")[0] in rooms and path not in reached], [], "analysed with no .cc file")
        self.assertEqual("\n".join(complaints(chosen)), "")

    def test_clang_refuses_each_kind_of_mistake(self):
        counter = """
            #include "base/mutex.h"
            class Counter {
             public:
              int next() { const panal::MutexLock lock(mutex_); return step(); }
              void await() { const panal::MutexLock lock(mutex_); while (count_ == 0) changed_.wait(mutex_); }
              void try_reset() { if (mutex_.try_lock()) { const panal::MutexLock lock(mutex_, std::adopt_lock); count_ = 0; } }
              void tell() PANAL_EXCLUDES(mutex_) {}
              void step_and_tell() {
                const panal::MutexLock lock(mutex_);
                step();
                const panal::MutexUnlock unlocked(mutex_);
                tell();
              }
              // Mistakes.
             private:
              int step() PANAL_REQUIRES(mutex_) { return ++count_; }
              panal::Mutex mutex_;
              panal::ConditionVariable changed_;
              int count_ PANAL_GUARDED_BY(mutex_) = 0;
            };"""
        mistakes = ["int count() const { return count_; }",
                    "void more() { step(); }",
                    "void wait() { changed_.wait(mutex_); }",
                    "void tell_all() { const panal::MutexLock lock(mutex_); tell(); }",
                    "void twice() { const panal::MutexLock lock(mutex_); const panal::MutexLock again(mutex_); }",
                    "void keep() { mutex_.lock(); }",
                    "void reset() { mutex_.try_lock(); count_ = 0; }",
                    "void gap() { const panal::MutexLock lock(mutex_); const panal::MutexUnlock unlocked(mutex_); count_ = 0; }"]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "counter.cc"
            path.write_text(counter)
            self.assertEqual(run_clang("-std=c++20", f"-I{SOURCE}", str(path)), "")
            path.write_text(counter.replace("// Mistakes.", "\n".join(mistakes)))
            said = run_clang("-std=c++20", f"-I{SOURCE}", str(path))
        refused = {int(line) for line in re.findall(r"counter\.cc:(\d+):\d+: error: .*\[-Werror,-Wthread-safety", said)}
        first = counter.splitlines().index("              // Mistakes.") + 1
        self.assertEqual(refused, set(range(first, first + len(mistakes))), said)

    def test_the_check_sees_other_locks_and_idle_mutexes(self):
        for line in ("std::mutex mutex_;", "const std::lock_guard lock(mutex_);", "std::shared_mutex m;", "#include <mutex>",
                     "std::condition_variable_any changed_;", "std::unique_lock lock(mutex_, std::defer_lock);",
                     "std::recursive_mutex m;", "std::shared_lock lock(m);"):
            self.assertNotEqual(standard_locks("x.h", line), [], line)
        for line in ("Mutex mutex_;", "// std::mutex", "const MutexLock lock(mutex_);", "my::mutex m;"):
            self.assertEqual(standard_locks("x.h", line), [], line)
        self.assertEqual(idle_mutexes("x.h", "  mutable Mutex mutex_;\n  int count_;\n"), ["x.h: mutex_"])
        self.assertEqual(idle_mutexes("x.h", "  Mutex mutex_;\n  int count_ PANAL_GUARDED_BY(mutex_) = 0;\n"), [])

    def test_the_check_knows_who_defines_functions_of_a_class_with_a_mutex(self):
        files = {"net/pool.h": "class Pool final : public Base {\n  struct Slot {\n    Mutex mutex;\n  };\n};\nstruct Other {\n};\n",
                 "net/one.cc": '#include "net/pool.h"\nResult<int> Pool::size() const {}\n',
                 "net/two.cc": '#include "net/pool.h"\nint use(Pool& pool) {\n  return Pool::kSize;\n}\nint Other::f() {}\n',
                 "net/three.cc": "void f() {\n  const MutexLock lock(mutex);\n}\n"}
        self.assertEqual(holders(files["net/pool.h"]), {"Pool", "Slot"})
        self.assertEqual([path for path in files if path.endswith(".cc") and concerned(path, files)], ["net/one.cc", "net/three.cc"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
