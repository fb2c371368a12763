"""--tensor and --logits: NumPy's files, whole and hostile.

usage: npy.py PROGRAM FOLDER"""

import os
import resource
import struct
import subprocess
import sys

import numpy as np

from harness import Model, check, check_equal, json_lines

program, folder = sys.argv[1:]
rng = np.random.default_rng(3)
model = Model(program, folder, channels=2, height=3, width=5)


def write(name, data):
    with open(model.path(name), "wb") as file:
        file.write(data)
    return model.path(name)


def npy(header, data=b"", version=(1, 0), length=None):
    length = len(header) if length is None else length
    size = struct.pack("<H" if version[0] == 1 else "<I", length)
    return b"\x93NUMPY" + bytes(version) + size + header + data


# What NumPy writes, in each version, single and batched, mixed in one call.
values = rng.standard_normal((7, 2, 3, 5)).astype(np.float32)
values[0, 0, 0, :3] = [np.nan, np.inf, -np.inf]
files, expected = [], []
for batch in (values, values[2], values[:1], values[:0]):
    for version in ((1, 0), (2, 0), (3, 0)):
        files.append(model.path(f"{len(files)}.npy"))
        with open(files[-1], "wb") as out:
            np.lib.format.write_array(out, batch, version)
        expected.append(batch.reshape((-1,) + model.shape))
arguments = [a for f in files for a in ("--tensor", f)]
found, _ = model.logits(*arguments)
check(found.dtype == np.float32, "logits are float32")
expected = np.concatenate(expected)
check(found.tobytes() == expected.tobytes(), "the logits differ from the input")

# Names, one line each; "=" works as well as a space.
status, out, _ = model.run("--format", "json", f"--tensor={files[0]}", "--tensor", files[3])
names = [line["input"] for line in json_lines(out)]
wanted = [f"{files[0]}[{i}]" for i in range(7)] + [f"{files[3]}[0]"]
check(status == 0 and names == wanted, f"names: {names}")

# An empty batch gives an empty array of the right shape.
model.logits("--tensor", files[9])
check(np.load(model.path("logits.npy")).shape == (0, 30), "an empty batch")

# Headers that other programs write.
data = values[1].tobytes()
for header in (
    b"{'descr':'<f4','fortran_order':False,'shape':(2,3,5)}",
    b'{"shape": (2, 3, 5,), "fortran_order": False, "descr": "<f4",}\n',
    b" { 'shape' : ( 1 , 2 , 3 , 5 ) , 'descr' : '<f4' , 'fortran_order' : False } \n",
):
    found, _ = model.logits("--tensor", write("other.npy", npy(header, data)))
    check_equal(found[0], values[1], header.decode())

# Hostile headers: each has its own message.
good = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3, 5), }"


def shaped(text):
    return npy(good.replace(b"(2, 3, 5)", text), data)


