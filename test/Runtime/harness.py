"""Runs the executable with the fake model and checks what it says."""

import json
import os
import re
import struct
import subprocess
import sys
import zlib

import numpy as np

try:
    from PIL import Image
except ImportError:
    sys.exit("error: this test needs Pillow")


class Model:
    """The executable at `program`, with the fake model that `settings` describe
    (FAKE_* of FakeModel.c, in lower case and without the prefix)."""

    def __init__(self, program, folder, **settings):
        os.makedirs(folder, exist_ok=True)
        self.program = program
        self.folder = folder
        self.settings = dict({"channels": 3, "height": 4, "width": 4}, **settings)
        self.shape = tuple(self.settings[n] for n in ("channels", "height", "width"))
        self.env = {}
        for name, value in self.settings.items():
            if isinstance(value, (list, tuple)):
                value = ",".join(repr(v) for v in value)
            self.env["FAKE_" + name.upper()] = os.fsencode(str(value))

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, *args, stdin=b"", timeout=120):
        """(exit code, stdout, stderr), the outputs as bytes."""
        done = subprocess.run(
            [self.program, *map(os.fsencode, args)],
            input=stdin,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
        )
        return done.returncode, done.stdout, done.stderr

    def logits(self, *args, code=0, stdin=b""):
        """Runs and returns ([B, C, H, W] of what the model saw, stderr)."""
        out = self.path("logits.npy")
        if os.path.exists(out):
            os.remove(out)
        status, _, err = self.run("--logits", out, "--top=1", *args, stdin=stdin)
        check(status == code, f"exit {status}, expected {code}: {args} {err!r}")
        return np.load(out).reshape((-1,) + self.shape), err

    def error(self, *args, expected, code=1, stdin=b""):
        """Checks that there is one line on stderr, with `expected` in it, and
        nothing on stdout."""
        status, out, err = self.run(*args, stdin=stdin)
        text = err.decode()
        check(status == code, f"exit {status}, expected {code}: {args} {text}")
        check(out == b"", f"output in spite of an error: {out!r}")
        check(text.startswith("error: "), f"no error line: {text!r}")
        check(text.count("\n") == 1 and text.endswith("\n"), f"not a line: {text!r}")
        check(expected in text, f"expected {expected!r} in {text!r}")

    def centre(self, image):
        """The part of an image that torchvision's CenterCrop leaves."""
        _, height, width = self.shape
        w, h = image.size
        top = int(round((h - height) / 2.0))
        left = int(round((w - width) / 2.0))
        return image.crop((left, top, left + width, top + height))

    def preprocess(self, image):
        """What the model should see of an upright PIL image."""
        channels, height, width = self.shape
        image = image.convert("L" if channels == 1 else "RGB")
        filters = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC)
        kind = filters[self.settings.get("bicubic", 0)]
        resize = self.settings.get("resize", 0)
        whole = self.settings.get("resize_height", 0)
        if whole:
            image = image.resize((self.settings["resize_width"], whole), kind)
            image = self.centre(image)
        elif resize:
            w, h = image.size
            # torchvision: Resize(int), then CenterCrop.
            if w <= h:
                w, h = resize, int(resize * h / w)
            else:
                w, h = int(resize * w / h), resize
            image = self.centre(image.resize((w, h), kind))
        else:
            image = image.resize((width, height), kind)
        value = np.asarray(image).astype(np.float32).reshape(height, width, channels)
        value = value.transpose(2, 0, 1) / np.float32(255)
        mean = np.float32(self.settings.get("mean", [0] * channels))
        std = np.float32(self.settings.get("std", [1] * channels))
        return (value - mean[:, None, None]) / std[:, None, None]


def without_times(out):
    """JSON answers without what is different in each run."""
    return re.sub(rb', "milliseconds": [^}]*', b"", out)


def check(condition, message):
    if not condition:
        sys.exit("error: " + message)


def check_equal(found, expected, what):
    check(found.shape == expected.shape, f"{what}: shape {found.shape}")
    if not np.array_equal(found, expected):
        worst = np.abs(found.astype(np.float64) - expected).max()
        sys.exit(f"error: {what}: differs by up to {worst}")


def json_lines(out):
    def refuse(name):
        raise ValueError(f"{name} is not JSON")

    return [json.loads(l, parse_constant=refuse) for l in out.decode().splitlines()]


def png_chunk(kind, data):
    crc = zlib.crc32(kind + data)
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)


def random_image(rng, width, height, mode="RGB"):
    """Smooth areas, edges and noise."""
    shape = (height, width) + ({"RGB": (3,), "RGBA": (4,), "LA": (2,)}.get(mode, ()))
    noise = rng.integers(0, 256, shape, dtype=np.uint8)
    if rng.random() < 0.5:
        noise = np.where(noise > 127, 255, 0).astype(np.uint8)
    return Image.fromarray(noise, mode)
