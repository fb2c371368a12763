"""Models with a convolutional stem, for random_specs.py."""

import numpy as np

import oracle


def layer(out=None, kernel=3, stride=1, **fields):
    data = dict(fields)
    if out is None:
        data["depthwise"] = True
    else:
        data["out_channels"] = out
    if kernel != 3:
        data["kernel_size"] = kernel
    if stride != 1:
        data["stride"] = stride
    return data


def inverted(inner, out, stride=1, act="hardswish", **last):
    """MobileNetV2's: wider, each channel by itself, narrower again."""
    return [
        layer(inner, 1, activation=act),
        layer(stride=stride, activation=act),
        layer(out, 1, **last),
    ]


# What differs from the base specification.
COVERAGE = [
    # Each field, then what the tiles and borders depend on.
    {"stem": [layer(16)], "patch_size": 6},
    {"stem": [layer(16, stride=2, activation="hardswish")], "hidden_act": "hardswish"},
    {"stem": [layer(20, bias=True), layer(activation="relu")], "patch_size": [3, 4]},
    {"stem": [layer(7, batch_norm=False), layer(5, batch_norm=False, bias=False)]},
    {"stem": [layer(batch_norm=False, bias=False, kernel=5, padding=0)]},
    {"stem": [layer(9, batch_norm_eps=1e-2, activation="silu", padding=[2, 0])]},
    {"stem": [layer(24, 4, 4, padding=0, activation="gelu")]},
    {"stem": [layer(8, [1, 7]), layer(33, [2, 3], [2, 1])], "image_size": [11, 17]},
    {"stem": [layer(3, residual=1, activation="relu"), layer(residual=1)]},
    {"stem": [layer(16, stride=2), *inverted(40, 16, residual=3)]},
    {"stem": [layer(16), *inverted(33, 16), layer(16, residual=4)]},
    # A kernel that is larger than a tile keeps, and one that is a row.
    {"stem": [layer(17, 1), layer(kernel=[3, 9]), layer(kernel=[8, 1], padding=[7, 0])]},
    {"stem": [layer(12, 2, 2), layer(stride=3)], "image_size": 31},
    {"stem": [layer(70, 3, 2), layer(35, 1, 2)], "image_size": [66, 43]},
    # The layers of a real one.
    {
        "stem": [
            layer(16, stride=2, activation="hardswish"),
            *inverted(64, 24, 2),
            *inverted(72, 24, residual=3),
            *inverted(96, 40, 2),
        ],
        "image_size": 96,
        "hidden_size": 48,
    },
]


def _pick(rng, *values):
    return values[int(rng.integers(len(values)))]


def _random_layer(rng, before, size):
    """A layer after `before` on a map of (channels, height, width)."""
    kernel = [int(_pick(rng, 1, 2, 3, 3, 5)) for _ in range(2)]
    padding = [int(rng.integers(k)) for k in kernel]
    kernel = [min(k, n + 2 * p) for k, n, p in zip(kernel, size[1:], padding)]
    padding = [min(p, k - 1) for p, k in zip(padding, kernel)]
    # Less padding may leave less room.
    kernel = [min(k, n) if n + 2 * p < k else k for k, n, p in zip(kernel, size[1:], padding)]
    padding = [min(p, k - 1) for p, k in zip(padding, kernel)]
    data = {
        "kernel_size": kernel,
        "padding": padding,
        "stride": [int(_pick(rng, 1, 1, 2, 3)) for _ in range(2)],
        "activation": _pick(rng, "none", *sorted(oracle.ACTIVATIONS)),
        "batch_norm": bool(rng.integers(4)),
    }
    if rng.integers(2):
        data["depthwise"] = True
    else:
        data["out_channels"] = int(_pick(rng, 1, 3, 8, 16, 17, 30, 48))
    if rng.integers(3) == 0:
        data["bias"] = bool(rng.integers(2))
    if rng.integers(3) == 0:
        # So that it fits: a 3x3 that keeps the size.
        data.update(kernel_size=3, padding=1, stride=1)
        if "out_channels" in data:
            data["out_channels"] = size[0]
        after = oracle.parse_stem([data], size)[0].size
        data["residual"] = next(
            n
            for n in (3, 2, 1)
            if n == 1 or n <= len(before) + 1 and before[1 - n].source == after
        )
    return data


def add_random_stem(rng, data):
    """Puts a stem before a random specification's patches."""
    image = [int(rng.integers(4, 24)) for _ in range(2)]
    size = (data["num_channels"], *image)
    stem = []
    for _ in range(int(rng.integers(1, 5))):
        before = oracle.parse_stem(stem, (data["num_channels"], *image))
        stem.append(_random_layer(rng, before, size))
        size = oracle.parse_stem(stem, (data["num_channels"], *image))[-1].size
    data["stem"], data["image_size"] = stem, image
    data["patch_size"] = [
        int(_pick(rng, *(p for p in (1, 1, 2, 3, 5) if n % p == 0))) for n in size[1:]
    ]
    return data
