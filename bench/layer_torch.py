#!/usr/bin/env python3
"""PyTorch's side of bench/layer: the same step in PyTorch's best form, a burst at a time.

The step is forward, mean squared error, backward with the input's gradient, and Adam, in float32.
Commands on stdin, one answer line each on stdout:

    case 16x16x16x16 64 separate parallel 2   tries all forms that exist for it, keeps the fastest
    burst best 0.5 | burst einsum 0.5         steps for so many seconds: ms of each
    peak                                      peak MiB of a fresh process that runs the best form

A form is NAME[+adam], NAME of einsum (the paper's own code), bmm (a batched product, the batch
outermost), bin (the same, batch innermost), conv (batch innermost, a grouped 1x1 convolution, groups
= lines) and ew (axes of two, element by element); `c` before it: through torch.compile.
"""
import math
import os
import resource
import string
import subprocess
import sys
import time

import torch


class Layer(torch.nn.Module):
    """Weights [lines][size][size] for each axis, or [size][size] where they are shared."""
    batch_first = True

    def __init__(self, shape, batch, shared, chained):
        super().__init__()
        self.shape, self.batch, self.shared, self.chained = shape, batch, shared, chained
        self.w = torch.nn.ParameterList(
            [torch.nn.Parameter((torch.rand(self.weight_shape(a)) * 2 - 1) * s**-0.5)
             for a, s in enumerate(shape)])

    def weight_shape(self, axis):
        s = self.shape[axis]
        return [s, s] if self.shared else [math.prod(self.shape) // s, s, s]

    def parts(self, axis):
        return math.prod(self.shape[:axis]), self.shape[axis], math.prod(self.shape[axis + 1:])

    def forward(self, x):
        if self.chained:
            for axis in range(len(self.shape)):
                x = self.along(x, axis)
            return x
        y = self.along(x, 0)
        for axis in range(1, len(self.shape)):
            y = y + self.along(x, axis)
        return y


class Einsum(Layer):

    def weight_shape(self, axis):
        s = self.shape[axis]
        return [s, s] if self.shared else self.shape + [s]

    def along(self, x, axis):
        names = string.ascii_letters[:len(self.shape) + 1]
        new = string.ascii_letters[len(self.shape) + 1]
        weight = (names[axis + 1] if self.shared else names[1:]) + new
        return torch.einsum(f'{names},{weight}->{names.replace(names[axis + 1], new)}', x,
                            self.w[axis])


class Bmm(Layer):

    def along(self, x, axis):
        outer, s, inner = self.parts(axis)
        w = self.w[axis]
        if self.shared:
            if inner == 1:
                return (x.reshape(-1, s) @ w).view(x.shape)
            return torch.matmul(w.t(), x.reshape(self.batch * outer, s, inner)).view(x.shape)
        lines = x.reshape(self.batch, outer, s, inner).permute(1, 3, 0, 2)
        y = torch.bmm(lines.reshape(outer * inner, self.batch, s), w)
        return y.view(outer, inner, self.batch, s).permute(2, 0, 3, 1).reshape(x.shape)


class Bin(Layer):
    batch_first = False

    def lines(self, x, axis):
        outer, s, inner = self.parts(axis)
        return x.reshape(outer, s, inner, self.batch).transpose(1, 2)

    def along(self, x, axis):
        outer, s, inner = self.parts(axis)
        if self.shared:
            return torch.matmul(self.w[axis], x.reshape(outer, s, inner * self.batch)).view(x.shape)
        y = torch.bmm(self.w[axis], self.lines(x, axis).reshape(outer * inner, s, self.batch))
        return y.view(outer, inner, s, self.batch).transpose(1, 2).reshape(x.shape)


class Conv(Bin):

    def along(self, x, axis):
        outer, s, inner = self.parts(axis)
        lines = self.lines(x, axis).reshape(1, outer * inner * s, self.batch)
        y = torch.nn.functional.conv1d(lines, self.w[axis].view(-1, s, 1), groups=outer * inner)
        return y.view(outer, inner, s, self.batch).transpose(1, 2).reshape(x.shape)


class Ew(Bin):

    def weight_shape(self, axis):
        return [2, math.prod(self.shape)]

    def along(self, x, axis):
        outer, s, inner = self.parts(axis)
        pairs = x.reshape(outer, 2, inner, self.batch)
        diagonal, other = self.w[axis].view(2, outer, 2, inner, 1).unbind(0)
        return torch.addcmul(pairs * diagonal, pairs.flip(1), other).view(x.shape)


FORMS = {'einsum': Einsum, 'bmm': Bmm, 'bin': Bin, 'conv': Conv, 'ew': Ew}


class Step:

    def __init__(self, form, adam, shape, batch, shared, chained, threads):
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        compiled = form.startswith('c:')
        kind = FORMS[form[2:] if compiled else form]
        model = kind(shape, batch, shared, chained)
        sizes = [batch] + shape if kind.batch_first else shape + [batch]
        self.x = torch.randn(sizes, requires_grad=True)
        self.target = torch.randn(sizes)
        self.optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, **{adam: True})
        self.model = torch.compile(model) if compiled else model
        self.loss = torch.nn.MSELoss()

    def run(self):
        began = time.perf_counter()
        self.optimizer.zero_grad(set_to_none=True)
        self.x.grad = None
        self.loss(self.model(self.x), self.target).backward()
        self.optimizer.step()
        return (time.perf_counter() - began) * 1e3

    def burst(self, seconds):
        ends, took = time.perf_counter() + seconds, []
        while len(took) < 2 or time.perf_counter() < ends:
            took.append(self.run())
        return took


