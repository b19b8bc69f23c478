"""Every cure learns, and differs from what the package does without it."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny

from dreamer_jax.agents.dreamer import agent
from dreamer_jax.agents.dreamer.batches import prepare
from dreamer_jax.agents.dreamer.config import DreamerConfig
from dreamer_jax.agents.dreamer.losses import NamedLosses
from dreamer_jax.agents.dreamer.stages import STAGES
from dreamer_jax.spaces import of
from dreamer_jax.types import Step, Window
from dreamer_jax.world_model import rssm
from envs.kinds import Image
from experiments import cure_forms, cures, probe
from experiments.cure_forms import CURES
from experiments.known_play import ENVS, Known

pytestmark = pytest.mark.usefixtures("quick_compiler")

CONFIG = tiny.changed("model", stoch=16)
WITHOUT_LATENTS = dataclasses.replace(CONFIG.replay, latents=False, batch=3, length=8)
USUAL = tiny.made_up(agent.build(CONFIG, of({"image": Image(64, 64, 3)}, tiny.TURN)))


@pytest.mark.parametrize("name", sorted(CURES))
def test_every_cure_has_other_losses_or_networks(name: str) -> None:
    """The losses that it does not change are those of the package, for the same networks."""
    cure, interface = CURES[name], of({"image": Image(64, 64, 3)}, tiny.TURN)
    dreamer = agent.build(CONFIG, interface, make_networks=cure.networks)
    state, batch = tiny.made_up(dreamer), prepare(dreamer, tiny.window(dreamer))
    noise = tiny.noise(dreamer, jax.random.key(0))

    @jax.jit
    def losses() -> tuple[NamedLosses, NamedLosses]:
        plain = STAGES["world_model"].losses(dreamer, state.params, state, batch, noise)
        return plain.losses, cure.losses(dreamer, state.params, state, batch, noise).losses

    plain, cured = losses()
    assert plain.keys() == cured.keys() and all(np.isfinite(x).all() for x in cured.values())
    assert all(x.shape == (tiny.LENGTH, tiny.BATCH) for x in cured.values())
    same = {key for key in plain if np.allclose(plain[key], cured[key], rtol=1e-3)}
    changes = {
        "contrastive": {"reward"},
        "harmony": {"image/image", "reward", "dynamics", "representation"},
    }
    usual = {"image/image"} if cure.change is not cure_forms.unchanged else set[str]()
    assert plain.keys() - same == changes.get(name, usual)
    shapes = jax.tree.map(lambda x: x.shape, state.params)
    is_usual = shapes == jax.tree.map(lambda x: x.shape, USUAL.params)
    assert is_usual == (cure.networks is CURES["none"].networks)


def test_harmony_is_at_the_optimum_of_its_scales() -> None:
    dreamer = tiny.make(tiny.PIXELS)
    named = {"image/image": 300.0, "reward": 0.2, "dynamics": 1.0, "representation": 1.0}
    losses = {name: jnp.full((2, 3), size) for name, size in named.items()}
    found = cure_forms.harmony(dreamer, tiny.experience(dreamer), {}, losses)
    scales = np.linspace(0.01, 500, 500_000)
    assert found.keys() == named.keys()
    assert dreamer.config.losses.dynamics == 1 and dreamer.config.losses.representation == 0.1
    for name, value in found.items():
        best = scales[np.argmin(named[name] / scales + np.log1p(scales))]
        factor = 1.1 if name in ("dynamics", "representation") else 1
        np.testing.assert_allclose(value, named[name] / best / factor, rtol=0.01)


def test_the_calibrated_loss_has_the_gradient_of_its_logarithm() -> None:
    x = jax.random.uniform(jax.random.key(0), (2, 3, 8, 8, 1))

    def loss(drawn: jax.Array) -> jax.Array:
        losses = {"image/image": jnp.square(drawn).sum((2, 3, 4))}
        dreamer = tiny.make(tiny.PIXELS)
        step = tiny.experience(dreamer)
        found = cure_forms.calibrated(dreamer, step, {"image": drawn}, losses)
        return found["image/image"].mean()

    def logarithm(drawn: jax.Array) -> jax.Array:
        return 0.01 * 64 / 2 * jnp.log(jnp.square(drawn).sum((2, 3, 4)).mean())

    np.testing.assert_allclose(jax.grad(loss)(x), jax.grad(logarithm)(x), rtol=1e-4)


def weights_by_loops(name: str, step: Step, truth: np.ndarray, error: np.ndarray) -> np.ndarray:
    """What each of the weights is, before half of them is spread evenly: [T, B, h, w]."""
    found = np.zeros(truth.shape[:-1])
    spread = truth.var((0, 1)).mean(-1)
    moved = cure_forms.motion_weights(step.obs["image"], step.is_first, share=0.5)[..., 0]
    for t, b, row, column in np.ndindex(found.shape):
        far = 3 if name == "near_motion" else 2
        rows, columns = (slice(max(0, x - far), x + far + 1) for x in (row, column))
        found[t, b, row, column] = {
            "by_error": error[t, b, row, column].mean(),
            "by_detail": truth[t, b, rows, columns].var((0, 1)).mean(),
            "by_rarity": 1 / (spread[row, column] + 1e-3),
            "near_motion": moved[t, b, rows, columns].mean(),
        }[name]
    return found


@pytest.mark.parametrize("name", ["by_error", "by_detail", "by_rarity", "near_motion"])
def test_weights_of_images_against_loops(name: str) -> None:
    """Their mean is one, so that no cure is only a larger scale."""
    random, shape = np.random.default_rng(0), (3, 2, 16, 16, 3)
    image = random.integers(0, 256, shape).astype(np.uint8)
    first = jnp.zeros(shape[:2], bool)
    step = tiny.experience(tiny.make(tiny.PIXELS), 3)
    step = step.replace(obs={"image": jnp.asarray(image)}, is_first=first)
    truth = image.astype(np.float32) / 255
    error = np.square(truth - 0.5)
    weights = getattr(cure_forms, name)(step, jnp.asarray(truth), jnp.asarray(error))
    expected = weights_by_loops(name, step, truth, error)
    expected /= expected.mean() if name == "by_rarity" else expected.mean((2, 3), keepdims=True)
    if name in ("by_error", "by_detail"):
        expected = 0.5 + 0.5 * expected
    np.testing.assert_allclose(weights[..., 0], expected, rtol=1e-3)
    np.testing.assert_allclose(weights.mean(), 1, rtol=1e-4)


def test_the_contrastive_loss_names_the_right_moment() -> None:
    """-ln of the share that the moment's own key has of all exp(q k / √n)."""
    shape, dreamer = (tiny.LENGTH, tiny.BATCH), tiny.make(tiny.PIXELS)
    query, tokens = (jax.random.normal(jax.random.key(i), (*shape, 12)) for i in (1, 2))
    key = np.asarray(tokens).reshape(-1, 12) @ jax.random.normal(jax.random.key(0), (12, 12))
    key = key / np.sqrt(np.square(key).mean(-1, keepdims=True) + 1e-6)
    each = np.exp(np.asarray(query).reshape(-1, 12) @ key.T / np.sqrt(12))
    outputs = {cure_forms.QUERY: query, cure_forms.TOKENS: tokens}
    losses = {"reward": jnp.full(shape, 2.0)}
    found = cure_forms.contrastive(dreamer, tiny.experience(dreamer), dict(outputs), losses)
    expected = 2 - np.log(np.diagonal(each) / each.sum(-1)).reshape(shape)
    np.testing.assert_allclose(found["reward"], expected, rtol=1e-4)


