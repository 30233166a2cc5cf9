#!/usr/bin/env python3
"""Writes the golden files beside it: what PyTorch computes for small networks, for tests/nn/golden_test.cpp.

Needs torch and numpy (Debian: python3-torch). Run it with no arguments. Weights, inputs and labels come from formulas written
here and in tests/nn/golden.h, so only results are stored. PyTorch computes in double from values rounded to float, which makes
the files a reference for float and for double. Dropout is off. The structure and names are those of nn/README.md.

ReLU makes a gradient jump where an input passes 0, and a difference of rounding can push it over; a golden value near such a
jump would test luck. So each case's weights are numbered, and the first number is taken for which changes of the input by 2e-6
of its values, more than rounding in float does, leave every gradient and the ten losses where they were. The numbers found
stand in CASES here and in golden_test.cpp; --search looks for them again. The full depth of five stages has no such number at
this size: the gradients of vnet_deep are for comparison in double.

A file: lines "<name> <count>", a line "end", then all values as little-endian float32.
"""
import math
import pathlib
import sys

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent

# name, architecture, dimensions, norm, input channels, classes, width, depth, (D, H, W), Dice counts the background,
# every so many-th logit is stored, number of the weights
CASES = [
    ("vnet_deep", "vnet", 3, "instance", 1, 2, 1, 5, (32, 32, 32), True, 7, 0),
    ("vnet_instance", "vnet", 3, "instance", 1, 2, 2, 4, (16, 16, 16), True, 2, 4),
    ("vnet_batch", "vnet", 3, "batch", 1, 2, 2, 4, (16, 16, 24), True, 2, 4),
    ("unet_3d", "unet", 3, "instance", 1, 3, 2, 3, (8, 12, 16), False, 1, 0),
    ("unet_2d", "unet", 2, "batch", 2, 3, 2, 4, (1, 32, 24), True, 1, 0),
]


