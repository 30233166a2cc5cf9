#!/usr/bin/env python3
"""What nvcc makes of the CUDA room's kernels: 128-bit accesses and spills, as a table; fails where one is missing or the other found.

    ptx_check.py [--nvcc nvcc] [--arch 90] [FILE.cu ...]

For each kernel: 128-bit loads and stores of global memory in its PTX, and ptxas's registers and spilled bytes. Kernels
that work in packs (InPacks and InChannels of more than one element) are bound by memory and must have 128-bit accesses;
no kernel may spill. Needs nvcc, no GPU. Exit code 1 where a kernel fails, 2 where nvcc does.
"""
import argparse
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOM = ROOT / 'engine' / 'backend' / 'cuda'
FLAGS = ['-std=c++20', '-O3', '--expt-relaxed-constexpr', '-Xcompiler', '-fopenmp', f'-I{ROOT}']
WIDE = re.compile(r'\b(ld|st)\.(?:global|param)?[\w.]*?(?:v4\.[bfus]32|v2\.[bfus]64)\b')
PACKED = re.compile(r'In(?:Packs|Channels)<\(?(?:int\))?(\d+)')


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stderr, file=sys.stderr)
        sys.exit(2)
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


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--nvcc', default='nvcc')
    parser.add_argument('--arch', default='90')
    parser.add_argument('files', nargs='*', type=pathlib.Path)
    options = parser.parse_args()
    files = options.files or sorted(ROOM.glob('*.cu'))
    failures = kernels = packed = 0
    print(f'{"kernel":100} {"loads":>5} {"stores":>6} {"regs":>4} {"spilled":>7}')
    for file in files:
        ptx = run([options.nvcc, *FLAGS, f'-arch=compute_{options.arch}', '-ptx', str(file), '-o', '-']).stdout
        log = run([options.nvcc, *FLAGS, f'-arch=sm_{options.arch}', '-cubin', '-Xptxas', '-v', str(file),
                   '-o', '/dev/null']).stderr
        wide, used = accesses(ptx), resources(log)
        names = demangled(sorted(wide))
        for mangled, (loads, stores) in wide.items():
            name = names[mangled]
            registers, spilled = used.get(mangled, (0, 0))
            pack = PACKED.search(name)
            must = pack is not None and int(pack.group(1)) > 1
            problem = ''
            if must and loads + stores == 0:
                problem = ' <- no 128-bit access'
            if spilled:
                problem += ' <- spills'
            kernels, packed, failures = kernels + 1, packed + must, failures + bool(problem)
            print(f'{file.stem + ": " + short(name):100.100} {loads:5} {stores:6} {registers:4} {spilled:7}{problem}')
    print(f'{kernels} kernels, {packed} in packs; {failures} failed')
    sys.exit(1 if failures or not kernels else 0)


main()