def test_latents_with_a_place_see_their_cell() -> None:
    """The cell of a latent changes its logits, and no other's, where the rest is the same."""
    interface = of({"image": Image(64, 64, 3)}, tiny.TURN)
    dreamer = agent.build(CONFIG, interface, make_networks=CURES["spatial"].networks)
    state = tiny.made_up(dreamer)
    model, variables = dreamer.nets.rssm, {"params": {**state.params["rssm"]}}
    hidden = jax.tree.map(jnp.zeros_like, variables["params"]["posterior_logits"])
    variables["params"]["posterior_logits"] = hidden  # what all latents see is gone
    tokens = jax.random.normal(jax.random.key(0), (1, 16 * 4 * dreamer.config.model.depth))
    other = tokens.reshape(1, 16, -1).at[0, 5].add(1.0).reshape(tokens.shape)
    deter = jnp.zeros((1, dreamer.config.model.deter))
    one, two = (
        rssm.run(model, variables, type(model).posterior, deter, x).probs for x in (tokens, other)
    )
    assert np.flatnonzero((np.abs(one - two) > 1e-6).any((0, 2))).tolist() == [5]


@pytest.mark.parametrize(
    ("image", "stoch"), [(Image(96, 96, 3), 16), (Image(64, 64, 3), 4), (None, 16)]
)
def test_latents_with_a_place_need_an_image_that_they_fit(image: Image | None, stoch: int) -> None:
    obs = {"image": image} if image else {**tiny.VECTOR, "image": Image(64, 64, 3)}
    config = tiny.changed("model", stoch=stoch)
    with pytest.raises(ValueError, match="latents with a place need one image of 64 x 64"):
        agent.build(config, of(obs, tiny.TURN), make_networks=CURES["spatial"].networks)


