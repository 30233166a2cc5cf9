#!/usr/bin/env python3
"""The yardstick's first three losses, and the weights and input that they come from, for `duet bench --losses`.

    peer_losses.py --peer vnet_step.py --out FOLDER [flags of the yardstick: --mode train --size 32 32 32 ...]

Runs the yardstick's own code up to its warm-up, with --p 0, so that nothing random is left. Writes network_1.safetensors
(and network_2) and input.safetensors to FOLDER and prints {"losses": [...]}; tests/tools/peer_losses_test.cpp compares.
"""
import argparse
import json
import pathlib
import struct
import sys

WARM_UP = 'for _ in range(2): step()'
TYPES = {'torch.float32': 'F32', 'torch.int64': 'I64'}


def write_safetensors(path, tensors):
    header, data = {}, b''
    # The widest elements first, so that all of them are aligned.
    for name, tensor in sorted(tensors.items(), key=lambda item: (-item[1].element_size(), item[0])):
        raw = tensor.contiguous().numpy().tobytes()
        header[name] = {'dtype': TYPES[str(tensor.dtype)], 'shape': list(tensor.shape),
                        'data_offsets': [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b' ' * (-len(text) % 8)
    path.write_bytes(struct.pack('<Q', len(text)) + text + data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--peer', type=pathlib.Path, required=True)
    parser.add_argument('--out', type=pathlib.Path, required=True)
    own, flags = parser.parse_known_args()

    source = own.peer.read_text()
    lines = source.splitlines()
    if WARM_UP not in lines:
        sys.exit(f"{own.peer}: expected a line '{WARM_UP}', found none")
    sys.argv = [str(own.peer), *flags, '--p', '0']
    peer = {'__name__': '__main__'}
    exec(compile('\n'.join(lines[:lines.index(WARM_UP)]), str(own.peer), 'exec'), peer)

    own.out.mkdir(parents=True, exist_ok=True)
    for number, network in enumerate(peer['nets'], 1):
        write_safetensors(own.out / f'network_{number}.safetensors', network.state_dict())
    write_safetensors(own.out / 'input.safetensors', {'input': peer['x'], 'labels': peer['t']})
    print(json.dumps({'losses': [peer['step']() for _ in range(3)]}))


main()
