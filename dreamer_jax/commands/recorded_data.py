"""Recordings as a data set to learn from without an environment."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from dreamer_jax.data import dataset
from dreamer_jax.data.dataset import Dataset
from dreamer_jax.data.source import Arrays, SourceRun
from dreamer_jax.outputs.say import say_on_stderr
from envs.play import recorded_spaces, recorded_steps, recordings
from envs.play.recorded_spaces import Column, Spaces


class RecordedSource:
    """A recording as `dreamer_jax.data.source.Source`; its spaces are those of its index."""

    def __init__(self, folder: Path) -> None:
        """Reads the index. Raises ValueError in one line if it is not valid."""
        self._recording = recordings.find(folder)
        self.name = str(folder)
        self.digest = self._recording.digest
        try:
            described = self._recording.spaces
            self.columns: Mapping[str, Column] = recorded_spaces.columns(described)
            spaces: tuple[Spaces, Spaces] = recorded_spaces.spaces_of(described)
        except ValueError as error:
            raise ValueError(f"{folder / recordings.INDEX}: {error}") from None
        self.obs_space, self.act_space = spaces

    @property
    def runs(self) -> tuple[SourceRun, ...]:
        """See `Source.runs`."""
        of = self._recording
        return tuple(
            SourceRun(
                run.parts[0].name or f"{of.env} {of.seed} {run.parts[0].row} {run.parts[0].number}",
                run.steps,
            )
            for run in recordings.runs(of)
        )

    def pieces(self) -> Iterator[Arrays]:
        """See `Source.pieces`; asked for when the recording is not unpacked yet."""
        steps = sum(run.steps for run in self.runs)
        say_on_stderr(f"unpacking {self.name} once: {steps:,} steps")
        yield from recorded_steps.read_episodes(self._recording, dict(self.columns))


def open_dataset(
    folders: Sequence[str | Path],
    *,
    seed: int,
    held_out: float = 0.1,
    hosts: tuple[int, int] = (0, 1),
    cache: str | Path | None = None,
    observations: Sequence[str] = (),
) -> Dataset:
    """A data set over the recordings in some folders; see `dreamer_jax.data.dataset.join`."""
    return dataset.join(
        [RecordedSource(Path(folder)) for folder in folders],
        seed=seed,
        held_out=held_out,
        hosts=hosts,
        cache=Path(cache) if cache else None,
        observations=observations,
    )
