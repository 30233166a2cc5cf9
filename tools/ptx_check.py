#!/usr/bin/env python3
"""What nvcc makes of the CUDA room's kernels: 128-bit accesses and spills, as a table; fails where one is missing or the other found.

    ptx_check.py [--nvcc nvcc] [--arch 90] [--jobs N] [--cache FILE] [--quiet] [FILE.cu ...]

For each kernel: 128-bit loads and stores of global memory in its PTX, and ptxas's registers and spilled bytes. Kernels
that work in packs (InPacks and InChannels of more than one element) are bound by memory and must have 128-bit accesses;
no kernel may spill but those that KNOWN_SPILLS gives a reason for. The cache keeps what was found of a file until it, a
header of ours that it includes or the compiler changes. Needs nvcc, no GPU. Exit code 1 where a kernel fails, 2 where nvcc
does.
"""
import argparse
import concurrent.futures
import functools
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOM = ROOT / 'engine' / 'backend' / 'cuda'
FLAGS = ['-std=c++20', '-O3', '--expt-relaxed-constexpr', '-Xcompiler', '-fopenmp', f'-I{ROOT}']
WIDE = re.compile(r'\b(ld|st)\.(?:global|param)?[\w.]*?(?:v4\.[bfus]32|v2\.[bfus]64)\b')
PACKED = re.compile(r'In(?:Packs|Channels)<\(?(?:int\))?(\d+)')

# (what a kernel is called, bytes at most, why it may).
GRADIENT_CHECK = 'f64, in which nothing but gradient checks runs'
KNOWN_SPILLS = [
    (r'Entropy(Terms|Gradient)<double,', 200, GRADIENT_CHECK),
    (r'EntropyAndScale<double>', 100, GRADIENT_CHECK),
    (r'Segmentation(Terms|Gradient)<double,', 100, GRADIENT_CHECK),
    (r'Softmax(Forward|Backward)<double,', 200, GRADIENT_CHECK),
    (r'(AccumulateSamples|Weigh)<double,', 200, GRADIENT_CHECK),
    (r'ThinData<double,', 50, GRADIENT_CHECK),
    (r'(SumReads|Resample)<double,', 200, GRADIENT_CHECK),  # for 80
]


class Failed(Exception):
    pass


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Failed(done.stderr)
    return done


def demangled(names):
    if not names:
        return {}
    done = run(['c++filt', *names])
    return dict(zip(names, done.stdout.splitlines()))


def accesses(ptx):
    """{mangled kernel: (wide loads, wide stores)}"""
    found, name = {}, None
    for line in ptx.splitlines():
        entry = re.search(r'\.entry (\w+)', line)
        if entry:
            name = entry.group(1)
            found[name] = [0, 0]
        elif name and 'global' in line:
            wide = WIDE.search(line)
            if wide:
                found[name][wide.group(1) == 'st'] += 1
    return found


def resources(log):
    """{mangled kernel: (registers, spilled bytes)}"""
    found, name, spilled = {}, None, 0
    for line in log.splitlines():
        entry = re.search(r"Compiling entry function '(\w+)'", line)
        if entry:
            name, spilled = entry.group(1), 0
        spill = re.search(r'(\d+) bytes spill stores, (\d+) bytes spill loads', line)
        if spill:
            spilled = int(spill.group(1)) + int(spill.group(2))
        used = re.search(r'Used (\d+) registers', line)
        if used and name:
            found[name] = (int(used.group(1)), spilled)
    return found


def short(name):
    name = re.sub(r'\(anonymous namespace\)::|duet::cuda::|duet::functors::|duet::|void ', '', name)
    return re.sub(r'\(.*$', '', name.replace('(int)', ''))


@functools.lru_cache(maxsize=None)
def includes(file):
    """The file and the headers of ours below it."""
    found = {file}
    for name in re.findall(r'^#include "([^"]+)"', file.read_text(), re.M):
        if (ROOT / name).exists():
            found |= includes(ROOT / name)
    return found


def fingerprint(file, compiler, arch):
    parts = [compiler, arch, *FLAGS[:-1], pathlib.Path(__file__).read_text()]
    parts += [each.read_text() for each in sorted(includes(file))]
    return hashlib.sha256('\0'.join(parts).encode()).hexdigest()


def kernels_of(file, nvcc, arch):
    """[(kernel, wide loads, wide stores, registers, spilled bytes)]"""
    with tempfile.NamedTemporaryFile(suffix='.ptx') as ptx:
        run([nvcc, *FLAGS, f'-arch=compute_{arch}', '-ptx', str(file), '-o', ptx.name])
        wide = accesses(pathlib.Path(ptx.name).read_text())
        used = resources(run([nvcc, f'-arch=sm_{arch}', '-cubin', '-Xptxas', '-v', ptx.name, '-o', '/dev/null']).stderr)
    names = demangled(sorted(wide))
    return [(short(names[mangled]), *counts, *used[mangled]) for mangled, counts in wide.items()]


def problem_of(name, loads, stores, spilled):
    pack = PACKED.search(name)
    problem = ''
    if pack and int(pack.group(1)) > 1 and loads + stores == 0:
        problem = ' <- no 128-bit access'
    if spilled:
        known = [why for pattern, most, why in KNOWN_SPILLS if re.search(pattern, name) and spilled <= most]
        problem += '' if known else ' <- spills'
    return problem


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--nvcc', default='nvcc')
    parser.add_argument('--arch', default='90')
    parser.add_argument('--jobs', type=int, default=os.cpu_count())
    parser.add_argument('--cache', type=pathlib.Path)
    parser.add_argument('--quiet', action='store_true', help='only what fails')
    parser.add_argument('files', nargs='*', type=pathlib.Path)
    options = parser.parse_args()
    files = [file.resolve() for file in options.files] or sorted(ROOM.glob('*.cu'))
    compiler = run([options.nvcc, '--version']).stdout
    cache = {}
    if options.cache and options.cache.exists():
        cache = json.loads(options.cache.read_text())
    prints = {file: fingerprint(file, compiler, options.arch) for file in files}

    def found_in(file):
        return cache.get(prints[file]) or kernels_of(file, options.nvcc, options.arch)

    failures = kernels = 0
    if not options.quiet:
        print(f'{"kernel":100} {"loads":>5} {"stores":>6} {"regs":>4} {"spilled":>7}')
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        tables = dict(zip(files, pool.map(found_in, files)))
    for file, table in tables.items():
        for name, loads, stores, registers, spilled in table:
            problem = problem_of(name, loads, stores, spilled)
            kernels, failures = kernels + 1, failures + bool(problem)
            if problem or not options.quiet:
                print(f'{file.stem + ": " + name:100.100} {loads:5} {stores:6} {registers:4} {spilled:7}{problem}')
    if options.cache:
        options.cache.write_text(json.dumps({prints[file]: table for file, table in tables.items()}))
    print(f'{kernels} kernels; {failures} failed')
    return 1 if failures or not kernels else 0


try:
    sys.exit(main())
except Failed as failed:
    print(failed, file=sys.stderr)
    sys.exit(2)
