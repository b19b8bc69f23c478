"""The networks that read and predict grids of symbols: against NumPy, and how fast they learn."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from by_hand import linear, norm_act, variables
from gymnasium.spaces import Box
from tiny import experience, made_up, make, window

from dreamer_jax import spaces
from dreamer_jax.agents.dreamer.reports import painted, report
from dreamer_jax.nn.transformer import TextSize
from dreamer_jax.world_model.decoders import Decoder, reconstruction_losses
from dreamer_jax.world_model.encoders import Encoder
from dreamer_jax.world_model.grids import GridDecoder, GridEncoder
from dreamer_jax.world_model.latents import Latent
from envs.codecs import Observations
from envs.kinds import Symbols

F32 = jnp.dtype("float32")
KEY = jax.random.key(0)


def test_encoder_against_numpy() -> None:
    """Patches of a 10 x 5 grid are 2 x 1 cells; each cell has two symbols."""
    symbols = np.random.default_rng(3).integers(0, 6, (2, 10, 5, 2))
    net = GridEncoder(classes=6, depth=2, units=8, layers=1, dtype=F32)
    weights = variables(net, jnp.asarray(symbols))
    params, expected = weights["params"], []
    for grid in symbols:
        patches = []
        for top in range(0, 10, 2):
            for column in range(5):
                cells = [
                    params["symbols"][first] + params["symbols"][6 + second]
                    for first, second in grid[top : top + 2, column]
                ]
                patches.append(np.concatenate(cells))
        x = norm_act(linear(np.stack(patches), params["patch"]), params["patch_norm"]).ravel()
        mlp = params["mlp"]
        expected.append(norm_act(linear(x, mlp["layer0"]), mlp["norm0"]))
    tokens = np.asarray(jax.jit(net.apply)(weights, jnp.asarray(symbols)))
    np.testing.assert_allclose(tokens, expected, rtol=1e-3, atol=1e-4)


def test_decoder_against_numpy() -> None:
    """Patches of a 9 x 3 grid are 2 x 1 cells, of which the last row lies beyond the grid."""
    x = np.random.default_rng(4).normal(size=(2, 6)).astype(np.float32)
    net = GridDecoder(
        height=9, width=3, symbols=2, classes=5, depth=2, units=8, layers=1, dtype=F32
    )
    weights = variables(net, jnp.asarray(x))
    params = weights["params"]
    hidden = norm_act(linear(x, params["mlp"]["layer0"]), params["mlp"]["norm0"])
    patches = norm_act(linear(hidden, params["patches"]).reshape(2, 15, 8), params["patch_norm"])
    cells = linear(patches, params["cells"]).reshape(2, 5, 3, 2, 8)
    expected = np.zeros((2, 27, 2, 5))
    for row in range(9):
        for column in range(3):
            cell = norm_act(cells[:, row // 2, column, row % 2], params["cell_norm"])
            place = 3 * row + column
            logits = np.einsum("nw,wsk->nsk", cell, params["kernel"])
            expected[:, place] = logits + 30 * params["bias"][place]
    found: Any = jax.jit(net.apply)(weights, jnp.asarray(x))
    np.testing.assert_allclose(found.logits, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 30, 2), (8, 8, 111), (64, 64, 1), (210, 160, 1)])
def test_any_size_has_few_tokens(shape: tuple[int, int, int]) -> None:
    known = spaces.observations({"board": Symbols(*shape, classes=2)})
    text = TextSize(width=8, layers=1, heads=2, patch=4)
    encoder = Encoder(spaces=known, depth=2, units=8, layers=1, text=text, dtype=F32)
    obs = jax.eval_shape(lambda: spaces.zeros(known, 3, 2))
    tokens, params = jax.eval_shape(lambda x: encoder.init_with_output(KEY, x), obs)
    assert tokens.shape == (3, 2, 8)
    assert params["params"]["board_symbols"]["mlp"]["layer0"]["kernel"].shape[0] <= 64 * 8


def boards(generator: np.random.Generator, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Walls around a room with a goal, and an agent (5) at a random cell: boards and cells."""
    found = np.zeros((count, 10, 10, 1), np.uint8)
    found[:, [0, -1]] = found[:, :, [0, -1]] = 1
    found[:, 2, 7] = 3
    cells = generator.integers(1, 9, (count, 2))
    found[np.arange(count), cells[:, 0], cells[:, 1]] = 5
    return list(found), cells


