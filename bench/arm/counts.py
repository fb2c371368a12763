#!/usr/bin/env python3
"""Instructions that one inference executes, ours and onnxruntime's, on AArch64.

    counts.py [--sizes 12x192,12x64] [--kinds moe,dense] [--precision f32,bf16,int8]
              [--cpu CPU] [--kernels] [--moe-compile PATH] [--json FILE]

See README.md, one folder up.
"""

import argparse
import json
import os
import sys
import tempfile

import numpy as np

import programs
from emulator import CPUS, DEFAULT_CPU, Emulator

sys.path.insert(0, programs.BENCH)
import measure  # noqa: E402
import models  # noqa: E402

# Of ours to the peer's instructions.
TARGET_RATIO = 0.85


def precisions(text):
    wanted = text.split(",")
    unknown = set(wanted) - {"f32", *measure.SIMILARITY}
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


def add_options(parser):
    """Those that mca.py has too."""
    parser.add_argument("--sizes", default="12x192,12x64", help="as in run.py")
    parser.add_argument(
        "--kinds", type=models.kinds, default="moe", help="moe, dense or both"
    )
    parser.add_argument(
        "--precision", type=precisions, default="f32", help="f32, bf16, int8"
    )
    parser.add_argument("--moe-compile", default=programs.MOE_COMPILE, metavar="PATH")
    parser.add_argument("--json", metavar="FILE", help="everything, in JSON")


def each_model(args, work):
    """Title, whether it has experts, and files of each model that is wanted."""
    if not os.access(args.moe_compile, os.X_OK):
        sys.exit(f"{args.moe_compile} not found: scripts/build.sh makes it")
    for kind in args.kinds:
        for size in models.select(args.sizes):
            is_moe = kind == "moe"
            title = f"{size} {'MoE' if is_moe else 'dense'}"
            print(title, file=sys.stderr, flush=True)
            yield title, is_moe, models.write(size, is_moe, work)


def summary(instructions, kinds):
    return {
        "instructions": instructions,
        "multiply_adds": sum(kinds.values()),
        "kinds": kinds,
    }


def check(found, reference, precision):
    """How the logits agree: the largest difference by the contract's measure in
    f32, else the cosine. Raises where that is not enough."""
    found, reference = np.array(found), np.array(reference)
    if precision == "f32":
        scale = max(1.0, np.abs(reference).max())
        difference = float(np.abs(found - reference).max() / scale)
        if not difference <= measure.TOLERANCE:
            raise RuntimeError(f"the logits differ by {difference:.1e}")
        return {"difference": difference}
    cosine = float(measure.cosines(found[None], reference[None])[0])
    if not cosine >= measure.SIMILARITY[precision]:
        raise RuntimeError(f"{precision}: cosine {cosine:.5f} to f32")
    return {"cosine": cosine}


def profile(model, variant, precision, args, emulator):
    """What each function of the model executes, the largest first."""
    ours = programs.Object(
        args.moe_compile, model.spec, precision, variant, emulator.work
    )
    _, counts = emulator.per_inference(ours.program, model.image)
    known = ours.kernels()
    total = counts.instructions
    functions = {}
    for row in counts.rows:
        entry = functions.setdefault(ours.symbols.function(row.address), [0, 0])
        entry[0] += row.instructions * row.executed
        entry[1] += row.multiply_adds * row.executed
    result = []
    for name, (instructions, multiply_adds) in functions.items():
        calls, types = known.get(name, (None, []))
        result.append(
            {
                "kernel": name,
                "share": instructions / total,
                "instructions": instructions,
                "multiply_adds": multiply_adds,
                "calls": calls,
                "arguments": types,
            }
        )
    return sorted(result, key=lambda entry: -entry["instructions"])


def count_peer(peer, emulator, model, precision):
    """By form: the logits, and the counts' summary."""
    found = {}
    for form, path in model.onnx[precision].items():
        logits, counts = emulator.per_inference(peer.program, path, model.image)
        found[form] = logits, summary(counts.instructions, counts.kinds())
    return found


