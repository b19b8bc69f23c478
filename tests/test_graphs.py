"""The exported model: its numbers are those of the model, for every kind of space."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from command import hastily
from extras import EXPORT
from test_tokens_agent import INTERFACE, config

from dreamer_jax.agents.dreamer.model import model_of
from dreamer_jax.agents.dreamer.networks import Dreamer
from dreamer_jax.agents.dreamer.state import DreamerCarry, DreamerState
from dreamer_jax.agents.tokens import agent as tokens
from dreamer_jax.agents.tokens.config import POLICY
from dreamer_jax.playable import graphs
from dreamer_jax.playable.graphs import Graph
from dreamer_jax.spaces import Interface

AGENTS = {
    "vector": (tiny.VECTOR, tiny.TURN),
    "image": (tiny.PIXELS, tiny.TURN),
    "everything": (tiny.MIXED, tiny.BOTH),
}


@cache
def agent(name: str) -> tuple[Dreamer, DreamerState]:
    """An agent whose predictions of numbers are as narrow as those of one that has learned."""
    obs, act = AGENTS[name]
    dreamer = tiny.make(obs=obs, act=act)
    state = tiny.made_up(dreamer)
    for head in ("reward", "value"):
        bias = state.params[head]["logits"]["bias"]
        distance = np.arange(len(bias)) - len(bias) // 2 - 1
        state.params[head]["logits"]["bias"] = jnp.asarray(bias - 2.0 * distance**2, jnp.float32)
    return dreamer, state


def carried(dreamer: Dreamer, seed: int) -> DreamerCarry:
    """A moment in the middle of an episode."""
    latent = jax.tree.map(lambda x: x[seed], tiny.latents(dreamer, 8, 1))
    action = tiny.experience(dreamer, 1, seed=seed).action
    return DreamerCarry(latent=latent, action={key: x[0, :1] for key, x in action.items()})


def inputs_of(dreamer: Dreamer, graph: Graph, seed: int) -> graphs.Arrays:
    """Values for the inputs of a graph, different for each seed."""
    values = dict(graph.example) | graphs.named(carried(dreamer, seed))
    key = jax.random.key(seed)
    values["uniform"] = jax.random.uniform(key, graph.example["uniform"].shape)
    obs = tiny.experience(dreamer, 1, seed=seed).obs
    values |= {f"obs/{k}": x[0, :1] for k, x in obs.items() if f"obs/{k}" in values}
    if "is_first" in values:
        values["is_first"] = jnp.array([seed == 0])
    return values


def require_same(name: str, graph: Graph) -> None:
    """Runs an exported graph and the function that it is of; their numbers differ by rounding."""
    onnxruntime = pytest.importorskip("onnxruntime")

    onnxruntime.set_default_logger_severity(3)
    dreamer, _ = agent(name)
    session = onnxruntime.InferenceSession(graphs.to_onnx(graph, name="graph"))
    assert [x.name for x in session.get_inputs()] == list(graph.example)
    names = [x.name for x in session.get_outputs()]
    inputs = inputs_of(dreamer, graph, 0)
    with hastily():
        function = jax.jit(graph.function).lower(inputs).compile()
    for seed in range(6):
        inputs = inputs_of(dreamer, graph, seed)
        expected: Any = function(inputs)
        found = session.run(names, {key: np.asarray(x) for key, x in inputs.items()})
        assert expected.keys() == set(names)
        for key, value in zip(names, found, strict=True):
            assert isinstance(value, np.ndarray)
            assert value.dtype == expected[key].dtype, key
            if value.dtype == np.uint8:  # rounded numbers: one that lies in the middle may differ
                differences = np.abs(value.astype(int) - np.asarray(expected[key], int))
                assert differences.max() <= 1 and (differences > 0).mean() < 0.001
            else:
                np.testing.assert_allclose(value, expected[key], rtol=1e-4, atol=1e-4, err_msg=key)


@EXPORT
@pytest.mark.parametrize("name", AGENTS)
def test_an_exported_dream_has_the_numbers_of_the_model(name: str) -> None:
    dreamer, state = agent(name)
    require_same(name, graphs.step(model_of(dreamer), state, carried(dreamer, 7)))


@EXPORT
def test_exported_seeing_has_the_numbers_of_the_model() -> None:
    name = "everything"
    dreamer, state = agent(name)
    interface = Interface(obs=dreamer.obs, act=dreamer.act)
    require_same(name, graphs.see(model_of(dreamer), state, carried(dreamer, 7), interface))


@EXPORT
def test_an_operation_without_a_form_in_onnx_is_named() -> None:
    graph = Graph(
        lambda x: {"y": jax.scipy.linalg.expm(x["x"])}, {"x": jnp.zeros((2, 2), jnp.float32)}
    )
    with pytest.raises(ValueError, match="operation without a form in ONNX") as caught:
        graphs.to_onnx(graph, name="graph")
    assert "\n" not in str(caught.value)


def test_a_model_with_a_memory_returns_none_of_its_inputs() -> None:
    """The exporter cannot give one value two names."""
    made = tokens.make(config(POLICY, memory="gru"), INTERFACE)
    state, carry = jax.eval_shape(made.learner.init, jax.random.key(0)), made.player.carry(1)
    assert made.model is not None

    def called(graph: Any, state: Any, inputs: graphs.Arrays) -> graphs.Arrays:
        return graph(state=state).function(inputs)

    for graph_of in (graphs.step, partial(graphs.see, interface=INTERFACE)):
        graph = partial(graph_of, made.model, carry=carry)
        example = graph(state=state).example
        traced = jax.make_jaxpr(partial(called, graph))(state, example)
        outputs = {id(x) for x in traced.jaxpr.outvars}
        assert not outputs & {id(x) for x in traced.jaxpr.invars}


def test_the_explicit_form_is_the_model_to_the_bit() -> None:
    """A key is used for the uniform numbers alone."""
    dreamer, state = agent("vector")
    model, carry, key = model_of(dreamer), carried(dreamer, 1), jax.random.key(4)
    explicit = model.explicit
    assert explicit is not None
    uniform = jax.random.uniform(key, (1, explicit.noise))
    obs = {k: x[0, :1] for k, x in tiny.experience(dreamer, 1).obs.items()}
    is_first = jnp.array([False])
    pairs = (
        (jax.jit(explicit.imagine)(state, carry, uniform), model.imagine(state, carry, key)),
        (
            jax.jit(explicit.see)(state, carry, obs, is_first, uniform),
            model.see(state, carry, obs, is_first, key),
        ),
    )
    for found, expected in pairs:
        jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_the_policy_is_told_by_its_parameters() -> None:
    dreamer, state = agent("everything")
    found = graphs.chances(model_of(dreamer), state, carried(dreamer, 1))
    chances = found["policy/action/probabilities"]
    assert chances.shape == (1, 3) and float(chances.sum()) == pytest.approx(1)
    assert found["policy/speed/mean"].shape == found["policy/speed/stddev"].shape == (1, 2)
    likely = model_of(dreamer).greedy(state, carried(dreamer, 1), jax.random.key(0))
    assert int(likely["action"][0, 0]) == int(chances.argmax())
    np.testing.assert_allclose(likely["speed"], found["policy/speed/mean"], rtol=1e-5)


def test_inlining_changes_nothing() -> None:
    def function(x: jax.Array) -> list[jax.Array]:
        return [jax.jit(lambda y: jnp.stack([y, 2 * y], 1))(jax.nn.silu(x)), jnp.argmax(x)[None]]

    x = jnp.arange(4.0)
    for found, expected in zip(graphs.inlined(function, [x])(x), function(x), strict=True):
        np.testing.assert_array_equal(found, expected)
