"""Gymnasium environments: custom ones, time limits, errors, CartPole and its drawing."""

import dataclasses
import sys
import time
from contextlib import closing

import gymnasium
import numpy as np
import pytest

import envs
from envs.cartpole import draw
from envs.gym import Options, make, vectorize

TOY = '''
import gymnasium
import numpy as np
from gymnasium import spaces


class Toy(gymnasium.Env):
    """Reuses one buffer for all of its observations and shows the action that it got."""

    observation_space = spaces.Dict(
        {
            "camera": spaces.Box(0, 255, (12, 20), np.uint8),
            "flags": spaces.MultiBinary(2),
            "pair": spaces.Tuple((spaces.Discrete(3, start=5), spaces.Box(-1.0, 1.0, (2, 2)))),
        }
    )
    action_space = spaces.Dict(
        {"move": spaces.Box(0.0, 10.0, (1,), np.float64), "press": spaces.Discrete(2, start=1)}
    )

    def __init__(self):
        self.buffer = np.zeros((2, 2), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.buffer[:] = 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action), action
        self.buffer += 1
        self.buffer[1] = action["move"][0], action["press"]
        return self.observe(), np.float64(0.5), self.buffer[0, 0] == 3, False, {}

    def observe(self):
        camera = np.full((12, 20), int(self.buffer[0, 0]), np.uint8)
        return {"camera": camera, "flags": np.array([0, 1], np.int8), "pair": (6, self.buffer)}


gymnasium.register("Toy-v0", Toy)
'''


LARGE = '''
import gymnasium
import numpy as np
from gymnasium import spaces


class Large(gymnasium.Env):
    """Shows more than a pipe holds."""

    observation_space = spaces.Box(0, 255, (1000, 1000, 3), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        return np.zeros((1000, 1000, 3), np.uint8), {}

    def step(self, action):
        return np.zeros((1000, 1000, 3), np.uint8), 0.0, False, False, {}


gymnasium.register("Large-v0", Large)
'''


def gym_options(**changes) -> Options:
    return dataclasses.replace(envs.default_options("gym:any"), **changes)


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """The name of an environment that its module registers when it is imported."""
    (tmp_path / "toy_module.py").write_text(TOY)
    monkeypatch.syspath_prepend(tmp_path)
    yield "gym:toy_module:Toy-v0"
    gymnasium.registry.pop("Toy-v0", None)
    sys.modules.pop("toy_module", None)


@pytest.mark.parametrize("num_envs", [1, 2])
def test_a_custom_environment_by_module_and_id(toy, num_envs):
    env = envs.make(toy, gym_options(), num_envs=num_envs, seed=0)
    assert set(env.obs_space) == {"camera", "flags", "pair/0", "pair/1"}
    assert set(env.act_space) == {"move", "press"}
    move, press = np.array([[0], [1]], np.float32), np.array([[0], [1]], np.int32)
    trace = [env.reset()]
    trace += [env.step({"move": move[:num_envs], "press": press[:num_envs]}) for _ in range(4)]
    assert [t.is_first.all() for t in trace] == [True, False, False, False, True]
    assert [t.is_terminal.all() for t in trace] == [False, False, False, True, False]
    assert [t.reward[0] for t in trace] == [0, 0.5, 0.5, 0.5, 0]
    for step, timestep in enumerate(trace):
        count = step % 4
        shown = np.array([[count, count, 5, 1], [count, count, 10, 2]]) * (count > 0)
        np.testing.assert_array_equal(timestep.obs["pair/1"], shown[:num_envs])
        assert timestep.obs["camera"].shape == (num_envs, 64, 64, 1)
        assert (timestep.obs["camera"] == count).all()
        assert timestep.obs["pair/0"].tolist() == [[1]] * num_envs
        assert timestep.obs["flags"].tolist() == [[0, 1]] * num_envs
    env.close()


@pytest.mark.parametrize(
    ("env_id", "part"),
    [
        ("Pendulun-v1", "Pendulum-v1"),
        ("Pendulum-v99", "v99"),
        ("no_such_module:Toy-v0", "no_such_module"),
        ("not an id", "not an id"),
        ("a:b:c", "a:b:c"),
    ],
)
def test_unknown_ids_get_one_line(env_id, part):
    with pytest.raises(ValueError) as caught:
        make(f"gym:{env_id}", gym_options(), num_envs=1, seed=0)
    message = str(caught.value)
    assert env_id in message and part in message and "\n" not in message


def test_keys_are_left_out_and_read_as_the_user_says(toy):
    options = gym_options(ignore="pair/0", kinds="camera=symbols,flags=vector")
    with closing(make(toy, options, num_envs=1, seed=0)) as env:
        said = "camera: 12x20 symbols of 256; flags: 2 numbers; pair/1: 4 numbers; ignored: pair/0"
        assert env.described == said
        assert {k: x.shape for k, x in env.reset().obs.items()} == {
            **{"camera": (1, 12, 20, 1), "flags": (1, 2), "pair/1": (1, 4)},
        }
    with pytest.raises(ValueError, match=r"env.only: no key 'cam'; did you mean 'camera'\?"):
        make(toy, gym_options(only="cam"), num_envs=1, seed=0)


