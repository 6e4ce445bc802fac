#!/bin/bash
# launch/digits.sh SOUNDS MNIST OUT [--shuffled]: the data sets of configs/digits.yaml.
#
# SOUNDS holds the recordings of the Free Spoken Digit Dataset, DIGIT_SPEAKER_NUMBER.wav, MNIST the four
# IDX files as .gz. Records share a digit: a sound or an image and its word, a word or a sound and an
# image. Numbers 0 to 4 of each speaker and digit are the official test sounds; MNIST has test images.
# --shuffled is the control: every record's second part shows a digit drawn by chance.
set -euo pipefail
if (($# < 3)); then
  sed -n '2,7s/^# \?//p' "$0"
  exit 64
fi
sounds=$(realpath "$1") mnist=$(realpath "$2") out=$3 shuffled=0
if [[ ${4-} == --shuffled ]]; then shuffled=1; fi
orthotope=${ORTHOTOPE:-$(dirname "$0")/../build/release/orthotope}
mkdir -p "$out"

# "DIGIT INDEX" of each image of a split.
labels() { gunzip -c "$mnist/$1-labels-idx1-ubyte.gz" | tail -c +9 | od -An -v -tu1 -w1 | awk '{print $1, NR - 1}'; }

# "DIGIT SPLIT PATH" of each sound.
list_sounds() {
  local file name number
  for file in "$sounds"/*.wav; do
    name=$(basename "$file" .wav) number=${file##*_}
    if ((${number%.wav} < 5)); then echo "${name%%_*} test $file"; else echo "${name%%_*} train $file"; fi
  done
}

# records KIND: reads "DIGIT SPLIT PATH" or "DIGIT SPLIT IMAGE INDEX", and writes lists of pairs. Images of
# the same digit and split are taken in the order of a Lehmer generator, whose products awk holds exactly.
records() {
  awk -v kind="$1" -v shuffled="$shuffled" -v mnist="$mnist" -v labels="$out/labels" '
    function draw(below) { state = state * 16807 % 2147483647; return int(state / 2147483647 * below) }
    function image(part, number) {
      return sprintf("{\"file\": \"%s/%s-images-idx3-ubyte.gz\", \"index\": %d}", mnist, part == "test" ? "t10k" : "train", number)
    }
    BEGIN {
      state = 20240
      split("zero one two three four five six seven eight nine", words, " ")
      while ((getline line < labels) > 0) {
        split(line, field, " ")
        of[field[1], field[2], count[field[1], field[2]]++] = field[3]
      }
    }
    {
      digit = shuffled ? draw(10) : $1
      word = "{\"text\": \"" words[digit + 1] "\"}"
      sound = "{\"file\": \"" $3 "\"}"
      if (kind == "sound-word") parts = sound ", " word
      if (kind == "sound-image") parts = sound ", " image($2, of[$2, digit, draw(count[$2, digit])])
      if (kind == "image-word") parts = image($2, $3) ", " word
      if (kind == "word-image") parts = word ", " image($2, $3)
      printf "{\"parts\": [%s], \"split\": \"%s\"}\n", parts, $2
    }'
}

pack() { "$orthotope" pack "$out/$1.jsonl" --out "$out/$1" --replace "${@:2}"; }

{ labels train | sed 's/^/train /'; labels t10k | sed 's/^/test /'; } >"$out/labels"
list_sounds >"$out/sounds.txt"
awk '{print $2, $1, $3}' "$out/labels" >"$out/images.txt"
listen=(--normalize peak --trim --trim-level 3 --resample 4000 --cut-samples 1792)
vary=(--speeds 0.84,0.88,0.92,0.96,1,1.04,1.08,1.12,1.16 --late 192)

records sound-word <"$out/sounds.txt" >"$out/sound-word.jsonl"
pack sound-word "${listen[@]}" "${vary[@]}"
records sound-image <"$out/sounds.txt" >"$out/sound-image.jsonl"
pack sound-image "${listen[@]}" --speeds 0.88,0.96,1.04,1.12 --late 192 --image-size 16x16 --image-levels 2
records image-word <"$out/images.txt" >"$out/image-word.jsonl"
pack image-word --image-size 16x16
awk '$2 == "test" || $3 < 8000' "$out/images.txt" | records image-word >"$out/image-word-some.jsonl"
pack image-word-some --image-size 16x16
awk '$2 == "test" || $3 < 4000' "$out/images.txt" | records word-image >"$out/word-image.jsonl"
pack word-image --image-size 16x16 --image-levels 2
records image-word <"$out/images.txt" >"$out/judge.jsonl"
pack judge --image-size 16x16 --image-levels 2
