#!/usr/bin/env python3
"""Writes the golden arrays of the paper's layer: numpy only, float64, run once; the files are committed.

The layer maps x of shape (batch, s_1, ..., s_m), the last axis being the channels, with one weight an axis:

    separate  w[axis] of shape (s_1, ..., s_m, out):  y[b, .., j, ..] = sum_k x[b, .., k, ..] w[.., k, .., j]
    shared    w[axis] of shape (s_axis, out):         y[b, .., j, ..] = sum_k x[b, .., k, ..] w[k, j]

    parallel    y = sum over the axes of the maps of x
    ascending   y = the maps in a chain from the first axis to the last; descending: from the last to the first
    single      y = one axis alone, with out = 5 instead of its own size

    per_channel a token axis's w has shape (C, s_axis, out):  y[b, .., j, .., c] = sum_k x[b, .., k, .., c] w[c, k, j];
                the channel axis is shared
    tied        axes of one size have one shared w, the first one's
    once        shared, parallel, where only the last axis has its diagonal k = j
    radius1     shared, token axes with abs(j - k) <= 1 only
    heads2      two shared layers side by side, each on its half of the channels, with weights of its own

File names: SHAPE.x, SHAPE.w.MODE.AXIS, SHAPE.w5.MODE.AXIS (single), SHAPE.y.MODE.COMBINE; mode "mixed" takes
separate weights on even axes and shared ones on odd axes.
"""
import pathlib

import numpy

HERE = pathlib.Path(__file__).parent
BATCH = 3
SHAPES = ([3], [2, 3], [3, 2, 4])


def apply(x, w, axis):
    """One axis map as an einsum; axis counts the grid's axes, without the batch."""
    x_letters = "bdefgh"[: x.ndim]
    k = x_letters[1 + axis]
    w_letters = (k if w.ndim == 2 else x_letters[1:]) + "j"
    return numpy.einsum(f"{x_letters},{w_letters}->{x_letters.replace(k, 'j')}", x, w)


def apply_per_channel(x, w, axis):
    letters = "bdefgh"[: x.ndim]
    k = letters[1 + axis]
    return numpy.einsum(f"{letters},{letters[-1]}{k}j->{letters.replace(k, 'j')}", x, w)


def chain(x, w, axes, one=apply):
    for axis in axes:
        x = one(x, w[axis], axis)
    return x


def save_combined(name, layer):
    """layer(combine) for the three ways to combine axes."""
    for combine in ("parallel", "ascending", "descending"):
        save(f"{name}.{combine}", layer(combine))


def combine_axes(x, w, combine, one=apply):
    axes = range(x.ndim - 1)
    if combine == "parallel":
        return sum(one(x, w[axis], axis) for axis in axes)
    return chain(x, w, axes if combine == "ascending" else reversed(axes), one)


def save(name, array):
    numpy.save(HERE / f"{name}.npy", array)


def weights(rng, shape, mode, out=None):
    w = []
    for axis, size in enumerate(shape):
        shared = mode == "shared"
        w.append(rng.standard_normal(([size] if shared else shape) + [out or size]))
    return w


def save_kinds():
    """The other kinds of weights and maps, on a grid whose outermost axis is as long as its channel axis."""
    shape, name, rng = [4, 2, 4], "4x2x4", numpy.random.default_rng(424)
    x = rng.standard_normal([BATCH] + shape)
    save(f"{name}.x", x)
    shared = weights(rng, shape, "shared")
    per_channel = [rng.standard_normal([shape[-1], size, size]) for size in shape[:-1]]
    heads = [weights(rng, shape[:-1] + [2], "shared") for _ in range(2)]
    for axis in range(3):
        save(f"{name}.w.shared.{axis}", shared[axis])
    for axis in range(2):
        save(f"{name}.w.per_channel.{axis}", per_channel[axis])
        save(f"{name}.w.heads2.{axis}", numpy.stack([w[axis] for w in heads]))
    # Row k of the channel axis holds the outputs of its own head.
    save(f"{name}.w.heads2.2", numpy.concatenate([w[2] for w in heads]))

    def one_per_channel(x, w, axis):
        return apply(x, w, axis) if axis == 2 else apply_per_channel(x, w, axis)

    near = [w * (abs(numpy.subtract.outer(range(len(w)), range(len(w)))) <= 1) for w in shared[:2]]
    once = [w * (1 - numpy.eye(len(w))) for w in shared[:2]] + shared[2:]
    save_combined(f"{name}.y.per_channel",
                  lambda c: combine_axes(x, per_channel + shared[2:], c, one_per_channel))
    save_combined(f"{name}.y.tied", lambda c: combine_axes(x, shared[:2] + shared[:1], c))
    save_combined(f"{name}.y.radius1", lambda c: combine_axes(x, near + shared[2:], c))
    save(f"{name}.y.once.parallel", combine_axes(x, once, "parallel"))
    halves = numpy.split(x, 2, axis=-1)
    save_combined(f"{name}.y.heads2", lambda c: numpy.concatenate(
        [combine_axes(half, w, c) for half, w in zip(halves, heads)], axis=-1))


def main():
    save_kinds()
    for shape in SHAPES:
        rng = numpy.random.default_rng(sum(shape))
        name = "x".join(map(str, shape))
        axes = range(len(shape))
        x = rng.standard_normal([BATCH] + shape)
        save(f"{name}.x", x)
        sets = {mode: weights(rng, shape, mode) for mode in ("separate", "shared")}
        for mode, w in sets.items():
            resized = weights(rng, shape, mode, 5)
            for axis in axes:
                save(f"{name}.w.{mode}.{axis}", w[axis])
                save(f"{name}.w5.{mode}.{axis}", resized[axis])
                save(f"{name}.y.{mode}.single{axis}", apply(x, resized[axis], axis))
        sets["mixed"] = [sets["shared" if axis % 2 else "separate"][axis] for axis in axes]
        for mode, w in sets.items():
            save(f"{name}.y.{mode}.parallel", sum(apply(x, w[axis], axis) for axis in axes))
            save(f"{name}.y.{mode}.ascending", chain(x, w, axes))
            save(f"{name}.y.{mode}.descending", chain(x, w, reversed(axes)))


if __name__ == "__main__":
    main()
