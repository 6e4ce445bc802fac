#!/usr/bin/env python3
"""Writes the golden arrays of the paper's layer: numpy only, float64, run once; the files are committed.

The layer maps x of shape (batch, s_1, ..., s_m), the last axis being the channels, with one weight an axis:

    separate  w[axis] of shape (s_1, ..., s_m, out):  y[b, .., j, ..] = sum_k x[b, .., k, ..] w[.., k, .., j]
    shared    w[axis] of shape (s_axis, out):         y[b, .., j, ..] = sum_k x[b, .., k, ..] w[k, j]

    parallel    y = sum over the axes of the maps of x
    ascending   y = the maps in a chain from the first axis to the last; descending: from the last to the first
    single      y = one axis alone, with out = 5 instead of its own size

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


def chain(x, w, axes):
    for axis in axes:
        x = apply(x, w[axis], axis)
    return x


def save(name, array):
    numpy.save(HERE / f"{name}.npy", array)


def weights(rng, shape, mode, out=None):
    w = []
    for axis, size in enumerate(shape):
        shared = mode == "shared"
        w.append(rng.standard_normal(([size] if shared else shape) + [out or size]))
    return w


def main():
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
