"""Resizing, cropping and normalising give Pillow's and NumPy's very bits.

usage: resize.py PROGRAM FOLDER"""

import sys

import numpy as np

from harness import Model, check_equal, random_image

program, folder = sys.argv[1:]
rng = np.random.default_rng(1)


def compare(count, max_side=90, **settings):
    model = Model(program, folder, **settings)
    names, expected = [], []
    for i in range(count):
        width, height = (int(s) for s in rng.integers(1, max_side, 2))
        mode = ["RGB", "RGB", "L", "RGBA", "LA"][int(rng.integers(5))]
        image = random_image(rng, width, height, mode)
        names.append(model.path(f"{i}-{width}x{height}-{mode}.png"))
        image.save(names[-1])
        expected.append(model.preprocess(image))
    found, _ = model.logits(*names)
    for name, f, e in zip(names, found, expected):
        check_equal(f, e, f"{name} with {settings}")


imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
for bicubic in (0, 1):
    # Straight to the size of the model: up, down, one axis each way.
    compare(60, bicubic=bicubic, height=24, width=24, **imagenet)
    compare(40, bicubic=bicubic, height=17, width=40, mean=[0.5] * 3, std=[0.5] * 3)
    compare(30, bicubic=bicubic, height=1, width=1)
    compare(20, bicubic=bicubic, channels=1, height=33, width=28, mean=[0.1307], std=[0.3081])
    # Shorter side first, then a crop with even and odd margins.
    compare(60, bicubic=bicubic, resize=24, height=24, width=24)
    compare(60, bicubic=bicubic, resize=30, height=24, width=21, **imagenet)
    compare(40, bicubic=bicubic, resize=29, height=24, width=24)
    compare(20, bicubic=bicubic, resize=64, channels=1, height=48, width=50)
    # The whole image to some size, then a crop; that wins over the shorter side.
    compare(40, bicubic=bicubic, resize_height=28, resize_width=31, height=24, width=24)
    whole = {"resize": 9, "resize_height": 17, "resize_width": 40}
    compare(20, bicubic=bicubic, **whole, height=17, width=3)
    compare(6, max_side=1500, bicubic=bicubic, resize=64, height=56, width=56)

# A very long image: the parts of the resized one that are cropped away must not
# cost memory.
model = Model(program, folder, resize=64, height=64, width=64)
image = random_image(rng, 200000, 2)
image.save(model.path("long.png"))
found, _ = model.logits(model.path("long.png"))
window = model.settings["resize"] * 200000 // 2
left = (window - 64) // 2
value = np.asarray(image.resize((64, 64), 2, box=(left / 32, 0, (left + 64) / 32, 2)))
check_equal(found[0], (value.transpose(2, 0, 1) / np.float32(255)), "long image")

# The square of an image that has the size already is the image itself.
model = Model(program, folder, height=8, width=8)
image = random_image(rng, 8, 8)
image.save(model.path("same.png"))
found, _ = model.logits(model.path("same.png"))
check_equal(found[0], np.asarray(image).transpose(2, 0, 1) / np.float32(255), "same size")

# No image fits a model of two channels, and none may be too small for the crop.
Model(program, folder, channels=2).error(
    model.path("same.png"), expected="images need a model of 1 or 3 channels"
)
Model(program, folder, resize=3).error(
    model.path("same.png"), expected="image too small: expected at least 4 x 4"
)
print("ok")