def noise(count, which):
    """In [-1, 1): a hash of the place in 32 bits, so the same to the last bit in any language."""
    h = np.arange(1, count + 1, dtype=np.uint32) * np.uint32(0x9E3779B1)
    h ^= np.uint32(which * 0x85EBCA77 & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(15)
    return h.astype(np.float64) / 2.0**31 - 1.0


def set_weights(net, which):
    for number, (name, p) in enumerate(net.named_parameters(), start=1 + 200 * which):
        v = noise(p.numel(), number)
        if p.dim() > 1:
            v = v * math.sqrt(6.0 / np.prod(p.shape[1:]))
        elif name.endswith("weight"):
            v = 1.0 + 0.2 * v
        else:
            v = 0.1 * v
        p.data = torch.from_numpy(v.astype(np.float32).astype(np.float64).reshape(p.shape))


def batch(case):
    dimensions, channels, classes, size = case[2], case[4], case[5], case[8]
    n, (d, h, w) = 2, size
    i = [np.arange(s) for s in (n, d, h, w)]
    sample, z, y, x = np.meshgrid(*i, indexing="ij")
    q = (2 * z - (d - 1) + sample) ** 2 + (2 * y - (h - 1) + sample) ** 2 + (2 * x - (w - 1) + sample) ** 2
    label = (2 * q < w * w).astype(np.int64)
    if classes > 2:
        label += 8 * q < w * w
    image = noise(n * channels * d * h * w, 1000).reshape(n, channels, d, h, w) + 0.5 * label[:, None]
    image = image.astype(np.float32).astype(np.float64)
    image, label = torch.from_numpy(image), torch.from_numpy(label)
    return (image[:, :, 0], label[:, 0]) if dimensions == 2 else (image, label)


def layers(case):
    dims, norm = case[2], case[3]
    conv, up = (nn.Conv2d, nn.ConvTranspose2d) if dims == 2 else (nn.Conv3d, nn.ConvTranspose3d)
    if norm == "batch":
        make_norm = nn.BatchNorm2d if dims == 2 else nn.BatchNorm3d
    else:
        instance = nn.InstanceNorm2d if dims == 2 else nn.InstanceNorm3d
        make_norm = lambda c: instance(c, affine=True)
    return conv, up, make_norm


def stage(case, count, ci, co):
    conv, _, norm = layers(case)
    parts = []
    for k in range(count):
        parts += [conv(ci if k == 0 else co, co, 3, padding=1), norm(co), nn.ReLU()]
    return nn.Sequential(*parts)


class VNet(nn.Module):
    def __init__(self, case):
        super().__init__()
        channels, classes, width, depth = case[4:8]
        conv, up, norm = layers(case)
        c = [width << i for i in range(depth)]
        n = [min(i + 1, 3) for i in range(depth)]
        last = depth - 1
        self.enc = nn.ModuleList([stage(case, n[i], channels if i == 0 else c[i], c[i]) for i in range(depth)])
        self.down = nn.ModuleList([nn.Sequential(conv(c[i], c[i + 1], 2, stride=2), norm(c[i + 1]), nn.ReLU())
                                   for i in range(last)])
        self.up = nn.ModuleList([nn.Sequential(up(c[i + 1], c[i], 2, stride=2), norm(c[i]), nn.ReLU())
                                 for i in reversed(range(last))])
        self.dec = nn.ModuleList([stage(case, n[i], c[i], c[i]) for i in reversed(range(last))])
        self.head = conv(width, classes, 1)

    def forward(self, x):
        skips = []
        for i, enc in enumerate(self.enc):
            x = enc(x if i == 0 else self.down[i - 1](x))
            skips.append(x)
        for j, dec in enumerate(self.dec):
            x = dec(self.up[j](x) + skips[-2 - j])
        return self.head(x)


class UNet(nn.Module):
    def __init__(self, case):
        super().__init__()
        channels, classes, width, depth = case[4:8]
        conv, up, _ = layers(case)
        c = [width << i for i in range(depth)]
        last = depth - 1
        self.enc = nn.ModuleList([stage(case, 2, channels if i == 0 else c[i - 1], c[i]) for i in range(depth)])
        self.up = nn.ModuleList([up(c[i + 1], c[i], 2, stride=2) for i in reversed(range(last))])
        self.dec = nn.ModuleList([stage(case, 2, 2 * c[i], c[i]) for i in reversed(range(last))])
        self.head = conv(width, classes, 1)
        self.pool = F.max_pool2d if case[2] == 2 else F.max_pool3d

    def forward(self, x):
        skips = []
        for i, enc in enumerate(self.enc):
            x = enc(x if i == 0 else self.pool(x, 2))
            skips.append(x)
        for j, dec in enumerate(self.dec):
            x = dec(torch.cat([skips[-2 - j], self.up[j](x)], 1))
        return self.head(x)


def supervised(z, y, background):
    """Mean cross-entropy plus soft Dice, sums over the batch, mean over the classes."""
    p = z.softmax(1)
    t = F.one_hot(y, z.shape[1]).movedim(-1, 1).to(z.dtype)
    axes = [0] + list(range(2, z.dim()))
    dice = 1 - (2 * (p * t).sum(axes) + 1e-5) / (p.sum(axes) + t.sum(axes) + 1e-5)
    return F.cross_entropy(z, y) + dice[0 if background else 1:].mean()


def write(name, entries):
    with open(HERE / f"{name}.bin", "wb") as out:
        for key, v in entries.items():
            out.write(f"{key} {v.size}\n".encode())
        out.write(b"end\n")
        for v in entries.values():
            out.write(np.ascontiguousarray(v, dtype="<f4").tobytes())


def flat(t):
    return t.detach().numpy().reshape(-1).copy()  # what it came from changes later


def train(case, which, bump=None, steps=10):
    """Logits, gradients and running statistics of the first step, and the losses of all."""
    net = (VNet if case[1] == "vnet" else UNet)(case).double()
    set_weights(net, which)
    x, y = batch(case)
    if bump is not None:
        x = x * (1 + 2e-6 * torch.from_numpy(noise(x.numel(), 5000 + bump).reshape(x.shape)))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    entries, losses = {}, []
    for step in range(steps):
        z = net(x)
        loss = supervised(z, y, case[9])
        optimiser.zero_grad()
        loss.backward()
        losses.append(loss.item())
        if step == 0:
            entries["logits"] = flat(z)[::case[10]]
            for name, p in net.named_parameters():
                entries["grad." + name] = flat(p.grad)
            for name, b in net.named_buffers():
                if "running" in name:
                    entries[name] = flat(b)
        optimiser.step()
    entries["losses"] = np.array(losses)
    return entries


def distance(a, b):
    """The worst gradient, relative to the tensor's largest, and the worst loss."""
    grads = {k: np.abs(v).max() for k, v in a.items() if k.startswith("grad.")}
    floor = 1e-9 * max(grads.values())
    worst = max(np.abs(a[k] - b[k]).max() / m for k, m in grads.items() if m > floor)
    return worst, np.abs(b["losses"] / a["losses"] - 1).max()


def steady(case, which):
    one = train(case, which, steps=1)
    if any(distance(one, train(case, which, bump, 1))[0] > 3e-4 for bump in range(4)):
        return False
    ten = train(case, which)
    return all(distance(ten, train(case, which, bump))[1] < 1e-5 for bump in range(3))


def golden(case):
    which = case[11]
    if "--search" in sys.argv and case[7] < 5:
        which = next(number for number in range(200) if steady(case, number))
    entries = train(case, which)
    write(case[0], entries)
    far = distance(entries, train(case, which, 9))
    print(f"{case[0]}: weights {which}, losses {entries['losses'][0]:.4f} -> {entries['losses'][-1]:.4f}, changed input: "
          f"gradients {far[0]:.1e}, losses {far[1]:.1e}", flush=True)


def optimisers():
    entries = {}
    made = {
        "sgd": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01),
        "nesterov": lambda p: torch.optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01, nesterov=True),
        "adamw": lambda p: torch.optim.AdamW([p], lr=0.1, weight_decay=0.01),
        "clipped": lambda p: torch.optim.SGD([p], lr=0.1),
    }
    for name, make in made.items():
        p = nn.Parameter(torch.from_numpy(noise(7, 1)))
        optimiser = make(p)
        for step in range(3):
            p.grad = torch.from_numpy(noise(7, 50 + step))
            if name == "clipped":
                p.grad *= 0.5 / p.grad.norm()
            optimiser.step()
        entries[name] = flat(p)
    write("optimisers", entries)


torch.set_num_threads(1)
for c in CASES:
    golden(c)
optimisers()
