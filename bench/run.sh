#!/usr/bin/env bash
# Measures compiled binaries against onnxruntime: makes the models, checks that
# both sides give the same logits, runs them in turn, writes a table, JSON and
# plots. Installs what it needs (Debian 12, as root or with sudo). Options: see
# bench/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
. bench/install.sh

packages=(python3-onnx python3-numpy python3-matplotlib time)
[[ " $* " != *" --kernels "* ]] || packages+=(libxsmm-dev libdnnl-dev)
install_packages "${packages[@]}"
scripts/build.sh
install_peer
exec /usr/bin/python3 bench/run.py "$@"
