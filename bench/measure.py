"""Running us and the peer."""

import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np

import models

# The contract's measure for f32 logits.
TOLERANCE = 1e-4
# The least cosine similarity with f32's logits.
SIMILARITY = {"bf16": 0.999, "int8": 0.99}


class Ours:
    """A compiled binary."""

    def __init__(self, path):
        self.path = path
        self.info = json.loads(subprocess.check_output([path, "--info"]))

    def answer(self, images, variant=None):
        """The logits of each image, and its experts, layer by layer. None if this
        machine lacks the variant."""
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            command = [self.path, "--tensor", images, "--logits", file.name]
            command += ["--format=json"]
            command += ["--cpu-variant", variant] if variant else []
            done = subprocess.run(command, capture_output=True, check=False)
            if done.returncode == 2:
                return None
            done.check_returncode()
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            experts = [[e["expert"] for e in line["experts"]] for line in lines]
            return np.load(file.name), experts

    def benchmark(self, image, runs, threads=1, variant=None):
        """Median milliseconds of so many inferences; None if the binary refuses
        the variant or the number of threads."""
        command = [self.path, "--tensor", image, "--benchmark", str(runs)]
        command += ["--format=json", "--threads", str(threads)]
        command += ["--cpu-variant", variant] if variant else []
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 2:
            return None
        done.check_returncode()
        return json.loads(done.stdout.splitlines()[-1])["median_ms"]

    def cold(self, image):
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            return cold_start([self.path, "--tensor", image, "--logits", file.name])


