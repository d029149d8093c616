"""Goldens of the update rules: parameters after some steps of torch's own optimizers.

    python tools/goldens/optim.py tests/golden/optim

Every file holds initial parameters, the gradients of each step and the parameters after the last one, float32.
muon_*.safetensors come from torch.optim.Muon with its bfloat16 cast replaced by float32 (panal's precision), and
muon_bfloat16.safetensors from the unchanged one.
"""
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

SHAPES = {"hidden.wide": (12, 20), "hidden.tall": (24, 8), "norm": (16,)}
STEPS = 6


def inputs(seed, shapes):
    generator = torch.Generator().manual_seed(seed)
    start = {name: torch.randn(shape, generator=generator) * 0.1 for name, shape in shapes.items()}
    gradients = [{name: torch.randn(shape, generator=generator) * 10 ** (step % 3 - 2)
                  for name, shape in shapes.items()} for step in range(STEPS)]
    return start, gradients


def run(make_optimizer, seed, shapes):
    start, gradients = inputs(seed, shapes)
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in start.items()}
    optimizer = make_optimizer(parameters)
    peak = [group["lr"] for group in optimizer.param_groups]
    for step in range(STEPS):
        for group, rate in zip(optimizer.param_groups, peak):
            group["lr"] = rate * (1 - step / (2 * STEPS))
        for name, parameter in parameters.items():
            parameter.grad = gradients[step][name].clone()
        optimizer.step()
    tensors = {f"start/{name}": value for name, value in start.items()}
    for step in range(STEPS):
        tensors |= {f"gradient{step}/{name}": value for name, value in gradients[step].items()}
    return tensors | {f"end/{name}": value.detach() for name, value in parameters.items()}


def adamw(parameters):
    decayed = [p for p in parameters.values() if p.dim() >= 2]
    others = [p for p in parameters.values() if p.dim() < 2]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.1},
                              {"params": others, "weight_decay": 0.0}], lr=3e-3, betas=(0.9, 0.95), eps=1e-8)


def muon(adjust):
    return lambda parameters: torch.optim.Muon(parameters.values(), lr=0.02, weight_decay=0.1, momentum=0.95,
                                               nesterov=True, adjust_lr_fn=adjust)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    matrices = {name: shape for name, shape in SHAPES.items() if len(shape) == 2}
    save_file(run(adamw, 1, SHAPES), folder / "adamw.safetensors")
    save_file(run(muon("original"), 2, matrices), folder / "muon_bfloat16.safetensors")
    torch.Tensor.bfloat16 = torch.Tensor.clone
    save_file(run(muon("original"), 2, matrices), folder / "muon_original.safetensors")
    save_file(run(muon("match_rms_adamw"), 3, matrices), folder / "muon_match_adamw.safetensors")


main()
