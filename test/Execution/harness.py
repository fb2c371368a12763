"""Compiles models, runs the binaries and compares them with the oracle."""

import argparse
import json
import os
import platform
import shlex
import subprocess
import sys
import time
import traceback

import numpy as np

sys.path.insert(
    0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "reference")
)
import oracle  # noqa: E402

# Of the logits, relative to max(1, max|reference|). `f32` and `bf16` are the
# contract's, for the oracle's plain model. The others are for its model in lower
# precision: `same` where f32's noise turns no rounding, else how far the answer
# goes astray once it turns one. Of 11000 answers of random models none was beyond
# 2e-6, 3e-3 and 9e-3.
TOLERANCE = {
    "f32": 1e-4,
    "bf16": 3e-2,
    "same": 2e-5,
    "bf16 turned": 1e-2,
    "int8 turned": 3e-2,
}
# Router logits of the choices k and k+1 that differ by less than this, relative
# to max(1, max|logit|), may be chosen either way.
NEAR_TIE = dict(TOLERANCE, f32=1e-5)
GATE_TOLERANCE = TOLERANCE

# CPU variants that multiply bf16 by bf16; the others leave the inputs f32.
MULTIPLIES_BF16 = ("x86-64-v4+bf16", "x86-64-v4+amx", "armv8.6-a")
# What the emulator's CPUs can run.
EMULATED = {
    "cortex-a57": {"armv8-a"},
    "cortex-a76": {"armv8-a", "armv8-a+dotprod"},
    "max": {"armv8-a", "armv8-a+dotprod", "armv8.6-a"},
}


class Failure(Exception):
    """The compiler or the binary did something wrong."""


class NearTie(Exception):
    """A route so close that the reference cannot judge it."""


def run(command, expect=(0,), timeout=300, given=None, **options):
    """Runs `command`; fails unless it exits with one of `expect`. Its input are
    the bytes `given`, if there are any."""
    command = [str(part) for part in command]
    try:
        done = subprocess.run(
            command,
            input=given or b"",
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            **options,
        )
    except subprocess.TimeoutExpired:
        raise Failure(f"{' '.join(command)}: no end after {timeout} s") from None
    if done.returncode not in expect:
        raise Failure(
            f"{' '.join(command)}: expected exit {expect}, found {done.returncode}\n"
            + done.stderr.decode(errors="replace")[-2000:]
        )
    return done


def add_target_options(parser):
    parser.add_argument("--target", help="passed to moe-compile")
    parser.add_argument(
        "--runner",
        action="append",
        default=[],
        help="command that runs the binaries; several run each in turn",
    )


class Target:
    """What moe-compile compiles for, and what runs that: `options` for the one,
    `runners` for the other, which is this machine alone if none is given."""

    def __init__(self, args):
        self.options = [f"--target={args.target}"] if args.target else []
        self.machine = (args.target or platform.machine()).split("-")[0]
        self.runners = [shlex.split(runner) for runner in args.runner] or [[]]

    def executables(self, path):
        return [Executable(path, runner) for runner in self.runners]


