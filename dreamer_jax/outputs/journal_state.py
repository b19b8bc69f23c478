"""What a journal has to know after a resume, and its form in the JSON of a checkpoint."""

from dataclasses import dataclass, field
from typing import Any

from dreamer_jax.environment import Environment
from dreamer_jax.outputs.episode_sums import EpisodeSums
from dreamer_jax.outputs.findings import Watched, watch_from_json, watch_to_json


@dataclass(frozen=True, kw_only=True)
class JournalState:
    """A journal between two steps, with no metrics pending."""

    running: EpisodeSums  # of the E episodes that have not ended
    # Episodes since the last line: of the whole task, and begun at one of its milestones.
    recent: list[dict[str, float]]
    recent_later: list[dict[str, float]]
    latest: float | None  # score of the newest episode of the whole task
    owes_evaluation: bool  # whether the last one was stopped
    reached: list[str]  # milestones, in the order of their time
    logged: tuple[int, int]  # step and updates at the last line
    episodes: int  # that ended since the beginning of the run
    watch: dict[str, Watched] = field(default_factory=dict[str, Watched])  # of the diagnosis

    @classmethod
    def empty(cls, env: Environment) -> "JournalState":
        """Before the first step of `env`."""
        return cls(
            running=EpisodeSums.empty(env.num_envs, env.event_keys),
            recent=[],
            recent_later=[],
            latest=None,
            owes_evaluation=False,
            reached=[],
            logged=(0, 0),
            episodes=0,
        )

    def to_json(self) -> dict[str, Any]:
        """The same in lists and dictionaries."""
        return {
            "running": self.running.state(),
            "recent": self.recent,
            "recent_later": self.recent_later,
            "latest": self.latest,
            "owed": self.owes_evaluation,
            "reached": self.reached,
            "logged": list(self.logged),
            "watch": watch_to_json(self.watch),
            "episodes": self.episodes,
        }

    @classmethod
    def from_json(cls, saved: Any, env: Environment) -> "JournalState":
        """The inverse of `to_json`, for a journal of `env`; a stranger may have written `saved`.

        Raises:
          KeyError, TypeError, ValueError, AttributeError: it is not the state of such a journal.
        """
        running, keys = EpisodeSums.from_state(saved["running"]), {"score", *env.event_keys}
        columns = [running.length, *running.sums.values()]
        recent, later = saved.get("recent", []), saved.get("recent_later", [])
        latest, reached = saved.get("latest"), saved.get("reached", [])
        logged, episodes = saved.get("logged", [0, 0]), recent + later
        ended = saved.get("episodes", 0)  # earlier runs did not count them
        right = (
            running.sums.keys() == keys
            and all(x.shape == (env.num_envs,) and x.dtype.kind in "if" for x in columns)
            and all(episode.keys() == {"length", *keys} for episode in episodes)
            and all(isinstance(x, (int, float)) for episode in episodes for x in episode.values())
            and (latest is None or isinstance(latest, (int, float)))
            and all(isinstance(name, str) for name in reached)
            and [type(number) for number in (*logged, ended)] == [int, int, int]
        )
        if not right:
            raise ValueError("not the state of a journal of this environment")
        return cls(
            running=running,
            recent=list(recent),
            recent_later=list(later),
            latest=latest,
            owes_evaluation=bool(saved.get("owed", False)),
            reached=list(reached),
            logged=(logged[0], logged[1]),
            watch=watch_from_json(saved.get("watch", {})),
            episodes=ended,
        )
