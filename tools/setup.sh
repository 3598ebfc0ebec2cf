#!/usr/bin/env bash
# Installs what svtune needs: Debian packages by apt, and torch (LibTorch) by pip into .venv/.
# Idempotent: what is there is left alone, so a second run takes a second or two.
# Package sources are whatever apt and pip are configured with; nothing else is contacted.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: tools/setup.sh [--test] [--lint] | --check

  (no flag)  compiler, CMake, libraries and torch: enough to build and to run the demo
  --check    install nothing, only say what the build cannot start without
  --test     also what the tests use: PyPI oracles, clang-19 for the fuzzers, Chromium, locales
  --lint     also clang-format, clang-tidy and shellcheck

environment
  SVTUNE_SKIP_APT=1   install no system packages (they are provided in another way)
  SVTUNE_TORCH_DIR    folder of an installed torch package to use instead of .venv/'s
TEXT
}

readonly kTorchVersion=2.13.0
readonly kBuildPackages=(g++ make cmake ninja-build ccache pkg-config python3 python3-venv
  nlohmann-json3-dev libsimdjson-dev libpcre2-dev libutf8proc-dev zlib1g-dev libzstd-dev
  libjpeg62-turbo-dev libpng-dev libwebp-dev libcli11-dev libgtest-dev libgmock-dev)
# Tests that need one of these are skipped with a reason where the distribution lacks it.
readonly kTestPackages=(clang-19 libclang-rt-19-dev chromium locales)
readonly kLintPackages=(clang-format-19 shellcheck)
# From pip: since 22 it leaves LibTorch's headers alone, which halves its time.
readonly kTidyVersion=22.1.8

say() { printf 'setup: %s\n' "$*"; }
fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

is_installed() { [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_apt required|optional package...
install_apt() {
  local kind=$1 package missing=() available=()
  shift
  for package in "$@"; do
    is_installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "these system packages are missing: ${missing[*]}" \
      "run 'apt-get install ${missing[*]}' as root, or install sudo, then run this again"
    as_root=(sudo)
  fi
  [ -n "${apt_updated:-}" ] || "${as_root[@]}" apt-get update -qq ||
    fail "apt-get update failed" "check the network and /etc/apt/sources.list"
  apt_updated=1

  if [ "$kind" = optional ]; then
    for package in "${missing[@]}"; do
      if apt-cache show "$package" >/dev/null 2>&1; then
        available+=("$package")
      else
        say "no package $package in this distribution; tests that use it will be skipped"
      fi
    done
    [ ${#available[@]} -gt 0 ] || return 0
    missing=("${available[@]}")
  fi
  say "installing system packages: ${missing[*]}"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null ||
    fail "apt-get could not install: ${missing[*]}" "run the same apt-get install by hand to see why"
}

install_system_packages() {
  [ -z "${SVTUNE_SKIP_APT:-}" ] || return 0
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "this system has no apt-get, and svtune's packages are named as in Debian 12" \
      "install ${kBuildPackages[*]} (or their equals) yourself and set SVTUNE_SKIP_APT=1"
  fi
  install_apt required "${kBuildPackages[@]}"
  if $with_test; then
    install_apt optional "${kTestPackages[@]}"
  fi
  if $with_lint; then
    install_apt required "${kLintPackages[@]}"
  fi
}

make_venv() {
  if [ -x .venv/bin/python ] && .venv/bin/python -c 'import pip' 2>/dev/null; then
    return 0
  fi
  python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null ||
    fail "python3 on PATH is $(python3 --version 2>&1), need Python 3.10 or newer" \
      "put a newer python3 first on PATH"
  say "creating .venv with $(python3 --version)"
  python3 -m venv --clear .venv || fail "python3 -m venv failed for $(command -v python3)" \
    "install the venv module of that Python, or put another python3 first on PATH"
}

# Without bytecode: of torch the build takes the libraries only, and pip compiles on one core.
pip_install() {
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile "$@"
}

# The bytecode of what the tests import, on all cores; packages' own tests are left out. Some files
# are templates and no Python, which is no failure.
compile_oracles() {
  .venv/bin/python -m compileall -q -j 0 -x '/tests/' .venv/lib/python3*/site-packages \
    >/dev/null 2>&1 || true
}

torch_version_in_venv() {
  local version_file
  for version_file in .venv/lib/python3*/site-packages/torch/version.py; do
    sed -n "s/^__version__ = '\([0-9.]*\).*/\1/p" "$version_file" 2>/dev/null
  done
}

install_torch() {
  if [ "$(torch_version_in_venv)" = "$kTorchVersion" ]; then
    return 0
  fi
  say "installing torch $kTorchVersion into .venv (about 200 MB to fetch, 0.8 GB on disk)"
  if pip_install "torch==$kTorchVersion+cpu" 2>/dev/null; then
    return 0
  fi
  say "pip's index has no CPU-only build of torch $kTorchVersion; taking its default build," \
    "which may bring several GB of CUDA libraries"
  pip_install "torch==$kTorchVersion" || fail "pip could not install torch $kTorchVersion" \
    "check pip's configuration, or point SVTUNE_TORCH_DIR at an installed torch $kTorchVersion"
}

install_oracles() {
  local stamp=.venv/.svtune-oracles
  if cmp -s tests/requirements.txt "$stamp"; then
    return 0
  fi
  say "installing the tests' oracles from tests/requirements.txt into .venv"
  pip_install -r tests/requirements.txt || fail "pip could not install tests/requirements.txt" \
    "check pip's configuration; the packages are pinned in that file"
  compile_oracles
  cp tests/requirements.txt "$stamp"
}

install_tidy() {
  [ "$(.venv/bin/clang-tidy --version 2>/dev/null |
    sed -n 's/.*LLVM version \([0-9.]*\).*/\1/p')" != "$kTidyVersion" ] || return 0
  say "installing clang-tidy $kTidyVersion into .venv"
  pip_install "clang-tidy==$kTidyVersion" || fail "pip could not install clang-tidy" \
    "check pip's configuration"
}

# Libraries that are missing are named by CMake.
check_only() {
  local tool missing=()
  for tool in cmake ninja c++; do
    command -v "$tool" >/dev/null || missing+=("$tool")
  done
  [ ${#missing[@]} -eq 0 ] || fail "not installed: ${missing[*]}" \
    "'make setup' installs what building needs (apt, and pip into .venv/)"
}

with_test=false
with_lint=false
for argument in "$@"; do
  case $argument in
    --test) with_test=true ;;
    --lint) with_lint=true ;;
    --check) check_only; exit 0 ;;
    -h | --help) usage; exit 0 ;;
    *) usage >&2; fail "unknown argument '$argument'" "see the usage above" ;;
  esac
done

cd "$(dirname "${BASH_SOURCE[0]}")/.."
install_system_packages
if [ -z "${SVTUNE_TORCH_DIR:-}" ] || $with_test || $with_lint; then
  make_venv
fi
if [ -z "${SVTUNE_TORCH_DIR:-}" ]; then
  install_torch
fi
if $with_test; then
  install_oracles
fi
if $with_lint; then
  install_tidy
fi
say "everything is there"
