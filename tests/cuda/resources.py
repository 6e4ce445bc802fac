#!/usr/bin/env python3
"""Registers, shared memory and spills of every kernel on sm_90, against the table beside this file.

  tests/cuda/resources.py [--nvcc nvcc] [--update] [file.cu …]

Compiles tensor/cuda/*.cu (minutes) and compares; --update writes what it found instead. Also looks
for kernels without launch bounds. Exit code 1: something differs.
"""

import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = pathlib.Path(__file__).with_name("resources.txt")
FLAGS = ["-std=c++20", "--expt-relaxed-constexpr", "-gencode", "arch=compute_90,code=sm_90",
         f"-I{ROOT}/tensor/cuda/nvcc", f"-I{ROOT}", "-Xptxas=-v", "-cubin"]


def demangled(names):
    """Names as they are written, without the parameters' types."""
    text = subprocess.run(["c++filt", *names], capture_output=True, text=True, check=True).stdout
    short = []
    for name in text.splitlines():
        name = name.replace("(anonymous namespace)::", "").replace("ortho::", "")
        name = re.sub(r"^void ", "", name)
        short.append(name[:name.rfind(">(") + 1] if ">(" in name else name.split("(")[0])
    return short


def parse(log):
    """{mangled kernel: (registers, shared bytes, spilled bytes)} of ptxas's words."""
    found, name, spill = {}, None, 0
    for line in log.splitlines():
        if match := re.search(r"Compiling entry function '(\w+)'", line):
            name, spill = match.group(1), 0
        elif match := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            spill = int(match.group(1)) + int(match.group(2))
        elif name and (match := re.search(r"Used (\d+) registers", line)):
            shared = re.search(r"(\d+) bytes smem", line)
            found[name] = (int(match.group(1)), int(shared.group(1)) if shared else 0, spill)
            name = None
    return found


def rows_of(source, found):
    names = list(found)
    return {f"{source} {short}": found[name] for name, short in zip(names, demangled(names))}


def compile_log(nvcc, source):
    run = subprocess.run([nvcc, *FLAGS, "-o", "/dev/null", str(source)], capture_output=True, text=True)
    if run.returncode != 0:
        sys.exit(run.stdout + run.stderr)
    return run.stdout + run.stderr


def unbounded():
    """Kernels without launch bounds, as file:line."""
    missing = []
    for path in sorted((ROOT / "tensor/cuda").glob("*")):
        if path.suffix not in (".cu", ".h"):
            continue
        text = path.read_text()
        for match in re.finditer(r"__global__\s+void\s+(?!__launch_bounds__)", text):
            missing.append(f"{path.name}:{text.count(chr(10), 0, match.start()) + 1}")
    return missing


def write(rows):
    lines = ["# file, kernel: registers, static shared bytes, spilled bytes (sm_90, nvcc 13.0)"]
    lines += [f"{name}: {r} {s} {p}" for name, (r, s, p) in sorted(rows.items())]
    TABLE.write_text("\n".join(lines) + "\n")


def read():
    rows = {}
    for line in TABLE.read_text().splitlines():
        if not line.startswith("#"):
            name, numbers = line.rsplit(": ", 1)
            rows[name] = tuple(int(n) for n in numbers.split())
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nvcc", default="nvcc")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    sources = sorted((ROOT / "tensor/cuda").glob("*.cu"))
    chosen = [s for s in sources if not options.files or s.name in options.files]
    rows = {}
    for source in chosen:
        rows.update(rows_of(source.name, parse(compile_log(options.nvcc, source))))
    stored = read() if TABLE.exists() else {}
    names = {s.name for s in chosen}
    kept = {name: row for name, row in stored.items() if name.split(" ")[0] not in names}
    if options.update:
        write({**kept, **rows})
        return 0
    known = {name: row for name, row in stored.items() if name.split(" ")[0] in names}
    wrong = [f"no launch bounds: {place}" for place in unbounded()]
    wrong += [f"{name}: {known.get(name)} in the table, {rows.get(name)} now"
              for name in sorted({*known, *rows}) if known.get(name) != rows.get(name)]
    wrong += [f"{name} spills {row[2]} bytes" for name, row in rows.items() if row[2]]
    print("\n".join(wrong) if wrong else f"{len(rows)} kernels are as in {TABLE.name}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
