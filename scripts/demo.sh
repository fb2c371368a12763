#!/usr/bin/env bash
# Sets up, builds, compiles the example model and classifies its sample images.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
example=$root/examples/fashion-mnist
binary=$root/build/mobile-vmoe

"$root/scripts/setup.sh"
"$root/scripts/build.sh"
echo
echo "\$ moe-compile mobile-vmoe.json -o mobile-vmoe"
"$root/build/bin/moe-compile" "$example/mobile-vmoe.json" -o "$binary"
echo "\$ ./mobile-vmoe --top 3 samples/*.png"
"$binary" --top 3 "$example"/samples/*.png
