#!/bin/bash
# bench/memory.sh: what a rank of a cut model needs, and a model that needs more than one rank has.
#
#   bench/memory.sh [program]      about 3 GB of memory and 1 GB of disk, some minutes
#
# First the peak of resident memory of 1, 2, 4 and 8 ranks, beside what `plan` says. Then the same model where a
# process may have 850 MB, less than its weights with gradients and moments: one rank must say so, four must train.
set -euo pipefail
cd "$(dirname "$0")/.."
program=${1:-build/release/orthotope}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMP_NUM_THREADS=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

seq 1 70000 | sed 's/$/ ships sailed past the lighthouse/' >"$folder/text.txt"
"$program" pack "$folder/text.txt" --out "$folder/data" --split train >"$folder/log"
cat >"$folder/run.yaml" <<END
out: $folder/run
data: {train: [$folder/data]}
objective: {next_token: 1}
loss: {ends: false}
batch: {windows: 8}
model: {tokens: [16, 16, 16, 16], channels: 16, hidden: 16, blocks: 1, map: dense, weights: separate,
        wiring: causal, combine: parallel, channel_axis: false, gate: false}
stages:
  - {name: all, until: {steps: 3}}
evaluate: {every: 0}
END

# train RANKS [LIMIT in KB]: each rank notes its peak in kB. The limit is on memory of its own, not on what it shares.
train() {
  rm -rf "$folder/run" "$folder"/peak-*
  mpirun -np "$1" --bind-to none --oversubscribe sh -c "ulimit -d ${2:-unlimited}
    exec /usr/bin/time -f %M -o $folder/peak-\$OMPI_COMM_WORLD_RANK \
      $program train $folder/run.yaml --set mesh='{tokens: [$1]}'" >"$folder/log" 2>&1
}

echo "ranks   peak MB of a rank   least   planned"
for ranks in 1 2 4 8; do
  train $ranks
  peaks=$(cat "$folder"/peak-* | sort -n)
  planned=$("$program" plan "$folder/run.yaml" --ranks $ranks --gflops 50 --set mesh="{tokens: [$ranks]}" |
    sed -n 's/^    total  *//p' | tr -d ,)
  echo "$ranks $(tail -n 1 <<<"$peaks") $(head -n 1 <<<"$peaks") $planned" |
    awk '{printf "%5d   %17.0f   %5.0f   %7.0f\n", $1, $2 / 1e3, $3 / 1e3, $4 / 1e6}'
done

limit=850000
echo
echo "one rank of $((limit / 1000)) MB:"
if train 1 $limit; then
  echo "trained, which it must not"
  exit 1
fi
grep -m 1 "out of memory" "$folder/log"
echo "four ranks of $((limit / 1000)) MB:"
train 4 $limit
grep -h "starts:\|complete:" "$folder/log"
grep -o '"step": [0-9]*, .*"loss": [0-9.]*' "$folder/run/metrics.jsonl"
