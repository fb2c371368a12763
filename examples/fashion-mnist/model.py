"""The Vision Transformers of this example, in PyTorch.

The parameters' names are timm's (and `blocks.I.moe.experts.E.*`, `router.*`
for the experts), so a state dict is what the compiler reads.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        batch, tokens, width = x.shape
        size = width // self.heads
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, size)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * size**-0.5).softmax(dim=-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(x.shape))


class Mlp(nn.Module):
    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x)))


class Experts(nn.Module):
    """MLPs of which each image uses one (Mobile V-MoEs, arXiv 2309.04354)."""

    def __init__(self, count: int, width: int, hidden: int) -> None:
        super().__init__()
        self.experts = nn.ModuleList(Mlp(width, hidden) for _ in range(count))

    def forward(self, x: Tensor, expert: Tensor, gate: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for index, mlp in enumerate(self.experts):
            rows = (expert == index).nonzero(as_tuple=True)[0]
            if len(rows):
                out = out.index_copy(0, rows, mlp(x[rows]))
        return out * gate[:, None, None]


class Block(nn.Module):
    def __init__(self, spec: dict[str, Any], experts: int) -> None:
        super().__init__()
        width, hidden = spec["hidden_size"], spec["intermediate_size"]
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, spec["num_attention_heads"])
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        if experts:
            self.moe = Experts(experts, width, hidden)
        else:
            self.mlp = Mlp(width, hidden)

    def forward(self, x: Tensor, expert: Optional[Tensor],
                gate: Optional[Tensor]) -> Tensor:
        x = x + self.attn(self.norm1(x))
        h = self.norm2(x)
        if hasattr(self, "moe"):
            return x + self.moe(h, expert, gate)
        return x + self.mlp(h)


class VisionTransformer(nn.Module):
    """A dense ViT, or one whose last blocks have experts behind one router."""

    def __init__(self, spec: dict[str, Any]) -> None:
        super().__init__()
        self.spec = spec
        width, patch = spec["hidden_size"], spec["patch_size"]
        layers, channels = spec["num_hidden_layers"], spec["num_channels"]
        moe = spec.get("moe")
        self.first_moe = layers - moe["layers"]["last"] if moe else layers
        tokens = (spec["image_size"] // patch) ** 2 + 1
        self.patch_embed = nn.ModuleDict(
            {"proj": nn.Conv2d(channels, width, patch, patch)})
        self.cls_token = nn.Parameter(torch.zeros(1, 1, width))
        self.pos_embed = nn.Parameter(torch.randn(1, tokens, width) * 0.02)
        self.blocks = nn.ModuleList(
            Block(spec, moe["num_experts"] if moe and i >= self.first_moe else 0)
            for i in range(layers))
        if moe:
            self.router = nn.Linear(width, moe["num_experts"], bias=False)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.head = nn.Linear(width, spec["num_classes"])
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, image: Tensor, forced: Optional[Tensor] = None
                ) -> tuple[Tensor, Optional[Tensor]]:
        """Logits [B, classes] and the router's logits [B, E] (dense: None).

        `forced` replaces the router's choice of expert, not the gate's
        formula: the gate is the forced expert's probability.
        """
        x = self.patch_embed["proj"](image).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], dim=1)
        x = x + self.pos_embed
        routing = expert = gate = None
        for index, block in enumerate(self.blocks):
            if index == self.first_moe:
                routing = self.router(x[:, 0])
                expert = routing.argmax(-1) if forced is None else forced
                gate = routing.softmax(-1).gather(1, expert[:, None])[:, 0]
            x = block(x, expert, gate)
        return self.head(self.norm(x)[:, 0]), routing


_DTYPES = {"F32": np.dtype("<f4"), "F16": np.dtype("<f2")}


def save_safetensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """Writes the tensors as f16, which is what the example ships."""
    header: dict[str, Any] = {}
    chunks: list[bytes] = []
    offset = 0
    for name, tensor in tensors.items():
        data = tensor.detach().numpy().astype(_DTYPES["F16"]).tobytes()
        header[name] = {"dtype": "F16", "shape": list(tensor.shape),
                        "data_offsets": [offset, offset + len(data)]}
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(chunks))


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """Reads f32 and f16 tensors as float32."""
    raw = path.read_bytes()
    (length,) = struct.unpack_from("<Q", raw)
    header = json.loads(raw[8:8 + length])
    header.pop("__metadata__", None)
    tensors = {}
    for name, info in header.items():
        begin, end = (8 + length + offset for offset in info["data_offsets"])
        values = np.frombuffer(raw[begin:end], _DTYPES[info["dtype"]])
        tensors[name] = torch.from_numpy(
            values.astype(np.float32).reshape(info["shape"]))
    return tensors


def load_model(spec_path: Path) -> VisionTransformer:
    """The model of a specification, with its weights, ready to evaluate."""
    spec = json.loads(spec_path.read_text())
    model = VisionTransformer(spec)
    model.load_state_dict(load_safetensors(spec_path.parent / spec["weights"]))
    return model.eval()
