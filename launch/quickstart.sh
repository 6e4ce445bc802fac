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

# Articles of clothing: IDX files hold many records, image i with label i; `names` are the labels in words.
list_images() {
  local names='["t-shirt", "trousers", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"]'
  local set split
  while read -r set split; do
    printf '{"parts": [{"file": "%s"}, {"file": "%s", "names": %s}], "split": "%s"}\n' \
      "$images/$set-images-idx3-ubyte.gz" "$images/$set-labels-idx1-ubyte.gz" "$names" "$split"
  done <<<$'train train\nt10k test'
}

step "Packages"
launch/packages.sh build corpus

step "Build"
cmake --preset release >/dev/null
cmake --build --preset release --target orthotope

step "Corpus: lists of raw files in $raw"
mkdir -p "$raw"
list_texts >"$raw/texts.jsonl"
list_sounds >"$raw/sounds.jsonl"
list_images >"$raw/images.jsonl"
wc -l "$raw"/*.jsonl

# step "Pack"
# step "Plan"
# step "Train"
# step "Evaluate"
# step "Generate"