def test_two_weights_of_pixels_are_refused() -> None:
    config = cures.config_of("atari_pong", ["losses.motion=0.1"])
    cure_forms.require_plain_weights(CURES["none"], config)
    cure_forms.require_plain_weights(CURES["by_error"], cures.config_of("atari_pong", []))
    with pytest.raises(ValueError, match="this cure has its own weights of pixels"):
        cure_forms.require_plain_weights(CURES["by_error"], config)


@pytest.mark.parametrize("latent", [0, 7, 15])
def test_latents_with_a_place_paint_their_cell(latent: int) -> None:
    """A latent that changes adds to its cell alone."""
    decoder = cure_forms.SpatialDecoder(
        side=4, channels=3, depth=1, units=8, blocks=1, dtype=jnp.dtype("float32")
    )
    stoch = jax.random.normal(jax.random.key(0), (1, 16, 4))
    variables = decoder.init(jax.random.key(1), jnp.zeros((1, 8)), stoch.reshape(1, -1))
    params = variables["params"]

    def before_norm(x: jax.Array) -> jax.Array:
        outputs: Any = decoder.apply(
            {"params": params},
            jnp.zeros((1, 8)),
            x.reshape(1, -1),
            capture_intermediates=lambda module, _: module.name == "cells",
        )
        (cells,) = outputs[1]["intermediates"]["cells"]["__call__"]
        return cells.reshape(1, 4, 4, -1)

    one, two = before_norm(stoch), before_norm(stoch.at[0, latent].add(1.0))
    changed = (np.abs(np.asarray(one) - np.asarray(two)) > 1e-6).any((0, 3))
    assert np.argwhere(changed).tolist() == [[latent // 4, latent % 4]]


def test_settings_are_those_of_a_cpu_without_motion() -> None:
    for assignments, expected in (([], 0.0), (["losses.motion=0.3", "losses.image=2"], 0.3)):
        config = cures.config_of("atari_pong", assignments)
        assert isinstance(config.agent, DreamerConfig)
        assert config.agent.losses.motion == expected and not config.replay.latents
        assert config.agent.losses.image == (2 if assignments else 1)
        assert config.agent.model.depth == 4 and config.replay.batch == 8


def test_the_border_of_an_image_is_no_detail() -> None:
    np.testing.assert_allclose(
        cure_forms.blurred(jnp.full((1, 1, 16, 16, 1), 0.35), 5), 0.35, rtol=1e-6
    )


def test_the_table_has_the_last_probe_of_each_cure(tmp_path: Path) -> None:
    row = {"play": "one", "cure": "none", "set": ["losses.motion=0.1"], "gray": False, "seed": 0}
    row["of"] = 1000
    measured = {"r2/ball_x": 0.5, "r2/ball_x/5": 0.25, "image/0": 5.0, "image/5": 6.0}
    measured |= {"pixels/ball/0": 0.1, "pixels/ball/5": 0.0, "world_model/kl": 0.9}
    rows = [{**row, "updates": n, **measured, "r2/ball_x": n / 1000} for n in (500, 1000)]
    text = "".join(json.dumps(r) + "\n" for r in rows)
    (tmp_path / "atari_pong.jsonl").write_text(text, encoding="utf-8")
    lines = cures.table(tmp_path)
    assert (
        lines[0] == "### atari_pong"
        and len([x for x in lines if x.startswith("| one | none")]) == 1
    )
    assert (
        "| one | none losses.motion=0.1 | 0 | 1000 | 1.00 | 0.25 | 0.10, 0.00 | 5.0 | 6.0 | 0.9 |"
        in lines
    )


def test_a_folder_without_results_has_no_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "atari_pong.jsonl").touch()
    monkeypatch.setattr("sys.argv", ["cures", "--table", f"--results={tmp_path}"])
    assert cures.main() == 2
    assert "has no results of" in capsys.readouterr().err


def test_the_test_copies_are_never_drawn() -> None:
    """Windows of training are of other copies than the probe's."""
    length = CONFIG.replay.length + 5
    shape = (length, ENVS)
    steps = tiny.experience(tiny.make(tiny.PIXELS), length)
    copies = np.broadcast_to(np.arange(ENVS, dtype=np.float32), shape)
    wide = jax.tree.map(lambda x: np.repeat(np.asarray(x)[:, :1], ENVS, 1), steps)
    known = Known(steps=wide.replace(reward=copies, is_first=np.zeros(shape, bool)), at={})
    window: Window = cures.drawn(known, np.random.default_rng(0), CONFIG)
    assert window.steps.reward.shape == (CONFIG.replay.length + 1, CONFIG.replay.batch)
    assert set(np.unique(window.steps.reward)) <= set(range(ENVS - ENVS // 4))


def made_up_play(steps: int) -> Known:
    """A bright square that chance moves, and its place."""
    random = np.random.default_rng(0)
    x = np.cumsum(random.integers(-1, 2, (steps, ENVS)), 0) % 40 + 4
    image = np.zeros((steps, ENVS, 48, 48, 1), np.uint8)
    for t, e in np.ndindex(steps, ENVS):
        image[t, e, 20:28, x[t, e] - 4 : x[t, e] + 4] = 255
    usual: Any = tiny.experience(tiny.make(tiny.PIXELS), 1)
    known = jax.tree.map(lambda x: np.zeros((steps, ENVS, *x.shape[2:]), x.dtype), usual)
    action = {"action": random.integers(0, 3, (steps, ENVS, 1)).astype(np.int32)}
    known = known.replace(obs={"image": image}, action=action)
    at = {"ball_x": x * 160 / 48, "ball_y": np.full_like(x, 105.0, float)}
    return Known(known, at, env="atari_pong")


def test_a_world_model_is_trained_and_probed() -> None:
    known, config = made_up_play(360), dataclasses.replace(CONFIG, replay=WITHOUT_LATENTS)
    dreamer = agent.build(config, cures.interface_of(known))
    assert dreamer.act.choices == {"action": (3,)}
    plain = CURES["none"]
    first, last = cures.trained(plain, dreamer, config, known, seed=0, updates=30, probe_every=15)
    assert (first["updates"], last["updates"]) == (15, 30)
    assert last["world_model/loss/image/image"] < first["world_model/loss/image/image"]
    assert last["image/0"] < first["image/0"]
    assert {"r2/ball_x/15", "pixels/ball/5", "image/15"} <= last.keys()
    places, pixels = (
        [f"{last[f'{kind}{end}']:.2f}" for end in ends]
        for kind, ends in {
            "r2/ball_x": ("/deter", "/stoch", "", "/0", "/1", "/5", "/15"),
            "pixels/ball": ("/0", "/1", "/5", "/15"),
        }.items()
    )
    _, place, _, _, pixel = probe.table(known, last)
    assert place.split() == ["ball_x", "100%", *places] and pixel.split() == ["ball", *pixels]


def test_plays_with_more_to_see_are_refused() -> None:
    known = made_up_play(2)
    more = {**known.steps.obs, "map": known.steps.obs["image"]}
    with pytest.raises(ValueError, match="one observation 'image' is expected, not"):
        cures.interface_of(known._replace(steps=known.steps.replace(obs=more)))
