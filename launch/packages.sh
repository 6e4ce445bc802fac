#!/bin/bash
# launch/packages.sh build|media|corpus …: installs the Debian 12 packages of these sets, as root or by sudo.
# Does nothing, and needs no rights, when all of them are there.
set -euo pipefail

# Compiler, libraries and test library.
build=(g++ cmake ninja-build libopenmpi-dev openmpi-bin libhdf5-dev libyaml-cpp-dev
  libboost-program-options-dev libdnnl-dev libpng-dev zlib1g-dev libgtest-dev)

# FFmpeg's libraries, for orthotope-decode: JPEG, GIF, Ogg, FLAC, MP3, MP4, WebM. Optional.
media=(pkg-config libavformat-dev libavcodec-dev libavutil-dev libswscale-dev)

# The quickstart's raw data, 50.1 MB to download: images 30.9, spoken words 18.3, texts 0.9.
corpus=(dataset-fashion-mnist asterisk-core-sounds-en-wav fortunes)

wanted=()
for set in "$@"; do
  case $set in
    build) wanted+=("${build[@]}") ;;
    media) wanted+=("${media[@]}") ;;
    corpus) wanted+=("${corpus[@]}") ;;
    *) echo "$0: no set of packages is called '$set'; there are: build media corpus" >&2 && exit 64 ;;
  esac
done

missing=()
for package in "${wanted[@]}"; do
  status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
  [[ $status == installed ]] || missing+=("$package")
done
if ((${#missing[@]} == 0)); then exit 0; fi

as_root=()
if ((EUID != 0)); then
  if ! command -v sudo >/dev/null; then
    echo "$0: run it as root, or install sudo; these packages are missing: ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
  apt-get install -y -qq --no-install-recommends "${missing[@]}"
