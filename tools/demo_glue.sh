#!/usr/bin/env bash
# The demo behind `make demo-glue`: an encoder learns a task of GLUE's kind in five ways, with the
# same data, batches and steps: its head alone, LoRA, PiSSA, SVFT and in full. The encoder is
# all-MiniLM-L6-v2 (22.7 million parameters); the task is to tell positive from negative movie
# reviews, or, where SVTUNE_TEST_DATA names a folder with GLUE's STS-B, the similarity of sentences.
# Says beforehand how long that takes, draws all curves into one report, and ends with a table of
# what held-out data say, with 95 % intervals. Everything is written below demo/glue/.
#   usage: [QUICK=1] [MODEL=DIR] [SVTUNE_TEST_DATA=DIR] tools/demo_glue.sh PROGRAM
set -euo pipefail
program=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=tools/demo_common.sh
source tools/demo_common.sh

readonly kOut=demo/glue
readonly kMethods=(head lora pissa svft full)
# The peak rates differ because the scales of the methods' parameters do; the head is new and learns
# at one rate beside all of them, alone faster: features that stay move it less.
readonly kHeadRate=3e-3
declare -rA kMethodOptions=(
  [head]="--method full --part head --learning-rate 1e-2"
  [lora]="--method lora --rank 8 --learning-rate 1e-3 --head-learning-rate $kHeadRate"
  [pissa]="--method pissa --rank 8 --learning-rate 1e-3 --head-learning-rate $kHeadRate"
  [svft]="--method svft --bandwidth 8 --learning-rate 1e-2 --head-learning-rate $kHeadRate"
  [full]="--method full --learning-rate 2e-4 --head-learning-rate $kHeadRate"
)
if [ -n "${QUICK:-}" ] && [ "$QUICK" != 0 ]; then
  steps=12 held_out=100
else
  steps=100 held_out=400
fi
readonly kBatch=16

rm -rf $kOut
mkdir -p $kOut/data $kOut/logs

# part held-out|rest FILE: the header with rows from all over the file, as many as are held out, or
# with the others.
part() {
  local lines held
  lines=$(wc -l <"$2")
  held=$([ "$1" = held-out ] && echo 1 || echo 0)
  awk -v stride=$((lines / held_out)) -v held="$held" 'NR == 1 || (NR % stride == 0) == held' "$2"
}

say "Model and data"
folder=$(tools/fetch_demo_encoder.sh)
model=${MODEL:-$folder/model}
sts=${SVTUNE_TEST_DATA:-}/glue/STS-B
if [ -n "${SVTUNE_TEST_DATA:-}" ] && [ -f "$sts/train.tsv" ] && [ -f "$sts/dev.tsv" ]; then
  task=regress metric=pearson
  cp "$sts/train.tsv" $kOut/data/train.tsv
  part held-out "$sts/dev.tsv" >$kOut/data/test.tsv
else
  task=classify metric=accuracy
  part held-out "$folder/reviews.tsv" >$kOut/data/test.tsv
  part rest "$folder/reviews.tsv" >$kOut/data/train.tsv
fi
echo "$model, --task $task"
head -n 3 $kOut/data/train.tsv

# train_options METHOD: fills `options`. Without the model's dropout: a hundred steps are few, and with it
# some seeds have not begun to learn by then.
train_options() {
  local own
  read -ra own <<<"${kMethodOptions[$1]}"
  options=(--task "$task" --model "$model" --data "$kOut/data/train.tsv"
    --eval-data "$kOut/data/test.tsv" --eval-every $((steps / 2)) "${own[@]}"
    --max-steps "$steps" --batch-size "$kBatch" --gradient-accumulation 1 --max-length 64
    --schedule linear --warmup-ratio 0.1 --seed 1 --model-dropout off --output "$kOut/$1")
}

say "How long this will take"
estimate=0
for method in "${kMethods[@]}"; do
  begin=$(clock)
  a_step=$(rehearse "$method")
  # A rehearsal loads the model as the run and its measurement do. A forward pass, of which the three
  # evaluations consist, takes a third of a step's time.
  estimate="$estimate + 2 * ($(clock) - $begin) + $a_step * ($steps + 3 * $held_out / $kBatch / 3)"
done
about "$estimate" "from here"

declare -A seconds
for method in "${kMethods[@]}"; do
  say "Training: $method"
  begin=$SECONDS
  train_options "$method"
  svtune train "${options[@]}"
  seconds[$method]=$((SECONDS - begin))
  trained=(--model "$model" --adapter "$kOut/$method/adapter")
  [ -d "$kOut/$method/adapter" ] || trained=(--model "$kOut/$method/model")
  svtune eval --task $task "${trained[@]}" --data $kOut/data/test.tsv --max-length 64 |
    tee "$kOut/logs/eval-$method.txt"
done

say "One report for the five runs"
svtune report "${kMethods[@]/#/$kOut/}" --output $kOut/report.html \
  --title "Five ways to fine-tune MiniLM"

printf '\nThe whole demo took %d min %d s. Open %s/report.html for the curves.\n' \
  $((SECONDS / 60)) $((SECONDS % 60)) "$kOut"

say "$metric on $(($(wc -l <$kOut/data/test.tsv) - 1)) held-out records, with its 95 % interval"
# "85.25 % [81.75, 88.50]"
measured() { sed -n "s/.*\\b$metric \\([^]]*\\]\\).*/\\1/p" "$kOut/logs/eval-$1.txt"; }
printf '%-8s %20s %28s %8s\n' method "trainable parameters" "$metric" seconds
for method in "${kMethods[@]}"; do
  trainable=$(trainable_of "$method")
  printf '%-8s %20s %28s %8s\n' "$method" "$trainable" "$(measured "$method")" "${seconds[$method]}"
done
