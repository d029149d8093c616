#!/usr/bin/env python3
"""Goldens for tests/weights: small files written by the Python packages gguf and safetensors, with the values
those packages read back.

  python tools/goldens/weights.py --out tests/golden/weights --model SmolLM2-135M-Instruct.Q4_1.gguf

<type>.values.f32 are raw float32 in row-major order. Needs numpy, gguf, safetensors and torch.
"""
import argparse
import hashlib
import json
import pathlib

import gguf
import numpy as np
import torch
from gguf import GGMLQuantizationType as Type
from gguf.quants import dequantize, quantize
from safetensors.torch import load_file, save_file

READABLE = [Type.F32, Type.F16, Type.BF16, Type.Q4_0, Type.Q4_1, Type.Q5_0, Type.Q5_1, Type.Q8_0]
MODEL_TENSORS = ["blk.0.attn_q.weight", "blk.29.ffn_down.weight", "output_norm.weight"]


def values(rng, shape):
    made = rng.standard_normal(shape).astype(np.float32)
    made[0, 0:32] = 0  # A block of scale zero.
    made[1, 0:32] *= 1e-5  # A scale that is a denormal half.
    made[2, 0:32] *= 1e3
    return made


def write_gguf(out):
    rng = np.random.default_rng(20)
    writer = gguf.GGUFWriter(out / "every_type.gguf", "llama")
    writer.add_uint32("test.uint32", 7)
    writer.add_int64("test.int64", -(2**40))
    writer.add_uint64("test.uint64_large", 2**63 + 1)
    writer.add_float32("test.float32", 1.5)
    writer.add_float64("test.float64", 0.1)
    writer.add_bool("test.bool", True)
    writer.add_string("test.string", "gr\u00fc\u00df dich")
    writer.add_array("test.strings", ["a", "", "\u4e2d\u6587"])
    writer.add_array("test.integers", [3, -4, 5])
    writer.add_array("test.numbers", [0.5, -2.0])
    expected = []
    for tensor_type in READABLE:
        made = values(rng, (5, 96))
        stored = quantize(made, tensor_type)
        name = f"tensor.{tensor_type.name}"
        writer.add_tensor(name, stored, raw_dtype=tensor_type)
        expected.append((tensor_type.name, dequantize(stored, tensor_type)))
    writer.add_tensor("tensor.cube", np.arange(24, dtype=np.float32).reshape(2, 3, 4))
    writer.add_tensor("tensor.I32", np.arange(6, dtype=np.int32))
    k_quant = rng.integers(0, 256, (2, 144), dtype=np.uint8)
    writer.add_tensor("tensor.Q4_K", k_quant, raw_dtype=Type.Q4_K)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    # What is read back from the finished file, not what was handed to the writer.
    by_name = {tensor.name: tensor for tensor in gguf.GGUFReader(out / "every_type.gguf").tensors}
    for name, wanted in expected:
        tensor = by_name[f"tensor.{name}"]
        read = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        assert read.tobytes() == wanted.astype(np.float32).tobytes()
        (out / f"{name}.values.f32").write_bytes(read.tobytes())


def write_safetensors(out):
    torch.manual_seed(21)
    made = torch.randn(7, 9) * 10.0 ** torch.randint(-9, 5, (7, 9))
    made[0, 0:6] = torch.tensor([0.0, -0.0, 65519.0, 65520.0, 2.0**-25, 2.0**-24 * 1.5])
    made.numpy().tofile(out / "safetensors.values.f32")
    tensors = {
        "a.f16": made.to(torch.float16),
        "b.bf16": made.to(torch.bfloat16),
        "c.f32": made,
        "d.f64": made.to(torch.float64) * 3,
        "e.i64": torch.arange(4),
        "f.scalar": torch.tensor(2.5),
        "g.empty": torch.zeros(0, 3),
    }
    save_file(tensors, out / "every_type.safetensors", metadata={"format": "pt", "note": "gr\u00fc\u00df"})
    read = load_file(out / "every_type.safetensors")
    for name in ["a.f16", "b.bf16", "d.f64"]:
        read[name].to(torch.float32).numpy().tofile(out / f"{name}.values.f32")
    # What the writer must store, byte for byte.
    floats = {"b.half": made.to(torch.float16), "a.brain": made.to(torch.bfloat16), "c.float": made}
    for name, tensor in floats.items():
        (out / f"stored.{name}").write_bytes(tensor.contiguous().view(torch.uint8).numpy().tobytes())


def describe_model(out, model):
    reader = gguf.GGUFReader(model)
    described = {"num_tensors": len(reader.tensors), "tensors": {}}
    for tensor in reader.tensors:
        if tensor.name in MODEL_TENSORS:
            read = dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            described["tensors"][tensor.name] = {
                "type": tensor.tensor_type.name,
                "shape": [int(d) for d in reversed(tensor.shape)],
                "sha256": hashlib.sha256(read.tobytes()).hexdigest(),
            }
    tokens = reader.get_field("tokenizer.ggml.tokens")
    described["num_tokens"] = len(tokens.data)
    described["token_1000"] = bytes(tokens.parts[tokens.data[1000]]).decode()
    described["merges"] = len(reader.get_field("tokenizer.ggml.merges").data)
    (out / "smollm2.json").write_text(json.dumps(described, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--model", type=pathlib.Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    write_gguf(arguments.out)
    write_safetensors(arguments.out)
    describe_model(arguments.out, arguments.model)


if __name__ == "__main__":
    main()