for name, content, reason in (
    ("empty", b"", "not a .npy file"),
    ("png", b"\x89PNG\r\n\x1a\n", "not a .npy file"),
    ("magic", b"\x93NUMPY", "unsupported .npy version"),
    ("version", npy(good, data, (4, 0)), "expected 1.0, 2.0 or 3.0, found 4.0"),
    ("minor", npy(good, data, (1, 7)), "found 1.7"),
    ("no length", b"\x93NUMPY\1\0\1", "truncated .npy header: expected 2 bytes more, found 1"),
    ("short", npy(good, length=500), "truncated .npy header"),
    ("long", npy(good, data, (2, 0), 2**32 - 1), "at most 65536 bytes, found 4294967295"),
    ("zero", npy(b"", data), "expected '{'"),
    ("nul", npy(good + b"\0", data), "a zero byte"),
    ("f8", npy(good.replace(b"<f4", b"<f8"), data), "expected float32 ('<f4'), found '<f8'"),
    ("big", npy(good.replace(b"<f4", b">f4"), data), "found '>f4'"),
    ("struct", npy(good.replace(b"'<f4'", b"[('a', '<f4')]"), data), "found a structure"),
    ("fortran", npy(good.replace(b"False", b"True"), data), "found Fortran order"),
    ("order", npy(good.replace(b"False", b"Maybe"), data), "expected True or False"),
    ("rank 2", shaped(b"(6, 5)"), "expected (2, 3, 5), with a batch dimension or not, found (6, 5)"),
    ("rank 5", shaped(b"(1, 1, 2, 3, 5)"), "found (1, 1, 2, 3, 5)"),
    ("rank 0", shaped(b"()"), "found ()"),
    ("wrong", shaped(b"(3, 2, 5)"), "found (3, 2, 5)"),
    ("negative", shaped(b"(-1, 2, 3, 5)"), "a dimension that is not negative"),
    ("float", shaped(b"(1.0, 2, 3, 5)"), "expected ',' or ')'"),
    ("2^64", shaped(b"(18446744073709551616, 2, 3, 5)"), "a dimension exceeds 2^63"),
    ("2^62", shaped(b"(4611686018427387904, 2, 3, 5)"), "exceeds 2^63 bytes"),
    ("ranks", shaped(b"(" + b"1," * 1000 + b")"), "more than 32 dimensions"),
    ("list", shaped(b"[2, 3, 5]"), "expected a tuple"),
    ("twice", npy(good[:-1] + b"'shape': (2, 3, 5)}", data), "'shape' is there twice"),
    ("unknown", npy(good[:-1] + b"'colour': 1}", data), "unknown key 'colour'"),
    ("missing", npy(b"{'descr': '<f4', 'fortran_order': False}", data), "expected the keys"),
    ("quote", npy(b"{'descr", data), "a closed string"),
    ("open", npy(b"{'descr': '<f4'", data), "expected ',' or '}'"),
    ("colon", npy(b"{'descr' '<f4'}", data), "expected ':'"),
    ("after", npy(good + b" x", data), "the end of the header"),
    ("control", npy(good.replace(b"<f4", b"\n\x1b[31m"), data), "found '??[31m'"),
    ("truncated", npy(good, data[:-1]), "expected 120 bytes of data, found 119"),
    ("no data", npy(good), "expected 120 bytes of data, found 0"),
    ("too much", npy(good, data + b"\0"), "expected 120 bytes of data, found 121"),
    ("batch", shaped(b"(2, 2, 3, 5)"), "expected 240 bytes of data, found 120"),
    ("endless", shaped(b"(76861433640456464, 2, 3, 5)"), "expected 9223372036854775680 bytes"),
):
    path = write(name + ".npy", content)
    model.error("--tensor", path, expected=reason)
    found, _ = model.logits("--tensor", path, "--tensor", files[3], code=1)
    check(found.shape[0] == 2, f"{name}: {found.shape[0]} rows, expected 2")
    check(np.isnan(found[0]).all(), f"{name}: the failed row is not NaN")
    check_equal(found[1], values[2], f"{name}: the row after the failed one")

# From a pipe: what is there is answered, the rest is an error.
batch = npy(good.replace(b"(2", b"(3, 2"), values[1:3].tobytes() + b"rest")
found, err = model.logits("--tensor", "-", stdin=batch, code=1)
check(found.shape[0] == 3 and np.isnan(found[2]).all(), "a truncated pipe")
check_equal(found[:2], values[1:3], "a truncated pipe")
check(b"error: -[2]: truncated: expected data for 3 images, found 2" in err, f"{err!r}")

# A model that fails: NaN, and the exit code.
failing = Model(program, folder, channels=2, height=3, width=5, failing=7)
failing.error("--tensor", files[3], expected="the model failed with status 7")
found, _ = failing.logits("--tensor", files[0], code=1)
check(found.shape[0] == 7 and np.isnan(found).all(), "a failing model")

# --logits: an existing file is replaced, keeps its mode and its link; after a
# failure it is as it was, and nothing else is left in the folder.
target = os.path.join(folder, "target")
os.makedirs(target, exist_ok=True)
real, link = os.path.join(target, "real.npy"), os.path.join(target, "link.npy")
with open(real, "wb") as out:
    out.write(b"before")
os.chmod(real, 0o640)
if not os.path.islink(link):
    os.symlink("real.npy", link)
status, _, err = model.run("--logits", link, "--tensor", files[0])
check(status == 0, f"writing through a link: {err!r}")
check(os.path.islink(link) and os.stat(real).st_mode & 0o777 == 0o640, "mode or link is lost")
check_equal(np.load(real).reshape(values.shape)[1:], values[1:], "the linked file")

with open(real, "wb") as out:
    out.write(b"before")
many = model.path("many.npy")
np.save(many, np.zeros((2000,) + model.shape, np.float32))
for output in (real, os.path.join(target, "new.npy")):
    done = subprocess.run(
        [program, "--logits", output, "--tensor", many],
        env=model.env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        # SIGXFSZ is ignored by Python, and thus by its children.
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (50000, 50000)),
        restore_signals=False,
    )
    check(done.returncode == 1, f"a full disk: exit {done.returncode}")
    check(b"cannot write: File too large" in done.stderr, f"a full disk: {done.stderr!r}")
check(sorted(os.listdir(target)) == ["link.npy", "real.npy"], f"left: {os.listdir(target)}")
with open(real, "rb") as file:
    check(file.read() == b"before", "a failure has changed the existing file")
model.error("--logits", "/dev/full", "--tensor", files[3], expected="not a regular file")
model.error("--logits", model.path("no/folder.npy"), "--tensor", files[3],
            expected="No such file or directory")  # fmt: skip
print("ok")
