#!/usr/bin/env python3
"""What bf16 (autocast) does to the yardstick's V-Net at 32^3, beside what rounding nothing but the image does to f32.

    peer_bf16.py --peer vnet_step.py [--norm instance|batch] [--width 8]

The sight of tests/nn/bf16_test.cpp in PyTorch: a noisy ball, dropout at 0.5, the same random numbers in each pass.
Prints a line for the fresh network and one after 60 steps of SGD in f32: the largest difference of the logits over the
largest logit, the least cosine of a parameter's gradient with f32's, and how many parameters are below 0.99. Biases
before a norm are left out, as their true gradient is 0.
"""
import argparse
import pathlib
import sys

SETUP_ENDS = "step = {'train'"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--peer', type=pathlib.Path, required=True)
    own, flags = parser.parse_known_args()
    source = own.peer.read_text()
    if SETUP_ENDS not in source:
        sys.exit(f'{own.peer}: expected a line that starts with {SETUP_ENDS}, found none')
    sys.argv = [str(own.peer), '--size', '32', '32', '32', '--width', '8', '--threads', '2', *flags]
    peer = {'__name__': '__main__'}
    exec(compile(source[:source.index(SETUP_ENDS)], str(own.peer), 'exec'), peer)
    torch, network, supervised = peer['torch'], peer['nets'][0], peer['supervised']

    axis = torch.arange(32) - 16.0
    d, h, w = torch.meshgrid(axis, axis, axis, indexing='ij')
    radius = (d * d + h * h + w * w).sqrt()
    waves = 0.6 * (0.3 * d).sin() * (0.25 * h).cos() * (0.2 * w).sin()
    clean = 2 / (1 + ((radius - 9) * 0.8).exp()) - 0.6 + waves
    image = clean.expand(2, 1, 32, 32, 32) + 0.3 * (torch.rand(2, 1, 32, 32, 32) * 2 - 1)
    labels = (radius < 9).long().expand(2, 32, 32, 32)
    optimiser = torch.optim.SGD(network.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-4)
    convolutions = (torch.nn.Conv3d, torch.nn.ConvTranspose3d)
    before_norm = {name + '.bias' for name, module in network.named_modules()
                   if isinstance(module, convolutions) and name != 'head'}

    def run(x, bf16, step):
        torch.manual_seed(100 + step)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=bf16):
            logits = network(x, True)
        optimiser.zero_grad()
        supervised(logits.float(), labels).backward()
        gradients = {name: p.grad.clone() for name, p in network.named_parameters() if name not in before_norm}
        return logits.detach().float(), gradients

    def compare(name, exact, other):
        difference = (other[0] - exact[0]).abs().max() / exact[0].abs().max()
        cosines = [torch.nn.functional.cosine_similarity(other[1][n].flatten(), g.flatten(), dim=0).item()
                   for n, g in exact[1].items()]
        print(f'  {name}: logits {difference:.4f}, least cosine {min(cosines):.3f}, '
              f'below 0.99: {sum(c < 0.99 for c in cosines)} of {len(cosines)}', flush=True)

    for step in range(61):
        if step in (0, 60):
            print(f'{step} steps old')
            exact = run(image, False, step)
            compare('bf16', exact, run(image, True, step))
            compare('f32 of the image in bf16', exact, run(image.bfloat16().float(), False, step))
        run(image, False, step)
        optimiser.step()


main()
