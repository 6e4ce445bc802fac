#!/bin/bash
# bench/plan.sh: what plan says against what happens: the memory of a rank and the time of a step, for six run files on
# 1, 2 and 4 ranks of this machine.
#
#   bench/plan.sh TEXT_DATA IMAGE_DATA [program]      packed data sets, as for configs/shakespeare.yaml and fashion.yaml
#
# Memory: the growth of the resident set that `train` reports, against the plan's total and what the caches of the data
# hold. Time: `plan --probe`, then a run of STEPS steps, the median of its steps but the first tenth.
set -euo pipefail
text=$(realpath "$1")
images=$(realpath "$2")
cd "$(dirname "$0")/.."
program=${3:-build/release/orthotope}
steps=${STEPS:-40}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export OMP_NUM_THREADS=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

# NAME CONFIG DATA WINDOWS STAGE: one stage of each run file.
cases=(
  "shakespeare shakespeare.yaml text 12 {}"
  "long_context long_context.yaml text 4 {tokens: [2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]}"
  "attention attention.yaml text 12 {}"
  "separate separate_scratch.yaml text 16 {tokens: [4, 4, 4]}"
  "paper paper.yaml text 16 {tokens: [2, 2, 4, 16]}"
  "fashion fashion.yaml images 16 {tokens: [29, 28]}"
)

seconds() { # of the median step, from the run's metrics
  grep '"event": *"step"' "$folder/run/metrics.jsonl" | sed 's/"traffic".*//; s/"exchange".*//; s/"gradients".*//' |
    grep -o '"seconds": *[0-9.e+-]*' | grep -o '[0-9.e+-]*$' |
    awk -v skip=$((steps / 10 + 1)) 'NR > skip {print $1 - last} {last = $1}' | sort -g |
    awk '{v[NR] = $1} END {print v[int((NR + 1) / 2)]}'
}

printf '%-14s %5s %15s %15s %7s %10s %10s %7s\n' run ranks "planned bytes" "measured" ratio "plan ms" "run ms" ratio
for case in "${cases[@]}"; do
  read -r name config kind windows stage <<<"$case"
  data=$text
  if [[ $kind == images ]]; then data=$images; fi
  for ranks in 1 2 4; do
    rm -rf "$folder/run"
    set_all=(--set "out=$folder/run" --set "data.train=[$data]" --set "batch={windows: $windows}" --set evaluate.every=0
      --set evaluate.windows=1 --set checkpoint.every=0
      --set "stages=[$(sed "s/^{/{name: all, until: {steps: $steps}, /; s/, }$/}/" <<<"$stage")]")
    "$program" plan "configs/$config" --ranks $ranks --probe "${set_all[@]}" >"$folder/plan"
    mpirun -np $ranks --bind-to none --oversubscribe "$program" train "configs/$config" "${set_all[@]}" \
      >"$folder/log" 2>&1 || {
      cat "$folder/log"
      exit 1
    }
    planned=$(sed -n 's/^    total  *//p' "$folder/plan" | tr -d , | sort -n | tail -n 1)
    measured=$(sed -n 's/.*MiB, \([0-9]*\) bytes more.*/\1/p' "$folder/log")
    plan_ms=$(sed -n 's/^  time  *about \([0-9.]*\) \(ms\|s\) a step.*/\1 \2/p' "$folder/plan" | tail -n 1 |
      awk '{print $2 == "s" ? $1 * 1000 : $1}')
    run_ms=$(seconds | awk '{print $1 * 1000}')
    awk -v n="$name" -v r=$ranks -v p="$planned" -v m="$measured" -v a="$plan_ms" -v b="$run_ms" 'BEGIN {
      printf "%-14s %5d %15d %15d %7.3f %10.2f %10.2f %7.3f\n", n, r, p, m, p / m, a, b, a / b }'
  done
done
