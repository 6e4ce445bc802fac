#!/bin/bash
# bench/fault_matrix.sh CLUSTER [MOMENTS [FAULT…]]: what `orthotope run` makes of every fault, on hosts that can die.
# CLUSTER: a folder of scripts that make hosts of Linux namespaces (up.sh -S, down.sh, on.sh, node.sh, signal-rank.sh), as root.
# Each fault comes at MOMENTS (default 3) random moments of a run of four ranks on three hosts of two slots; the run must
# end by itself with the weights of an undisturbed one, to the bit. Prints a line a case, then a table; 1 when a case is lost.
set -uo pipefail
[[ $# -ge 1 && -x $1/up.sh ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 64; }
cluster=$(realpath "$1") moments=${2:-3}
shift; shift || true
program=${ORTHOTOPE:-$(dirname "$0")/../build/release/orthotope}
program=$(realpath "$program")
work=$(mktemp -d)
export CLUSTER_STATE=$work/cluster OMP_NUM_THREADS=1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
all=(none kill stop crash poweroff freeze linkdown slowlink mpirun term clock)
faults=("$@")
((${#faults[@]})) || faults=("${all[@]}")
trap '"$cluster/down.sh" >/dev/null 2>&1; rm -rf "$work"' EXIT

say() { printf '%s\n' "$*"; }
ms() { echo $((${EPOCHREALTIME/./} / 1000)); }
sec() { awk -v ms="$1" 'BEGIN { printf "%.1f", ms / 1000 }'; }

text() { for i in $(seq 4000); do echo "line $i of $((i * i)) and $((i * 7919 % 1009))"; done; }

config() { # NAME
  cat <<END
out: $work/$1
seed: 3
deterministic: true
data: {train: [$work/data]}
batch: {windows: 8}
model: {channels: 32, hidden: 32, blocks: 1}
stages:
  - {name: words, tokens: [2, 2, 2], until: {steps: 60}}
  - {name: lines, tokens: [2, 2, 2, 2], blocks: 2, until: {steps: 60}}
  - {name: pages, tokens: [4, 2, 2, 2, 2], blocks: 2, until: {steps: 80}}
optimizer: {lr: 1e-3, warmup: 10}
evaluate: {every: 30, windows: 64}
checkpoint: {every: 15, keep: 3}
faults: {deadline: 10, back_off: 1}
END
}

shell() { if [[ $1 == clock ]]; then echo "$work/clock-shell"; else echo "ssh -F $CLUSTER_STATE/ssh/config"; fi; }

# Host node2 with a steady clock a day ahead.
clock_shell() {
  cat >"$work/clock-shell" <<END
#!/bin/bash
host=\$1; shift
if [[ \$host == node2 ]]; then exec ssh -F $CLUSTER_STATE/ssh/config node2 unshare -T --monotonic 86400 --fork sh -c "\$(printf %q "\$*")"; fi
exec ssh -F $CLUSTER_STATE/ssh/config "\$host" "\$@"
END
  chmod +x "$work/clock-shell"
}

start() { # NAME FAULT: run in the background; run_pid; a line of its log begins with the milliseconds
  config "$1" >"$work/$1.yaml"
  "$cluster/on.sh" head "$program" run "$work/$1.yaml" -n 4 --hosts "$CLUSTER_STATE/hostfile" \
    --remote-shell "$(shell "$2")" --mpirun "--mca orte_tmpdir_base /srv/tmp --mca mpi_yield_when_idle 1" \
    > >(while IFS= read -r line; do say "$(ms) $line"; done >>"$work/$1.log") 2>&1 &
  run_pid=$!
}
run_itself() { pgrep -P "$run_pid" -x orthotope; }
mpirun_of() { pgrep -P "$(run_itself)" -x mpirun; }
lines() { cat "$work/$1/metrics.jsonl" 2>/dev/null | wc -l; }
at() { awk -v from="$3" -v want="$2" '$1 >= from && index($0, want) { print $1; exit }' "$work/$1.log"; }

inject() { # FAULT NAME
  case $1 in
    kill) "$cluster/signal-rank.sh" KILL $((RANDOM % 4)) orthotope ;;
    stop) "$cluster/signal-rank.sh" STOP $((RANDOM % 4)) orthotope ;;
    crash | poweroff | freeze) "$cluster/node.sh" "$1" 2 ;;
    linkdown) "$cluster/node.sh" linkdown 2 ;;
    slowlink) "$cluster/on.sh" head tc qdisc replace dev v2 root tbf rate 20mbit burst 32kb latency 200ms ;;
    mpirun) kill -KILL "$(mpirun_of)" ;;
    term) # as a job whose time is over: two seconds, then the end of all
      kill -TERM "$(run_itself)"
      sleep 2
      pkill -KILL -P "$run_pid" 2>/dev/null ;;
  esac
}
mend() { # FAULT
  case $1 in
    crash) "$cluster/node.sh" start 2 ;;
    poweroff | linkdown) "$cluster/node.sh" linkup 2 2>/dev/null; [[ $1 == linkdown ]] || "$cluster/node.sh" start 2 ;;
    freeze) "$cluster/node.sh" thaw 2 ;;
    slowlink) "$cluster/on.sh" head tc qdisc del dev v2 root ;;
  esac
}