def parse_arguments(doc):
    """The arguments and the Target of a test that has no options but these."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--work", required=True, metavar="DIR")
    add_target_options(parser)
    args = parser.parse_args()
    return args, Target(args)


class Executable:
    """A binary made by moe-compile. `runner` is put before each command; if it
    names one of the EMULATED CPUs, the binary must know what that can run."""

    def __init__(self, path, runner=()):
        self.command = [*runner, os.path.abspath(path)]
        self.cpu = runner[runner.index("-cpu") + 1] if "-cpu" in runner else "this CPU"
        self.runnable = EMULATED.get(self.cpu)

    def info(self):
        info = json.loads(run([*self.command, "--info"]).stdout)
        if self.runnable is not None:
            # The best are first.
            best = next(v for v in info["cpu_variants"] if v in self.runnable)
            if info["cpu_variant"] != best:
                raise Failure(f"{self.cpu}: expected {best} by default, found {info}")
        return info

    def run(self, arguments, variant=None):
        """Runs the binary with a CPU variant, or with its default. Returns None if
        the CPU lacks the variant."""
        command = [*self.command, *arguments]
        if variant is None:
            return run(command)
        expect = (0, 2)
        if self.runnable is not None:
            expect = (0,) if variant in self.runnable else (2,)
        done = run([*command, "--cpu-variant", variant], expect)
        if done.returncode == 0:
            return done
        # Exit 2 is wrong usage, which may also be something else.
        if f"this CPU cannot run '{variant}'" not in done.stderr.decode():
            raise Failure(f"{variant}: {done.stderr.decode()}")
        return None

    def infer(self, images, folder, variant=None, options=()):
        """Runs `images` ([C,H,W] or [B,C,H,W]). Returns float32 logits
        [B,classes] and the list of JSON answers, or None if the CPU lacks the
        variant."""
        source = os.path.join(folder, "input.npy")
        target = os.path.join(folder, "logits.npy")
        np.save(source, images)
        arguments = ["--tensor", source, "--format=json", "--logits", target]
        done = self.run([*arguments, *options], variant)
        if done is None:
            return None
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        logits = np.load(target)
        os.remove(target)
        count = 1 if images.ndim == 3 else len(images)
        if logits.dtype != np.float32 or logits.shape[:1] != (count,):
            raise Failure(f"--logits: found {logits.dtype} {logits.shape}")
        if len(answers) != count:
            raise Failure(f"expected {count} JSON lines, found {len(answers)}")
        for i, answer in enumerate(answers):
            if answer["input"] != f"{source}[{i}]":
                raise Failure(f"expected {source}[{i}], found {answer['input']}")
        return logits, answers


def check_answer(answer, logits, top=5):
    """Checks one JSON line against the logits of the same run; with `top` of 0,
    they are features."""
    if not answer["milliseconds"] >= 0:
        raise Failure(f"milliseconds: {answer['milliseconds']}")
    probability = oracle.softmax(logits.astype(np.float64))
    entries = answer["top"]
    if len(entries) != min(top, len(logits)):
        raise Failure(f"expected {min(top, len(logits))} classes, found {entries}")
    order = np.argsort(-logits, kind="stable")
    for entry, expected in zip(entries, order):
        if entry["class"] != expected:
            raise Failure(f"expected class {expected}, found {entry['class']}")
        if abs(entry["probability"] - probability[expected]) > 1e-5:
            raise Failure(
                f"class {expected}: expected probability "
                f"{probability[expected]}, found {entry['probability']}"
            )


def _by_layer(entries):
    """JSON's list of experts as layer -> expert -> entry."""
    layers = {}
    for entry in entries:
        experts = layers.setdefault(entry["layer"], {})
        if entry["expert"] in experts:
            raise Failure(f"listed twice: {entry}")
        experts[entry["expert"]] = entry
    return layers


def _gap(logits, top_k):
    """Smallest difference that decides which experts are the top k (of every
    token, if there are several), relative to the largest logit."""
    if top_k == logits.shape[-1]:
        return np.inf
    descending = -np.sort(-logits, axis=-1)
    gap = (descending[..., top_k - 1] - descending[..., top_k]).min()
    return gap / max(1, np.abs(logits).max())


def _choice_gap(spec, logits):
    """As _gap, where experts choose tokens: between the last token that one takes
    and the next. What is compared differs by as much, relatively, as logits do."""
    if spec.capacity == spec.tokens:
        return np.inf
    keys = np.sort(oracle.others_by_own(logits), axis=0)
    last, after = keys[spec.capacity - 1], keys[spec.capacity]
    # With one expert all are 0; what overflows ties at infinity, gates of 0.
    apart = np.isfinite(last) & (after > 0)
    gap = (after[apart] - last[apart]) / after[apart]
    return gap.min(initial=np.inf) / max(1, np.abs(logits).max())


def _patch_gap(spec, logits):
    """As _gap, for everything that decides who gets a place at an expert."""
    if spec.router_type == "soft":
        return np.inf
    if spec.router_type == "expert_choice":
        return _choice_gap(spec, logits)
    gap = _gap(logits, spec.top_k)
    if spec.capacity == spec.tokens:
        return gap
    gap = min([gap] + [_gap(logits, rank) for rank in range(1, spec.top_k)])
    if spec.batch_priority:
        descending = -np.sort(-logits, axis=-1)
        rest = np.exp(descending[:, 1:] - descending[:, :1]).sum(axis=-1)
        rest = np.sort(rest)
        if len(rest) > 1:
            gap = min(gap, (np.diff(rest) / np.maximum(rest[1:], 1e-300)).min())
    return gap