def count_model(title, is_moe, model, args, emulator, peer):
    """A result for each precision."""
    # bf16 is compared with f32, which the logits are checked against anyway.
    precisions = ["f32", *(p for p in args.precision if p == "int8")]
    for precision in precisions:
        models.export(model, precision, is_moe)
    peers = {p: count_peer(peer, emulator, model, p) for p in precisions}
    for precision in args.precision:
        ours = programs.Binary(args.moe_compile, model.spec, precision, emulator)
        variant = ours.info["cpu_variant"]
        logits, instructions, kinds = ours.per_inference(model.image)
        agreement = {
            form: check(logits, found, precision)
            for form, (found, _) in peers["f32"].items()
        }
        of_peer = precision if precision in peers else "f32"
        forms = {form: counts for form, (_, counts) in peers[of_peer].items()}
        best = min(forms, key=lambda form: forms[form]["instructions"])
        yield {
            "model": title,
            "precision": precision,
            "variant": variant,
            "model_multiply_adds": ours.info["multiply_adds"],
            "agreement": agreement,
            "ours": summary(instructions, kinds),
            "peer_precision": of_peer,
            "peer_form": best,
            "peer_forms": forms,
            "ratio": instructions / forms[best]["instructions"],
            "kernels": profile(model, variant, precision, args, emulator)
            if args.kernels
            else None,
        }


def table(results):
    yield (
        "| model | precision | variant | ours, M | multiply-adds % "
        "| onnxruntime, M | multiply-adds % | ours/onnxruntime |"
    )
    yield "|---|---|---|---:|---:|---:|---:|---:|"
    for result in results:
        peer = result["peer_forms"][result["peer_form"]]
        cells = [result["model"], result["precision"], result["variant"]]
        for counts in (result["ours"], peer):
            cells.append(f"{counts['instructions'] / 1e6:.2f}")
            share = counts["multiply_adds"] / counts["instructions"]
            cells.append(f"{100 * share:.1f}")
        mark = "" if result["ratio"] <= TARGET_RATIO else " (!)"
        yield "| " + " | ".join([*cells, f"{result['ratio']:.3f}{mark}"]) + " |"


def kernel_table(result):
    yield (
        "| kernel | calls | share % | instructions, M | multiply-adds, M "
        "| others each | works on |"
    )
    yield "|---|---:|---:|---:|---:|---:|---|"
    for entry in result["kernels"]:
        if entry["share"] < 0.001:
            break
        instructions, multiply_adds = entry["instructions"], entry["multiply_adds"]
        others = instructions - multiply_adds
        cells = [
            entry["kernel"],
            str(entry["calls"] or "–"),
            f"{100 * entry['share']:.1f}",
            f"{instructions / 1e6:.3f}",
            f"{multiply_adds / 1e6:.3f}",
            f"{others / multiply_adds:.2f}" if multiply_adds else "–",
            ", ".join(entry["arguments"]) or "–",
        ]
        yield "| " + " | ".join(cells) + " |"


def count_models(args):
    with tempfile.TemporaryDirectory() as work:
        emulator = Emulator(args.cpu, work)
        peer = programs.Peer(work)
        for title, is_moe, model in each_model(args, work):
            yield from count_model(title, is_moe, model, args, emulator, peer)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], allow_abbrev=False
    )
    add_options(parser)
    parser.add_argument("--cpu", choices=CPUS, default=DEFAULT_CPU)
    parser.add_argument("--kernels", action="store_true", help="kernel by kernel too")
    args = parser.parse_args()
    try:
        results = list(count_models(args))
    except RuntimeError as error:
        sys.exit(str(error))
    version = programs.peer_version()
    print(
        f"Millions of instructions an inference, as on {args.cpu}; "
        f"onnxruntime-node {version}:\n"
    )
    print("\n".join(table(results)))
    for result in results if args.kernels else []:
        print(f"\n{result['model']}, {result['precision']}, {result['variant']}:\n")
        print("\n".join(kernel_table(result)))
    if args.json:
        document = {"cpu": args.cpu, "onnxruntime": version, "results": results}
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(document, file, indent=1)


if __name__ == "__main__":
    main()
