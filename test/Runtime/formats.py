"""Image files: every format, orientation and kind of damage.

usage: formats.py PROGRAM FOLDER"""

import io
import os
import struct
import sys
import zlib

import numpy as np
from PIL import ImageOps

from harness import Image, Model, check, check_equal, json_lines, png_chunk, random_image

program, folder = sys.argv[1:]
rng = np.random.default_rng(2)
WIDTH, HEIGHT = 13, 10
model = Model(program, folder, height=HEIGHT, width=WIDTH)
grey_model = Model(program, folder, channels=1, height=HEIGHT, width=WIDTH)


def encode(image, format, **options):
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def write(name, data):
    with open(model.path(name), "wb") as file:
        file.write(data)
    return model.path(name)


def check_file(name, data, image=None, tolerance=0):
    """Compares with Pillow's reading of the data, or with `image`."""
    path = write(name, data)
    if image is None:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    for each in (model, grey_model):
        if tolerance and each is grey_model:
            continue
        found, _ = each.logits(path)
        expected = each.preprocess(image)
        if tolerance == 0:
            check_equal(found[0], expected, name)
        else:
            worst = np.abs(found[0] - expected).max() * 255
            check(worst <= tolerance, f"{name}: differs by {worst} of 255")


# PNG.
rgb = random_image(rng, WIDTH, HEIGHT)
rgba = random_image(rng, WIDTH, HEIGHT, "RGBA")
grey = random_image(rng, WIDTH, HEIGHT, "L")
grey_alpha = random_image(rng, WIDTH, HEIGHT, "LA")
palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=200)
small_palette = rgb.convert("P", palette=Image.Palette.ADAPTIVE, colors=3)
for name, image in {
    "rgb": rgb, "rgba": rgba, "grey": grey, "la": grey_alpha, "one": grey.convert("1"),
}.items():  # fmt: skip
    check_file(f"{name}.png", encode(image, "PNG"))
# The palette becomes colours first in both programs.
for name, image in {"palette": palette, "small": small_palette}.items():
    check_file(f"{name}.png", encode(image, "PNG"), image.convert("RGB"))
transparent = encode(palette, "PNG", transparency=bytes(range(200)))
check_file("transparent.png", transparent, palette.convert("RGB"))
check_file("key.png", encode(rgb, "PNG", transparency=rgb.getpixel((0, 0))), rgb)

# 16 bits: the upper byte.
values = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
raw = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 0, 0, 0, 0)
signature = b"\x89PNG\r\n\x1a\n"
deep = (
    signature
    + png_chunk(b"IHDR", header)
    + png_chunk(b"IDAT", zlib.compress(raw))
    + png_chunk(b"IEND", b"")
)
check_file("deep.png", deep, Image.fromarray((values >> 8).astype(np.uint8)))

# Interlaced, filter 0: Adam7 of an RGB image.
pixels = np.asarray(rgb)
raw = b""
for x0, y0, dx, dy in (
    (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
):  # fmt: skip
    for row in pixels[y0::dy, x0::dx]:
        if row.size:
            raw += b"\0" + row.tobytes()
header = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 2, 0, 0, 1)
interlaced = (
    signature
    + png_chunk(b"IHDR", header)
    + png_chunk(b"IDAT", zlib.compress(raw))
    + png_chunk(b"IEND", b"")
)
check_file("interlaced.png", interlaced)

