"""The operations and bytes of a program, counted where its loops are still loops.

XLA's own cost analysis counts the body of a loop once, whatever the loop's length. Here matrix
products and convolutions alone are counted: they are nearly all operations of a network, and the
only ones that run at the rate of matrix products.
"""

import math
from typing import Any, NamedTuple

import jax
from jax.extend import core


class Operations(NamedTuple):
    """What matrix products and convolutions do in one call."""

    flops: float  # multiplications and additions
    bytes: float  # operands read and results written, each time again

    def __add__(self, other: Any) -> "Operations":
        return Operations(self.flops + other.flops, self.bytes + other.bytes)

    def times(self, repeats: int) -> "Operations":
        """The same, done several times."""
        return Operations(repeats * self.flops, repeats * self.bytes)


NOTHING = Operations(0.0, 0.0)


def count(program: Any) -> Operations:
    """Counts a program as it was traced; loops of unknown length count once.

    Of the branches of a condition the largest one counts.
    """
    jaxpr: core.Jaxpr = getattr(program, "jaxpr", program)
    return sum((of_equation(equation) for equation in jaxpr.eqns), start=NOTHING)


def of_equation(equation: core.JaxprEqn) -> Operations:
    """Counts one equation and the programs inside it."""
    name, parameters = equation.primitive.name, equation.params
    if name == "dot_general":
        (contracted, _), _ = parameters["dimension_numbers"]
        shape = array(equation.invars[0]).shape
        return product(equation, math.prod(shape[axis] for axis in contracted))
    if name == "conv_general_dilated":
        return product(equation, taps(equation))
    leaves = jax.tree.leaves(parameters, is_leaf=is_program)
    inside = [count(value) for value in leaves if is_program(value)]
    if name == "cond":
        return max(inside)
    return sum(inside, start=NOTHING).times(parameters["length"] if name == "scan" else 1)


def is_program(value: Any) -> bool:
    """Whether a parameter of an equation is a program."""
    return isinstance(getattr(value, "jaxpr", value), core.Jaxpr)


def product(equation: core.JaxprEqn, terms: float) -> Operations:
    """A product of which each result is a sum of `terms` products."""
    result = array(equation.outvars[0])
    arrays = [*map(array, equation.invars), result]
    moved = sum(x.dtype.itemsize * math.prod(x.shape) for x in arrays)
    return Operations(2.0 * terms * math.prod(result.shape), float(moved))


def taps(equation: core.JaxprEqn) -> float:
    """Terms of each result of a convolution, without those that dilation has made zero."""
    numbers = equation.params["dimension_numbers"]
    kernel = array(equation.invars[1]).shape
    inputs, *space = (kernel[axis] for axis in numbers.rhs_spec[1:])
    # A transposed convolution reads its input with gaps: most of the taps see nothing.
    return inputs * math.prod(space) / math.prod(equation.params["lhs_dilation"])


def array(variable: Any) -> Any:
    """Shape and dtype of a variable."""
    return variable.aval
