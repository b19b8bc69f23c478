"""The running episodes. Seed and actions determine an episode, so these are all it takes."""

from collections.abc import Iterator

import numpy as np

from envs.codecs import no_actions
from envs.kinds import AnySpace
from envs.timestep import Timestep

LONGEST = 200_000  # steps of an episode, beyond which it is not repeated: actions take memory
SPARE = 64  # steps kept beyond the longest episode, so that they are rarely dropped
FIELDS = ("reward", "is_first", "is_last", "is_terminal")  # of a timestep, each [E]


class RunningEpisodes:
    """The episode of each of E rows, whether it is over, and its actions so far.

    Returned arrays are never written to.
    """

    def __init__(
        self,
        num_envs: int,
        obs_space: dict[str, AnySpace],
        act_space: dict[str, AnySpace],
        event_keys: tuple[str, ...],
        *,
        replay: bool = True,
    ):
        """`replay`: whether to keep the actions, so that episodes can be repeated."""
        self._longest = LONGEST if replay else 0
        self.episodes = np.zeros(num_envs, np.int64)
        self.over = np.zeros(num_envs, bool)
        self.steps = np.zeros(num_envs, np.int64)  # actions in the episode; 0 if it is over
        self._actions: list[dict[str, np.ndarray]] = []  # [E, k] per key, the newest last
        self._act_space = act_space
        # Shape [E, ...] and dtype of each array of a snapshot, except actions.
        seen = dict.fromkeys(FIELDS, bool) | dict.fromkeys(("reward", *event_keys), np.float32)
        kinds = {"episodes": np.int64, "over": bool, "length": np.int64}
        kinds |= {f"seen/{name}": kind for name, kind in seen.items()}
        self._arrays: dict[str, tuple[tuple[int, ...], np.dtype]] = {
            name: ((num_envs,), np.dtype(kind)) for name, kind in kinds.items()
        }
        for key, space in obs_space.items():
            self._arrays[f"seen/obs/{key}"] = (num_envs, *_shape(space)), np.dtype(space.dtype)

    @property
    def length(self) -> np.ndarray:
        """[E] int64, the actions that are kept of each episode: all or none."""
        return np.where(self.steps > self._longest, 0, self.steps)

    def begin(self, episodes: np.ndarray | None) -> None:
        """Begins `episodes` [E] (default 0) in all rows. Raises ValueError for another shape."""
        shape = self.episodes.shape
        if episodes is None:
            episodes = np.zeros(shape, np.int64)
        if np.shape(episodes) != shape:
            raise ValueError(f"expected {shape[0]} episode numbers, got shape {np.shape(episodes)}")
        self.episodes = np.array(episodes, np.int64)
        self.over = np.zeros(shape, bool)
        self.steps = np.zeros(shape, np.int64)
        self._actions = []

    def skip(self, row: int) -> None:
        """Skips to the next episode of a row, before the current one has begun."""
        self.episodes = self.episodes + (np.arange(len(self.over)) == row)

    def act(self, action: dict[str, np.ndarray]) -> None:
        """Rows that are over begin their next episode; all others take `action` [E, k]."""
        self.episodes = self.episodes + self.over
        self.steps = np.where(self.over, 0, self.steps + 1)
        self.over = np.zeros_like(self.over)
        self._actions.append({key: np.array(value) for key, value in action.items()})
        if len(self._actions) > 2 * min(int(self.steps.max()), self._longest) + SPARE:
            self._actions = self._newest()

    def end(self, over: np.ndarray) -> None:
        """Ends the episodes of the rows `over` [E] bool."""
        self.over = over.copy()
        self.steps = np.where(over, 0, self.steps)

    def taken(self, row: int) -> dict[str, np.ndarray]:
        """[n, k] per key, the actions of a running episode."""
        steps = self._actions[len(self._actions) - int(self.length[row]) :]
        return {key: np.stack([step[key][row] for step in steps]) for key in self._act_space}

    def snapshot(self, seen: Timestep) -> dict[str, np.ndarray]:
        """See `VectorEnv.snapshot`; `seen` is the current timestep."""
        numbers = {"episodes": self.episodes, "over": self.over, "length": self.length}
        found = {key: np.array(value) for key, value in (numbers | _packed(seen)).items()}
        newest = self._newest()
        for key, space in self._act_space.items():
            steps = no_actions(space, 0, len(self.over))
            if newest:
                steps = np.stack([step[key] for step in newest])
            rows = [steps[len(steps) - n :, i] for i, n in enumerate(self.length)]
            found[f"actions/{key}"] = np.concatenate(rows)
        return found

    def load(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """The inverse of `snapshot`; returns its timestep.

        Raises:
            ValueError: the arrays do not fit each other or this environment. Nothing changed.
        """
        self._require_arrays(snapshot)
        length, over = snapshot["length"].astype(np.int64), snapshot["over"].astype(bool)
        if (length < 0).any() or length[over].any() or (snapshot["episodes"] < 0).any():
            raise ValueError(f"a snapshot cannot have lengths {length} with over {over}")
        if not np.array_equal(snapshot["seen/is_last"], over):
            last = snapshot["seen/is_last"]
            raise ValueError(f"not a snapshot: over {over} contradicts seen/is_last {last}")
        self.begin(snapshot["episodes"])
        self.steps, self.over = length, over
        longest, ends = int(length.max()), np.cumsum(length)
        steps: dict[str, np.ndarray] = {}
        for key, space in self._act_space.items():
            flat = snapshot[f"actions/{key}"]
            # Aligned at the end, as if the last actions of all rows were simultaneous.
            steps[key] = no_actions(space, longest, len(length))
            for i, (n, end) in enumerate(zip(length, ends, strict=True)):
                steps[key][longest - n :, i] = flat[end - n : end]
        self._actions = [{key: x[t] for key, x in steps.items()} for t in range(longest)]
        return _unpacked(snapshot)

    def repeatable(self, seen: Timestep) -> np.ndarray:
        """[E] bool, episodes whose actions are all known; `seen` is the current timestep."""
        return (self.length > 0) | ((self.steps == 0) & seen.is_first)

    def replay(self) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yields all actions again: acting rows [E] bool, actions [E, k] per key (others 0)."""
        newest, length = self._newest(), self.length
        for left, action in zip(range(len(newest), 0, -1), newest, strict=True):
            yield length >= left, action

    def resume(self, seen: Timestep, obs: dict[str, np.ndarray], alive: np.ndarray) -> Timestep:
        """Ends the episodes that did not repeat themselves; returns the updated `seen`.

        Args:
            seen: the timestep that was current at the snapshot.
            obs: [E, ...] per key, the observations after the replay.
            alive: [E] bool, rows whose episode did not end in the replay.
        """
        other = ~self.over & ~(alive & _equal_rows(obs, seen.obs))
        # Before the first action, an episode that begins differently is as good.
        begun = other & (self.steps == 0) & seen.is_first
        lost = other & ~begun
        self.end(self.over | lost)
        return seen._replace(
            obs={key: _where(begun, obs[key], value) for key, value in seen.obs.items()},
            is_last=seen.is_last | lost,
        )

    def _newest(self) -> list[dict[str, np.ndarray]]:
        """The newest steps, as many as the longest running episode has."""
        return self._actions[len(self._actions) - int(self.length.max()) :]

    def _require_arrays(self, snapshot: dict[str, np.ndarray]) -> None:
        found = {key: (np.shape(value), value.dtype) for key, value in snapshot.items()}
        right = found.get("length") == self._arrays["length"]
        total = int(np.sum(snapshot["length"])) if right else 0
        expected = dict(self._arrays)
        for key, space in self._act_space.items():
            expected[f"actions/{key}"] = (total, *_shape(space)), no_actions(space, 0).dtype
        if found != expected:
            wrong = sorted(k for k in found | expected if found.get(k) != expected.get(k))
            wrong_arrays = "; ".join(f"{k} {found.get(k)}, not {expected.get(k)}" for k in wrong)
            raise ValueError(f"not a snapshot of these environments: {wrong_arrays}")


def _packed(seen: Timestep) -> dict[str, np.ndarray]:
    parts = {name: getattr(seen, name) for name in FIELDS} | seen.events
    parts |= {f"obs/{key}": value for key, value in seen.obs.items()}
    return {f"seen/{name}": value for name, value in parts.items()}


def _unpacked(snapshot: dict[str, np.ndarray]) -> Timestep:
    """The inverse of `_packed`, with new arrays."""
    parts = {
        key.removeprefix("seen/"): np.array(value)
        for key, value in snapshot.items()
        if key.startswith("seen/")
    }
    return Timestep(
        obs={k.removeprefix("obs/"): parts[k] for k in parts if k.startswith("obs/")},
        events={k: parts[k] for k in parts if k not in FIELDS and not k.startswith("obs/")},
        **{name: parts[name] for name in FIELDS},
    )


def _shape(space: AnySpace) -> tuple[int, ...]:
    return space.shape or ()


def _equal_rows(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> np.ndarray:
    """[E] bool; compares bytes, so that a NaN equals itself."""
    same = [
        [a.tobytes() == b.tobytes() for a, b in zip(left[key], right[key], strict=True)]
        for key in left
    ]
    return np.all(same, axis=0)


def _where(rows: np.ndarray, new: np.ndarray, old: np.ndarray) -> np.ndarray:
    return np.where(rows.reshape(-1, *(1,) * (old.ndim - 1)), new, old)
