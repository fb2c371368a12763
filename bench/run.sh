#!/usr/bin/env bash
# Measures compiled binaries against onnxruntime: makes the models, checks that
# both sides give the same logits, runs them in turn, writes a table, JSON and
# plots. Installs what it needs (Debian 12, as root or with sudo). Options: see
# bench/README.md.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(python3-onnx python3-numpy python3-matplotlib time)
[[ " $* " != *" --kernels "* ]] || packages+=(libxsmm-dev libdnnl-dev)
command -v node >/dev/null || packages+=(nodejs)
command -v npm >/dev/null || packages+=(npm)
missing=()
for package in "${packages[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
  [ "$status" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  as_root=()
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --no-install-recommends "${missing[@]}"
fi

scripts/build.sh
mkdir -p build/bench
cp bench/package.json build/bench/
# Its install script only fetches what GPUs need.
(cd build/bench && npm install --silent --no-audit --no-fund --ignore-scripts)
exec /usr/bin/python3 bench/run.py "$@"
