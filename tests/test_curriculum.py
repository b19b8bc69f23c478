"""Episodes that begin at milestones of earlier ones, on the real emulator.

Its cartridge counts presses (`press_counter`): up changes the map, A sets the first events, the
fourth A the goal; B gives badges, and right and down move.
"""

import hashlib
from typing import Any

import numpy as np
import press_counter
import pytest
from contract import assert_same, random_actions
from press_counter import build, cartridge
from red_ram import box

import envs
from envs.pokemon.environment import Options, make_for_cartridge
from envs.pokemon.gameboy import BUTTONS
from envs.timestep import Timestep
from envs.vector.frontier import Entries
from envs.vector.vector import VectorizedEnv

pytest.importorskip("pyboy", reason="needs pip install -e .[pokemon]", exc_type=ImportError)

STEPS = 40


def press(env: VectorizedEnv, *buttons: str) -> Timestep:
    """One step of all rows."""
    return env.step({"action": np.array([[BUTTONS.index(x)] for x in buttons], np.int32)})


def entries(env: VectorizedEnv) -> Entries:
    assert env._frontier
    return env._frontier.entries


def digest(snapshot: dict[str, np.ndarray]) -> str:
    """SHA-256 of everything."""
    found = hashlib.sha256()
    for key in sorted(snapshot):
        found.update(f"{key} {snapshot[key].dtype} {snapshot[key].shape}".encode())
        found.update(snapshot[key].tobytes())
    return found.hexdigest()


def test_an_episode_goes_on_from_a_milestone():
    """Earlier milestones stay earned and are not paid again; their clock restarts."""
    env = build(curriculum=1.0, steps=5, steps_per_milestone=1)
    env.reset()
    for button in ("right", "b", "down"):
        press(env, button)
    before = press(env, "a")  # sets the first event: (1, 1) on map 0, with the first badge
    assert env.milestones == [(0, "flag/one")] and env.starts == [""]
    while not (seen := press(env, "right")).is_last[0]:
        pass
    seen = press(env, "right")
    assert seen.is_first[0] and env.starts[0] in {"flag/one", "badge/stone"}
    while env.starts != ["flag/one"]:
        seen = press(env, "right")
    assert seen.is_first[0]
    for key, value in before.obs.items():
        if key != "screen":  # it waits a few frames, which the counter counts
            np.testing.assert_array_equal(seen.obs[key], value, err_msg=key)
    assert np.argwhere(seen.obs["visited"][0, ..., 0]).tolist() == [[23, 23], [23, 24], [24, 24]]
    rewards = [float(press(env, x).reward[0]) for x in ("left", "b", "b", "right")]
    assert rewards == pytest.approx([0, 0, 0, 0.25 * (2 - 3**0.5)])  # the fourth cell
    env.close()


def test_nobody_begins_where_an_episode_ended():
    env = build(curriculum=1.0, steps=2)
    env.reset()
    press(env, "up")
    press(env, "left")
    for n in range(1, 4):
        assert press(env, "left").is_first[0] and env.starts == ["map/road"]
        press(env, "left")
        assert press(env, "b").is_last[0] and env.milestones == [(0, "badge/stone")]
        (entry,) = entries(env)
        assert entry.route.depth == 1 and entry.mastered == pytest.approx(1 - 0.9**n)
    env.close()


def played(env: VectorizedEnv, actions: list[dict[str, np.ndarray]]) -> list[tuple[Any, ...]]:
    """All that is seen, with what is known of it and the digest of a snapshot."""
    seen = [env.reset()]
    trace = [(seen[0], env.milestones, env.starts, digest(env.snapshot()))]
    for action in actions:
        step = env.step(action)
        trace.append((step, env.milestones, env.starts, digest(env.snapshot())))
    return trace


def explorer(share: float = 0.5, num_envs: int = 2) -> VectorizedEnv:
    return build(num_envs, curriculum=share, steps=7)


def test_a_frontier_is_a_function_of_seed_and_actions():
    """Also of an environment that was used before."""
    env, other = explorer(), explorer()
    actions = random_actions(env, STEPS)
    first, second, again = played(env, actions), played(other, actions), played(env, actions)
    for trace in (second, again):
        assert_same([x[0] for x in trace], [x[0] for x in first])
        assert [x[1:] for x in trace] == [x[1:] for x in first]
    starts = {name for _, _, names, _ in first for name in names}
    assert len(starts) > 2 and "" in starts
    env.close()
    other.close()