def test_max_steps_truncates():
    env = envs.make("gym:Pendulum-v1", gym_options(max_steps=3), num_envs=1, seed=0)
    env.reset()
    trace = [env.step({"action": np.zeros((1, 1), np.float32)}) for _ in range(4)]
    assert [t.is_last[0] for t in trace] == [False, False, True, False]
    assert not any(t.is_terminal[0] for t in trace)


def test_pendulum_gets_its_torque_in_newton_metres():
    env = envs.make("gym:Pendulum-v1", gym_options(), num_envs=1, seed=0)
    cosine, sine, speed = env.reset().obs["vector"][0].astype(float)
    after = env.step({"action": np.array([[0.5]], np.float32)}).obs["vector"][0]
    # 0.05 s under gravity 10 and half of the greatest torque, 2.
    np.testing.assert_allclose(after[2], speed + (15 * sine + 3 * 1.0) * 0.05, rtol=1e-5)
    assert cosine**2 + sine**2 == pytest.approx(1)


def test_cartpole_keeps_the_terminal_observation():
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=1, seed=0)
    timestep = env.reset()
    steps = 0
    while not timestep.is_last[0]:
        assert abs(timestep.obs["vector"][0, 2]) <= 0.2095
        timestep = env.step({"action": np.array([[1]], np.int32)})
        assert timestep.reward[0] == 1
        steps += 1
    assert timestep.is_terminal[0] and 5 < steps < 15
    assert abs(timestep.obs["vector"][0, 2]) > 0.2094
    assert abs(env.step({"action": np.array([[1]], np.int32)}).obs["vector"][0, 2]) <= 0.05


def test_cartpole_is_cut_off_after_500_steps():
    env = envs.make("cartpole", envs.default_options("cartpole"), num_envs=1, seed=0)
    timestep = env.reset()
    for _ in range(500):
        assert not timestep.is_last[0]
        state = timestep.obs["vector"][0] @ np.array([0.3, 0.6, 10, 2.0])
        timestep = env.step({"action": np.array([[state > 0]], np.int32)})
    assert timestep.is_last[0] and not timestep.is_terminal[0]


def centroid(image: np.ndarray, color: int) -> float:
    """Mean column of the pixels in which this color channel is the strongest by far."""
    others = np.delete(image.astype(float), color, -1).max(-1)
    weight = np.maximum(image[..., color].astype(float) - others - 30, 0)
    return float((weight.sum(0) @ np.arange(64)) / weight.sum())


def test_the_drawing_shows_position_and_angle():
    carts = [centroid(draw(x, 0.0), 2) for x in np.linspace(-2.4, 2.4, 25)]
    np.testing.assert_allclose(np.diff(carts), 1.8, atol=0.2)
    poles = [centroid(draw(0.0, angle), 0) for angle in np.linspace(-0.2, 0.2, 21)]
    assert (np.diff(poles) > 0.2).all()
    assert (draw(0.0, 0.0) != draw(0.004, 0.0)).any()
    assert (draw(0.0, 0.0) != draw(0.0, 0.002)).any()


def test_the_drawing_follows_the_state():
    options = envs.default_options("cartpole")
    numbers, pixels = (
        envs.make(f"cartpole{end}", options, num_envs=1, seed=0) for end in ("", "_pixels")
    )
    state, image = numbers.reset(), pixels.reset()
    for _ in range(30):
        expected = draw(*state.obs["vector"][0, [0, 2]].astype(float))
        np.testing.assert_array_equal(image.obs["image"][0], expected)
        action = {"action": np.array([[0]], np.int32)}
        state, image = numbers.step(action), pixels.step(action)


def test_environments_are_closed():
    closed = []

    class Closing(gymnasium.Wrapper):
        def close(self):
            closed.append(self)

    def build() -> gymnasium.Env:
        return Closing(gymnasium.make("CartPole-v1"))

    vectorize(build, num_envs=3, seed=0, size=64, name="closing").close()
    assert len(closed) == 3


def test_nobody_has_to_read_an_answer_soon(tmp_path, monkeypatch):
    """A process that waits for its turn does not count as hung, such as while programs compile."""
    (tmp_path / "large_module.py").write_text(LARGE)
    monkeypatch.syspath_prepend(tmp_path)
    with closing(
        make("gym:large_module:Large-v0", gym_options(timeout=1.0), num_envs=1, seed=0)
    ) as env:
        env.prepare()
        time.sleep(3)
        assert env.reset().is_first.all() and env.restarts == 0
