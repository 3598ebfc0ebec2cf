#!/usr/bin/env bash
# The demo behind `make demo-images`: DINOv2-small learns classes of images from ten examples of
# each, as in the paper of SVFT: its head alone, LoRA, PiSSA and SVFT with the same images, batches
# and steps. Measures accuracy on held-out images, draws all runs into one report with confusions
# and pictures, and ends with a table. Everything is written below demo/images/.
# The images are those of CIFAR-10 where SVTUNE_TEST_DATA names a folder that has them, else 2,000
# pictures of textiles; DATA=DIR takes a folder of class folders, MODEL=DIR another model.
#   usage: [QUICK=1] [MODEL=DIR] [DATA=DIR] tools/demo_images.sh PROGRAM
set -euo pipefail
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/demo_common.sh
source tools/demo_common.sh

readonly kOut=demo/images
readonly kMethods=(head lora pissa svft)
# The peak rates differ because the scales of the methods' parameters do; the new head learns at one
# rate beside all of them, that of the paper.
readonly kHeadRate=4e-3
declare -rA kMethodOptions=(
  [head]="--method full --part head --learning-rate $kHeadRate"
  [lora]="--method lora --rank 8 --learning-rate 1e-3 --head-learning-rate $kHeadRate"
  [pissa]="--method pissa --svd exact --rank 8 --learning-rate 5e-4 --head-learning-rate $kHeadRate"
  [svft]="--method svft --learning-rate 1e-3 --head-learning-rate $kHeadRate"
)
if [ -n "${QUICK:-}" ] && [ "$QUICK" != 0 ]; then
  steps=4 batch=10 images=40
else
  steps=30 batch=20 images=300
fi

python=.venv/bin/python
[ -x "$python" ] || python=python3

# train_options METHOD: fills `options`.
train_options() {
  local own
  read -ra own <<<"${kMethodOptions[$1]}"
  options=(--task classify --model "$model" --data "$kOut/data/train" --shots 10 --eval-shots 4
    --image-size 112 "${own[@]}" --max-steps "$steps" --batch-size "$batch"
    --gradient-accumulation 1 --warmup-ratio 0.1 --seed 1 --output "$kOut/$1")
}

rm -rf $kOut
mkdir -p $kOut/logs

say "Model: DINOv2-small"
model=${MODEL:-$(tools/fetch_image_demo.sh model)}

say "Data"
cifar=${SVTUNE_TEST_DATA:-}/terms-unclear/cifar10
if [ -n "${DATA:-}" ]; then
  "$python" tools/demo_images_data.py $kOut/data folder "$DATA" $images
elif [ -d "$cifar" ]; then
  "$python" tools/demo_images_data.py $kOut/data cifar "$cifar" $images
else
  "$python" tools/demo_images_data.py $kOut/data folder \
    "$(tools/fetch_image_demo.sh images)" $images
fi
for part in train test; do
  printf '%s: %s images in %s classes\n' $part "$(find $kOut/data/$part -type f | wc -l)" \
    "$(find $kOut/data/$part -mindepth 1 -type d | wc -l)"
done

say "How long training will take"
estimate=0
for method in "${kMethods[@]}"; do
  a_step=$(rehearse "$method")
  estimate="$estimate + $a_step * $steps"
done
about "$estimate" "for all runs"

declare -A seconds
for method in "${kMethods[@]}"; do
  say "Training: $method"
  begin=$SECONDS
  train_options "$method"
  svtune train "${options[@]}"
  seconds[$method]=$((SECONDS - begin))
  trained=(--model "$model" --adapter "$kOut/$method/adapter")
  [ "$method" != head ] || trained=(--model "$kOut/head/model")
  svtune eval --task classify "${trained[@]}" --data $kOut/data/test \
    --predictions "$kOut/logs/$method.jsonl" | tee "$kOut/logs/eval-$method.txt"
done

say "One report for the four runs"
svtune report "${kMethods[@]/#/$kOut/}" --output $kOut/report.html \
  --title "Four ways to teach DINOv2-small classes from ten images each"

printf '\nThe whole demo took %d min %d s. Open %s/report.html for the curves and pictures.\n' \
  $((SECONDS / 60)) $((SECONDS % 60)) "$kOut"

say "Accuracy on held-out images"
printf '%-8s %20s %28s %8s\n' method "trainable parameters" "accuracy [95 % interval]" seconds
for method in "${kMethods[@]}"; do
  trainable=$(trainable_of "$method")
  accuracy=$(sed -n 's/^accuracy \([^]]*\]\).*/\1/p' "$kOut/logs/eval-$method.txt")
  printf '%-8s %20s %28s %8s\n' "$method" "$trainable" "$accuracy" "${seconds[$method]}"
done
