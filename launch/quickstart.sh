#!/bin/bash
# launch/quickstart.sh: from a bare Debian 12 to a trained model of text, images and sound, on 2 cores, no GPU.
# Run it as root or as a user with sudo. Running it again is safe: what is there is kept or made again the
# same, and a finished run is not trained again; delete runs/quickstart to train from the start.
set -euo pipefail
cd "$(dirname "$0")/.."

config=configs/quickstart.yaml
run=runs/quickstart
samples=$run/samples
fortunes=/usr/share/games/fortunes
images=/usr/share/datasets/fashion-mnist
sounds=/usr/share/asterisk/sounds/en_US_f_Allison

# step NAME: says what begins; the last block tells how long each step took.
name='' since=0 times=''
step() {
  if [[ -n $name ]]; then times+="$((SECONDS - since)) s  $name"$'\n'; fi
  name=$1 since=$SECONDS
  printf '\n== %s\n' "$name"
}

# show COMMAND …: prints a command, then runs it.
show() {
  printf '\n$ '
  printf '%q ' "$@"
  echo
  "$@"
}

orthotope() { show build/release/orthotope "$@"; }

# Two processes with a thread each. They share memory without the kernel's help, which containers often
# forbid, and let others run while they wait. mpirun refuses root unless both variables are set.
export OMP_NUM_THREADS=1 OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_mpi_yield_when_idle=1
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi
on_two_ranks() { show mpirun -np 2 --bind-to none --oversubscribe build/release/orthotope "$@"; }

# Spoken words: the sound, and what is said as the file's name has it ("followme/please-wait.wav": "please wait").
list_sounds() {
  local file words
  for file in "$sounds"/{.,dictate,digits,followme,letters,phonetic}/*.wav; do
    words=$(basename "$file" .wav)
    words=${words//[-_]/ }
    printf '{"parts": [{"file": "%s"}, {"text": "%s"}]}\n' "$file" "${words,,}"
  done
}

step "Packages"
launch/packages.sh build corpus

step "Build"
cmake --preset release >/dev/null
cmake --build --preset release --target orthotope

# Sayings; articles of clothing with their names; spoken words with the words. Of a pair every second record
# is turned round: the model learns to name what it sees and hears, and to show and say what it reads.
step "Pack"
mkdir -p corpus
list_sounds >corpus/sounds.jsonl
orthotope pack "$fortunes" --ending "" --records percent --out corpus/text --replace
orthotope pack "$images/train-images-idx3-ubyte.gz" --labels "$images/train-labels-idx1-ubyte.gz" \
  --label-names "t-shirt,trousers,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot" \
  --image-size 14x14 --order both --split hash:0.05 --out corpus/images --replace
orthotope pack corpus/sounds.jsonl --trim --cut-samples 4000 --order both --out corpus/sounds --replace

step "Plan"
orthotope plan "$config" --ranks 2

step "Train"
on_two_ranks train "$config"

# Losses on held-out data. Then images that it never saw: how many it names exactly, and, as the control, how
# many of its answers fit another image's name.
step "Evaluate"
on_two_ranks evaluate "$run"
on_two_ranks evaluate "$run" --data corpus/images --score image:text --limit 1000

step "Generate"
mkdir -p "$samples"
orthotope generate "$run" --prompt "The " --tokens 200 --temperature 0.7 --out "$samples/text.txt"
orthotope generate "$run" --modality image --prompt "ankle boot" --temperature 0.7 --out "$samples/ankle-boot.png"
orthotope generate "$run" --modality audio --prompt "activated" --tokens 4000 \
  --temperature 0.8 --out "$samples/activated.wav"

step "Where everything lies"
cat <<END
corpus/                   three packed data sets: text, images, sounds
$run/          run.yaml (every setting), metrics.jsonl, checkpoints/
$samples/  $(ls -m "$samples")

Next:
  build/release/orthotope inspect corpus/sounds       what was packed
  build/release/orthotope inspect $run     how the model grew
  build/release/orthotope generate $run --prompt "To " --tokens 300 --seed 2
  mpirun -np 2 build/release/orthotope train $config --set out=runs/second --set seed=2
END
if ((EUID == 0)); then
  echo "  (as root, before mpirun: export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1)"
fi
printf '%s\n' "docs/guide.md goes on from here." "" "Seconds, $SECONDS in all:" "${times%$'\n'}"
