"""Chat templates against transformers: makes the goldens of tests/chat, and compares a folder of templates.

    python tools/goldens/chat_templates.py make --gguf SmolLM2.gguf --out tests/golden/chat
    python tools/goldens/chat_templates.py compare --templates FOLDER --program build/bin/chat_render

`compare` renders every *.jinja of a folder that is not ours to keep in seven conversations and exits with 1 when one
differs. The program is the target chat_render of the build.
"""

import argparse
import datetime
import difflib
import json
import pathlib
import subprocess
import sys

from chat_template_sources import CONVERSATIONS, EXPRESSIONS, TEMPLATES

BOS, EOS = "<s>", "</s>"
# The goldens' date, for strftime_now: a day below ten, in a month with a long name.
NOW = datetime.datetime(2026, 9, 5, 7, 8, 9)

TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Tells the weather of a city.",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "Name of the city"},
            "days": {"type": "integer", "description": "How many days ahead", "default": 1},
            "unit": {"type": "string", "enum": ["C", "F"]},
            "parts": {"type": "array", "items": {"type": "string"}}},
            "required": ["city"]}}},
    {"type": "function", "function": {
        "name": "stop", "description": "Ends it.", "parameters": {"type": "object", "properties": {}}}},
]
CALL = {"id": "call00001", "type": "function",
        "function": {"name": "get_weather", "arguments": {"city": "León \"x\"", "days": 2, "parts": ["a", "b"]}}}
SEVEN = {
    "user": {"messages": [{"role": "user", "content": "Hello, who are you?"}]},
    "system": {"messages": [{"role": "system", "content": "Be short."}, {"role": "user", "content": " ¿Qué tal? "}],
               "add_generation_prompt": True},
    "turns": {"messages": [{"role": "user", "content": "1"}, {"role": "assistant", "content": "<think>\nhm\n</think>\n\nTwo"},
                           {"role": "user", "content": "3\n"}, {"role": "assistant", "content": "four"}]},
    "prompt": {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "1"},
                            {"role": "assistant", "content": "2"}, {"role": "user", "content": "3"}],
               "add_generation_prompt": True},
    "tools": {"messages": [{"role": "system", "content": "Use tools."}, {"role": "user", "content": "Weather?"}],
              "add_generation_prompt": True, "variables": {"tools": TOOLS}},
    "tool calls": {"messages": [{"role": "user", "content": "Weather?"},
                                {"role": "assistant", "content": "", "tool_calls": [CALL]},
                                {"role": "tool", "tool_call_id": "call00001", "name": "get_weather",
                                 "content": "{\"sky\": \"clear\"}"},
                                {"role": "assistant", "content": "Clear."}, {"role": "user", "content": "Thanks"}],
                   "add_generation_prompt": True, "variables": {"tools": TOOLS}},
    "null": {"messages": [{"role": "user", "content": "Weather?"},
                          {"role": "assistant", "content": None, "tool_calls": [CALL]},
                          {"role": "tool", "tool_call_id": "call00001", "name": "get_weather", "content": "clear"}],
             "add_generation_prompt": True},
}


def rendered(source, case):
    """What transformers makes of a case: {"expected": text} or {"error": what it said}."""
    from transformers.utils.chat_template_utils import render_jinja_template
    variables = dict(case.get("variables", {}))
    try:
        texts, _ = render_jinja_template(
            conversations=[case["messages"]], chat_template=source, tools=variables.pop("tools", None),
            add_generation_prompt=case.get("add_generation_prompt", False), bos_token=BOS, eos_token=EOS, **variables)
        return {"expected": texts[0]}
    except Exception as error:  # The template refused, or Jinja did: so must we.
        return {"error": f"{type(error).__name__}: {error}"}


def template_goldens(smollm_template):
    goldens = []
    for name, source in {"smollm2": smollm_template, **TEMPLATES}.items():
        cases = []
        for messages in CONVERSATIONS:
            for add_prompt in [True, False]:
                case = {"messages": messages, "add_generation_prompt": add_prompt,
                        "variables": {"enable_thinking": False} if add_prompt else {}}
                cases.append({**case, **rendered(source, case)})
        goldens.append({"name": name, "source": source, "cases": cases})
    return goldens


def expression_goldens():
    case = {"messages": CONVERSATIONS[0], "variables": {"numbers": [3, 1, 2], "people": PEOPLE}}
    return {**case, "lines": [{"source": source, **rendered(source, case)} for source in EXPRESSIONS]}


PEOPLE = [{"name": "Ana", "age": 41, "home": {"city": "León"}, "tags": ["a", "b"]},
          {"name": "bo", "age": 7, "home": {"city": "oslo"}, "tags": []},
          {"name": "Cy", "age": 41, "tags": ["c"]}]


def freeze_time():
    """datetime.now() of transformers says NOW."""
    from transformers.utils import chat_template_utils

    class Frozen(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return NOW
    chat_template_utils.datetime = Frozen


def write(path, value):
    path.write_text(json.dumps(value, ensure_ascii=True, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")
    print(path, path.stat().st_size, "bytes")


def make(args):
    import gguf
    freeze_time()
    smollm = gguf.GGUFReader(args.gguf).fields["tokenizer.chat_template"].contents()
    args.out.mkdir(parents=True, exist_ok=True)
    write(args.out / "templates.json", template_goldens(smollm))
    write(args.out / "expressions.json", expression_goldens())


def difference(wanted, found):
    lines = difflib.unified_diff(wanted.splitlines(), found.splitlines(), "transformers", "panal", lineterm="", n=1)
    return "\n".join("      " + line for line in list(lines)[:12])


def compare(args):
    program = subprocess.Popen([args.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    num_right = 0
    templates = sorted(args.templates.glob("*.jinja"))
    for path in templates:
        source = path.read_text(encoding="utf-8")
        faults = []
        for name, case in SEVEN.items():
            wanted = rendered(source, case)
            program.stdin.write(json.dumps({"template": source, "bos": BOS, "eos": EOS, **case}) + "\n")
            program.stdin.flush()
            found = json.loads(program.stdout.readline())
            if wanted.get("expected") == found.get("text"):
                if args.verbose and "error" in wanted:
                    print(f"  {path.name}, {name}: both refuse: {wanted['error'][:90]} | {found['error'][:90]}")
                continue
            faults.append(name)
            print(f"  {path.name}, {name}: transformers {str(wanted.get('error', 'renders'))[:150]!r}, "
                  f"panal {found.get('error', 'renders')!r}")
            if "expected" in wanted and "text" in found:
                print(difference(wanted["expected"], found["text"]))
        num_right += not faults
        print("equal " if not faults else "DIFFER", path.name)
    program.stdin.close()
    program.wait()
    print(f"{num_right} of {len(templates)} templates are equal in {len(SEVEN)} conversations")
    sys.exit(0 if num_right == len(templates) > 0 else 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("make")
    command.add_argument("--gguf", required=True)
    command.add_argument("--out", type=pathlib.Path, required=True)
    command.set_defaults(run=make)
    command = commands.add_parser("compare")
    command.add_argument("--templates", type=pathlib.Path, required=True)
    command.add_argument("--program", required=True)
    command.add_argument("--verbose", action="store_true")
    command.set_defaults(run=compare)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
