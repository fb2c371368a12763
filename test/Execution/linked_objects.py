#!/usr/bin/env python3
"""Links objects for Android and for Apple's systems, runs them in an emulator, and
compares their logits, to the bit, with those of the executable for Linux.

    linked_objects.py --moe-compile build/bin/moe-compile --work DIR android

There is no Android and no macOS here. Android's are linked with the C library of
Linux; Mach-O by lld, into an image that needs no library and that run_image.c can
place in memory.
"""

import argparse
import os
import sys

import numpy as np

import harness
import random_model

INPUTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs")
CROSS = "aarch64-linux-gnu-gcc"
STRICT = ["-Wall", "-Wextra", "-Werror", "-O1"]
NAME = "routed"
# The weights' sizes are odd, so that nothing is aligned by luck.
SPEC = {
    "name": NAME,
    "image_size": [10, 15],
    "patch_size": [2, 5],
    "num_channels": 3,
    "hidden_size": 28,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 51,
    "num_classes": 11,
    "moe": {"layers": {"last": 1}, "num_experts": 5, "top_k": 2},
}
# Each variant with an emulated CPU that runs it and no better one, and with the
# bits that stand for the CPU in app_call.h.
VARIANTS = {
    "armv8-a": ("cortex-a57", 0),
    "armv8-a+dotprod": ("cortex-a76", 1),
    "armv8.6-a": ("max", 7),
}


class Model:
    """One model in one precision, and the logits that each variant must give."""

    def __init__(self, args, precision):
        self.compiler = os.path.abspath(args.moe_compile)
        self.folder = os.path.join(os.path.abspath(args.work), precision)
        self.precision = precision
        self.spec = random_model.write_model(self.folder, SPEC, 1)
        model = harness.oracle.Model.load(self.spec)
        self.image = random_model.random_images(model.spec, 1, 5)[0]
        self.input = os.path.join(self.folder, "input")
        self.image.tofile(self.input)
        path = self.emit("aarch64-linux-gnu", "exe", "linux")
        self.expected = {}
        for variant, (cpu, _) in VARIANTS.items():
            binary = harness.Executable(path, ["qemu-aarch64", "-cpu", cpu])
            info = binary.info()
            if variant in info["cpu_variants"]:
                found = info["cpu_variant"]
                if found != variant:
                    raise harness.Failure(f"{cpu} runs {found}, not {variant}")
                self.expected[variant] = binary.infer(self.image, self.folder)[0][0]

    def emit(self, target, kind, name):
        out = os.path.join(self.folder, name)
        command = [self.compiler, self.spec, "-o", out, "--precision", self.precision]
        harness.run([*command, f"--target={target}", f"--emit={kind}"])
        return out

    def defines(self, path):
        header = os.path.basename(os.path.splitext(path)[0] + ".h")
        return [f'-DHEADER="{header}"', f"-DMODEL={NAME}", "-I" + self.folder]

    def check(self, variant, path, what):
        found = np.fromfile(path, dtype=np.float32)
        if found.tobytes() != self.expected[variant].tobytes():
            raise harness.Failure(
                f"{what}, {variant}: expected {self.expected[variant]}, found {found}"
            )
        print(f"{what}, {self.precision}, {variant}: ok")


def cross_file(name):
    """Path of a file of the cross compiler."""
    found = harness.run([CROSS, f"-print-file-name={name}"]).stdout
    return os.path.realpath(found.decode().strip())


def check_android(model):
    source = os.path.join(INPUTS, "run_model.c")
    kinds = {"f32": {"obj": "a.o"}, "int8": {"lib": "liba.a", "shared": "liba.so"}}
    for kind, name in kinds[model.precision].items():
        path = model.emit("aarch64-linux-android24", kind, name)
        program = path + ".program"
        run = ["qemu-aarch64"]
        flags = ["-static"]
        if kind == "shared":
            # Android's C library is called libc.so.
            libc = cross_file("libc.so.6")
            link = os.path.join(model.folder, "libc.so")
            if not os.path.exists(link):
                os.symlink(libc, link)
            flags = ["-Wl,--disable-new-dtags,-rpath," + model.folder]
            run += ["-L", os.path.dirname(os.path.dirname(libc))]
        flags = ["-std=c99", *STRICT, *model.defines(path), source, path, *flags]
        harness.run([CROSS, *flags, "-o", program])
        for variant in model.expected:
            cpu = ["-cpu", VARIANTS[variant][0]]
            out = program + ".out"
            harness.run([*run, *cpu, program, model.input, out])
            model.check(variant, out, f"Android, {kind}")


def check_apple(model):
    loader = os.path.join(model.folder, "run_image")
    source = os.path.join(INPUTS, "run_image.c")
    harness.run([CROSS, "-std=c11", *STRICT, "-static", source, "-o", loader])
    kind, name, system, version = {
        "f32": ("obj", "a.o", "macos", "11.0"),
        "int8": ("lib", "liba.a", "ios", "13.0"),
    }[model.precision]
    target = f"arm64-apple-{system}{version}"
    path = model.emit(target, kind, name)
    app = os.path.join(model.folder, "app.o")
    command = ["clang", f"--target={target}", "-ffreestanding", *STRICT]
    command += [*model.defines(path), os.path.join(INPUTS, "app.c")]
    harness.run([*command, "-c", "-o", app])
    image = path + ".image"
    command = ["ld64.lld", "-arch", "arm64", "-dead_strip", "-fatal_warnings"]
    command += ["-platform_version", system, version, version]
    # Pointers are then what they are where the image was linked to.
    command += ["-no_fixup_chains", "-e", "_entry", app, path, "-o", image]
    harness.run(command)
    for variant in model.expected:
        cpu, features = VARIANTS[variant]
        out = image + ".out"
        run = ["qemu-aarch64", "-cpu", cpu, loader, image, model.input, out]
        harness.run([*run, str(features)])
        model.check(variant, out, f"{system}, {kind}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moe-compile", required=True, metavar="PATH")
    parser.add_argument("--work", required=True, metavar="DIR")
    parser.add_argument("system", choices=("android", "apple"))
    args = parser.parse_args()
    check = {"android": check_android, "apple": check_apple}[args.system]
    for precision in ("f32", "int8"):
        try:
            check(Model(args, precision))
        except harness.Failure as failure:
            print(failure)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
