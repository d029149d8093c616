"""What lm-evaluation-harness computes in float32 with a model on the questions of tests/golden/choices.

For each task: the log-likelihood of every choice of every question, acc, acc_norm and acc_bytes with their standard
errors, and the rolling log-likelihood of a text. The tasks are the harness's own (their prompts, cleaning and
descriptions), only their rows come from the files here. MODEL is a Hugging Face folder, as `panal models export` makes
it of SmolLM2-135M-Instruct; lm_eval 0.4.13 was used.

    python tools/goldens/choices.py MODEL tests/golden/choices TEXT.txt tests/golden/choices/expected.json
"""

import json
import os
import pathlib
import sys

os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"

import lm_eval  # noqa: E402
import lm_eval.tasks  # noqa: E402
import torch  # noqa: E402
import yaml  # noqa: E402
from lm_eval.api.instance import Instance  # noqa: E402
from lm_eval.api.metrics import mean_stderr  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from lm_eval.tasks.hellaswag import utils as hellaswag  # noqa: E402

METRICS = [{"metric": name, "aggregation": "mean", "higher_is_better": True} for name in ("acc", "acc_norm", "acc_bytes")]
TASKS = pathlib.Path(lm_eval.tasks.__file__).parent
ALIKE = {"dataset_name": None, "dataset_path": "json", "training_split": None, "validation_split": None,
         "test_split": "test", "metric_list": METRICS, "should_decontaminate": False}


def original(path):
    """The harness's own description of a task, but for the rows' place and the Python functions it names."""
    text = (TASKS / path).read_text(encoding="utf-8").replace("!function utils.process_docs", "null")
    return {key: value for key, value in yaml.safe_load(text).items() if key not in ("tag", "include", "task_alias")}


def task(name, described, rows, shots_rows=None, shots=0, process_docs=None):
    files = {"test": str(rows)}
    if shots_rows:
        files["dev"] = str(shots_rows)
    return {**described, **ALIKE, "task": name, "dataset_kwargs": {"data_files": files}, "num_fewshot": shots,
            "fewshot_split": "dev" if shots_rows else "test", "fewshot_config": {"sampler": "first_n"},
            **({"process_docs": process_docs} if process_docs else {})}


def mmlu_tasks(folder, shots):
    rows = [json.loads(line) for line in (folder / "mmlu.jsonl").read_text(encoding="utf-8").splitlines()]
    template = original("mmlu/default/_default_template_yaml")
    for subject in sorted({row["subject"] for row in rows}):
        own = TASKS / f"mmlu/default/mmlu_{subject}.yaml"
        description = (original(own)["description"] if own.exists() else
                       f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n")
        yield task(f"mmlu_{shots}_{subject}", {**template, "description": description}, folder / "mmlu.jsonl",
                   folder / "mmlu_dev.jsonl", shots,
                   lambda docs, subject=subject: docs.filter(lambda row: row["subject"] == subject))


def with_query(docs):
    return docs.map(lambda row: {"query": row["query"] if row["query"] is not None else row["context"]})


def evaluated(model, description):
    """One task's results: {"items": [[log-likelihood per choice]], "acc", ...}, items in the order of the rows."""
    found = lm_eval.simple_evaluate(model=model, tasks=[description], log_samples=True, bootstrap_iters=0)
    name = description["task"]
    result, samples = found["results"][name], sorted(found["samples"][name], key=lambda sample: sample["doc_id"])
    kept = {"items": [[round(float(answer[0][0]), 6) for answer in sample["resps"]] for sample in samples]}
    for metric in ("acc", "acc_norm", "acc_bytes"):
        values = [sample[metric] for sample in samples]
        kept[metric], kept[f"{metric}_stderr"] = result[f"{metric},none"], mean_stderr(values)
        kept[f"{metric}_right"] = [int(value) for value in values]
    return kept


def main(model_folder, folder, text, output):
    torch.set_num_threads(2)
    model = HFLM(pretrained=str(model_folder), dtype="float32", device="cpu", batch_size=8)
    arc, scene = original("arc/arc_easy.yaml"), original("hellaswag/hellaswag.yaml")
    plain = {"output_type": "multiple_choice", "doc_to_text": "{{query}}", "doc_to_target": "gold", "doc_to_choice": "choices"}
    expected = {}
    for name, description in {
            "hellaswag": task("hellaswag_0", scene, folder / "hellaswag.jsonl", process_docs=hellaswag.process_docs),
            "arc": task("arc_0", arc, folder / "arc.jsonl"),
            "arc_3": task("arc_3", arc, folder / "arc.jsonl", shots=3),
            "choices": task("choices_0", plain, folder / "choices.jsonl", process_docs=with_query)}.items():
        expected[name] = evaluated(model, description)
    for shots in (0, 2):
        expected[f"mmlu_{shots}"] = {one["task"].split("_", 2)[2]: evaluated(model, one) for one in mmlu_tasks(folder, shots)}
    words = text.read_text(encoding="utf-8")
    model._max_length = 256
    rolling = model.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (words,), 0)])
    expected["rolling"] = {"context": 256, "log_likelihood": float(rolling[0]), "bytes": len(words.encode())}
    output.write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main(*[pathlib.Path(argument) for argument in sys.argv[1:]])
