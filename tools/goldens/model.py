"""Tiny random models of the GPT-2 and LLaMA families with what PyTorch computes for them: logits, loss and every gradient.

Writes, for each case, a Hugging Face folder (config.json, model.safetensors) and expected.safetensors with
tokens, targets, logits, loss and gradient.<name>. A peft adapter over one of them checks adapter files too.

    python tools/goldens/model.py tests/golden/model
"""

import json
import pathlib
import sys

import torch
import transformers
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file

VOCABULARY = 43


def llama(**changes):
    settings = dict(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=6, num_key_value_heads=2, head_dim=4, max_position_embeddings=32,
        rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2,
    )
    settings.update(changes)
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(**settings))


def gpt2(**changes):
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(
        vocab_size=VOCABULARY, n_embd=24, n_layer=2, n_head=3, n_positions=32, n_inner=56,
        attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0, bos_token_id=1, eos_token_id=2, **changes))


def qwen2():
    return transformers.Qwen2ForCausalLM(transformers.Qwen2Config(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=1,
        num_attention_heads=3, num_key_value_heads=1, max_position_embeddings=32,
        tie_word_embeddings=True, bos_token_id=1, eos_token_id=2))


def qwen3(**changes):
    settings = dict(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=32,
        rope_theta=1e6, tie_word_embeddings=True, bos_token_id=1, eos_token_id=2)
    settings.update(changes)
    return transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**settings))


def mistral():
    return transformers.MistralForCausalLM(transformers.MistralConfig(
        vocab_size=VOCABULARY, hidden_size=24, intermediate_size=40, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, head_dim=8, max_position_embeddings=32,
        sliding_window=None, tie_word_embeddings=False, bos_token_id=1, eos_token_id=2))


LLAMA3_ROPE = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
               "original_max_position_embeddings": 16, "rope_theta": 10000.0}
CASES = {
    "llama_tied": llama,
    "llama_free_head": lambda: llama(tie_word_embeddings=False, num_key_value_heads=6),
    "llama_rope3": lambda: llama(rope_parameters=LLAMA3_ROPE, head_dim=8, num_attention_heads=3,
                                 num_key_value_heads=1),
    "llama_rope_linear": lambda: llama(
        rope_parameters={"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}),
    "qwen2": qwen2,
    "gpt2": gpt2,
    "gpt2_relu2": lambda: gpt2(activation_function="relu2"),
    "llama_biases": lambda: llama(attention_bias=True),
    "mistral": mistral,
    "qwen3": qwen3,
    "qwen3_biases": lambda: qwen3(attention_bias=True, tie_word_embeddings=False),
}


def randomise(model):
    """Every parameter away from its start, so that a norm or bias that is not applied shows."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if value.dim() == 1:
                value.copy_((1.0 if "norm" in name or "ln_" in name and "weight" in name else 0.0)
                            + 0.2 * torch.randn_like(value))
            else:
                value.copy_(0.25 * torch.randn_like(value))


def expect(model):
    tokens = torch.randint(0, VOCABULARY, (2, 13))
    targets = torch.roll(tokens, -1, 1)
    targets[0, 3] = -100
    targets[:, -1] = -100
    logits = model(tokens).logits
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
    loss.backward()
    out = {"tokens": tokens, "targets": targets, "logits": logits.detach(), "loss": loss.detach().reshape(1)}
    for name, value in model.named_parameters():
        if value.requires_grad:
            out["gradient." + name.replace(".default", "")] = value.grad
    return {name: value.contiguous() for name, value in out.items()}


def main(folder):
    for index, (name, make) in enumerate(CASES.items()):
        torch.manual_seed(1000 + index)
        model = make().float().eval()
        randomise(model)
        place = folder / name
        model.save_pretrained(place)
        (place / "generation_config.json").unlink(missing_ok=True)
        save_file(expect(model), place / "expected.safetensors")
    for index, (name, targets) in enumerate({
        "llama_tied": ["q_proj", "v_proj", "down_proj"], "gpt2": ["c_attn", "mlp.c_proj"]}.items()):
        torch.manual_seed(2000 + index)
        model = type(CASES[name]()).from_pretrained(folder / name, dtype=torch.float32).eval()
        model = get_peft_model(model, LoraConfig(r=3, lora_alpha=12, target_modules=targets,
                                                 fan_in_fan_out=name == "gpt2", task_type="CAUSAL_LM"))
        with torch.no_grad():
            for parameter, value in model.named_parameters():
                if "lora_" in parameter:
                    value.copy_(0.2 * torch.randn_like(value))
        place = folder / (name + "_adapter")
        model.save_pretrained(place)
        (place / "README.md").unlink(missing_ok=True)
        config = json.loads((place / "adapter_config.json").read_text())
        config["base_model_name_or_path"] = name  # The maker's path is nobody's business.
        (place / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
        save_file(expect(model), place / "expected.safetensors")


if __name__ == "__main__":
    torch.set_num_threads(2)
    main(pathlib.Path(sys.argv[1]))
