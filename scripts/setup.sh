#!/usr/bin/env bash
# Installs the Debian packages that building and testing need. Does nothing
# where all are installed. For Debian 12 with its security suite, as root or
# with sudo.
set -euo pipefail

packages=(
  # Compiler and build
  cmake ninja-build g++ clang-22
  # LLVM, MLIR and lld as libraries, with the generators for their tables
  libmlir-22-dev mlir-22-tools llvm-22-dev liblld-22-dev lld-22
  # Libraries of the compiler (JSON) and of its binaries (image decoding)
  nlohmann-json3-dev libstb-dev
  # Binaries for AArch64, and their tests
  g++-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user
  # Tests: lit and FileCheck, unit tests, the NumPy oracle
  llvm-22-tools libgtest-dev binutils python3 python3-numpy python3-pil
  # Sanitizers and libFuzzer
  libclang-rt-22-dev
  clang-format-22
  # Tests: the sanitizers, and users' projects with CMake's other generator
  libclang-rt-22-dev make
)

missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
  [ "$status" = installed ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
  as_root=(env)
elif command -v sudo >/dev/null; then
  as_root=(sudo env)
else
  echo "setup: needs root or sudo to install: ${missing[*]}" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  if ! "${as_root[@]}" DEBIAN_FRONTEND=noninteractive apt-get -qq \
    -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=600 "$@" \
    </dev/null >"$log" 2>&1; then
    tail -n 30 "$log" >&2
    echo "setup: apt-get $1 failed" >&2
    exit 1
  fi
}

echo "setup: installing ${missing[*]}"
apt update
if ! apt-cache show llvm-22-dev >/dev/null 2>&1; then
  echo "setup: no package llvm-22-dev: on Debian 12 it is in the suite" \
    "bookworm-security, which must be among apt's sources" >&2
  exit 1
fi
apt install --no-install-recommends "${missing[@]}"
