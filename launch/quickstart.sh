#!/bin/bash
# launch/quickstart.sh: from a bare Debian 12 to a small multimodal corpus, on 2 cores without a GPU.
# Run it as root or as a user with sudo; running it again is safe.
set -euo pipefail
cd "$(dirname "$0")/.."

# mpirun refuses root unless both are set.
if ((EUID == 0)); then export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1; fi

raw=corpus/raw
fortunes=/usr/share/games/fortunes
images=/usr/share/datasets/fashion-mnist
sounds=/usr/share/asterisk/sounds/en_US_f_Allison

step() { printf '\n== %s\n' "$*"; }

# Of every ten files one is kept for validation and one for the test.
split_of() {
  case $(($1 % 10)) in
    3) echo valid ;;
    7) echo test ;;
    *) echo train ;;
  esac
}

# Collections of sayings: plain text files beside their .dat indexes and .u8 links. One record a file.
list_texts() {
  local file number=0
  for file in "$fortunes"/*; do
    if [[ -L $file || $file == *.dat ]]; then continue; fi
    printf '{"parts": [{"file": "%s"}], "split": "%s"}\n' "$file" "$(split_of $number)"
    number=$((number + 1))
  done
}

# Spoken words, 8 kHz: the sound, and what is said as the file's name has it ("vm-goodbye": "vm goodbye").
list_sounds() {
  local file words number=0
  for file in "$sounds"/*.wav "$sounds"/{dictate,digits,followme,letters,phonetic}/*.wav; do
    words=$(basename "$file" .wav)
    words=${words//[-_]/ }
    printf '{"parts": [{"file": "%s"}, {"text": "%s"}], "split": "%s"}\n' \
      "$file" "${words,,}" "$(split_of $number)"
    number=$((number + 1))
  done
}

# Articles of clothing, each with its label in words: pack_images SET ARGUMENTS…
pack_images() {
  local set=$1
  shift
  pack "$images/$set-images-idx3-ubyte.gz" --labels "$images/$set-labels-idx1-ubyte.gz" --label-names \
    "t-shirt,trousers,pullover,dress,coat,sandal,shirt,sneaker,bag,ankle boot" --order both "$@"
}

pack() { build/release/orthotope pack "$@" --replace; }

step "Packages"
launch/packages.sh build corpus

step "Build"
cmake --preset release >/dev/null
cmake --build --preset release --target orthotope

step "Corpus: lists of raw files in $raw"
mkdir -p "$raw"
list_texts >"$raw/texts.jsonl"
list_sounds >"$raw/sounds.jsonl"
wc -l "$raw"/*.jsonl

# Of a pair every second record is turned round: the model learns to name what it sees and hears, and to
# show and say what it reads.
step "Pack"
pack "$raw/texts.jsonl" --out corpus/texts
pack "$raw/sounds.jsonl" --order both --out corpus/sounds
pack_images train --split hash:0.1 --out corpus/images
pack_images t10k --split test --out corpus/images-test

# step "Plan"
# step "Train"
# step "Evaluate"
# step "Generate"
