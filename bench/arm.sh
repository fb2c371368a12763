#!/usr/bin/env bash
# Judges AArch64 binaries without the hardware: counts the instructions that they
# and onnxruntime execute, and runs their hot loops through LLVM's models of CPUs.
# Installs what it needs (Debian 12, as root or with sudo). Options go to both
# parts; `counts` or `mca` as the first argument runs one alone, with its own. See
# bench/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. bench/install.sh

parts=(counts mca)
case ${1-} in
counts | mca)
  parts=("$1")
  shift
  ;;
*)
  for option; do
    case $option in
    --json* | --kernels | --cpu | --cpu=* | --cpus | --cpus=*)
      echo "arm.sh: $option is of one part, counts or mca: name it first" >&2
      exit 2
      ;;
    esac
  done
  ;;
esac
install_packages python3-onnx python3-numpy gcc qemu-user g++-aarch64-linux-gnu \
  libc6-dev-arm64-cross llvm-22
scripts/build.sh
install_peer
for part in "${parts[@]}"; do
  /usr/bin/python3 "bench/arm/$part.py" "$@"
done
