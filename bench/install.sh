# Sourced by the benchmarks' scripts, in the repository's root: installs what they
# need (Debian 12, as root or with sudo).

# Debian packages, those that are missing.
install_packages() {
  local package status missing=() as_root=()
  for package in "$@"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) || true
    [ "$status" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" -eq 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get -qq install --no-install-recommends "${missing[@]}"
}

# onnxruntime-node, into build/bench, and what runs it.
install_peer() {
  command -v node >/dev/null || install_packages nodejs
  command -v npm >/dev/null || install_packages npm
  mkdir -p build/bench
  cp bench/package.json build/bench/
  # Its install script only fetches what GPUs need.
  (cd build/bench && npm install --silent --no-audit --no-fund --ignore-scripts)
}
