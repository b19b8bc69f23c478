"""A model as ONNX graphs, which programs without JAX run: one step of a dream, one of seeing."""

import importlib
import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from dreamer_jax import spaces
from dreamer_jax.spaces import Interface
from dreamer_jax.types import AnyModel

OPSET = 20  # of ONNX; every runtime of the last two years has it
ACTION = "carry/action/"  # how the names of the actions in a carry begin
CALLS = {"jit": "jaxpr", "custom_jvp_call": "call_jaxpr", "custom_vjp_call": "call_jaxpr"}
MISSING = 'needs jax2onnx: pip install -e ".[export]"'

Arrays = dict[str, jax.Array]  # by name


class Graph(NamedTuple):
    """A function of named arrays, with a batch of one, and values that it can be called with."""

    function: Callable[[Arrays], Arrays]
    example: Arrays


def step(model: AnyModel, state: Any, carry: Any) -> Graph:
    """One step of a dream, and everything that the model says of the moment.

    Args:
      model: with an explicit form, see `types.Explicit`.
      state: of the agent; its arrays become constants of the graph.
      carry: of one environment, with the action that was chosen at it.

    Returns: a graph from `carry/...` and `uniform` [1, S] to `next/...`, which is the next carry
      without an action, and `obs/<key>`, `reward`, `continue`, `value` and `policy/<key>/...`.
    """
    explicit = model.explicit
    assert explicit is not None

    def dreamt(inputs: Arrays) -> Arrays:
        moment = explicit.imagine(state, filled(carry, inputs), inputs["uniform"])
        return remembered(moment) | said(model, state, moment)

    return Graph(dreamt, named(carry) | {"uniform": jnp.full((1, explicit.noise), 0.5)})


def see(model: AnyModel, state: Any, carry: Any, interface: Interface) -> Graph:
    """One step of seeing: the same as `step`, for an observation instead of a dream.

    Returns: a graph from `carry/...`, `uniform` [1, S], `is_first` [1] bool and `obs/<key>` to the
      `next/...`, `value` and `policy/<key>/...`.
    """
    explicit = model.explicit
    assert explicit is not None
    keys = {f"obs/{key}": key for key in sorted(interface.obs.keys)}

    def seen(inputs: Arrays) -> Arrays:
        obs = {key: inputs[name] for name, key in keys.items()}
        before = filled(carry, inputs)
        moment = explicit.see(state, before, obs, inputs["is_first"], inputs["uniform"])
        value = {"value": model.read(state, moment).value}
        return remembered(moment) | value | chances(model, state, moment)

    nothing = spaces.zeros(interface.obs, 1)
    example = {name: nothing[key] for name, key in keys.items()}
    example |= {"is_first": jnp.ones(1, bool), "uniform": jnp.full((1, explicit.noise), 0.5)}
    return Graph(seen, named(carry) | example)


def said(model: AnyModel, state: Any, carry: Any) -> Arrays:
    """What a model says of the moment in a carry: `Model.read` and the policy, by name."""
    readout = model.read(state, carry)
    found = {f"obs/{key}": x for key, x in readout.obs.items()}
    numbers = {
        "reward": readout.reward,
        "continue": readout.continue_,
        "value": readout.value,
    }
    return found | numbers | chances(model, state, carry)


def chances(model: AnyModel, state: Any, carry: Any) -> Arrays:
    """The parameters of the policy by name, such as `policy/action/probabilities`."""
    assert model.explicit is not None
    found = model.explicit.policy(state, carry)
    return {f"policy/{key}/{name}": x for key, part in found.items() for name, x in part.items()}


def named(carry: Any) -> Arrays:
    """Every array of a carry by its path, such as `carry/latent/deter`."""
    leaves = jax.tree_util.tree_leaves_with_path(carry)
    return {f"carry/{jax.tree_util.keystr(p, simple=True, separator='/')}": x for p, x in leaves}


def filled(carry: Any, values: Arrays) -> Any:
    """A carry with the arrays of `values`, by the names that `named` gives them."""
    return jax.tree.unflatten(jax.tree.structure(carry), [values[name] for name in named(carry)])


