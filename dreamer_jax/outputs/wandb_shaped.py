"""Weights & Biases, and trackio, which has the same interface."""

import contextlib
import io
import os
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from dreamer_jax.outputs.episode_sums import points
from dreamer_jax.outputs.run_ids import PROJECT, Place


class WandbShaped:
    """A sink for a run with a method `log`.

    Milestones are ignored, as in TensorBoard.
    """

    def __init__(
        self,
        log: Callable[[dict[str, Any], int], None],
        *,
        image: Callable[[np.ndarray], Any],
        film: Callable[[bytes], Any],
        finish: Callable[[], None],
    ) -> None:
        """log: (values by name, step). image, film: media of the library, a film as MP4."""
        self._log, self._image, self._film, self._finish = log, image, film, finish

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        """A point for each value, at its step."""
        del unfinished
        self._log({**values, "frames": frames, "seconds": seconds}, step)

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        """Points for score and length."""
        del env
        self._log(dict(points(sums, start)), step)

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        """Ignored."""

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        """A picture."""
        self._log({name: self._image(pixels)}, step)

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        """A film."""
        from dreamer_jax.media import video  # it imports a library for films

        self._log({name: self._film(video.mp4(frames, rate=rate))}, step)

    def close(self) -> None:
        """Ends the run in the tracker."""
        self._finish()


def wandb(place: Place) -> WandbShaped:
    """Weights & Biases: in the folder `wandb` of the logdir, unless WANDB_DIR names another one.

    Offline, unless WANDB_MODE says otherwise. The step is a value of its own: averages arrive after
    values of later steps, which the counter of the library does not allow.
    """
    import wandb as library

    mode: Any = os.environ.get("WANDB_MODE") or "offline"
    settings = library.Settings(
        mode=mode, console="off", silent=True, disable_git=True, save_code=False
    )
    run = library.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        name=os.environ.get("WANDB_NAME", place.logdir.name),
        id=place.id,
        resume="allow",
        dir=os.environ.get("WANDB_DIR", place.logdir),
        config=dict(place.configuration),
        settings=settings,
    )
    run.define_metric("step", hidden=True)
    run.define_metric("*", step_metric="step")
    return WandbShaped(
        lambda values, step: run.log({**values, "step": step}),
        image=library.Image,
        film=lambda mp4: library.Video(io.BytesIO(mp4), format="mp4"),
        finish=run.finish,
    )


def trackio(place: Place) -> WandbShaped:
    """trackio: in the folder `trackio` of the logdir, unless TRACKIO_DIR names another one.

    The library reads TRACKIO_DIR once in a process, when it is imported.
    """
    os.environ.setdefault("TRACKIO_DIR", str((place.logdir / "trackio").absolute()))
    import trackio as library

    with contextlib.redirect_stdout(io.StringIO()):  # it explains itself in five lines
        run = library.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=f"{place.logdir.name}-{place.id}",
            resume="allow",
            config=dict(place.configuration),
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )

    def film(mp4: bytes) -> Any:
        with tempfile.NamedTemporaryFile(suffix=".mp4", dir=folder.name, delete=False) as file:
            file.write(mp4)
        return library.Video(file.name, format="mp4")

    def finish() -> None:
        with folder, contextlib.redirect_stdout(io.StringIO()):
            run.finish()

    folder = tempfile.TemporaryDirectory()  # of films until the library has copied them
    return WandbShaped(
        lambda values, step: run.log(values, step=step),
        image=library.Image,
        film=film,
        finish=finish,
    )
