#!/usr/bin/env python3
"""Compiles folders as transformers and timm write them, and runs the models.

    import_folders.py --moe-compile build/bin/moe-compile --work DIR

Each folder has the configuration and the tensors' names of its library, with
random weights. The binary's answers, for tensors and for an image file, are
compared with the oracle, which has the same weights under timm's names and
Pillow's resizing. Then come folders that are broken in some way.
"""

import json
import os
import shutil

import harness
import numpy as np
import oracle
import random_model
import safetensors
from PIL import Image

SMALL = {
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 3,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "num_classes": 5,
}
# facebook/deit-tiny-patch16-224, but for its layers.
TINY = dict(
    SMALL,
    image_size=224,
    patch_size=16,
    hidden_size=192,
    num_attention_heads=3,
    intermediate_size=768,
    num_classes=1000,
)
LABELS = ["tabby, tabby cat", 'a "quoted" \\ one', "žluťoučký kůň 🐎", "", "x\ty"]
IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
HALVES = {"mean": [0.5] * 3, "std": [0.5] * 3}

# A block's layers: timm's name, and those of transformers 4 and 5.
BLOCK = [
    ("norm1", "layernorm_before", "layernorm_before"),
    ("norm2", "layernorm_after", "layernorm_after"),
    ("attn.proj", "attention.output.dense", "attention.o_proj"),
    ("mlp.fc1", "intermediate.dense", "mlp.fc1"),
    ("mlp.fc2", "output.dense", "mlp.fc2"),
]
QKV = [
    ["attention.attention." + part for part in ("query", "key", "value")],
    ["attention." + part for part in ("q_proj", "k_proj", "v_proj")],
]


def hugging_face_names(weights, prefix="vit.", version=4):
    """The tensors of `weights` (timm's names) as transformers saves them."""
    embeddings = prefix + "embeddings."
    names = {
        "cls_token": embeddings + "cls_token",
        "dist_token": embeddings + "distillation_token",
        "pos_embed": embeddings + "position_embeddings",
    }
    for kind in ("weight", "bias"):
        patch = embeddings + "patch_embeddings.projection."
        names["patch_embed.proj." + kind] = patch + kind
        names["norm." + kind] = f"{prefix}layernorm.{kind}"
        two = "head_dist.weight" in weights
        names["head." + kind] = ("cls_classifier." if two else "classifier.") + kind
        names["head_dist." + kind] = "distillation_classifier." + kind
    result = {}
    for name, values in weights.items():
        if name in names:
            result[names[name]] = values
            continue
        _, index, rest = name.split(".", 2)
        layer, kind = rest.rsplit(".", 1)
        block = prefix + ("encoder.layer." if version == 4 else "layers.") + index + "."
        if layer == "attn.qkv":
            for part, third in zip(QKV[version - 4], np.split(values, 3)):
                result[f"{block}{part}.{kind}"] = third
            continue
        theirs = next(row[version - 3] for row in BLOCK if row[0] == layer)
        result[f"{block}{theirs}.{kind}"] = values
    return result


def hugging_face_config(spec, **changes):
    """`config.json` as ViTForImageClassification has it."""
    config = {
        "architectures": ["ViTForImageClassification"],
        "attention_probs_dropout_prob": 0.0,
        "encoder_stride": 16,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.0,
        "id2label": {str(i): text for i, text in enumerate(LABELS)},
        "initializer_range": 0.02,
        "label2id": {text: i for i, text in enumerate(LABELS)},
        "layer_norm_eps": 1e-12,
        "model_type": "vit",
        "qkv_bias": True,
        "torch_dtype": "float32",
        "transformers_version": "4.40.0",
        **{key: value for key, value in spec.items() if key != "num_classes"},
        **changes,
    }
    return {key: value for key, value in config.items() if value is not None}


def write_json(folder, name, data):
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        json.dump(data, file, indent=2)


