"""Damaged inputs: whatever the bytes, an answer or one line of error.

usage: mutations.py PROGRAM FOLDER [COUNT [SEED]]"""

import io
import os
import sys

import numpy as np

from harness import Image, Model, check, png_chunk, random_image

program, folder = sys.argv[1:3]
count = int(sys.argv[3]) if len(sys.argv) > 3 else 100
seed = int(sys.argv[4]) if len(sys.argv) > 4 else 4
rng = np.random.default_rng(seed)
BATCH = 100

model = Model(program, folder, height=6, width=7, resize=8)


def encode(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def tensor(version):
    out = io.BytesIO()
    np.lib.format.write_array(out, np.zeros((2,) + model.shape, np.float32), version)
    return out.getvalue()


def repair(data):
    """The checksums of a PNG file, made right again, so that damage gets further
    than to them."""
    result, at = data[:8], 8
    while at + 12 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 12 + length > len(data):
            break
        result += png_chunk(data[at + 4 : at + 8], data[at + 8 : at + 8 + length])
        at += 12 + length
    return result + data[at:]


def mutate(data):
    data = bytearray(data)
    kind = rng.integers(8)
    if kind == 0:
        del data[int(rng.integers(len(data))) :]
    elif kind == 1:
        start = int(rng.integers(len(data)))
        del data[start : start + int(rng.integers(1, 40))]
    elif kind == 2:
        start, end = sorted(int(i) for i in rng.integers(0, len(data), 2))
        data[end:end] = data[start : start + 300]
    else:
        # Headers are short and have most of the meaning.
        top = len(data) if rng.random() < 0.5 else min(len(data), 120)
        for _ in range(int(rng.integers(1, 9))):
            at = int(rng.integers(top))
            choice = rng.integers(3)
            if choice == 0:
                data[at] ^= 1 << int(rng.integers(8))
            else:
                data[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF])) if choice == 1 else int(rng.integers(256))
    return bytes(data)


exif = Image.Exif()
exif[0x0112] = 6
rgb, rgba = random_image(rng, 19, 14), random_image(rng, 9, 7, "RGBA")
palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=16)
seeds = [
    ("png", encode(rgb, "PNG", exif=exif)), ("png", encode(rgba, "PNG")),
    ("png", encode(palette, "PNG", transparency=bytes(16))),
    ("png", encode(rgb.convert("1"), "PNG")),
    ("jpg", encode(rgb, "JPEG", exif=exif)), ("jpg", encode(rgb.convert("L"), "JPEG")),
    ("jpg", encode(rgb, "JPEG", progressive=True, subsampling=2)),
    ("jpg", encode(rgb.convert("CMYK"), "JPEG")),
    ("bmp", encode(rgb, "BMP")), ("bmp", encode(palette, "BMP")), ("bmp", encode(rgba, "BMP")),
    ("ppm", encode(rgb, "PPM")), ("pgm", b"P2 3 2 99\n1 2 3 4 5 99\n"),
    ("npy", tensor((1, 0))), ("npy", tensor((2, 0))),
]  # fmt: skip

for kind, data in seeds:
    answered = 0
    for first in range(0, count, BATCH):
        paths = []
        for i in range(first, min(first + BATCH, count)):
            damaged = mutate(data)
            if kind == "png" and rng.random() < 0.8:
                damaged = repair(damaged)
            paths.append(model.path(f"{i % BATCH}.{kind}"))
            with open(paths[-1], "wb") as file:
                file.write(damaged)
        arguments = [a for p in paths for a in ("--tensor", p)] if kind == "npy" else paths
        status, out, err = model.run("--format=json", *arguments, timeout=300)
        if status not in (0, 1):
            keep = os.path.join(folder, f"crash-{kind}-{seed}")
            os.makedirs(keep, exist_ok=True)
            for path in paths:
                os.replace(path, os.path.join(keep, os.path.basename(path)))
            sys.exit(f"error: exit {status}, see {keep}: {err[-3000:].decode('utf-8', 'replace')}")
        lines = err.splitlines()
        for line in lines:
            check(line.startswith(b"error: " + os.fsencode(folder)), f"stderr: {err!r}")
        check(status == bool(lines), f"exit {status} with {len(lines)} errors")
        if kind != "npy":
            found = len(lines) + len(out.splitlines())
            check(found == len(paths), f"{found} answers for {len(paths)} files")
        answered += len(out.splitlines())
    print(f"{kind}: {answered} of {count} answered")
print("ok")
