# The tests' configuration for lit. Tools come from the build and from LLVM's
# own folder, so that tests name them plainly: moe-opt, FileCheck, not, ...

import os
import platform
import shutil
import subprocess

import lit.formats

config.name = "MoE"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test", ".json"]
# Unit has its own suite; the others hold what tests read or run.
config.excludes = ["Inputs", "Unit", "reference", "CMakeLists.txt"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.moe_build, "test")

config.environment["PATH"] = os.pathsep.join(
    [
        os.path.join(config.moe_build, "bin"),
        config.llvm_tools_dir,
        config.environment["PATH"],
    ]
)
# The sources stay clean, and NumPy does not fight the other tests for cores.
config.environment["PYTHONDONTWRITEBYTECODE"] = "1"
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    config.environment[variable] = "1"

config.substitutions += [
    ("%python", config.python),
    ("%moe_build", config.moe_build),
    ("%moe_src", config.moe_src),
    ("%cxx", config.cxx),
    ("%cc", config.cc),
    # For tests that can run each binary on two CPUs: one that has nothing but what
    # each AArch64 has, and one that has all.
    (
        "%aarch64",
        '--target aarch64-linux-gnu --runner "qemu-aarch64 -cpu cortex-a57"'
        ' --runner "qemu-aarch64 -cpu max"',
    ),
]

# For tests that run what they compiled.
config.available_features.add("host=" + platform.machine())
# Binaries for AArch64 can be made where the compiler's build had a cross
# compiler, and run where there is an emulator.
runtime = os.path.join(config.moe_build, "lib", "moe", "aarch64-linux-gnu")
if os.path.isfile(os.path.join(runtime, "libmoe_runtime.a")):
    config.available_features.add("runtime-aarch64")
if shutil.which("qemu-aarch64"):
    config.available_features.add("qemu-aarch64")
# Objects for other systems are linked by what stands in for their linkers.
if shutil.which("aarch64-linux-gnu-gcc"):
    config.available_features.add("cc-aarch64")
tools = os.pathsep.join([config.llvm_tools_dir, os.environ["PATH"]])
if shutil.which("ld64.lld", path=tools) and shutil.which("clang", path=tools):
    config.available_features.add("ld64")
# The compiler's manual page and completions are for these.
for tool in ("groff", "bash", "zsh", "fish"):
    if shutil.which(tool):
        config.available_features.add(tool)
# Clang's runtimes of the sanitizers are a package of their own.
if clang := shutil.which("clang", path=tools):
    asan = f"-print-file-name=libclang_rt.asan-{platform.machine()}.a"
    found = subprocess.run([clang, asan], capture_output=True, text=True).stdout.strip()
    if os.path.isabs(found):
        config.available_features.add("sanitizers")
# Fuzzers need the compiler's library for them.
if os.path.isfile(os.path.join(config.moe_build, "bin", "fuzz-npy")):
    config.available_features.add("fuzzers")
# The benchmarks' exporter is tested where its package is.
if subprocess.run([config.python, "-c", "import onnx"], capture_output=True).returncode == 0:
    config.available_features.add("onnx")
# Reports are looked at in a browser, where there is one.
if shutil.which("chromium"):
    config.available_features.add("chromium")