class Peer:
    """onnxruntime-node in a process that answers commands."""

    def __init__(self, node_modules):
        self.environment = dict(os.environ, NODE_PATH=node_modules)
        self.script = os.path.join(models.HERE, "peer.js")
        self.process = subprocess.Popen(
            ["node", self.script],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self.environment,
            text=True,
        )

    def ask(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the peer ended at {command}")
        return json.loads(line)

    def load(self, path, threads):
        return self.ask(load=path, threads=threads)["milliseconds"]

    def run(self, image, times):
        return self.ask(run=image, times=times)

    def logits(self, images):
        """Of each of models.IMAGES images."""
        return np.array(
            [
                self.ask(run=images, times=1, index=i)["logits"]
                for i in range(models.IMAGES)
            ]
        )

    def cold(self, model, image):
        """Milliseconds of a whole process, and its peak memory in KB."""
        return cold_start(["node", self.script, model, image], env=self.environment)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def cold_start(command, env=None, times=9):
    """Median milliseconds from the start of a process to its end, and its peak
    memory in KB."""
    elapsed = []
    for _ in range(times):
        start = time.perf_counter()
        subprocess.run(
            command,
            check=True,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        elapsed.append(1e3 * (time.perf_counter() - start))
    milliseconds = statistics.median(elapsed)
    return {"milliseconds": milliseconds, "peak_kb": peak_memory(command, env)}


def peak_memory(command, env=None):
    """KB, as GNU time says: it is small itself, so that its own memory before
    the exec does not count."""
    done = subprocess.run(
        ["/usr/bin/time", "-f", "%M", *command],
        check=True,
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    return int(done.stderr.decode().splitlines()[-1])


def check_logits(ours, peer, model):
    """The largest difference of the logits, by the contract's measure, of every
    CPU variant and ONNX form. Raises where it is too large."""
    worst = 0.0
    for path in model.onnx["f32"].values():
        peer.load(path, 1)
        reference = np.array(peer.run(model.image, 1)["logits"])
        scale = max(1.0, np.abs(reference).max())
        for variant in ours.info["cpu_variants"]:
            found = ours.answer(model.image, variant)
            if found is None:
                continue
            difference = np.abs(found[0][0] - reference).max()
            worst = max(worst, float(difference / scale))
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{model.name}: the logits differ by {worst:.1e}")
    return worst


def cosines(x, y):
    """Row by row."""
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return (x * y).sum(axis=1) / lengths


def check_precision(precision, lower, ours, model):
    """How much a binary in a lower precision is like f32's, over several images
    and all CPU variants: the least cosine of the logits where the experts are the
    same and where they may differ, and the share of images whose experts are the
    same (None without experts). Raises where the first is too small."""
    expected, experts = ours.answer(model.images)
    similar, same = [], []
    for variant in lower.info["cpu_variants"]:
        found = lower.answer(model.images, variant)
        if found is None:
            continue
        similar += list(cosines(found[0], expected))
        same += [a == b for a, b in zip(found[1], experts)]
    # None the same is no similarity.
    least = min((float(c) for c, s in zip(similar, same) if s), default=0.0)
    if not least >= SIMILARITY[precision]:
        raise RuntimeError(f"{model.name}, {precision}: cosine {least:.5f}")
    share = sum(same) / len(same) if any(experts) else None
    least_of_all = float(min(similar))
    return {"cosine": least, "least_cosine": least_of_all, "same_experts": share}


def check_peer(precision, peer, model):
    """The median cosine of the peer's logits with its own in f32, over the same
    images; it does not say which experts it chose."""
    forms = []
    for key in ("f32", precision):
        peer.load(next(iter(model.onnx[key].values())), 1)
        forms.append(peer.logits(model.images))
    median = float(np.median(cosines(*forms)))
    if not median >= SIMILARITY[precision]:
        raise RuntimeError(f"{model.name}, the peer in {precision}: cosine {median:.5f}")
    return median


class Peak:
    """The multiply-add loop, compiled for what this CPU has."""

    SOURCES = ("peak.cpp", os.path.join("kernels", "peak.cpp"))

    KINDS = {
        "x86-64-v4": ("avx512f", ["-mavx512f"]),
        "x86-64-v3": ("fma", ["-mavx2", "-mfma"]),
    }

    def __init__(self, folder):
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            features = set(file.read().split())
        self.programs = {}
        for level, (feature, flags) in self.KINDS.items():
            if feature not in features:
                continue
            self.programs[level] = os.path.join(folder, "peak-" + level)
            sources = [os.path.join(models.HERE, name) for name in self.SOURCES]
            command = ["clang++-22", "-O3", "-ffp-contract=fast", *flags, *sources]
            subprocess.run([*command, "-o", self.programs[level]], check=True)

    def measure(self):
        """GFLOP/s of one core, by CPU level."""
        return {
            level: float(subprocess.check_output([program]))
            for level, program in self.programs.items()
        }


def variants_to_time(precision, info, every):
    if every:
        return info["cpu_variants"]
    if precision == "f32":
        return [variant for variant in info["cpu_variants"] if variant != "x86-64"]
    return [info["cpu_variant"]]


def in_turn(binaries, peer, model, peaks, args):
    """Runs everything in turn, round by round: medians by what was run.

    Keys: ("ours", precision, variant, threads), ("peer", precision, form,
    threads), ("peak", level).
    """
    times = {}

    def note(key, value):
        if value is not None:
            times.setdefault(key, []).append(value)

    runs = {}  # (precision, variant) -> inferences a round
    for precision, ours in binaries.items():
        for variant in variants_to_time(precision, ours.info, args.variants):
            once = ours.benchmark(model.image, 3, 1, variant)
            if once is not None:
                runs[precision, variant] = max(5, int(args.round_ms / once))
    best = {precision: ours.info["cpu_variant"] for precision, ours in binaries.items()}

    def time_peer(precision, threads):
        for form, path in model.onnx[precision].items():
            peer.load(path, threads)
            once = min(peer.run(model.image, 3)["milliseconds"])
            times = max(5, int(args.round_ms / once))
            found = peer.run(model.image, times)["milliseconds"]
            note(("peer", precision, form, threads), statistics.median(found))

    for _ in range(args.rounds):
        for (precision, variant), count in runs.items():
            found = binaries[precision].benchmark(model.image, count, 1, variant)
            note(("ours", precision, variant, 1), found)
        count = runs["f32", best["f32"]]
        found = binaries["f32"].benchmark(model.image, count, 2)
        note(("ours", "f32", best["f32"], 2), found)
        for precision in model.onnx:
            time_peer(precision, 1)
        time_peer("f32", 2)
        for level, rate in peaks.measure().items():
            note(("peak", level), rate)
    return {key: statistics.median(values) for key, values in times.items()}
