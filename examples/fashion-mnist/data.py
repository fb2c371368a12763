"""Fashion-MNIST from Debian's package dataset-fashion-mnist."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("/usr/share/datasets/fashion-mnist")
LABELS = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal",
          "Shirt", "Sneaker", "Bag", "Ankle boot"]
# Of the training images, scaled to 0..1.
MEAN, STD = 0.2860, 0.3530


def read_idx(path: Path) -> np.ndarray:
    """An array of unsigned bytes in the IDX format, gzipped."""
    raw = gzip.decompress(path.read_bytes())
    rank = raw[3]
    shape = np.frombuffer(raw, ">u4", rank, 4)
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * rank).reshape(shape)


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Images [B, 28, 28] (bytes) and labels [B] of "train" or "t10k"."""
    return (read_idx(FOLDER / f"{split}-images-idx3-ubyte.gz"),
            read_idx(FOLDER / f"{split}-labels-idx1-ubyte.gz"))


def to_input(images: np.ndarray) -> Tensor:
    """The model's input [B, 1, 28, 28]: scaled to 0..1, then normalised."""
    scaled = torch.from_numpy(images.astype(np.float32)) / 255
    return ((scaled - MEAN) / STD)[:, None]
