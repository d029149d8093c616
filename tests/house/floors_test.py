"""The floor plan holds: every #include in src/ is one that src/floors.txt allows, every permission is used, and torch stays in
its rooms."""

import pathlib
import re
import sys
import unittest

SOURCE = pathlib.Path(__file__).resolve().parents[2] / "src"
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.MULTILINE)
TORCH = re.compile(r"^(torch|ATen|c10)/")


def read_floors():
    rooms = {}
    for line in (SOURCE / "floors.txt").read_text().splitlines():
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        rooms[words[0]] = (int(words[1]), words[2] == "torch", words[3:])
    return rooms


def source_files():
    """Text by path under src/."""
    return {str(path.relative_to(SOURCE)): path.read_text() for path in sorted(SOURCE.rglob("*")) if path.suffix in {".h", ".cc", ".cu", ".cuh"}}


def unused_permissions(rooms, files):
    """Sentences about what a line of floors.txt allows and no file of the room includes."""
    included = {room: set() for room in rooms}
    for path, text in files.items():
        for mark, name in INCLUDE.findall(text):
            if mark == '"':
                included.setdefault(path.split("/")[0], set()).update({name, name.split("/")[0]})
    return [f"floors.txt: {room} may include {name}, and no file of it does: take it out"
            for room, (_, _, allowed) in rooms.items() for name in allowed if name not in included[room]]


def violations(rooms, files):
    """Sentences about the includes of `files`, a mapping from path under src/ to text."""
    found = []
    for path, text in files.items():
        room = path.split("/")[0]
        if room not in rooms:
            found.append(f"{path}: its folder is no room of floors.txt")
            continue
        _, has_torch, allowed = rooms[room]
        for mark, name in INCLUDE.findall(text):
            if TORCH.match(name):
                if not has_torch:
                    found.append(f"{path}: includes {name}, but {room} is torch-free")
                if name == "torch/torch.h":
                    found.append(f"{path}: includes torch/torch.h, which costs 17 s a file")
                continue
            target = name.split("/")[0]
            if mark != '"' or name == "panal_version.h":
                continue
            if "/" not in name:
                found.append(f"{path}: {name} must be included by its path from src/")
            elif target not in rooms:
                found.append(f"{path}: {name} is in no room of floors.txt")
            elif target == room:
                continue
            elif name.startswith(f"{target}/detail/"):
                found.append(f"{path}: {name} is closed to other rooms")
            elif target not in allowed and name not in allowed:
                found.append(f"{path}: {room} may not include {target} ({name})")
    return found


class Floors(unittest.TestCase):
    def test_every_include_is_allowed(self):
        files = source_files()
        self.assertGreater(len(files), 10)
        self.assertEqual(violations(read_floors(), files), [])

    def test_every_permission_is_used(self):
        self.assertEqual(unused_permissions(read_floors(), source_files()), [])

    def test_an_unused_permission_is_seen(self):
        rooms = {"base": (0, False, []), "net": (0, False, ["base"]), "api": (1, False, ["base", "net/http.h"])}
        files = {"net/a.cc": '#include "base/x.h"\n', "api/b.cc": '#include "net/other.h"\n#include <base/x.h>\n'}
        self.assertEqual(len(unused_permissions(rooms, files)), 2)
        files["api/b.cc"] = '#include "net/http.h"\n#include "base/x.h"\n'
        self.assertEqual(unused_permissions(rooms, files), [])

    def test_a_line_names_only_earlier_and_lower_rooms(self):
        rooms, seen = read_floors(), set()
        for room, (floor, _, allowed) in rooms.items():
            for name in allowed:
                target = name.split("/")[0]
                self.assertIn(target, seen, f"{room} names {target}")
                self.assertLessEqual(rooms[target][0], floor, f"{room} is below {target}")
            seen.add(room)

    def test_the_check_sees_each_kind_of_violation(self):
        rooms = {"base": (0, False, []), "net": (0, False, ["base"]), "tensor": (1, True, ["base"])}
        bad = {
            "net/a.cc": '#include "tensor/x.h"\n',
            "net/b.cc": "#include <torch/types.h>\n",
            "tensor/c.cc": "#include <torch/torch.h>\n",
            "net/e.cc": '#include "base/detail/x.h"\n',
            "attic/f.cc": "",
        }
        for path, text in bad.items():
            self.assertNotEqual(violations(rooms, {path: text}), [], path)
        self.assertEqual(violations(rooms, {"net/ok.cc": '#include "base/x.h"\n#include <string>\n'}), [])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v"])
