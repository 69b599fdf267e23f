"""A file written by the safetensors package: every dtype Easel reads, a scalar, an empty tensor, metadata.

data/files/python.safetensors
"""
import torch
from safetensors.torch import save_file


def make(out, options):
    dtypes = {"f64": torch.float64, "f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16, "i64": torch.int64,
              "i32": torch.int32, "i16": torch.int16, "i8": torch.int8, "u8": torch.uint8}
    tensors = {name: torch.tensor([[0, 1, 2], [3, 4, 100]]).to(dtype) for name, dtype in dtypes.items()}
    tensors["bool"] = torch.tensor([True, False, True])
    tensors["scalar"] = torch.tensor(-1.5)
    tensors["empty"] = torch.zeros(0, 4)
    save_file(tensors, out / "python.safetensors", metadata={"format": "pt", "note": "größe"})
