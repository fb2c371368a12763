#!/usr/bin/env python3
"""Runs a compiled model from Python, with ctypes and NumPy alone.

    moe-compile mobile-vmoe.json --emit=shared -o libfashion.so
    classify.py libfashion.so --spec mobile-vmoe.json IMAGE...

The header beside the library says what ctypes cannot see: the model's name and
sizes. Images are read with Pillow; they must have the model's size.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

ALIGNMENT = 64
# What NAME_run returns.
STATUS = {
    1: "a null pointer",
    2: "this CPU can run none of the model's variants",
    3: "its experts are in files, which NAME_run has nobody to ask for",
}


class Model:
    """A shared library from `moe-compile --emit=shared`.

    `shape` is (channels, height, width) of an input, `classes` the number of
    logits. Several threads may run one Model at once.
    """

    def __init__(self, library: Path):
        header = library.with_suffix(".h").read_text()
        sizes = {
            macro: (name, int(value))
            for name, macro, value in re.findall(
                r"^#define (\w+)_(CHANNELS|HEIGHT|WIDTH|CLASSES) (\d+)$",
                header,
                re.MULTILINE,
            )
        }
        self.name = sizes["CLASSES"][0]
        self.shape = tuple(sizes[m][1] for m in ("CHANNELS", "HEIGHT", "WIDTH"))
        self.classes = sizes["CLASSES"][1]

        # With a folder in its name, so that no other place is searched. CDLL
        # releases the interpreter's lock while a function runs (PyDLL would not).
        self._library = ctypes.CDLL(str(library.resolve()))
        size = getattr(self._library, self.name + "_workspace_size")
        size.argtypes, size.restype = [], ctypes.c_size_t
        self._workspace_size = size()
        # The types refuse arrays that are not float32 or have gaps, which
        # addresses alone would not.
        floats = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS")
        written = np.ctypeslib.ndpointer(np.float32, flags="C_CONTIGUOUS,WRITEABLE")
        self._run = getattr(self._library, self.name + "_run")
        self._run.argtypes = [floats, written, ctypes.c_void_p]
        self._run.restype = ctypes.c_int

    def workspace(self) -> np.ndarray:
        """Memory for one run at a time, aligned as the model needs it."""
        memory = np.empty(self._workspace_size + ALIGNMENT, np.uint8)
        start = -memory.ctypes.data % ALIGNMENT
        # A view: it keeps `memory` alive.
        return memory[start : start + self._workspace_size]

    def run(self, images: np.ndarray, threads: int = 1) -> np.ndarray:
        """Logits [n, classes] of images [n, channels, height, width], which are
        normalised already. Each thread takes a share of the images."""
        images = np.ascontiguousarray(images, np.float32)
        if images.shape[1:] != self.shape:
            raise ValueError(f"expected images of {self.shape}, found {images.shape}")
        logits = np.empty((len(images), self.classes), np.float32)

        def run_share(indices: np.ndarray) -> None:
            workspace = self.workspace()
            for i in indices:
                status = self._run(images[i], logits[i], workspace.ctypes.data)
                if status != 0:
                    raise RuntimeError(STATUS.get(status, f"status {status}"))

        with ThreadPoolExecutor(threads) as pool:
            # list() raises what a thread raised.
            list(pool.map(run_share, np.array_split(np.arange(len(images)), threads)))
        return logits


def load_images(files: list[str], shape: tuple[int, ...], preprocess: dict) -> np.ndarray:
    """Images of the model's size as it wants them: [n, channels, height, width],
    normalised with the specification's mean and std."""
    from PIL import Image

    channels, height, width = shape
    mean = np.reshape(preprocess.get("mean", [0.0] * channels), (channels, 1, 1))
    std = np.reshape(preprocess.get("std", [1.0] * channels), (channels, 1, 1))
    inputs = np.empty((len(files), *shape), np.float32)
    for i, file in enumerate(files):
        image = Image.open(file).convert("L" if channels == 1 else "RGB")
        if image.size != (width, height):
            sys.exit(f"{file}: expected {width} x {height} pixels, found {image.size}")
        pixels = np.asarray(image, np.float64).reshape(height, width, channels)
        inputs[i] = (pixels.transpose(2, 0, 1) / 255 - mean) / std
    return inputs


def run_executable(executable: Path, inputs: np.ndarray) -> np.ndarray:
    """The same model's logits, from the executable that moe-compile made."""
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "in.npy"), Path(folder, "out.npy")
        np.save(source, inputs)
        subprocess.run(
            [executable.resolve(), "--tensor", source, "--logits", target],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        return np.load(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("library", type=Path)
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--spec", type=Path, required=True, help="for mean, std and labels")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="EXECUTABLE",
        help="check that this executable of the model gives the same logits",
    )
    args = parser.parse_args()
    if args.threads < 1:
        parser.error(f"--threads: expected at least 1, found {args.threads}")

    spec = json.loads(args.spec.read_text())
    model = Model(args.library)
    inputs = load_images(args.images, model.shape, spec.get("preprocess", {}))
    logits = model.run(inputs, args.threads)

    labels = spec.get("labels", [str(i) for i in range(model.classes)])
    if isinstance(labels, str):
        labels = (args.spec.parent / labels).read_text().splitlines()
    for file, row in zip(args.images, logits):
        print(f"{file}: {labels[row.argmax()]} ({row.max():.6f})")

    if args.compare:
        expected = run_executable(args.compare, inputs)
        if expected.tobytes() != logits.tobytes():
            sys.exit(f"logits differ by up to {np.abs(expected - logits).max()}")
        print(f"{len(logits)} rows of logits are the executable's, to the bit")


if __name__ == "__main__":
    main()