# JPEG: decoders may differ by a little.
smooth = np.add.outer(np.arange(HEIGHT) * 9, np.arange(WIDTH) * 7)
smooth = np.stack([smooth, 255 - smooth, smooth // 2 + 40], 2).astype(np.uint8)
smooth = Image.fromarray(smooth)
for progressive in (False, True):
    for subsampling in (0, 1, 2):
        data = encode(smooth, "JPEG", quality=95, progressive=progressive, subsampling=subsampling)
        check_file(f"{progressive}-{subsampling}.jpg", data, tolerance=8 if subsampling else 3)
check_file("grey.jpg", encode(smooth.convert("L"), "JPEG"), tolerance=3)
check_file("cmyk.jpg", encode(smooth.convert("CMYK"), "JPEG", quality=95), tolerance=12)
restart = encode(smooth, "JPEG", quality=95)
check_file("garbage.jpg", restart + b"trailing garbage", Image.open(io.BytesIO(restart)), 8)
check_file("garbage.png", encode(rgb, "PNG") + b"trailing garbage")

# BMP.
for name, image in {"rgb": rgb, "rgba": rgba, "grey": grey, "one": grey.convert("1")}.items():
    check_file(f"{name}.bmp", encode(image, "BMP"))
check_file("palette.bmp", encode(palette, "BMP"), palette.convert("RGB"))


def bmp(bits, rows, compression=0, masks=(), palette=b"", height=HEIGHT):
    size = 40
    extra = b"".join(struct.pack("<I", m) for m in masks) + palette
    offset = 14 + size + len(extra)
    rows = b"".join(r + bytes(-len(r) % 4) for r in rows)
    head = struct.pack("<2sIHHI", b"BM", offset + len(rows), 0, 0, offset)
    info = (size, WIDTH, height, 1, bits, compression, 0, 0, 0, len(palette) // 4, 0)
    return head + struct.pack("<IiiHHIIiiII", *info) + extra + rows


values = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype="<u2")
for shifts, sizes, options in (
    ((10, 5, 0), (31, 31, 31), {}),
    ((11, 5, 0), (31, 63, 31), {"compression": 3, "masks": (0xF800, 0x7E0, 0x1F)}),
):
    wide = values.astype(np.int64)
    colours = np.stack([((wide >> s) & m) * 255 // m for s, m in zip(shifts, sizes)], 2)
    image = Image.fromarray(colours.astype(np.uint8))
    data = bmp(16, [r.tobytes() for r in values], **options)
    check_file("sixteen.bmp", data[:], image.transpose(Image.Transpose.FLIP_TOP_BOTTOM))
    data = bmp(16, [r.tobytes() for r in values], height=-HEIGHT, **options)
    check_file("top-down.bmp", data, image)
nibbles = rng.integers(0, 16, (HEIGHT, WIDTH + 1), dtype=np.uint8)
colours = rng.integers(0, 256, (16, 4), dtype=np.uint8)
rows = [(r[0::2] << 4 | r[1::2]).tobytes() for r in nibbles]
data = bmp(4, rows, palette=colours.tobytes())
image = Image.fromarray(colours[nibbles[::-1, :WIDTH]][..., 2::-1].copy())
check_file("four.bmp", data, image)

# PPM and PGM.
check_file("rgb.ppm", encode(rgb, "PPM"))
check_file("grey.pgm", encode(grey, "PPM"))
text = b"P3 # a comment\n%d %d\n255\n" % (WIDTH, HEIGHT)
text += b"\n".join(b"%d" % v for v in pixels.reshape(-1))
check_file("text.ppm", text, rgb)
text = b"P2\n#c\n%d %d 15\n" % (WIDTH, HEIGHT)
text += b" ".join(b"%d" % (v // 16) for v in np.asarray(grey).reshape(-1)) + b"\n"
check_file("text.pgm", text, grey.point(lambda v: v // 16 * 17))
values = rng.integers(0, 65536, (HEIGHT, WIDTH), dtype=np.uint16)
data = b"P5 %d %d 65535\n" % (WIDTH, HEIGHT) + values.astype(">u2").tobytes()
image = Image.fromarray(np.uint8((values.astype(np.int64) * 510 + 65535) // 131070))
check_file("deep.pgm", data, image)

# EXIF orientation, in both byte orders.
for orientation in range(0, 10):
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a maker"
    check_file(f"exif{orientation}.png", encode(rgb, "PNG", exif=exif))
    data = encode(smooth, "JPEG", quality=95, subsampling=0, exif=exif)
    check_file(f"exif{orientation}.jpg", data, tolerance=3)
    big = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)
    check_file(f"big{orientation}.png", encode(rgb, "PNG", exif=b"Exif\0\0" + big))
plain = encode(rgb, "PNG")
for tiff in (
    b"", b"II", b"II*\0", b"II*\0\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff",
    b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\xff\xff\xff\xff\0\x06\0\0",
    b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x07\0\0\0\x01\0\x06\0\0",
):  # fmt: skip
    data = plain[:33] + png_chunk(b"eXIf", tiff) + plain[33:]
    check_file("bad-exif.png", data, rgb)

# Truncated files, at every length.
jpeg = encode(smooth, "JPEG", quality=60)
progressive = encode(smooth, "JPEG", quality=60, progressive=True)
for name, data in {
    "cut.png": plain, "cut.jpg": jpeg, "cut-progressive.jpg": progressive,
    "cut.bmp": encode(rgb, "BMP"), "cut.ppm": encode(rgb, "PPM"), "cut.pgm": encode(grey, "PPM"),
}.items():  # fmt: skip
    step = max(1, len(data) // 60)
    cuts = [write(f"{n}-{name}", data[:n]) for n in range(0, len(data), step)]
    cuts.append(write(f"last-{name}", data[:-1]))
    found, err = model.logits(*cuts, write("whole-" + name, data), code=1)
    lines = err.decode().splitlines()
    check(len(lines) == len(cuts), f"{name}: {len(lines)} errors for {len(cuts)} files")
    for line, path in zip(lines, cuts):
        check(line.startswith(f"error: {path}: "), f"{line!r} does not name {path}")
    check(np.isnan(found[:-1]).all(), f"{name}: a row of a truncated file is not NaN")
    check(not np.isnan(found[-1]).any(), f"{name}: the whole file has no row")

# Damage that must be seen, with its reason.
flipped = bytearray(plain)
flipped[len(flipped) // 2] ^= 1
huge = struct.pack(">IIBBBBB", 100000, 100000, 8, 2, 0, 0, 0)
wide = struct.pack(">IIBBBBB", 2**31 - 1, 1, 8, 0, 0, 0, 0)
bomb_header = struct.pack(">IIBBBBB", 16, 16, 8, 2, 0, 0, 0)
bomb = signature + png_chunk(b"IHDR", bomb_header)
bomb += png_chunk(b"IDAT", zlib.compress(bytes(300 << 20))) + png_chunk(b"IEND", b"")
table = jpeg.index(b"\xff\xc4")
many_symbols = struct.pack(">2sHB", b"\xff\xc4", 2 + 17 + 300, 0)
many_symbols += bytes([0] * 14 + [150, 150]) + bytes(300)
many_symbols = jpeg[:table] + many_symbols + jpeg[table:]
cut_symbols = jpeg[: table + 5] + b"\xff" + jpeg[table + 6 :]
scan = jpeg[jpeg.index(b"\xff\xda") : -2]
for name, data, reason in (
    ("empty.png", b"", "empty file"),
    ("noise.png", bytes(range(256)), "unknown format: expected PNG, JPEG"),
    ("word.txt", b"Pixels", "unknown format"),
    ("crc.png", bytes(flipped), "wrong checksum"),
    ("huge.png", signature + png_chunk(b"IHDR", huge) + png_chunk(b"IEND", b""),
     "too large: expected at most 134217728 pixels"),
    ("wide.png", signature + png_chunk(b"IHDR", wide) + png_chunk(b"IEND", b""), "too large"),
    ("no-data.png", signature + png_chunk(b"IHDR", bomb_header) + png_chunk(b"IEND", b""),
     "corrupt image"),
    ("bomb.png", bomb, "corrupt image: Out of memory"),
    ("scans.jpg", jpeg[:-2] + scan * 600 + b"\xff\xd9", "more than 500 scans"),
    ("symbols.jpg", many_symbols, "a Huffman table of 300 symbols"),
    ("cut-symbols.jpg", cut_symbols, "a Huffman table of"),
    ("no-frame.jpg", jpeg[:2] + b"\xff\xd9", "no frame"),
    ("huge.bmp", struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 0, 0, 0, 54, 40, 2**31 - 1, -(2**31),
                             1, 24, 0, 0, 0, 0, 0, 0), "too large"),
    ("rle.bmp", bmp(8, [b""], compression=1), "unsupported BMP: compression method 1"),
    ("zero.bmp", bmp(24, [b""], height=0), "corrupt image: a size of 13 x 0"),
    ("huge.ppm", b"P6 2147483647 2147483647 255\n", "too large"),
    ("huge.pgm", b"P5 99999999999999999999 1 255\n", "expected a number up to"),
    ("liar.pgm", b"P5 10000 10000 255\n\0", "truncated PNM"),
    ("liar.ppm", b"P3 10000 10000 255\n0 0 0", "truncated PNM"),
    ("value.ppm", b"P3 1 1 255\n0 256 0\n", "expected a number up to 255"),
    ("max.pgm", b"P5 1 1 0\n\0", "a maximal value of 0"),
    ("separator.pgm", b"P5 1 1 255x", "expected white space"),
):  # fmt: skip
    model.error(write(name, data), expected=reason)

# Standard input, a folder, a pipe, a file that is not there.
found, _ = model.logits("-", stdin=plain)
check_equal(found[0], model.preprocess(rgb), "standard input")
model.error("-", stdin=b"", expected="error: -: empty file")
model.error(folder, expected="Is a directory")
model.error(model.path("missing.png"), expected="No such file or directory")
endless = "/dev/zero"
if os.path.exists(endless):
    model.error(endless, expected="too large")
status, out, _ = model.run("--format=json", "-", stdin=plain)
check(status == 0 and json_lines(out)[0]["input"] == "-", f"standard input: {out!r}")
print("ok")
