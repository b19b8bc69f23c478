"""A trained agent in loops of a user: what it takes and gives, and that it keeps nothing."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import gymnasium
import jax
import numpy as np
import pytest
from command import ENVIRON, HASTE, ROOT, SMALL, hastily
from made_runs import made

import dreamer_jax
from dreamer_jax import LoadError
from dreamer_jax.api.loaded import LoadedAgent
from dreamer_jax.api.moments import Memory
from dreamer_jax.run import checkpoint

# CartPole as users have it, with the smallest agent.
CARTPOLE = ("--env=gym:CartPole-v1", *SMALL[1:])
CARTPOLE = tuple(flag for flag in CARTPOLE if "env.length" not in flag)


@pytest.fixture(scope="module")
def cartpole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("api") / "run", *CARTPOLE, steps=(30, 60))


@pytest.fixture(scope="module")
def agent(cartpole: Path) -> LoadedAgent:
    """Not compiled hastily: some tests compare programs that different tests compile."""
    return dreamer_jax.load(cartpole)


def equal(one: Any, other: Any) -> bool:
    return jax.tree.all(jax.tree.map(lambda a, b: bool((a == b).all()), one, other))


def test_the_loop_of_a_user(agent: LoadedAgent) -> None:
    with closing(gymnasium.make("CartPole-v1")) as env:
        (obs, _), memory, over = env.reset(seed=3), None, False
        while not over:
            action, memory = agent.act(obs, memory)
            obs, _, terminated, truncated, _ = env.step(action)
            over = terminated or truncated
    assert memory is not None and memory.index >= 8 and type(action) is int
    assert agent.step == 60 and agent.env == "gym:CartPole-v1" and agent.seed == 0
    assert agent.spaces.obs.vectors == {"vector": 4} and agent.config.replay.batch > 0


def test_a_batch_is_its_rows_one_by_one(agent: LoadedAgent) -> None:
    """Rows share the draws of their step, which are others than those of one episode alone."""
    obs = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
    actions, memory = agent.act(obs)
    assert actions.shape == (3,) and memory.rows == 3
    assert gymnasium.spaces.MultiDiscrete([2, 2, 2]).contains(actions)
    values = agent.value(memory)
    assert values.shape == (3,) and agent.value(agent.act(obs[0])[1]).shape == ()
    again, _ = agent.act(obs)
    np.testing.assert_array_equal(again, actions)


def test_a_row_that_begins_again_forgets(agent: LoadedAgent) -> None:
    obs = np.array(2 * [[1.0, -2.0, 3.0, 0.5]], np.float32)
    _, memory = agent.act(obs)
    _, other = agent.act(-obs, seed=1)  # other latents
    first = [True, False]
    _, after = agent.act(obs, memory, is_first=first)
    _, same = agent.act(obs, other, is_first=first)
    a, b = (np.asarray(x.carry.latent.deter) for x in (after, same))
    assert (a[0] == b[0]).all() and (a[1] != b[1]).any()


def test_memories_stay_as_they_are(agent: LoadedAgent) -> None:
    obs = np.ones(4, np.float32)
    _, memory = agent.act(obs)
    before = jax.device_get(memory.carry)
    one = agent.act(obs, memory, greedy=False)
    agent.imagine(memory, steps=2)
    two = agent.act(obs, memory, greedy=False)
    assert equal(before, jax.device_get(memory.carry)) and one[0] == two[0]
    assert equal(one[1].carry, two[1].carry)
    drawn = {agent.act(obs, greedy=False, seed=seed)[0] for seed in range(20)}
    assert drawn == {0, 1}


def test_somebody_else_acts(agent: LoadedAgent) -> None:
    obs = np.full(4, 0.3, np.float32)
    action, memory = agent.act(obs)
    seen = agent.observe(obs)
    np.testing.assert_array_equal(agent.value(seen), agent.value(memory))
    again = agent.took(seen, action)
    assert equal(again.carry, memory.carry)
    view = agent.reconstruct(obs)
    assert equal(tuple(view), tuple(agent.read(memory)))
    assert view.obs["vector"].shape == (4,) and view.reward.shape == ()


def test_dreams(agent: LoadedAgent) -> None:
    _, memory = agent.act(np.zeros(4, np.float32))
    dream = agent.imagine(memory, steps=4, futures=3, seed=1)
    assert dream.reward.shape == dream.value.shape == dream.continue_.shape == (4, 3)
    assert dream.obs["vector"].shape == (4, 3, 4) and dream.action["action"].shape == (4, 3, 1)
    # The dream begins with what was chosen; futures differ by chance, dreams by their seed.
    assert memory.action is not None
    assert (dream.action["action"][0] == memory.action["action"]).all()
    assert len(np.unique(dream.value[-1])) == 3
    assert equal(tuple(dream), tuple(agent.imagine(memory, steps=4, futures=3, seed=1)))
    assert not equal(dream.value, agent.imagine(memory, steps=4, futures=3).value)
    given = agent.imagine(memory, steps=3, actions=[1, 0, 1])
    assert given.action["action"].ravel().tolist() == [1, 0, 1]
    followed = agent.imagine(agent.took(memory, 1), steps=1)
    np.testing.assert_array_equal(followed.value, given.value[:1])
    _, batch = agent.act(np.zeros((2, 4), np.float32))
    assert agent.imagine(batch, steps=2, futures=3).obs["vector"].shape == (2, 3, 2, 4)


@pytest.mark.parametrize(
    ("obs", "said"),
    [
        (np.zeros(3, np.float32), r"expected an array of shape \[4\]|should be"),
        (np.full(4, np.nan, np.float32), "finite"),
        (np.zeros((2, 2, 4), np.float32), r"\['N', 4\] for N at once, got \[2, 2, 4\]"),
    ],
)
def test_an_observation_that_does_not_fit(agent: LoadedAgent, obs: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        agent.act(obs)


def test_mistakes_are_named(agent: LoadedAgent) -> None:
    one, batch = np.zeros(4, np.float32), np.zeros((2, 4), np.float32)
    _, memory = agent.act(one)
    with pytest.raises(ValueError, match="the memory is of one episode, and this is a batch of 2"):
        agent.act(batch, memory)
    with pytest.raises(ValueError, match="is_first has 3 rows, the observation 2"):
        agent.act(batch, is_first=[True] * 3)
    with pytest.raises(ValueError, match="2 actions for 3 steps"):
        agent.imagine(memory, steps=3, actions=[0, 1])
    with pytest.raises(ValueError, match="is no action of"):
        agent.took(memory, 5)
    with pytest.raises(ValueError, match="both must be at least 1"):
        agent.imagine(memory, futures=0)
    for seed in (-1, 2**32):
        with pytest.raises(ValueError, match=f"seed={seed}: expected a number from 0"):
            agent.act(one, seed=seed)
        with pytest.raises(ValueError, match=f"seed={seed}: expected a number from 0"):
            agent.imagine(memory, seed=seed)


def test_threads_share_an_agent(agent: LoadedAgent) -> None:
    generator = np.random.default_rng(1)
    episodes = generator.normal(size=(8, 12, 4)).astype(np.float32)

    def play(episode: np.ndarray) -> list[int]:
        memory: Memory | None = None
        taken = list[int]()
        for obs in episode:
            action, memory = agent.act(obs, memory, greedy=False)
            taken.append(action)
        return taken

    alone = [play(episode) for episode in episodes]
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(play, episodes)) == alone


def test_every_checkpoint_of_the_run(cartpole: Path, agent: LoadedAgent) -> None:
    with hastily():
        before = dreamer_jax.load(cartpole, step=30)
    assert before.step == 30 and repr(before) == f"LoadedAgent({str(cartpole)!r}, step=30)"
    obs = np.ones(4, np.float32)
    assert agent.value(agent.act(obs)[1]) != before.value(before.act(obs)[1])
    weights = checkpoint.read_arrays(cartpole / "checkpoints", 30)["agent"]["params"]
    np.testing.assert_equal(jax.device_get(before._state.params), weights)
    assert jax.tree.leaves(before._state.optimizer) == []


def test_a_run_of_an_earlier_version_and_one_with_its_environment(
    cartpole: Path, tmp_path: Path
) -> None:
    """Without its spaces in config.json the simplest ones are assumed, or the environment asked."""
    logdir = tmp_path / "run"
    shutil.copytree(cartpole, logdir)
    config = json.loads((logdir / "config.json").read_text())
    saved = config.pop("gymnasium")
    assert saved["action"] == {"type": "Discrete", "n": 2, "start": 0}
    (logdir / "config.json").write_text(json.dumps(config))
    obs = np.zeros(4, np.float32)
    with hastily(), closing(gymnasium.make("CartPole-v1")) as env:
        assert type(dreamer_jax.load(logdir).act(obs)[0]) is int
        assert type(dreamer_jax.load(logdir, env=env).act(obs)[0]) is int
        with (
            closing(gymnasium.make("MountainCar-v0")) as other,
            pytest.raises(LoadError, match="was trained with other spaces"),
        ):
            dreamer_jax.load(logdir, env=other)


@pytest.mark.parametrize("dtype", ["auto", "bfloat16"])
def test_a_run_of_a_gpu_with_many_devices(
    cartpole: Path, agent: LoadedAgent, tmp_path: Path, dtype: str
) -> None:
    """Weights are float32 in every checkpoint; the type to compute in is that of the run."""
    logdir = tmp_path / "run"
    shutil.copytree(cartpole, logdir)
    config = json.loads((logdir / "config.json").read_text())
    config["config"]["agent"]["model"]["dtype"] = dtype
    config["config"]["replay"]["memory"] = "pinned_host"
    config["mesh"] = "data=8"
    (logdir / "config.json").write_text(json.dumps(config))
    loaded = dreamer_jax.load(logdir)
    action, memory = loaded.act(np.ones(4, np.float32))
    deter = memory.carry.latent.deter
    assert action in (0, 1) and len(deter.devices()) == 1
    _, exact = agent.act(np.ones(4, np.float32))
    assert equal(deter, exact.carry.latent.deter) == (dtype == "auto")
    np.testing.assert_allclose(deter, exact.carry.latent.deter, atol=0.01)


def test_what_cannot_be_loaded_is_one_line(cartpole: Path, tmp_path: Path) -> None:
    def refused(path: Path, step: Any = None) -> str:
        with pytest.raises(LoadError) as found:
            dreamer_jax.load(path, step=step)
        assert "\n" not in str(found.value)
        return str(found.value)

    assert "no run in" in refused(tmp_path / "nothing")
    assert "no checkpoint of step 7 in" in refused(cartpole, 7)
    assert "step=last: expected a step, newest, best or all" in refused(cartpole, "last")
    assert "expected a step, 'newest' or 'best'" in refused(cartpole, "all")
    assert "no best checkpoint" in refused(cartpole, "best")
    logdir = tmp_path / "run"
    shutil.copytree(cartpole, logdir)
    for step in (30, 60):
        (file,) = (logdir / "checkpoints" / str(step) / "arrays" / "agent").glob("_METADATA")
        file.write_text("{")
    assert "does not match its checksum" in refused(logdir, 30)
    assert "is whole" in refused(logdir)
    (logdir / "config.json").write_text("{")
    assert "not readable as JSON" in refused(logdir)


def test_a_damaged_checkpoint_is_passed_over_and_noted(cartpole: Path, tmp_path: Path) -> None:
    logdir = tmp_path / "run"
    shutil.copytree(cartpole, logdir)
    (logdir / "checkpoints" / "60" / "checksums.json").write_text("{}")
    with hastily():
        found = dreamer_jax.load(logdir)
    assert found.step == 30 and "checkpoint 60 is damaged" in found.notes[0]


QUIET = """
import os, signal, sys
import dreamer_jax
assert "jax" not in sys.modules and "numpy" not in sys.modules
before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
environ = dict(os.environ)
agent = dreamer_jax.load(sys.argv[1])
import jax, numpy
cache = jax.config.jax_compilation_cache_dir
action, memory = agent.act(numpy.zeros(4, numpy.float32))
agent.imagine(memory, steps=2)
assert before == [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
assert cache == os.environ.get("JAX_COMPILATION_CACHE_DIR")
from absl import flags
assert "logdir" not in flags.FLAGS
"""


def test_nothing_is_printed_and_no_global_state_changes(cartpole: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", QUIET, str(cartpole)],
        cwd=ROOT,
        env={**ENVIRON, HASTE.upper(): "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