def save_shards(folder, tensors, count):
    """model-0000N-of-0000M.safetensors and their index."""
    names = list(tensors)
    shards = [f"model-{i + 1:05}-of-{count:05}.safetensors" for i in range(count)]
    weight_map = {name: shards[i % count] for i, name in enumerate(names)}
    for shard in shards:
        part = {n: tensors[n] for n in names if weight_map[n] == shard}
        safetensors.save(os.path.join(folder, shard), part, "f32", {"format": "pt"})
    total = sum(values.size * 4 for values in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    write_json(folder, "model.safetensors.index.json", index)


def timm_config(architecture, spec, weights_fields, **more):
    """`config.json` of timm, with the sizes of `spec` as model_args."""
    arguments = {
        "img_size": spec["image_size"],
        "patch_size": spec["patch_size"],
        "embed_dim": spec["hidden_size"],
        "depth": spec["num_hidden_layers"],
        "num_heads": spec["num_attention_heads"],
        "mlp_ratio": spec["intermediate_size"] / spec["hidden_size"],
    }
    pretrained = {
        "tag": "test",
        "custom_load": False,
        "input_size": [3, 224, 224],
        "fixed_input_size": True,
        "interpolation": "bicubic",
        "crop_pct": 0.9,
        "crop_mode": "center",
        **HALVES,
        "num_classes": 1000,
        "pool_size": None,
        "first_conv": "patch_embed.proj",
        "classifier": "head",
        **weights_fields,
    }
    return {
        "architecture": architecture,
        "num_classes": spec["num_classes"],
        "num_features": spec["hidden_size"],
        "model_args": arguments,
        "pretrained_cfg": pretrained,
        **more,
    }


# A case makes a folder and returns what the compiler should find in it: the
# specification, the labels (or None), and what is done to an image, a dict of
# `size` (a side, or height and width), `crop`, `filter`, `mean` and `std`.


def hf_vit(folder, weights_of):
    spec = dict(SMALL, layer_norm_eps=1e-12)
    weights = weights_of(spec)
    write_json(folder, "config.json", hugging_face_config(SMALL))
    write_json(
        folder,
        "preprocessor_config.json",
        {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": HALVES["mean"],
            "image_processor_type": "ViTImageProcessor",
            "image_std": HALVES["std"],
            "resample": 2,
            "rescale_factor": 0.00392156862745098,
            "size": {"height": 32, "width": 32},
        },
    )
    tensors = hugging_face_names(weights)
    tensors["vit.embeddings.mask_token"] = np.zeros((1, 1, 32))
    safetensors.save(os.path.join(folder, "model.safetensors"), tensors)
    return spec, LABELS, dict(size=(32, 32), filter=2, **HALVES)


def hf_shards(folder, weights_of):
    """transformers 5's names, three shards, another activation, no qkv bias."""
    spec = dict(SMALL, layer_norm_eps=1e-5, hidden_act="gelu_tanh", qkv_bias=False)
    weights = weights_of(spec)
    config = hugging_face_config(
        SMALL,
        hidden_act="gelu_pytorch_tanh",
        qkv_bias=False,
        layer_norm_eps=1e-5,
        id2label=None,
        num_labels=5,
        image_size=[32, 32],
    )
    write_json(folder, "config.json", config)
    processor = {
        "do_center_crop": True,
        "crop_size": {"height": 32, "width": 32},
        "size": {"shortest_edge": 37},
        "image_processor_type": "ViTImageProcessorFast",
        "do_normalize": False,
        "resample": 3,
    }
    write_json(folder, "preprocessor_config.json", processor)
    save_shards(folder, hugging_face_names(weights, version=5), 3)
    plain = {"mean": [0] * 3, "std": [1] * 3}
    return spec, None, dict(size=37, crop=True, filter=3, **plain)


def hf_deit_processor(folder, weights_of):
    """facebook/deit-tiny-patch16-224 with two layers: a ViT, DeiT's images."""
    spec = dict(TINY, layer_norm_eps=1e-12)
    weights = weights_of(spec)
    labels = [f"class {i}" for i in range(1000)]
    config = hugging_face_config(
        TINY, id2label={str(i): text for i, text in enumerate(labels)}, qkv_bias=None
    )
    write_json(folder, "config.json", config)
    processor = {
        "crop_size": 224,
        "do_center_crop": True,
        "do_normalize": True,
        "do_resize": True,
        "feature_extractor_type": "DeiTFeatureExtractor",
        "image_mean": IMAGENET["mean"],
        "image_std": IMAGENET["std"],
        "resample": 3,
        "size": 256,
    }
    write_json(folder, "preprocessor_config.json", processor)
    path = os.path.join(folder, "model.safetensors")
    safetensors.save(path, hugging_face_names(weights))
    return spec, labels, dict(size=(256, 256), crop=True, filter=3, **IMAGENET)


def hf_own_names(folder, weights_of):
    """transformers' configuration, timm's tensors, and fields of our own."""
    spec = dict(SMALL, layer_norm_eps=1e-12)
    weights = weights_of(spec)
    config = hugging_face_config(SMALL, preprocess={"resize": 40}, weights="w.st")
    write_json(folder, "config.json", config)
    safetensors.save(os.path.join(folder, "w.st"), weights)
    plain = {"mean": [0] * 3, "std": [1] * 3}
    return spec, LABELS, dict(size=40, crop=True, filter=2, **plain)


def timm_vit(folder, weights_of):
    """vit_tiny_patch16_224 with sizes of its own and names of classes."""
    spec = dict(SMALL)
    weights = weights_of(spec)
    config = timm_config(
        "vit_tiny_patch16_224",
        spec,
        {"label_names": ["n1", "n2", "n3", "n4", "n5"]},
        global_pool="token",
        label_descriptions={f"n{i + 1}": text for i, text in enumerate(LABELS)},
    )
    write_json(folder, "config.json", config)
    path = os.path.join(folder, "model.safetensors")
    safetensors.save(path, weights)
    # floor(32 / 0.9)
    return spec, LABELS, dict(size=35, crop=True, filter=3, **HALVES)


def timm_gap(folder, weights_of):
    """Means of the patches, no class token; a shape that is not square."""
    spec = dict(SMALL, image_size=[32, 48], class_token=False, pool="mean")
    weights = weights_of(spec)
    config = timm_config(
        "vit_base_patch16_gap_224",
        spec,
        {"crop_mode": "squash", "interpolation": "bilinear", **IMAGENET},
    )
    write_json(folder, "config.json", config)
    path = os.path.join(folder, "model.safetensors")
    safetensors.save(path, weights)
    return spec, None, dict(size=(35, 53), crop=True, filter=2, **IMAGENET)


def save(folder, config, tensors):
    """A folder of a library whose processor, if it has one, is the default."""
    write_json(folder, "config.json", config)
    if "architectures" in config:
        height, width = oracle.parse_spec(dict(config, num_classes=1)).image
        size = {"height": height, "width": width}
        processor = {"size": size, "crop_size": size, "resample": 2}
        write_json(folder, "preprocessor_config.json", processor)
    safetensors.save(os.path.join(folder, "model.safetensors"), tensors)


STRAIGHT = dict(size=(32, 32), filter=2, **HALVES)
CENTRE = dict(size=35, crop=True, filter=3, **HALVES)


def hf_with_teacher(folder, weights_of):
    """DeiTForImageClassificationWithTeacher, as transformers 5 names it."""
    spec = dict(SMALL, layer_norm_eps=1e-12, distillation_token=True)
    config = hugging_face_config(
        SMALL,
        model_type="deit",
        architectures=["DeiTForImageClassificationWithTeacher"],
    )
    save(folder, config, hugging_face_names(weights_of(spec), "deit.", version=5))
    return spec, LABELS, STRAIGHT


def hf_distilled(folder, weights_of):
    """DeiTForImageClassification: the second token has no head."""
    spec = dict(SMALL, layer_norm_eps=1e-12, distillation_token=True)
    spec["distillation_head"] = False
    config = hugging_face_config(
        SMALL, model_type="deit", architectures=["DeiTForImageClassification"]
    )
    save(folder, config, hugging_face_names(weights_of(spec), "deit."))
    return spec, LABELS, STRAIGHT


def hf_features(folder, weights_of):
    """ViTModel: no prefix and no head."""
    spec = dict(SMALL, layer_norm_eps=1e-12, head="none")
    del spec["num_classes"]
    config = hugging_face_config(SMALL, architectures=["ViTModel"])
    save(folder, config, hugging_face_names(weights_of(spec), ""))
    return spec, None, STRAIGHT


def timm_distilled(folder, weights_of):
    spec = dict(SMALL, distillation_token=True)
    config = timm_config("deit_tiny_distilled_patch16_224", spec, {})
    save(folder, config, weights_of(spec))
    return spec, None, CENTRE


def timm_dinov2(folder, weights_of):
    """Registers, LayerScale, and features instead of a head."""
    spec = dict(SMALL, num_register_tokens=4, no_embed_class=True, layer_scale=True)
    spec["head"] = "none"
    config = timm_config("vit_small_patch14_reg4_dinov2", spec, {})
    config["num_classes"] = 0
    del spec["num_classes"]
    save(folder, config, weights_of(spec))
    return spec, None, CENTRE


def timm_clip(folder, weights_of):
    spec = dict(SMALL, pre_norm=True, patch_bias=False, layer_norm_eps=1e-5)
    spec["hidden_act"] = "quick_gelu"
    config = timm_config("vit_base_patch16_clip_quickgelu_224", spec, {})
    save(folder, config, weights_of(spec))
    return spec, None, CENTRE


def timm_reg_gap(folder, weights_of):
    """The last LayerNorm follows the pool; q and k are normalised."""
    spec = dict(
        SMALL,
        class_token=False,
        num_register_tokens=4,
        no_embed_class=True,
        layer_scale=True,
        qk_norm=True,
        fc_norm=True,
        pool="avgmax",
    )
    config = timm_config("vit_medium_patch16_reg4_gap_256", spec, {})
    config["model_args"].update(qk_norm=True, global_pool="avgmax")
    save(folder, config, weights_of(spec))
    return spec, None, CENTRE


CASES = [
    hf_vit,
    hf_shards,
    hf_deit_processor,
    hf_own_names,
    hf_with_teacher,
    hf_distilled,
    hf_features,
    timm_vit,
    timm_gap,
    timm_distilled,
    timm_dinov2,
    timm_clip,
    timm_reg_gap,
]


def preprocess(image, spec, size, filter, mean, std, crop=False):
    """float32 [3, H, W], as torchvision and Pillow make it."""
    height, width = oracle.parse_spec(spec).image
    w, h = image.size
    if isinstance(size, int):
        shorter = min(w, h)
        w, h = size * w // shorter, size * h // shorter
    else:
        h, w = size
    image = image.resize((w, h), filter)
    if crop:
        top, left = int(round((h - height) / 2.0)), int(round((w - width) / 2.0))
        image = image.crop((left, top, left + width, top + height))
    values = np.asarray(image).astype(np.float32).transpose(2, 0, 1) / np.float32(255)
    column = (slice(None), None, None)
    return (values - np.float32(mean)[column]) / np.float32(std)[column]


def random_picture(seed, path):
    """A smooth picture, twice as wide as high; saved as PNG."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 14, 3), dtype=np.uint8))
    picture = coarse.resize((620, 310), Image.Resampling.BICUBIC)
    picture.save(path)
    return picture


def run_on_file(executable, path, folder):
    """The logits and the JSON answer for one image file."""
    logits = os.path.join(folder, "logits.npy")
    options = ["--format=json", "--top", "1000", "--logits", logits]
    done = harness.run([*executable.command, path, *options])
    return np.load(logits)[0], json.loads(done.stdout)


def check_case(case, number, args, target):
    folder = os.path.join(args.work, case.__name__)
    os.makedirs(folder)

    def weights_of(spec):
        weights = random_model.random_weights(oracle.parse_spec(spec), number)
        # As the files have them.
        return {n: w.astype(np.float32).astype(np.float64) for n, w in weights.items()}

    spec, labels, image_steps = case(folder, weights_of)
    parsed = oracle.parse_spec(spec)
    model = oracle.Model(parsed, weights_of(spec))
    binary = os.path.join(args.work, case.__name__ + ".out")
    done = harness.run([args.moe_compile, folder, "-o", binary, *target.options])
    if done.stderr:
        raise harness.Failure(f"unexpected: {done.stderr.decode()}")
    images = random_model.random_images(parsed, 2, number)
    path = os.path.join(args.work, "picture.png")
    pixels = preprocess(random_picture(number, path), spec, **image_steps)
    worst = 0
    for executable in target.executables(binary):
        if executable.info()["name"] != case.__name__:
            raise harness.Failure(f"name: {executable.info()['name']}")
        logits, answers = executable.infer(images, args.work)
        for image, row, answer in zip(images, logits, answers):
            worst = max(worst, harness.compare(model, image, row, answer))
        row, answer = run_on_file(executable, path, args.work)
        worst = max(worst, harness.compare(model, pixels, row, answer))
        # Features have no classes.
        if bool(answer["top"]) != (parsed.head != "none"):
            raise harness.Failure(f"unexpected: {answer}")
        for entry in answer["top"]:
            expected = labels[entry["class"]] if labels else None
            if entry["label"] != expected:
                raise harness.Failure(f"expected {expected!r}, found {entry}")
    return worst


# Broken folders: what is done to a good one, and the error after its path.


def drop_shard(folder):
    os.remove(os.path.join(folder, "model-00002-of-00003.safetensors"))


def change_json(name, change):
    def apply(folder):
        path = os.path.join(folder, name)
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        change(data)
        write_json(folder, name, data)

    return apply


def change_map(key, value):
    return change_json(
        "model.safetensors.index.json",
        lambda data: data["weight_map"].update({key: value}),
    )


def move_weights(folder):
    """What a folder of old has instead of safetensors."""
    os.remove(os.path.join(folder, "model.safetensors"))
    with open(os.path.join(folder, "pytorch_model.bin"), "wb") as file:
        file.write(b"PK\3\4")


def write_text(name, text):
    def apply(folder):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(text)

    return apply


BAD = [
    (hf_shards, drop_shard, "/model-00002-of-00003.safetensors: file: cannot open"),
    (
        hf_shards,
        change_map("nobody", "model-00001-of-00003.safetensors"),
        "/model.safetensors.index.json: weight_map.nobody: expected a tensor of",
    ),
    (
        hf_shards,
        change_map("x", "../hf_vit/model.safetensors"),
        "/model.safetensors.index.json: weight_map.x: expected the name of a file",
    ),
    (
        hf_shards,
        write_text("model.safetensors.index.json", "[" * 1000000),
        "/model.safetensors.index.json: top level: expected at most",
    ),
    (hf_vit, move_weights, "/pytorch_model.bin: file: expected safetensors"),
    (
        hf_vit,
        change_json("config.json", lambda data: data["id2label"].pop("2")),
        "/config.json: id2label.4: expected an index from 0 to 3",
    ),
    (
        hf_vit,
        change_json("config.json", lambda data: data.update(intermediate_size=49)),
        "/model.safetensors: vit.encoder.layer.0.intermediate.dense.weight: "
        "expected shape [49, 32], found [48, 32]",
    ),
    (
        hf_vit,
        change_json("config.json", lambda data: data.update(hidden_act="mish")),
        "/config.json: hidden_act: expected one of",
    ),
    (
        hf_vit,
        change_json("preprocessor_config.json", lambda data: data.update(resample=1)),
        "/preprocessor_config.json: resample: expected 2 (bilinear) or 3",
    ),
    (
        hf_vit,
        write_text("config.json", '{"model_type": "vit", "architectures": ["ViT"'),
        "/config.json: line 1, column 46: not valid JSON",
    ),
    (
        hf_vit,
        write_text("config.json", " " * (16 << 20) + "{}"),
        "/config.json: file: expected at most 16777216 bytes",
    ),
    (
        timm_vit,
        change_json("config.json", lambda data: data.update(architecture="resnet50")),
        "/config.json: architecture: expected a vit, deit,",
    ),
    (
        timm_vit,
        change_json("config.json", lambda data: data["model_args"].update(no="x")),
        "/config.json: model_args.no: unknown field",
    ),
]


def check_bad(number, args):
    case, change, expected = BAD[number]
    folder = os.path.join(args.work, f"bad-{number}")
    shutil.copytree(os.path.join(args.work, case.__name__), folder)
    change(folder)
    binary = os.path.join(args.work, "bad.out")
    done = harness.run([args.moe_compile, folder, "-o", binary], expect=(1,))
    first = done.stderr.decode().splitlines()[0]
    if not first.startswith(f"error: {folder}{expected}"):
        raise harness.Failure(f"expected {expected!r}, found {first!r}")
    if os.path.exists(binary):
        raise harness.Failure("there is an output")


def main():
    args, target = harness.parse_arguments(__doc__)
    os.makedirs(args.work)
    # Their code is the same for all targets, and so is what is emulated.
    cases = [hf_shards, timm_dinov2] if target.options else CASES
    for number, case in enumerate(cases):
        error = check_case(case, number, args, target)
        print(f"{case.__name__}: {error:.2e}", flush=True)
    if target.options:
        return
    for number in range(len(BAD)):
        check_bad(number, args)
    print(f"{len(BAD)} broken folders")


if __name__ == "__main__":
    main()
