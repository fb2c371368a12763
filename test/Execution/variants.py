"""Specifications with the fields of ViT variants, for random_specs.py."""

# What tells one of these specifications from another in a line of output.
FIELDS = (
    "distillation_token",
    "num_register_tokens",
    "no_embed_class",
    "layer_scale",
    "qk_norm",
    "pre_norm",
    "fc_norm",
    "pool",
    "pool_include_prefix",
    "head",
)

_MOE = {"layers": {"last": 1}, "num_experts": 4, "top_k": 2}
_PATCH = dict(_MOE, routing="patch")

# By what differs from a plain model; each field, and what it may meet.
IMAGE = [
    {"layer_scale": True},
    {"qk_norm": True, "hidden_size": 60},
    {"pre_norm": True, "patch_bias": False},
    {"fc_norm": True, "pool": "mean"},
    {"distillation_token": True},
    {
        "distillation_token": True,
        "distillation_head": False,
        "num_register_tokens": 3,
        "no_embed_class": True,
        "image_size": [9, 20],
        "patch_size": [3, 5],
    },
    # Registers without a class token; the last block needs none.
    {"class_token": False, "num_register_tokens": 2, "pool": "max"},
    {
        "num_register_tokens": 17,
        "pool": "avgmax",
        "pool_include_prefix": True,
        "patch_bias": False,
        "image_size": [12, 4],
    },
    {"class_token": False, "no_embed_class": True, "pool": "avgmax", "fc_norm": True},
    {"head": "none", "hidden_size": 33},
    {"head": "none", "pool": "mean", "fc_norm": True, "image_size": 4},
    {
        "moe": dict(_MOE, router={"input": "mean"}),
        "distillation_token": True,
        "num_register_tokens": 1,
        "layer_scale": True,
        "qkv_bias": False,
    },
    {
        "moe": dict(_MOE, router={"placement": "per_layer"}),
        "head": "none",
        "qk_norm": True,
        "layer_scale": True,
        "qkv_bias": False,
        "pool": "mean",
        "pool_include_prefix": True,
    },
    # As DINOv2's with registers, and the query of one token alone.
    {
        "hidden_size": 80,
        "num_attention_heads": 4,
        "num_register_tokens": 4,
        "no_embed_class": True,
        "layer_scale": True,
        "qk_norm": True,
        "dtype": "mixed",
    },
]
PATCH = [
    {
        "moe": dict(_PATCH, capacity_factor=0.7),
        "distillation_token": True,
        "num_register_tokens": 2,
        "layer_scale": True,
    },
    {
        "moe": dict(_PATCH, layers={"every": 1}),
        "class_token": False,
        "num_register_tokens": 5,
        "no_embed_class": True,
        "qk_norm": True,
        "pool": "max",
        "head": "none",
    },
]


def add_random(rng, data):
    """Adds fields of variants to every second specification."""
    chance = lambda: not rng.integers(3)
    if rng.integers(2):
        return
    if not data["class_token"]:
        data["pool"] = ("mean", "max", "avgmax")[rng.integers(3)]
    elif chance():
        data["pool"] = ("max", "avgmax")[rng.integers(2)]
    for field in ("no_embed_class", "layer_scale", "pre_norm", "fc_norm"):
        data[field] = chance()
    # Of very few numbers, it makes large ones of differences that are noise.
    size = data["hidden_size"] // data["num_attention_heads"]
    data["qk_norm"] = size >= 4 and chance()
    data["patch_bias"] = not chance()
    if chance():
        data["num_register_tokens"] = int(rng.integers(1, 6))
    data["pool_include_prefix"] = data["pool"] != "cls" and chance()
    if chance():
        data["head"] = "none"
        del data["num_classes"]
    if data["class_token"] and chance():
        data["distillation_token"] = True
        can = data["pool"] == "cls" and "head" not in data and not data["fc_norm"]
        data["distillation_head"] = can and bool(rng.integers(3))
