"""The frontier: what is kept, how it is drawn from, and what a snapshot of it says."""

from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, MultiDiscrete

from envs.vector.frontier import CAPACITY, RATE, Entry, Frontier, weights, with_outcome, with_route
from envs.vector.routes import Route, packed, schedule, unpacked, with_origins

SPACES = {"action": MultiDiscrete([5]), "stick": Box(-1, 1, (2,), np.float32)}


def route(
    name: str, depth: int = 1, origin: Route | None = None, length: int = 3, seed: int = 7
) -> Route:
    """Actions that tell routes, steps and numbers apart."""
    action = (np.arange(length, dtype=np.int32)[:, None] + len(name)) % 5
    stick = np.linspace(-1, 1, 2 * length, dtype=np.float32).reshape(length, 2) / depth
    return Route(name, depth, origin, seed, {"action": action, "stick": stick})


class Game:
    """Remembers where it was told to start."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def start_from(self, state: Any) -> None:
        self.told.append(state)


def frontier(share: float, rows: int = 1) -> tuple[Frontier, list[Game]]:
    games = [Game() for _ in range(rows)]
    return Frontier(share, games, SPACES), games


def reach(made: Frontier, row: int, *names: str, length: int = 2, state: Any = None) -> None:
    """A step of a row with milestones."""
    made.record_step(row, names, over=False)
    taken = route(names[-1], length=length).actions
    state = state or f"at {names[-1]}"
    made.add(row, name=names[-1], state=state, seed=10 + row, actions=taken)


def test_weights_by_hand():
    """Depth 1 unmastered, depth 2 half mastered, depth 6 two thirds mastered: 1, 1 and 2 of 4."""
    entries = (Entry(route("a", 1), 0.0), Entry(route("b", 2), 0.5), Entry(route("c", 6), 2 / 3))
    np.testing.assert_allclose(weights(entries), [0.25, 0.25, 0.5], rtol=1e-12)


def test_the_furthest_cannot_take_everything_and_the_mastered_are_never_impossible():
    entries: Any = tuple(Entry(route(str(i), i + 1), 0.0) for i in range(CAPACITY))
    np.testing.assert_allclose(weights(entries)[-1], 2 / (CAPACITY + 1))
    for _ in range(1000):
        entries = with_outcome(entries, "5", True)
    assert 0.99 < entries[5].mastered < 1 and (weights(entries) > 0).all()


def test_mastery_is_a_moving_share_of_successes():
    """m after n results s: the sum of RATE (1 - RATE)^(n - 1 - i) s_i, for this entry alone."""
    results = [True, True, False, True, False, False, True]
    entries: Any = (Entry(route("a"), 0.0), Entry(route("b"), 0.25))
    for success in results:
        entries = with_outcome(entries, "a", success)
    n = len(results)
    expected = sum(RATE * (1 - RATE) ** (n - 1 - i) * s for i, s in enumerate(results))
    assert entries[0].mastered == pytest.approx(expected, rel=1e-12)
    assert entries[1].mastered == 0.25 and with_outcome(entries, "gone", True) == entries


def test_a_new_way_takes_the_place_of_one_that_had_not_come_further():
    entries: Any = (Entry(route("a", 2), 0.5), Entry(route("b", 3), 0.25))
    as_far, nearer = route("b", 3), route("b", 2)
    assert with_route(entries, as_far) == (entries[0], Entry(as_far, 0.25))
    assert with_route(entries, nearer) == entries
    assert with_route(entries, route("c", 1))[:2] == entries


def test_the_least_important_goes_when_there_is_no_room():
    """Importance is depth times what is not mastered; here 4 (1 - m) of one against 3 of others."""
    full: Any = tuple(Entry(route(str(i), 3), 0.0) for i in range(CAPACITY))
    mastered = (*full[:5], Entry(route("5", 4), 0.3), *full[6:])
    kept = with_route(mastered, route("new", 3))
    assert [x.route.name for x in kept] == [str(i) for i in range(CAPACITY) if i != 5] + ["new"]
    oldest = with_route(full, route("new", 3))
    assert [x.route.name for x in oldest] == [str(i) for i in range(1, CAPACITY)] + ["new"]
    assert with_route(full, route("new", 2)) == full


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_episodes_begin_where_the_weights_say(share):
    """Frequencies of 4,000 seeds, within five standard deviations."""
    made, games = frontier(share)
    reach(made, 0, "first")
    made.clear()
    assert made.entries == () and made.starts == [""]
    for _ in range(20):
        made.draw_start(0, 3)
    assert set(games[0].told) == {None}  # there is nowhere else to begin yet
    reach(made, 0, "near")
    reach(made, 0, "far", "further")
    games[0].told.clear()
    found = {"": 0, "near": 0, "further": 0}
    for seed in range(4000):
        made.draw_start(0, seed)
        found[made.starts[0]] += 1
    expected = {"": 1 - share, "near": share / 4, "further": share * 3 / 4}
    for name, p in expected.items():
        assert abs(found[name] / 4000 - p) <= 5 * np.sqrt(p * (1 - p) / 4000)
    assert games[0].told.count("at further") == found["further"]
    assert games[0].told.count(None) == found[""]


def test_depth_counts_the_milestones_of_the_whole_way():
    made, games = frontier(1.0, rows=2)
    reach(made, 0, "a")
    made.record_step(0, ("b",), over=True)  # no episode begins where one ends
    made.draw_start(1, 0)
    assert made.starts == ["", "a"] and games[1].told == ["at a"]
    reach(made, 1, "c", "d")
    found = {entry.route.name: (entry.route.depth, entry.route.origin) for entry in made.entries}
    assert found == {"a": (1, None), "d": (3, made.entries[0].route)}


def test_success_is_to_reach_another_milestone():
    made, _ = frontier(1.0)
    reach(made, 0, "a")
    made.record_step(0, (), over=True)
    assert made.entries[0].mastered == 0  # this one did not begin there
    for names, mastered in (((), 0.0), (("b", "c"), RATE), ((), RATE * (1 - RATE))):
        made.draw_start(0, 0)
        made.record_step(0, names, over=False)
        made.record_step(0, (), over=True)
        assert made.entries[0].mastered == pytest.approx(mastered)


def test_states_are_kept_of_entries_and_of_running_episodes_only():
    made, _ = frontier(1.0, rows=2)
    reach(made, 0, "a", state="first")
    made.draw_start(1, 0)
    for i in range(5):
        reach(made, 0, "a", state=f"newer {i}")
    assert set(made._states.values()) == {"first", "newer 4"}
    made.draw_start(1, 0)
    assert set(made._states.values()) == {"newer 4"}


def test_a_snapshot_says_everything_but_the_states():
    made, _ = frontier(1.0, rows=3)
    reach(made, 0, "a")
    made.draw_start(1, 0)
    reach(made, 1, "b", "c", length=4)
    reach(made, 0, "a", length=5)  # the route to c still goes over the older one
    made.record_step(2, ("x",), over=False)
    made.record_step(1, (), over=True)
    snapshot = made.snapshot()
    other, games = frontier(1.0, rows=3)
    past, rest = other.parse({**snapshot, "more": np.zeros(2)})
    other.load(past)
    assert rest.keys() == {"more"} and other.starts == ["", "a", ""]
    missing = other.missing_routes(1)
    assert [x.name for x in missing] == ["a"] and len(other.missing_routes(9)) == 2
    while routes := other.missing_routes(9):
        for x in routes:
            other.store_state(x, f"at {x.name}, {x.length}")
    assert sorted(other._states.values()) == ["at a, 2", "at a, 5", "at c, 4"]
    other.start_at_origins()
    assert [game.told for game in games] == [[None], ["at a, 2"], [None]]
    again = other.snapshot()
    assert again.keys() == snapshot.keys()
    for key, value in snapshot.items():
        assert value.dtype == again[key].dtype and value.tobytes() == again[key].tobytes()


def test_a_way_that_is_lost_takes_along_what_lies_behind_it(caplog):
    made, _ = frontier(1.0, rows=3)
    reach(made, 0, "a")
    reach(made, 2, "z")
    made.draw_start(1, 2)
    assert made.starts[1] == "a"
    reach(made, 1, "b")
    made.load(made.parse(made.snapshot())[0])
    for x in made.missing_routes(9):
        made.store_state(x, None if x.name == "a" else "there")
    assert made.missing_routes(9) == [] and [x.route.name for x in made.entries] == ["z"]
    assert "the route to 'a' does not repeat itself" in caplog.text
    assert made.starts == ["", "a", ""]  # the episode that is cut off had begun there
    made.record_step(1, (), over=True)


def test_ways_survive_being_packed():
    a = route("a")
    b = route("b/é", 2, a, length=1, seed=0)
    c = route("c", 2, a, length=2)
    routes = with_origins([b, None, c, b, a])
    assert routes == [a, b, c]
    found = unpacked(packed(routes, SPACES), SPACES)
    for old, new in zip(routes, found, strict=True):
        assert (old.name, old.depth, old.seed, old.length) == (
            *(new.name, new.depth, new.seed),
            new.length,
        )
        assert new.origin is (None if old is a else found[0])
        for key in SPACES:
            assert old.actions[key].dtype == new.actions[key].dtype
            np.testing.assert_array_equal(old.actions[key], new.actions[key])
    assert unpacked(packed([], SPACES), SPACES) == []


def test_ways_are_played_side_by_side():
    a, b = route("a"), route("bb", length=1)
    steps = list(schedule([a, b], 3))
    assert [acting.tolist() for acting, _ in steps] == [[1, 1, 0], [1, 0, 0], [1, 0, 0]]
    for t, (_, action) in enumerate(steps):
        np.testing.assert_array_equal(action["action"][0], a.actions["action"][t])
        assert action["action"].dtype == np.int32 and action["stick"].shape == (3, 2)
        assert not action["action"][2].any() and not (t and action["action"][1].any())
    np.testing.assert_array_equal(steps[0][1]["stick"][1], b.actions["stick"][0])


def spoiled(snapshot: dict[str, np.ndarray], key: str, value: Any) -> dict[str, np.ndarray]:
    return {**snapshot, f"frontier/{key}": np.array(value)}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("entries", [0, 0]),
        ("entries", [0, 2]),
        ("entries", [-1, 1]),
        ("entries", [0.0, 1.0]),
        ("mastered", [0.5]),
        ("mastered", [0.5, 1.0]),
        ("mastered", [0.5, np.nan]),
        ("origins", [0]),
        ("origins", [0, 2]),
        ("origins", [-2, 0]),
        ("reached", [0, -1]),
        ("ways/origin", [0, 0]),
        ("ways/origin", [-1, 1]),
        ("ways/origin", [-2, 0]),
        ("ways/depth", [0, 1]),
        ("ways/seed", [-1, 0]),
        ("ways/seed", [0.5, 0.5]),
        ("ways/length", [4, 0]),
        ("ways/length", [5, -1]),
        ("ways/length", [2, 3]),
        ("ways/name", [1, 2]),
        ("ways/name", [["a"], ["b"]]),
        ("ways/actions/action", np.zeros((4, 2), np.int32)),
        ("ways/more", [1, 2]),
    ],
)
def test_what_is_no_snapshot_is_refused_and_changes_nothing(key, value):
    made, _ = frontier(1.0, rows=2)
    reach(made, 0, "a")
    made.draw_start(1, 0)
    reach(made, 1, "b")
    snapshot = made.snapshot()
    made.parse(snapshot)
    before = made.entries
    with pytest.raises(ValueError, match=r"frontier|routes|whole"):
        made.parse(spoiled(snapshot, key, value))
    without = {k: x for k, x in snapshot.items() if k != f"frontier/{key}"}
    if len(without) < len(snapshot):
        with pytest.raises(ValueError, match=r"frontier|routes"):
            made.parse(without)
    assert made.entries == before