def test_the_place_of_one_symbol_is_learned() -> None:
    """Through 24 numbers. As a picture, the same board is 4,096 pixels, of which 41 matter."""
    observations = Observations(Box(0, 5, (10, 10, 1), np.uint8), 64)
    known = spaces.observations(observations.spaces)
    text = TextSize(width=8, layers=1, heads=2, patch=4)
    sizes: Any = {"spaces": known, "depth": 2, "units": 32, "layers": 2, "text": text, "dtype": F32}
    encoder, decoder = Encoder(**sizes), Decoder(**sizes, blocks=8)
    generator = np.random.default_rng(0)
    through = generator.normal(size=(32, 24)).astype(np.float32) / np.sqrt(32)

    def predicted(params: Any, obs: Any) -> Any:
        numbers = jnp.tanh(encoder.apply(params[0], obs) @ through)
        return decoder.apply(params[1], Latent(deter=numbers, stoch=jnp.zeros((64, 1, 1))))

    def loss(params: Any, obs: Any) -> jax.Array:
        losses = reconstruction_losses(predicted(params, obs), obs, spaces=known)
        return losses["symbols/symbols"].mean()

    rule = optax.adam(3e-3)

    @jax.jit
    def update(params: Any, state: Any, obs: Any) -> Any:
        changes, state = rule.update(jax.grad(loss)(params, obs), state)
        return optax.apply_updates(params, changes), state

    obs = observations.encode(boards(generator, 64)[0])
    start = Latent(deter=jnp.zeros((64, 24)), stoch=jnp.zeros((64, 1, 1)))
    params = jax.jit(encoder.init)(KEY, obs), jax.jit(decoder.init)(KEY, start)
    state = rule.init(params)
    for _ in range(450):
        params, state = update(params, state, observations.encode(boards(generator, 64)[0]))
    raw, cells = boards(generator, 64)
    logits = jax.jit(predicted)(params, observations.encode(raw))["symbols"].logits
    guess = np.asarray(jnp.argmax(logits, -1)).reshape(64, 10, 10)
    right = [
        np.argwhere(board == 5).tolist() == [cell]
        for board, cell in zip(guess, cells.tolist(), strict=True)
    ]
    assert np.mean(right) > 0.9


def test_a_report_shows_symbols_as_colors() -> None:
    dreamer = make({"board": Symbols(9, 5, 2, classes=4)})
    _, pictures = jax.jit(lambda *inputs: report(dreamer, False, *inputs))(
        made_up(dreamer), window(dreamer), KEY
    )
    truth = experience(dreamer, 5).obs["board"][1:]
    assert pictures["board"].shape == (2, 4, 3, 63, 35, 3)
    np.testing.assert_array_equal(pictures["board"][0], painted(truth, classes=4))


def test_each_symbol_has_a_color_and_nothing_is_black() -> None:
    found = np.asarray(painted(jnp.arange(8).reshape(1, 8, 1), classes=8))
    assert found.shape == (8, 64, 3) and found.dtype == np.uint8
    colors = {tuple(color) for color in found[0, ::8].tolist()}
    assert len(colors) == 8 and (0, 0, 0) in colors
    mixed = np.asarray(painted(jnp.array([[[0, 3], [1, 0]]]), classes=4))
    assert mixed[0, 0].any() and not np.array_equal(mixed[0, 0], mixed[0, -1])
