#!/usr/bin/env python3
"""Measures compiled binaries against onnxruntime-node; see README.md.

    run.py [--sizes 12x192,6x64,…] [--routing image,patch] [--kinds moe,dense]
           [--experts 4,16,64] [--precision bf16,int8] [--variants] [--rounds N]
           [--quick] [--kernels] [--output DIR] [--report RESULTS.json]
"""

import argparse
import datetime
import functools
import json
import os
import platform
import statistics
import subprocess
import sys
import time

import numpy as np

import experts
import measure
import models
import patch
import report

BUILD = os.path.join(models.ROOT, "build")
NODE_MODULES = os.path.join(BUILD, "bench", "node_modules")
LIBRARY = "onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime.so.1"


def say(text):
    print(text, file=sys.stderr, flush=True)


def machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        lines = [line for line in file if line.startswith("model name")]
    with open(
        os.path.join(NODE_MODULES, "onnxruntime-node", "package.json"), encoding="utf-8"
    ) as file:
        version = json.load(file)["version"]
    return {
        "cpu": lines[0].split(":", 1)[1].strip(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "onnxruntime": version,
    }


def memory_bandwidth():
    """GB/s at which one core reads memory that no cache holds."""
    block = np.ones(1 << 27, np.uint8).view(np.float64)
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        block.sum()
        best = min(best, time.perf_counter() - start)
    return block.nbytes / best * 1e-9


def share(value, peak):
    return None if peak is None else 100 * value / peak


def select(times, side, precision, threads):
    """The times of "ours" or "peer" by variant or form."""
    return {
        key[2]: value
        for key, value in times.items()
        if key[0] == side and (key[1], key[3]) == (precision, threads)
    }


def check_lower(precision, binaries, peer, model):
    """What its logits are like, of ours and of the peer if it has it."""
    ours, f32 = binaries[precision], binaries["f32"]
    found = measure.check_precision(precision, ours, f32, model)
    if precision in model.onnx:
        found["peer_cosine"] = measure.check_peer(precision, peer, model)
    return found


def lower_precision(precision, binaries, model, times):
    """One precision beside f32, and beside the peer in the same if it has it."""
    ours, f32 = binaries[precision], binaries["f32"]
    result = {
        "best_variant": ours.info["cpu_variant"],
        "ours_ms": select(times, "ours", precision, 1),
        "weight_bytes": ours.info["weight_bytes"],
        "weight_share": ours.info["weight_bytes"] / f32.info["weight_bytes"],
        "binary_bytes": os.path.getsize(ours.path),
        "compile_seconds": model.compile_seconds[precision],
    }
    if precision in model.onnx:
        forms = select(times, "peer", precision, 1)
        result["peer_forms_ms"] = forms
        result["peer_ms"] = min(forms.values())
    return result


def compare(ours, times):
    """Our f32 variants beside the peer, in one thread and in two."""
    flops = 2 * ours.info["multiply_adds"]
    variants = {}
    for variant, ms in select(times, "ours", "f32", 1).items():
        gflops = flops / ms * 1e-6
        percent = share(gflops, times.get(("peak", variant)))
        variants[variant] = {"ms": ms, "gflops": gflops, "percent_of_peak": percent}
    forms = select(times, "peer", "f32", 1)
    best_form = min(forms, key=forms.get)
    two = times.get(("ours", "f32", ours.info["cpu_variant"], 2))
    peer_two = min(select(times, "peer", "f32", 2).values())
    return {
        "multiply_adds": ours.info["multiply_adds"],
        "best_variant": ours.info["cpu_variant"],
        "ours": variants,
        "ours_2_threads_ms": two,
        "peer_forms_ms": forms,
        "peer_form": best_form,
        "peer_ms": forms[best_form],
        "peer_2_threads_ms": peer_two,
        "ratio_2_threads": peer_two / two if two else None,
        "peaks": {key[1]: value for key, value in times.items() if key[0] == "peak"},
    }


def measure_patch(case, args, peer, peaks):
    """A per-patch model, in f32."""
    folder = os.path.join(BUILD, "bench", "models")
    model = patch.make(case, folder, os.path.join(BUILD, "bin", "moe-compile"))
    ours = measure.Ours(model.binaries["f32"])
    difference = measure.check_logits(ours, peer, model)
    times = measure.in_turn({"f32": ours}, peer, model, peaks, args)
    result = {
        "model": str(case),
        "logit_difference": difference,
        "compile_seconds": model.compile_seconds["f32"],
        "precisions": {},
    }
    return result | patch.describe(case, ours, model.image) | compare(ours, times)


def measure_model(size, is_moe, args, peer, peaks):
    folder = os.path.join(BUILD, "bench", "models")
    compiler = os.path.join(BUILD, "bin", "moe-compile")
    model = models.make(size, is_moe, folder, compiler, args.precision)
    binaries = {key: measure.Ours(path) for key, path in model.binaries.items()}
    ours = binaries["f32"]
    difference = measure.check_logits(ours, peer, model)
    checks = {
        precision: check_lower(precision, binaries, peer, model)
        for precision in args.precision
        if precision != "f32"
    }
    times = measure.in_turn(binaries, peer, model, peaks, args)
    speed = compare(ours, times)
    best_onnx = model.onnx["f32"][speed["peer_form"]]
    library = os.path.getsize(os.path.join(NODE_MODULES, LIBRARY))
    binary = os.path.getsize(ours.path)
    # As it was written, then after the next step, which drops it from the page
    # cache: how it is read back decides in how large pieces it lies there, and
    # so how fast it is mapped.
    cold = ours.cold(model.image)
    resident = experts.measure(ours.path)
    sections = experts.weight_sections(ours.path).values()
    first = min(address for address, _ in sections)
    weights_end = max(address + size for address, size in sections) - first
    return speed | {
        "model": f"{size} {'MoE' if is_moe else 'dense'}",
        "is_moe": is_moe,
        "bytes_read": 4 * ours.info["active_parameters"],
        "logit_difference": difference,
        "compile_seconds": model.compile_seconds["f32"],
        "cold": cold,
        "cold_read_back": ours.cold(model.image),
        # What an inference must read and write, and
        # 3 MB for the process itself.
        "allowed_bytes": 4 * ours.info["active_parameters"]
        + ours.info["workspace_bytes"]
        + 3_000_000,
        "peer_cold": peer.cold(best_onnx, model.image),
        "size": {
            "binary": binary,
            "alignment": weights_end - ours.info["weight_bytes"],
            "beyond_weights": binary - weights_end,
            "peer": os.path.getsize(best_onnx) + library,
        },
        "precisions": {
            precision: check | lower_precision(precision, binaries, model, times)
            for precision, check in checks.items()
        },
        "experts": experts.summarize(resident),
    }


def routings(text):
    """An option's list of routings."""
    wanted = text.split(",")
    if unknown := set(wanted) - {"image", "patch"}:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return wanted


def precisions(text):
    """f32, which the others are measured by, and those of a list."""
    wanted = text.split(",")
    unknown = set(wanted) - {"f32", *measure.SIMILARITY}
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return ["f32", *(p for p in measure.SIMILARITY if p in wanted)]


def parse_args():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", help="such as 12x192,12x192/16; default: all")
    parser.add_argument(
        "--routing", type=routings, default="image,patch", help="default: both"
    )
    parser.add_argument(
        "--kinds",
        type=models.kinds,
        default="moe,dense",
        help="of the models without routing: patch",
    )
    parser.add_argument(
        "--experts",
        type=patch.counts,
        metavar="E,…",
        help="routing: patch with these numbers of experts, such as 4,16,64",
    )
    parser.add_argument(
        "--precision",
        type=precisions,
        default="f32,bf16,int8",
        help="beside f32: bf16, int8 (default: both)",
    )
    parser.add_argument(
        "--variants", action="store_true", help="every CPU variant in every precision"
    )
    parser.add_argument(
        "--rounds", type=int, help="default: 7, three for routing: patch"
    )
    parser.add_argument("--round-ms", type=float, default=400)
    parser.add_argument("--quick", action="store_true", help="two sizes, three rounds")
    parser.add_argument(
        "--kernels", action="store_true", help="single matrix products too"
    )
    parser.add_argument("--output", default=os.path.join(BUILD, "bench", "results"))
    parser.add_argument("--report", help="only tables and plots of this results.json")
    args = parser.parse_args()
    if args.quick:
        args.rounds, args.round_ms = 3, 150
    return args


def tasks(args):
    """What to measure: a name, whether it is of routing: patch, and a function
    of the arguments, the peer and the peaks."""
    if "image" in args.routing:
        sizes = args.sizes or ("12x192,6x64" if args.quick else None)
        for kind in args.kinds:
            for size in models.select(sizes):
                measured = functools.partial(measure_model, size, kind == "moe")
                yield f"{size} {kind}", False, measured
    if "patch" in args.routing:
        sizes = args.sizes or ("12x192" if args.quick else "12x192,12x192/16")
        for case in patch.cases(models.select(sizes), args.experts, args.quick):
            yield str(case), True, functools.partial(measure_patch, case)


def run(args):
    peaks = measure.Peak(os.path.join(BUILD, "bench"))
    peer = measure.Peer(NODE_MODULES)
    results, patch_results, failed = [], [], 0
    for name, is_patch, measured in tasks(args):
        own_args = argparse.Namespace(**vars(args))
        own_args.rounds = args.rounds or (3 if is_patch else 7)
        try:
            result = measured(own_args, peer, peaks)
        except (RuntimeError, subprocess.CalledProcessError) as error:
            failed += 1
            say(f"{name}: FAILED: {error}")
            continue
        (patch_results if is_patch else results).append(result)
        say(report.summary(result))
    peer.close()
    everything = results + patch_results
    if not everything:
        sys.exit("nothing was measured")
    document = {
        "command": "bench/run.sh " + " ".join(sys.argv[1:]),
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "bandwidth": memory_bandwidth(),
        "peaks": {
            level: statistics.median(result["peaks"][level] for result in everything)
            for level in everything[0]["peaks"]
        },
        "results": results,
        "patch_results": patch_results,
    }
    os.makedirs(args.output, exist_ok=True)
    with open(os.path.join(args.output, "results.json"), "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1)
    return document, failed


def run_kernels(folder):
    """Single matrix products beside libxsmm's and oneDNN's: kernels.md and .json
    for each CPU level that this machine has. Returns how many levels failed."""
    failed = 0
    for level in measure.Peak.KINDS:
        path = os.path.join(folder, f"kernels-{level}")
        command = [sys.executable, os.path.join(models.HERE, "kernels", "run.py")]
        command += ["--cpu", level, "--json", path + ".json"]
        with open(path + ".md", "w", encoding="utf-8") as file:
            failed += subprocess.run(command, stdout=file, check=False).returncode != 0
    return failed


def main():
    args = parse_args()
    failed = 0
    if args.report:
        with open(args.report, encoding="utf-8") as file:
            document = json.load(file)
    else:
        document, failed = run(args)
        if args.kernels:
            failed += run_kernels(args.output)
    report.write(args.output, document)
    with open(os.path.join(args.output, "table.md"), encoding="utf-8") as file:
        print(file.read())
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