def test_a_killed_run_goes_on_to_the_same_last_bit():
    """At each of several moments, with episodes of the frontier running, over and just begun."""
    env = explorer()
    actions = random_actions(env, STEPS)
    seen, snapshots = [env.reset()], [env.snapshot()]
    known = [(env.milestones, env.starts)]
    for action in actions:
        seen.append(env.step(action))
        snapshots.append(env.snapshot())
        known.append((env.milestones, env.starts))
    env.close()
    later = [t for t in range(STEPS - 5) if any(known[t][1])]
    over = [t for t in later if seen[t].is_last.any()]
    begun = [t for t in later if seen[t].is_first.any()]
    running = [t for t in later if snapshots[t]["length"].min() > 1]
    other = explorer()
    for moment in (0, over[-1], begun[-1], running[0], running[-1]):
        replayed = [other.restore(snapshots[moment])]
        assert other.lost == 0 and digest(other.snapshot()) == digest(snapshots[moment])
        assert other.starts == known[moment][1]
        for t in range(moment, moment + 5):
            replayed.append(other.step(actions[t]))
            assert (other.milestones, other.starts) == known[t + 1]
            assert digest(other.snapshot()) == digest(snapshots[t + 1])
        assert_same(replayed, seen[moment : moment + 6])
    other.close()


def test_a_snapshot_holds_no_state_of_the_emulator():
    """It would have to be trusted. Actions do not; and they are a hundred times smaller."""
    env = explorer(1.0)
    played(env, random_actions(env, STEPS))
    assert len(entries(env)) > 2
    kept = {k: x for k, x in env.snapshot().items() if k.startswith("frontier/")}
    assert sum(x.nbytes for x in kept.values()) < 4_000
    env.close()


def test_a_way_that_leads_elsewhere_ends_what_had_begun_there(caplog):
    env, other = explorer(1.0, 2), explorer(1.0, 2)
    env.reset()
    press(env, "a", "right")
    while not all(env.starts):
        press(env, "right", "right")
    press(env, "right", "left")
    snapshot = env.snapshot()
    snapshot["frontier/ways/actions/action"][:] = BUTTONS.index("b")
    seen = other.restore(snapshot)
    assert "the route to 'flag/one' does not repeat itself" in caplog.text
    assert other.lost == 2 and seen.is_last.all() and not seen.is_terminal.any()
    assert other.starts == ["flag/one"] * 2  # of the episodes that are over
    assert press(other, "right", "right").is_first.all() and other.starts == ["", ""]
    env.close()
    other.close()


def test_what_is_no_snapshot_is_refused_and_changes_nothing():
    env, plain = explorer(), explorer(0.0)
    played(env, random_actions(env, 20))
    before = env.snapshot()
    assert not any(key.startswith("frontier/") for key in plain.snapshot())
    shorter = {key: x for key, x in before.items() if key != "length"}
    for wrong in (plain.snapshot(), shorter, {**before, "frontier/origins": np.full(2, 99)}):
        with pytest.raises(ValueError, match=r"snapshot|shapes"):
            env.restore(wrong)
        assert digest(env.snapshot()) == digest(before)
    with pytest.raises(ValueError, match="snapshot"):
        plain.restore(before)
    env.close()
    plain.close()


def test_hidden_text_stays_hidden_where_an_episode_begins():
    """The screen shows letters for up to three frames after memory has forgotten them."""
    pokes = {**box("Read me"), press_counter.FRAMES: b"\x01"}
    env = build(1, pokes, size=160, wait=0, hide_text=True, curriculum=1.0, steps=1)
    env.reset()
    letters = np.zeros((144, 160), bool)
    letters[14 * 8 : 15 * 8, 8 : 8 * 8] = True
    letters[:, 5 * 8 : 6 * 8] = False
    screen = env.reset().obs["screen"][0, 8:-8, :, 0]
    assert (screen[letters] == 255).all() and (screen[~letters] != 255).any()
    env.close()


def test_off_by_default_and_in_evaluations():
    assert Options().curriculum == 0
    assert envs.without_curriculum(Options(curriculum=0.5, steps=9)) == Options(steps=9)
    counting = envs.default_options("counting")
    assert envs.without_curriculum(counting) is counting
    env = explorer(0.0)
    names = [names for _, _, names, _ in played(env, random_actions(env, STEPS))]
    assert names == [["", ""]] * (STEPS + 1)
    env.close()


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_is_a_share(share):
    with pytest.raises(ValueError, match=f"curriculum must be from 0 to 1, got {share}"):
        envs.make("gameboy_demo", Options(curriculum=share), num_envs=1, seed=0)


def test_chance_is_seeded_anew_wherever_an_episode_begins():
    """Two bytes that chance starts from are drawn for each episode."""
    options = Options(wait=0, curriculum=1.0, steps=2)
    env = make_for_cartridge(cartridge(seeds=(0xD362, 0xD361)), options, num_envs=1, seed=0)
    env.reset()
    press(env, "a")
    press(env, "left")
    places = set()
    for _ in range(4):
        places.add(tuple(press(env, "left").obs["numbers"][0, :2].tolist()))
        assert env.starts == ["flag/one"]
        press(env, "left")
        press(env, "left")
    assert len(places) == 4
    env.close()