def adam_kinds():
    kinds = ['foreach']
    try:
        p = torch.nn.Parameter(torch.zeros(2))
        p.grad = torch.ones(2)
        torch.optim.Adam([p], fused=True).step()
        kinds.append('fused')
    except (RuntimeError, TypeError, ValueError):
        pass
    return kinds


def forms(shape, shared):
    names = ['bmm', 'bin']
    if not shared:
        names.append('conv')
        if set(shape) == {2}:
            names = ['ew', 'bin']
    can_compile = hasattr(torch, 'compile') and '--compile' in sys.argv
    return names + ['c:' + name for name in names + ['einsum'] if can_compile]


class Peer:

    def case(self, words):
        self.words = words
        shape = [int(s) for s in words[0].split('x')]
        rest = (int(words[1]), words[2] == 'shared', words[3] == 'sequential', int(words[4]))
        adam = adam_kinds()[-1]
        self.einsum = Step('einsum', adam, shape, *rest)
        self.einsum.run()
        self.best, least = None, math.inf
        for form in forms(shape, rest[1]):
            try:
                step = Step(form, adam, shape, *rest)
                took = min(step.run() for _ in range(4))
            except Exception as error:  # a form that this version cannot run is no candidate
                print(form, error, file=sys.stderr)
                continue
            if took < least:
                self.best, least, self.name = step, took, form
        self.adam = adam
        return f'torch {torch.__version__} best {self.name}+{adam}'

    def burst(self, words):
        step = self.best if words[0] == 'best' else self.einsum
        return ' '.join(f'{ms:.3f}' for ms in step.burst(float(words[1])))

    def peak(self, words):
        command = [sys.executable, __file__, '--peak', self.name, self.adam] + self.words
        # What makes freed arrays stay with the process (bench/peer.h) would count them here.
        plain = {name: v for name, v in os.environ.items() if not name.startswith('MALLOC_')}
        result = subprocess.run(command, capture_output=True, text=True, check=True, env=plain)
        return result.stdout.strip()


def print_peak(form, adam, words):
    step = Step(form, adam, [int(s) for s in words[0].split('x')], int(words[1]),
                words[2] == 'shared', words[3] == 'sequential', int(words[4]))
    for _ in range(3):
        step.run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def main():
    if '--peak' in sys.argv:
        at = sys.argv.index('--peak') + 1
        return print_peak(sys.argv[at], sys.argv[at + 1], sys.argv[at + 2:])
    peer = Peer()
    for line in sys.stdin:
        command, *words = line.split()
        print(getattr(peer, command)(words), flush=True)


if __name__ == '__main__':
    main()
