#!/usr/bin/env python3
"""The yardstick on the windows of a volume, for `duet bench --mode volume --peer`.

    peer_windows.py --peer vnet_step.py --patch D H W --windows N [--batch B] [--networks 1|2] [--measure M]
                    [flags of the yardstick: --width 16 --bf16 --channels-last ...]

Runs the yardstick's own code up to its warm-up, with --mode infer on batches of B patches, then measures forwards and
softmax of the windows one batch after another; cutting, weighing and putting together are left out. With --measure only
M windows run, and the time is scaled to N. Prints one line of JSON whose median_s is the time of all N windows.
"""
import argparse
import json
import pathlib
import resource
import sys
import time

WARM_UP = 'for _ in range(2): step()'


def mebibytes():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--peer', type=pathlib.Path, required=True)
    parser.add_argument('--patch', type=int, nargs=3, required=True)
    parser.add_argument('--windows', type=int, required=True)
    parser.add_argument('--batch', type=int, default=1)
    parser.add_argument('--networks', type=int, choices=[1, 2], default=1, help='each runs every window')
    parser.add_argument('--measure', type=int, default=0, help='windows that run (default: all)')
    own, flags = parser.parse_known_args()
    if own.windows < 1 or own.batch < 1 or own.measure < 0:
        sys.exit('peer_windows.py: expected --windows and --batch of 1 or more, and --measure of 0 or more')

    lines = own.peer.read_text().splitlines()
    if WARM_UP not in lines:
        sys.exit(f"{own.peer}: expected a line '{WARM_UP}', found none")
    sys.argv = [str(own.peer), *flags, '--mode', 'infer', '--batch', str(own.batch), '--size', *map(str, own.patch)]
    peer = {'__name__': '__main__'}
    exec(compile('\n'.join(lines[:lines.index(WARM_UP)]), str(own.peer), 'exec'), peer)
    torch, network, image, args = peer['torch'], peer['nets'][0], peer['x'], peer['a']

    @torch.no_grad()
    def run(windows):
        for _ in range(own.networks):
            with peer['cast']():
                logits = network(image[:windows], False)
            logits.float().softmax(1)

    batch, measured = min(own.batch, own.windows), min(own.measure or own.windows, own.windows)
    batches = [batch] * (measured // batch) + [measured % batch] * (measured % batch > 0)
    rest = mebibytes()
    for windows in sorted(set(batches)):
        run(windows)
    start = time.perf_counter()
    for windows in batches:
        run(windows)
    seconds = (time.perf_counter() - start) * own.windows / measured
    print(json.dumps(dict(
        peer='torch ' + torch.__version__, mode='volume', patch=own.patch, windows=own.windows, networks=own.networks,
        samples=0, batch=batch, width=args.width, classes=args.classes, norm=args.norm, bf16=args.bf16,
        channels_last=args.channels_last, threads=torch.get_num_threads(), measured_windows=measured,
        scaled=measured < own.windows, median_s=round(seconds, 4), min_s=round(seconds, 4),
        peak_mib=round(mebibytes()), rest_mib=round(rest))))


main()
