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


class Ours:
    """A compiled binary."""

    def __init__(self, path):
        self.path = path
        self.info = json.loads(subprocess.check_output([path, "--info"]))

    def logits(self, image, variant=None):
        with tempfile.NamedTemporaryFile(suffix=".npy") as file:
            command = [self.path, "--tensor", image, "--logits", file.name]
            command += ["--cpu-variant", variant] if variant else []
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return np.load(file.name)

    def benchmark(self, runs, threads=1, variant=None):
        """Median milliseconds of so many inferences; None if the binary refuses
        the variant or the number of threads."""
        command = [self.path, "--benchmark", str(runs), "--format=json"]
        command += ["--threads", str(threads)]
        command += ["--cpu-variant", variant] if variant else []
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode == 2:
            return None
        done.check_returncode()
        return json.loads(done.stdout)["median_ms"]

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
    for path in model.onnx.values():
        peer.load(path, 1)
        reference = np.array(peer.run(model.image, 1)["logits"])
        scale = max(1.0, np.abs(reference).max())
        for variant in ours.info["cpu_variants"]:
            try:
                logits = ours.logits(model.image, variant)[0]
            except subprocess.CalledProcessError:
                continue  # this machine lacks the variant
            worst = max(worst, float(np.abs(logits - reference).max() / scale))
    if not worst <= TOLERANCE:
        raise RuntimeError(f"{model.name}: the logits differ by {worst:.1e}")
    return worst


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


def in_turn(ours, peer, model, peaks, rounds, round_ms):
    """Runs everything in turn, round by round: medians by what was run.

    Keys: ("ours", variant, threads), ("peer", form, threads), ("peak", level).
    """
    times = {}

    def note(key, value):
        if value is not None:
            times.setdefault(key, []).append(value)

    once = ours.benchmark(3)
    runs = max(5, int(round_ms / once))
    variants = [v for v in ours.info["cpu_variants"] if v != "x86-64"]
    for _ in range(rounds):
        for variant in variants:
            note(("ours", variant, 1), ours.benchmark(runs, 1, variant))
        note(("ours", ours.info["cpu_variant"], 2), ours.benchmark(runs, 2))
        for threads in (1, 2):
            for form, path in model.onnx.items():
                peer.load(path, threads)
                peer.run(model.image, 3)
                found = peer.run(model.image, max(5, runs // 2))["milliseconds"]
                note(("peer", form, threads), statistics.median(found))
        for level, rate in peaks.measure().items():
            note(("peak", level), rate)
    return {key: statistics.median(values) for key, values in times.items()}
