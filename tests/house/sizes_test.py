"""The house stays readable: how long files and functions are, and that no two rooms need each other. Prints its figures."""

import pathlib
import re
import statistics
import unittest

from floors_test import INCLUDE, SOURCE, read_floors, source_files

TESTS = SOURCE.parent / "tests"
MOST_FILE_LINES = 700
LONG_FUNCTION_LINES = 70
MOST_LONG_SHARE = 0.001

# What is no code for the count: comments and what stands in quotes. Line ends stay, so that lines keep their numbers.
NO_CODE = re.compile(r'R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|//[^\n]*|/\*.*?\*/', re.DOTALL)
TOKEN = re.compile(r"[{};]|[^{};\s]+|\n")
HOLDS_FUNCTIONS = re.compile(r"^(?:template\s*<.*>\s*)?(?:inline\s+|static\s+|export\s+|typedef\s+)*(?:namespace|class|struct|union|enum|extern)\b")


def without_text(text):
    def blank(match):
        return '""' + "\n" * match.group().count("\n") if match.group()[0] in "R\"'" else "\n" * match.group().count("\n")
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "", text)  # 1'000 is no quote.
    return re.sub(r"^\s*#(?:[^\n\\]|\\\n|\\.)*", lambda m: "\n" * m.group().count("\n"), NO_CODE.sub(blank, text), flags=re.MULTILINE)


def functions(text):
    """(first line, number of lines) of every function body with its head; a lambda belongs to the function around it."""
    found, scopes, head, line, head_line = [], [], [], 1, None
    for token in TOKEN.findall(without_text(text)):
        if token == "\n":
            line += 1
        elif token == "{":
            words = " ".join(head)
            in_function = any(kind == "function" for kind, *_ in scopes)
            if in_function:
                kind = "block"
            elif HOLDS_FUNCTIONS.match(words) and not re.search(r"\)\s*(?:const)?\s*$", words):
                kind = "holder"
            else:
                kind = "function" if "(" in words and not re.search(r"[=,(]\s*$", words) else "value"
            scopes.append((kind, head_line or line, list(head)))
            head, head_line = [], None
        elif token == "}":
            kind, first, before = scopes.pop() if scopes else ("block", line, [])
            head, head_line = [], None
            if kind == "function":
                found.append([first, line - first + 1, before])
            elif kind == "value":
                head, head_line = before + ["{}"], first  # A braced value inside a declaration goes on.
        elif token == ";":
            head, head_line = [], None
        else:
            # `Name::Name(...) : member_{1} {`: what looked like a short body was the value of a member.
            if not head and found and token.startswith(",") and not any(kind == "function" for kind, *_ in scopes):
                first, _, before = found.pop()
                head, head_line = before + ["{}"], first
            if not head:
                head_line = line
            head.append(token)
    return [(first, lines) for first, lines, _ in found]


def cycles(edges):
    """Rooms that can be reached from themselves."""
    def reached(start):
        seen, todo = set(), list(edges[start])
        while todo:
            room = todo.pop()
            if room not in seen:
                seen.add(room)
                todo += edges[room]
        return seen
    return sorted(room for room in edges if room in reached(room))


def num_lines(text):
    return text.count("\n")


class Sizes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.files = source_files()

    def test_no_file_is_too_long(self):
        long = [f"src/{path}: {num_lines(text)} lines" for path, text in self.files.items() if num_lines(text) > MOST_FILE_LINES]
        self.assertEqual(long, [], f"over {MOST_FILE_LINES} lines: look for the second idea inside")

    def test_functions_are_short(self):
        lengths = [(lines, path, first) for path, text in self.files.items() for first, lines in functions(text)]
        long = [entry for entry in lengths if entry[0] > LONG_FUNCTION_LINES]
        tests = sum(num_lines(path.read_text()) for end in ("*.cc", "*.h", "*.py") for path in TESTS.rglob(end))
        code = sum(map(num_lines, self.files.values()))
        print(f"\n{len(self.files)} files, {code} lines, {tests} lines of tests ({tests / code:.2f} per line of code), "
              f"{len(lengths)} functions: median {statistics.median(entry[0] for entry in lengths):.0f} lines, "
              f"{len(long)} over {LONG_FUNCTION_LINES} ({100 * len(long) / len(lengths):.3f} %), longest {max(lengths)}")
        self.assertGreater(len(lengths), 1000)
        self.assertLessEqual(len(long), MOST_LONG_SHARE * len(lengths), long)

    def test_no_two_rooms_need_each_other(self):
        edges = {room: set() for room in read_floors()}
        for path, text in self.files.items():
            room = path.split("/")[0]
            targets = {name.split("/")[0] for mark, name in INCLUDE.findall(text) if mark == '"' and "/" in name}
            edges[room] |= (targets & edges.keys()) - {room}
        print(f"\n{len(edges)} rooms, {sum(map(len, edges.values()))} edges between them, {len(cycles(edges))} in a cycle")
        self.assertEqual(cycles(edges), [])


class Counting(unittest.TestCase):
    def test_functions_are_found_with_their_lines(self):
        text = """namespace a {  // {
struct S {
  int x{1};
  explicit S(int y)
      : x{y}, z_(0) {
    auto f = [&] { return "}"; };
  }
  int one() const { return 1'000; }
};
const int kTable[] = {1, 2};
template <typename T>
T two(T t) {
  if (t) {
    return t;
  }
  return R"(
}}})";
}
}
"""
        self.assertEqual(functions(text), [(4, 4), (8, 1), (11, 8)])

    def test_a_cycle_is_seen(self):
        self.assertEqual(cycles({"a": {"b"}, "b": {"c"}, "c": {"b"}}), ["b", "c"])
        self.assertEqual(cycles({"a": {"b"}, "b": set()}), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