def _kind(model, result, precision):
    """Which tolerances `result` deserves."""
    if not isinstance(model, oracle.LowModel):
        return precision
    if not model.precisions:
        return "f32"
    if result.doubts == 0:
        return "same"
    return "int8 turned" if "int8" in model.precisions else "bf16 turned"


def _follow_image_routes(model, image, found, precision):
    """The oracle's answer, through `found` where the routes nearly tie."""
    spec = model.spec
    forced = {}
    while True:
        result = model.run(image, forced)
        near_tie = NEAR_TIE[_kind(model, result, precision)]
        wanted = {layer: set() for layer in spec.moe_layers}
        for choice in result.choices:
            wanted[choice.layer].add(choice.expert)
        for layer in spec.moe_layers:
            experts = set(found.get(layer, {}))
            if experts == wanted[layer]:
                continue
            gap = _gap(result.router_logits[layer], spec.top_k)
            if len(experts) != spec.top_k or layer in forced or gap >= near_tie:
                raise Failure(
                    f"layer {layer}: expected experts {sorted(wanted[layer])}, "
                    f"found {sorted(experts)}; relative gap {gap:.3g}"
                )
            forced[layer] = sorted(experts)
            break
        else:
            return result


def compare(model, image, logits, answer, precision="f32"):
    """Compares one image's answer with the oracle (an oracle.Model, or an
    oracle.LowModel, whose precision then counts). Returns max|difference| of the
    logits relative to max(1, max|reference|)."""
    spec = model.spec
    found = _by_layer(answer["experts"])
    if spec.routing == "image":
        result = _follow_image_routes(model, image, found, precision)
    else:
        result = model.run(image)
    kind = _kind(model, result, precision)
    near_tie = NEAR_TIE[kind]
    counts = {}
    for choice in result.choices:
        entry = found.get(choice.layer, {}).pop(choice.expert, None)
        scale = max(1, np.abs(result.router_logits[choice.layer]).max())
        right = entry is not None
        if right:
            error = abs(entry["gate"] - choice.gate)
            right = error <= GATE_TOLERANCE[kind] * scale
            if spec.routing == "patch":
                right = right and entry["tokens"] == choice.tokens
        counts[choice.layer] = counts.get(choice.layer, 0) + 1
        if not right:
            _judge_patch(spec, result, choice.layer, near_tie)
            raise Failure(f"experts: expected {choice}, found {entry}")
    for layer, experts in found.items():
        if experts:
            _judge_patch(spec, result, layer, near_tie)
            raise Failure(f"layer {layer}: unexpected {list(experts.values())}")
    if logits.shape != result.logits.shape:
        raise Failure(f"expected {result.logits.shape} logits, found {logits.shape}")
    if not np.isfinite(logits).all():
        raise Failure("a logit is not finite")
    scale = max(1, np.abs(result.logits).max())
    error = np.abs(logits - result.logits).max() / scale
    if error > TOLERANCE[kind]:
        for layer in result.router_logits:
            _judge_patch(spec, result, layer, near_tie)
        raise Failure(f"logits differ by {error:.3g}")
    return error


def _judge_patch(spec, result, layer, near_tie):
    """Raises NearTie if patch routing up to `layer` was too close to judge."""
    if spec.routing != "patch":
        return
    for i in spec.moe_layers:
        if i <= layer and _patch_gap(spec, result.router_logits[i]) < near_tie:
            raise NearTie(f"layer {i}")


def run_tests(tests, prefix, only=None):
    """Calls the methods of `tests` whose names begin with `prefix` and contain
    `only`, and says how each went. The exit code: 0 if all passed, and any did."""
    passed = failed = 0
    for name in dir(tests):
        if not name.startswith(prefix) or (only and only not in name):
            continue
        start = time.monotonic()
        try:
            getattr(tests, name)()
        except Exception as failure:  # one failure must not hide the rest
            failed += 1
            print(f"{name}: FAILED: {failure}", flush=True)
            if not isinstance(failure, (Failure, subprocess.SubprocessError)):
                traceback.print_exc(file=sys.stdout)
        else:
            passed += 1
            print(f"{name}: ok, {time.monotonic() - start:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0