def remembered(carry: Any) -> Arrays:
    """A carry as an output, such as `next/latent/deter`, without the action, still to be chosen."""
    return {
        f"next/{name.removeprefix('carry/')}": x
        for name, x in named(carry).items()
        if not name.startswith(ACTION)
    }


def require_exporter() -> None:
    """ValueError without the package that writes ONNX."""
    if not find_spec("jax2onnx"):
        raise ValueError(f"--mode=export {MISSING}")


def to_onnx(graph: Graph, *, name: str) -> bytes:
    """The graph as an ONNX file, its inputs and outputs under their names.

    ValueError without the package that it takes, or for an operation that has no form in ONNX.
    """
    require_exporter()
    # The exporter logs optional parts of itself that do not load, as warnings.
    for package in ("jax2onnx", "onnx_ir"):
        logging.getLogger(package).setLevel(logging.CRITICAL)
    jax2onnx: Any = importlib.import_module("jax2onnx")
    outputs = list(jax.eval_shape(graph.function, graph.example))

    def positional(*inputs: jax.Array) -> list[jax.Array]:
        found = graph.function(dict(zip(graph.example, inputs, strict=True)))
        return [found[output] for output in outputs]

    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in graph.example.values()]
    try:
        model = jax2onnx.to_onnx(
            inlined(positional, shapes),
            shapes,
            model_name=name,
            opset=OPSET,
            input_names=list(graph.example),
            output_names=outputs,
        )
    except NotImplementedError as error:
        raise ValueError(f"the model has an operation without a form in ONNX: {error}") from None
    return model.SerializeToString()


def inlined(
    function: Callable[..., Sequence[jax.Array]], inputs: Sequence[jax.Array | jax.ShapeDtypeStruct]
) -> Callable[..., tuple[Any, ...]]:
    """The same function as a flat sequence of primitive operations that the exporter knows.

    The exporter replaces functions of JAX while it traces. Compiled functions that it traced
    would keep its replacements, so it gets no function of this program to trace.
    """
    closed = jax.make_jaxpr(function)(*inputs)
    return lambda *values: distinct(evaluated(closed, values))


def distinct(values: Sequence[jax.Array]) -> tuple[jax.Array, ...]:
    """The same values, none of them twice: in ONNX, a value has one name."""
    found = list[jax.Array]()
    for x in values:
        found.append(jax.lax.copy_p.bind(x) if any(x is other for other in found) else x)
    return tuple(found)


def evaluated(closed: core.ClosedJaxpr, inputs: Sequence[Any]) -> list[Any]:
    """Calls the primitives of a traced function one by one, those of its calls included."""
    values = dict(zip(closed.jaxpr.constvars, closed.consts, strict=True))
    values |= dict(zip(closed.jaxpr.invars, inputs, strict=True))

    def value(variable: Any) -> Any:
        return variable.val if isinstance(variable, core.Literal) else values[variable]

    for equation in closed.jaxpr.eqns:
        taken, name = [value(x) for x in equation.invars], equation.primitive.name
        if name in CALLS:
            found = evaluated(equation.params[CALLS[name]], taken)
        elif name == "stack":
            axis = equation.params["axis"]
            found = [jax.lax.concatenate([jax.lax.expand_dims(x, [axis]) for x in taken], axis)]
        else:
            found = equation.primitive.bind(*taken, **equation.params)
            found = found if equation.primitive.multiple_results else [found]
        values |= dict(zip(equation.outvars, found, strict=True))
    return [value(x) for x in closed.jaxpr.outvars]


def description(graph: Graph) -> dict[str, dict[str, dict[str, Any]]]:
    """Shape and type of each input and output of a graph, as JSON."""
    outputs = jax.eval_shape(graph.function, graph.example)
    return {
        what: {k: {"shape": list(x.shape), "type": str(np.dtype(x.dtype))} for k, x in each.items()}
        for what, each in (("inputs", graph.example), ("outputs", outputs))
    }
