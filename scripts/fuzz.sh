#!/usr/bin/env bash
# Builds the fuzzers into build-fuzz/ and runs each for a time:
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]
#
# Targets: npy image spec safetensors moe-opt; default all, for a minute each.
# What was found lies in build-fuzz/findings, what is worth changing further in
# build-fuzz/corpus, which the next run begins with. The exit code is 1 if there
# are findings. docs/fuzzing.md says more.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(npy image spec safetensors moe-opt)

scripts/setup.sh
build=$PWD/build-fuzz
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! cmake --preset fuzz >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
cmake --build --preset fuzz --parallel "$(nproc)" --target "${targets[@]/#/fuzz-}"

# Whole models for moe-opt if there is a compiler to make them.
compiler=(build/bin/moe-compile)
[ -x "${compiler[0]}" ] || compiler=()
PYTHONDONTWRITEBYTECODE=1 /usr/bin/python3 test/Fuzz/seeds.py "$build/seeds" "${compiler[@]}"

found=0
for target in "${targets[@]}"; do
  corpus=$build/corpus/$target findings=$build/findings/$target
  mkdir -p "$corpus" "$findings"
  folders=("$corpus" "$build/seeds/$target")
  [ ! -d "test/Fuzz/Inputs/$target" ] || folders+=("test/Fuzz/Inputs/$target")
  options=(-max_total_time="$seconds" -timeout=20 -report_slow_units=20 -rss_limit_mb=2048)
  options+=(-artifact_prefix="$findings/")
  [ ! -f "$build/seeds/$target.dict" ] || options+=(-dict="$build/seeds/$target.dict")
  options+=(-max_len=8192)
  # A process for each core; a finding ends one of them only.
  options+=(-fork="$(nproc)" -ignore_crashes=1 -ignore_ooms=1 -ignore_timeouts=1)
  echo "fuzz-$target: $seconds seconds"
  "$build/bin/fuzz-$target" "${folders[@]}" "${options[@]}" >"$build/$target.log" 2>&1 ||
    { tail -n 20 "$build/$target.log" >&2 && exit 1; }
  grep '^#' "$build/$target.log" | tail -n 1 || true
  count=$(find "$findings" -type f | wc -l)
  [ "$count" -eq 0 ] || echo "fuzz-$target: $count findings in $findings"
  found=$((found + count))
done
[ "$found" -eq 0 ]