weights() { # a checksum of all weights; "none" when they cannot be read
  "$program" export "$work/$1" --to "$work/$1.weights" >/dev/null || { echo none; return; }
  find "$work/$1.weights" -name '*.npy' | sort | xargs cat | cksum
}

one() { # FAULT MOMENT: appends to the table
  local fault=$1 name=$1-$2 begin code detected again state
  start "$name" "$fault"
  local after=$((5 + RANDOM % 190))
  while (($(lines "$name") < after)) && kill -0 "$run_pid" 2>/dev/null; do sleep 0.05; done
  begin=$(ms)
  inject "$fault" "$name" >/dev/null 2>&1
  wait "$run_pid"
  code=$?
  if [[ $fault == term ]]; then
    start "$name" "$fault"
    wait "$run_pid"
    code=$?
  fi
  sleep 0.2
  detected=$(at "$name" "ending start" "$begin") again=$(at "$name" "trains again" "$begin")
  [[ -n $detected ]] || detected=$(at "$name" "mpirun left" "$begin")
  state=same
  # A host that was too slow to answer is not used, and its faults hit nothing.
  [[ -n $detected || $fault =~ ^(none|slowlink|clock|term)$ ]] || state="same (not hit)"
  [[ $code == 0 && $(weights "$name") == "$expected" ]] || state="LOST (code $code)"
  say "$fault after $after lines: noticed $([[ -n $detected ]] && sec $((detected - begin)) || echo -) s, trains again $(
    [[ -n $again ]] && sec $((again - begin)) || echo -) s, weights $state" | tee -a "$work/cases"
  awk -v from="$begin" '$1 >= from && /ending start|warning: rank 0: no |is lost|left with/ { $1 = ""; print "   " $0; if (++n == 2) exit }' "$work/$name.log"
  [[ $state == same* ]] || { cat "$work/$name.log"; lost=1; }
  mend "$fault" >/dev/null 2>&1
  rm -rf "${work:?}/$name" "${work:?}/$name.weights"
}

"$cluster/up.sh" -n 3 -s 2 -S || exit 1
clock_shell
text >"$work/text.txt"
"$program" pack "$work/text.txt" --out "$work/data" --split tail:0.1 >/dev/null || exit 1
lost=0
start straight none
wait "$run_pid" || { cat "$work/straight.log"; exit 1; }
expected=$(weights straight)
[[ $expected != none ]] || exit 1
say "undisturbed: $(tail -n 2 "$work/straight.log" | cut -d' ' -f2- | tr '\n' ' ')"
for fault in "${faults[@]}"; do
  for moment in $(seq "$moments"); do one "$fault" "$moment"; done
done
say
awk '{ fault = $1; n[fault]++
       if ($6 != "-" && $6 + 0 > most[fault] + 0) most[fault] = $6
       if ($10 != "-" && $10 + 0 > again[fault] + 0) again[fault] = $10
       if (/weights same/) same[fault]++; if (/not hit/) missed[fault]++ }
     END { print "fault | cases | not hit | noticed, most (s) | trains again, most (s) | same weights"
           for (f in n) print f " | " n[f] " | " missed[f] + 0 " | " (f in most ? most[f] : "-") " | " (f in again ? again[f] : "-") " | " same[f] + 0 }' "$work/cases"
exit $lost
