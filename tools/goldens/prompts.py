"""What transformers makes of prompts and of conversations to learn from.

Writes prompts.json: ids of plain prompts by tokenizers with every kind of post-processor and flag (the base is that of
variants.json), and learned.json: ids of conversations by SmolLM2's chat template and which of them the assistant said,
by transformers' own `{% generation %}` marks put into the template.

    python tools/goldens/prompts.py MODEL.gguf tests/golden/tokenizer
"""

import json
import pathlib
import sys
import tempfile

import transformers

from tokenizer import from_gguf

TEXTS = ["hola mundo", "", "<s>hola", " <|im_end|> the", "def f(x):\n"]
TURN = "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
MARKED_TURN = ("{{'<|im_start|>' + message['role'] + '\n'}}{% if message['role'] == 'assistant' %}{% generation %}"
               "{{message['content'] + '<|im_end|>'}}{% endgeneration %}{% else %}{{message['content'] + '<|im_end|>'}}"
               "{% endif %}{{'\n'}}")
CONVERSATIONS = [
    [("user", "¿Qué hora es?"), ("assistant", "Las tres.")],
    [("system", "Be brief."), ("user", "2 + 2?"), ("assistant", "4")],
    [("user", "Hi"), ("assistant", "Hello! How can I help?"), ("user", "Sing."), ("assistant", "La la 🎵 la"),
     ("user", "Again\n\n"), ("assistant", "No.\n")],
    [("user", "  spaces  "), ("assistant", "def f(x):\n    return x  # 漢字\n\n"), ("user", "thanks")],
    [("user", ""), ("assistant", "")],
    [("assistant", "I begin."), ("user", "go on"), ("assistant", "I end.")],
]


def added(token, content):
    return {"id": token, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True}


def template_processing(ids, before, after):
    def pieces(name, kind):
        special = lambda t: {"SpecialToken": {"id": t, "type_id": kind}}
        return [*map(special, before), {"Sequence": {"id": name, "type_id": kind}}, *map(special, after)]
    return {"type": "TemplateProcessing", "single": pieces("A", 0), "pair": pieces("A", 0) + pieces("B", 1),
            "special_tokens": {t: {"id": t, "ids": [ids[t]], "tokens": [t]} for t in sorted({*before, *after})}}


def cases_of(ids):
    byte_level = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": False, "use_regex": True}
    bos = template_processing(ids, ["<s>"], [])
    return [
        ("nothing", None, {}),
        ("byte_level", byte_level, {}),
        ("bos", bos, {}),
        ("bos_and_eos", template_processing(ids, ["<s>"], ["</s>"]), {}),
        ("bos_twice", template_processing(ids, ["<s>", "<s>"], []), {}),
        ("sequence", {"type": "Sequence", "processors": [byte_level, bos]}, {}),
        ("roberta", {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                     "trim_offsets": True, "add_prefix_space": False}, {}),
        ("flag_off", bos, {"add_bos_token": False}),
        ("flag_eos_only", bos, {"add_eos_token": True}),
    ]


def prompts(folder):
    base = json.loads((folder / "variants.json").read_text())["base"]
    size = 1 + max(base["model"]["vocab"].values())
    ids = {"<s>": size, "</s>": size + 1}
    base["added_tokens"] = [added(token, text) for text, token in ids.items()]
    cases = []
    for name, post_processor, flags in cases_of(ids):
        config = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>", **flags}
        with tempfile.TemporaryDirectory() as path:
            (pathlib.Path(path) / "tokenizer.json").write_text(json.dumps({**base, "post_processor": post_processor}))
            (pathlib.Path(path) / "tokenizer_config.json").write_text(json.dumps(config))
            loaded = transformers.AutoTokenizer.from_pretrained(path)
            cases.append({"name": name, "post_processor": post_processor, "config": config,
                          "ids": [loaded(t)["input_ids"] for t in TEXTS],
                          "ids_bare": [loaded(t, add_special_tokens=False)["input_ids"] for t in TEXTS]})
    return {"texts": TEXTS, "added_tokens": base["added_tokens"], "cases": cases}


def learned(gguf):
    tokenizer, template = from_gguf(gguf)
    assert TURN in template, template
    fast = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|im_start|>",
                                                eos_token="<|im_end|>")
    cases = []
    for turns in CONVERSATIONS:
        messages = [{"role": role, "content": content} for role, content in turns]
        whole = fast.apply_chat_template(messages, chat_template=template, return_dict=True)["input_ids"]
        made = fast.apply_chat_template(messages, chat_template=template.replace(TURN, MARKED_TURN), return_dict=True,
                                        return_assistant_tokens_mask=True)
        assert made["input_ids"] == whole
        cases.append({"messages": messages, "ids": whole, "learned": made["assistant_masks"]})
    return cases


def main(gguf, folder):
    folder = pathlib.Path(folder)
    (folder / "prompts.json").write_text(json.dumps(prompts(folder), ensure_ascii=False) + "\n")
    (folder / "learned.json").write_text(json.dumps(learned(gguf), ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
