"""Makes one `VectorEnv` of E copies of a single environment."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from envs.arrivals import Arrivals, is_finite
from envs.codecs import Actions, Observations
from envs.explained import explained
from envs.seeding import episode_seed
from envs.timestep import Timestep
from envs.vector.copy_protocol import CopyFailed, EnvCopy, Outcome, Unexpected
from envs.vector.failures import EnvironmentFailed, Failures
from envs.vector.frontier import Frontier, FrontierState
from envs.vector.news import Endless, told, warn
from envs.vector.routes import Steps, schedule
from envs.vector.running_episodes import RunningEpisodes

FAILED = Outcome(None, 0.0, False, True)  # of a copy that failed: it has no observation


class VectorizedEnv:
    """A `VectorEnv` (see there) of copies; handles episodes, seeds and autoreset."""

    def __init__(
        self,
        copies: Sequence[EnvCopy],
        observations: Observations,
        actions: Actions,
        *,
        seed: int,
        frames_per_step: int,
        name: str = "environment",  # in messages
        event_keys: tuple[str, ...] = (),
        frontier: Frontier | None = None,  # of the same games; decides where episodes begin
        replay: bool = True,  # whether `restore` repeats the running episodes
        patient: bool = True,  # whether a number that is not finite ends an episode, not the run
    ):
        self.event_keys = event_keys
        self.num_envs = rows = len(copies)
        self.frames_per_step = frames_per_step
        self.obs_space = observations.spaces
        self.act_space = actions.spaces
        self.described = observations.described
        self.lost = 0
        self.milestones: list[tuple[int, str]] = []
        self.copies = copies
        self.raw_spaces = observations.space, actions.space
        self._observations = observations
        self._actions = actions
        self._seed = seed
        self._frontier = frontier
        self._name = name
        self._arrivals = Arrivals(observations.leaves, observations.spaces)
        self._record = RunningEpisodes(
            self.num_envs, self.obs_space, self.act_space, self.event_keys, replay=replay
        )
        self._failures = Failures(self.num_envs, name=name, patient=patient)
        self._endless = Endless(name)
        obs = {k: np.zeros((rows, *(x.shape or ())), x.dtype) for k, x in self.obs_space.items()}
        no, zero = np.zeros(rows, bool), np.zeros(rows, np.float32)
        # The last timestep: a row that fails shows its observation again.
        self._seen = Timestep(obs, zero, no, no, no, dict.fromkeys(event_keys, zero))

    @property
    def episodes(self) -> np.ndarray:
        """See `VectorEnv.episodes`."""
        return self._record.episodes

    @property
    def restarts(self) -> int:
        """See `VectorEnv.restarts`."""
        return self._failures.count

    @property
    def failure(self) -> str:
        """See `VectorEnv.failure`."""
        return self._failures.fatal

    @property
    def starts(self) -> list[str]:
        """See `VectorEnv.starts`."""
        return list(self._frontier.starts) if self._frontier else [""] * self.num_envs

    def prepare(self) -> None:
        """See `VectorEnv.prepare`."""
        self._prepare(np.ones(self.num_envs, bool), ahead=0)

    def reset(self, episodes: np.ndarray | None = None) -> Timestep:
        """See `VectorEnv.reset`."""
        self._require_working()
        self._record.begin(episodes)
        if self._frontier:
            self._frontier.clear()
        self.prepare()
        timestep = self._collect(np.ones(self.num_envs, bool))
        self._require_working()
        return timestep

    def step(self, action: dict[str, np.ndarray]) -> Timestep:
        """See `VectorEnv.step`."""
        self._require_working()
        starting = self._record.over
        self._send(~starting, action)
        self._record.act(action)
        if self._frontier:
            for i in np.flatnonzero(starting).tolist():
                self._frontier.draw_start(i, self._episode_seed(i, ahead=0))
            self._prepare(starting, ahead=0)
        return self._collect(starting)

    def snapshot(self) -> dict[str, np.ndarray]:
        """See `VectorEnv.snapshot`."""
        more = self._frontier.snapshot() if self._frontier else {}
        return self._record.snapshot(self._seen) | more

    def restore(self, snapshot: dict[str, np.ndarray]) -> Timestep:
        """See `VectorEnv.restore`."""
        self._require_working()
        record, frontier = self._record, self._frontier
        past, rest = frontier.parse(snapshot) if frontier else (None, snapshot)
        self._seen = record.load(rest)
        if frontier and past:
            self._return_to(frontier, past)
        running = ~record.over
        alive = running & record.repeatable(self._seen)
        self._prepare(alive, ahead=0)
        # Before its first action, the next episode is as good.
        begin = [self._first if n else self._begin for n in record.length]
        raw = [begin[i](i) if on else None for i, on in enumerate(alive)]
        alive &= [obs is not None for obs in raw]
        self._require_working()
        for i, outcome in enumerate(self._replay(record.replay(), alive)):
            raw[i] = self._checked(i, outcome).obs if outcome else raw[i]
            alive[i] &= raw[i] is not None
        self._seen = record.resume(self._seen, self._encode(raw), alive)
        self._prepare(np.ones_like(running), ahead=1)
        self.lost = int(np.sum(running & record.over))
        self.milestones = []
        return self._seen

    def close(self) -> None:
        """See `VectorEnv.close`."""
        for i, copy in enumerate(self.copies):
            try:
                copy.close()
            except Exception as error:  # all others are closed nevertheless
                warn(f"{self._name} {i} does not close: {explained(error)}")

    def _collect(self, starting: np.ndarray) -> Timestep:
        """Begins an episode in the rows `starting` [E] bool; receives a step in all others."""
        outcomes = [
            Outcome(self._begin(i), 0.0, False, False) if start else self._receive(i)
            for i, start in enumerate(starting)
        ]
        # Converted before the copies run again: they may reuse their buffers.
        outcomes, obs = self._arrived(outcomes)
        self._prepare(starting, ahead=1)
        terminal = np.array([outcome.terminated for outcome in outcomes], bool)
        ended = [outcome.terminated or outcome.truncated for outcome in outcomes]
        over = np.array(ended, bool)
        self._record.end(over)
        if any(ended):
            self._failures.finished(over & [outcome is not FAILED for outcome in outcomes])
        self._endless.see(self._record.steps)
        if frontier := self._frontier:
            for i, outcome in enumerate(outcomes):
                frontier.record_step(i, outcome.milestones, bool(over[i]))
                if outcome.state is not None and self._record.length[i]:
                    seed, actions = self._episode_seed(i, ahead=0), self._record.taken(i)
                    name, state = outcome.milestones[-1], outcome.state
                    frontier.add(i, name=name, state=state, seed=seed, actions=actions)
        self.milestones = [(i, name) for i, o in enumerate(outcomes) for name in o.milestones]
        self._seen = Timestep(
            obs=obs,
            reward=np.array([outcome.reward for outcome in outcomes], np.float32),
            is_first=starting,
            is_last=over,
            is_terminal=terminal,
            events={
                key: np.array([outcome.events.get(key, 0.0) for outcome in outcomes], np.float32)
                for key in self.event_keys
            },
        )
        return self._seen

    def _return_to(self, frontier: Frontier, past: FrontierState) -> None:
        """Replays the routes to a frontier, as many in parallel as there are copies."""
        frontier.load(past)
        while routes := frontier.missing_routes(self.num_envs):
            for i, route in enumerate(routes):
                frontier.start_at(i, route.origin)
                self.copies[i].prepare(route.seed)
            begun = [i < len(routes) and self._first(i) is not None for i in range(self.num_envs)]
            last = self._replay(schedule(routes, self.num_envs), np.array(begun))
            for route, outcome in zip(routes, last, strict=False):
                arrived = outcome if outcome and route.name in outcome.milestones else None
                frontier.store_state(route, arrived.state if arrived else None)
        frontier.start_at_origins()

    def _episode_seed(self, i: int, ahead: int) -> int:
        return episode_seed(self._seed, i, int(self._record.episodes[i]) + ahead)

    def _prepare(self, rows: np.ndarray, ahead: int) -> None:
        """Requests the episode `ahead` of the current one in the rows [E] bool."""
        if ahead and self._frontier:
            return  # its starting point is drawn when the current one ends
        for i in np.flatnonzero(rows).tolist():
            self.copies[i].prepare(self._episode_seed(i, ahead))

    def _replay(self, steps: Steps, alive: np.ndarray) -> list[Outcome | None]:
        """Repeats steps (rows [E] bool, actions [E, k]); returns the last outcome of each row.

        A row whose episode ends is cleared in `alive` [E] bool and takes no further step.
        """
        last: list[Outcome | None] = [None] * self.num_envs
        for acting, action in told(steps, f"{self._name}: repeating episodes"):
            acting &= alive
            self._send(acting, action)
            for i in np.flatnonzero(acting).tolist():
                last[i] = outcome = self._receive(i)
                alive[i] = not (outcome.terminated or outcome.truncated)
        return last

    def _send(self, rows: np.ndarray, action: dict[str, np.ndarray]) -> None:
        natives = self._actions.decode(action, self.num_envs)
        for i in np.flatnonzero(rows).tolist():
            self.copies[i].send(natives[i])

    def _begin(self, i: int) -> Any:
        """The first observation of the current episode, or of the first one after it that begins.

        Whether an episode begins may depend on its seed. None: the copy failed too often.
        """
        while (obs := self._first(i)) is None and not self.failure:
            self._record.skip(i)
            if self._frontier:
                self._frontier.draw_start(i, self._episode_seed(i, ahead=0))
            self.copies[i].prepare(self._episode_seed(i, ahead=0))
        return obs

    def _first(self, i: int) -> Any:
        """The first observation of the episode prepared; None if it does not begin."""
        try:
            return self._arrivals.observation(self.copies[i].begin())
        except CopyFailed as error:
            self._recover(i, error, steps=0)
            return None

    def _receive(self, i: int) -> Outcome:
        """The next outcome; FAILED, which truncates the episode, if there is none."""
        try:
            return self.copies[i].receive()
        except CopyFailed as error:
            self._recover(i, error, steps=int(self._record.steps[i]))
            return FAILED

    def _arrived(self, outcomes: list[Outcome]) -> tuple[list[Outcome], dict[str, np.ndarray]]:
        """The outcomes, those with a wrong observation cut off, and [E, ...] per key."""
        raw = [outcome.obs for outcome in outcomes]
        if self._arrivals.are_exact(raw):
            obs = self._observations.encode(raw)
            if is_finite(obs):
                return outcomes, obs
        outcomes = [self._checked(i, outcome) for i, outcome in enumerate(outcomes)]
        return outcomes, self._encode([outcome.obs for outcome in outcomes])

    def _checked(self, i: int, outcome: Outcome) -> Outcome:
        """The outcome, or FAILED if its observation is not as declared."""
        if outcome is FAILED or (outcome.obs is None and self.failure):
            return outcome
        try:
            return outcome._replace(obs=self._arrivals.observation(outcome.obs))
        except CopyFailed as error:
            self._recover(i, error, steps=int(self._record.steps[i]))
            return FAILED

    def _recover(self, i: int, error: CopyFailed, *, steps: int) -> None:
        """Restarts a copy that no longer works, and prepares its next episode."""
        self._failures.add(i, error, episode=int(self._record.episodes[i]), steps=steps)
        if not self.failure:
            if not isinstance(error, Unexpected):
                self.copies[i].restart()
            self._prepare(np.arange(self.num_envs) == i, ahead=1)

    def _require_working(self) -> None:
        if self.failure:
            raise EnvironmentFailed(self.failure)

    def _encode(self, raw: list[Any]) -> dict[str, np.ndarray]:
        """[E, ...] per key; a row without an observation (None) shows its last one."""
        there = np.array([obs is not None for obs in raw])
        found = {key: np.array(value) for key, value in self._seen.obs.items()}
        if there.any():
            known = self._observations.encode([obs for obs in raw if obs is not None])
            for key, value in known.items():
                found[key][there] = value
        return found
