"""The outputs of a run: JSON lines, resumption, TensorBoard events, and outputs of one's own."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from PIL import Image
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter
from witness import ENVS, EPISODE, Witness, compiled

from dreamer_jax.counters import Counters
from dreamer_jax.faults import Fault
from dreamer_jax.loops.train import train
from dreamer_jax.outputs.journal import Journal
from dreamer_jax.outputs.pictures import picture
from dreamer_jax.outputs.progress import Progress
from dreamer_jax.outputs.sink import Sink
from dreamer_jax.outputs.sinks import default_sinks
from dreamer_jax.outputs.tensorboard import TensorBoard
from envs.counting import Counting

Event: Any = GetMessageClass(event_pb2.DESCRIPTOR.message_types_by_name["Event"])


def lines(path: Path) -> list[dict[str, Any]]:
    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is not JSON")

    return [json.loads(line, parse_constant=refuse) for line in path.read_text().splitlines()]


def events(logdir: Path) -> list[Any]:
    """All events of a logdir, read from the record format itself: length, crc, data, crc."""
    found = []
    for path in sorted(logdir.glob("events.out.tfevents.*")):
        data, start = path.read_bytes(), 0
        while start < len(data):
            length = int.from_bytes(data[start : start + 8], "little")
            found.append(Event.FromString(data[start + 12 : start + 12 + length]))
            start += length + 16
    return found


def scalars(sinks: list[Sink], step: int, values: Mapping[str, Any]) -> None:
    for sink in sinks:
        sink.scalars(values, step=step, frames=4 * step, seconds=1.5, unfinished=False)


def episode(sinks: list[Sink], step: int, start: str, sums: dict[str, float]) -> None:
    for sink in sinks:
        sink.episode(sums, step=step, env=3, start=start)


def close(sinks: list[Sink]) -> None:
    for sink in sinks:
        sink.close()


def test_lines_and_points(tmp_path: Path) -> None:
    logdir = tmp_path / "new" / "run"
    sinks = default_sinks(logdir, 0)
    scalars(sinks, 10, {"world_model/loss/image": 0.25, "count": 3})
    episode(sinks, 12, "", {"length": 500, "score": 21.0, "event/x": 2.0})
    episode(sinks, 13, "flag/one", {"length": 50, "score": 4.0})
    # A line can be read as soon as the call returns, and its keys have an order.
    assert (logdir / "episodes.jsonl").read_text() == (
        '{"step": 12, "score": 21.0, "length": 500, "event/x": 2.0, "env": 3}\n'
        '{"step": 13, "score": 4.0, "length": 50, "env": 3, "start": "flag/one"}\n'
    )
    assert (logdir / "metrics.jsonl").read_text() == (
        '{"step": 10, "frames": 40, "seconds": 1.5, "world_model/loss/image": 0.25, "count": 3}\n'
    )
    assert not (logdir / "milestones.jsonl").exists()
    assert any("loss/image" in x.tag for event in events(logdir) for x in event.summary.value)
    close(sinks)
    points = {
        value.tag: (event.step, value.simple_value)
        for event in events(logdir)
        for value in event.summary.value
    }
    assert points == {
        "world_model/loss/image": (10, 0.25),
        "count": (10, 3.0),
        "episode/score": (12, 21.0),
        "episode/length": (12, 500.0),
        "collection/frontier/score": (13, 4.0),
        "collection/frontier/length": (13, 50.0),
    }


def test_any_scalar_becomes_a_number_and_the_unbounded_null(tmp_path: Path) -> None:
    sinks = default_sinks(tmp_path, 0)
    values: dict[str, Any] = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "numpy": np.int64(3),
        "jax": jnp.float32(0.5),
        "minus": jnp.float32("-inf"),
    }
    scalars(sinks, 1, values)
    close(sinks)
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert {k: line[k] for k in values} == {
        "nan": None,
        "inf": None,
        "numpy": 3,
        "jax": 0.5,
        "minus": None,
    }
    points = {v.tag: v.simple_value for event in events(tmp_path) for v in event.summary.value}
    assert points == {"numpy": 3.0, "jax": 0.5}


def test_resuming_drops_the_lines_of_later_steps(tmp_path: Path) -> None:
    sinks = default_sinks(tmp_path, 0)
    for step in (10, 20, 30):
        scalars(sinks, step, {"loss": step})
        episode(sinks, step, "", {"length": 5, "score": 1.0})
        for sink in sinks:
            sink.milestone(f"map/{step}", step=step, hours=step / 100, env=2)
    close(sinks)
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('not json\n[1]\n{"step": null}\n{"step": 1' + "0" * 400 + "}\n")
        file.write('{"step": 20, "unfinished": true}\n')
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n{"step": 15, "fra')
    sinks = default_sinks(tmp_path, 20)
    scalars(sinks, 25, {"loss": 25})
    close(sinks)
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [10, 20, 25]
    episodes = [line["step"] for line in lines(tmp_path / "episodes.jsonl")]
    assert episodes == [10]  # the run acts on step 20 and writes its episodes
    assert lines(tmp_path / "milestones.jsonl") == [
        {"step": step, "hours": step / 100, "name": f"map/{step}", "env": 2} for step in (10, 20)
    ]
    restarts = [event.step for event in events(tmp_path) if event.session_log.status]
    assert restarts == [1, 21], "TensorBoard hides what came after the restored step"
    assert not list(tmp_path.glob("*.partial"))


def test_images(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 20, 3), np.uint8)
    board = TensorBoard(tmp_path, 0)
    board.image("world_model/reconstruction", pixels, step=5)
    with pytest.raises(ValueError, match=r"\[H, W, 3\] uint8, not \[8, 20\] float32"):
        board.image("gray", np.zeros((8, 20), np.float32), step=5)
    (value,) = [v for event in events(tmp_path) for v in event.summary.value]  # before it is closed
    board.close()
    assert value.tag == "world_model/reconstruction"
    shown = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
    assert np.array_equal(shown, pixels)


def test_the_record_format_is_what_tensorboard_reads(tmp_path: Path) -> None:
    """Checks the reader in this file against the writer of the library."""
    path = tmp_path / "events.out.tfevents.1"
    writer = RecordWriter(str(path))
    writer.write(Event(step=3).SerializeToString())
    writer.close()
    assert [event.step for event in events(tmp_path)] == [3]


@pytest.mark.parametrize(("channels", "shown"), [(1, [0, 0, 0]), (4, [3, 3, 3]), (6, [3, 4, 5])])
def test_a_sheet_has_the_newest_of_stacked_frames(channels: int, shown: list[int]) -> None:
    """Truth above, prediction below; the line is where the model has seen the last of it."""
    view = np.broadcast_to(np.arange(channels), (2, 16, 1, 4, 5, channels))
    sheet = picture(np.concatenate([view[:1], view[1:] + 100]))
    assert sheet.shape == (2 * 4, 8 * 5, 3)
    line = np.zeros(40, bool)
    line[[19, 20]] = True
    assert (sheet[:, line] == (255, 0, 0)).all()
    assert (sheet[:4, ~line] == shown).all() and (sheet[4:, ~line] == np.add(shown, 100)).all()


class Collector:
    """A sink that keeps everything it receives."""

    def __init__(self) -> None:
        self.metrics: list[dict[str, Any]] = []
        self.episodes: list[dict[str, Any]] = []
        self.milestones: list[dict[str, Any]] = []
        self.images: list[tuple[str, int, tuple[int, ...]]] = []
        self.videos: list[tuple[str, int, tuple[int, ...]]] = []
        self.closed = 0

    def scalars(
        self,
        values: Mapping[str, float],
        *,
        step: int,
        frames: int,
        seconds: float,
        unfinished: bool,
    ) -> None:
        line = {"step": step, "frames": frames, "seconds": seconds, **values}
        self.metrics.append(line | ({"unfinished": True} if unfinished else {}))

    def episode(self, sums: Mapping[str, float], *, step: int, env: int, start: str) -> None:
        assert start == ""
        self.episodes.append({"step": step, **sums, "env": env})

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        self.milestones.append({"step": step, "hours": hours, "name": name, "env": env})

    def image(self, name: str, pixels: np.ndarray, *, step: int) -> None:
        self.images.append((name, step, pixels.shape))

    def video(self, name: str, frames: np.ndarray, *, step: int, rate: float) -> None:
        assert rate > 0
        self.videos.append((name, step, frames.shape))

    def close(self) -> None:
        self.closed += 1


def test_a_sink_of_ones_own_receives_everything(tmp_path: Path) -> None:
    """What the files hold, and the pictures."""
    mine, run = Collector(), Witness().run(tmp_path, steps=141)
    train(run, compiled(run), make_sinks=lambda *place: [*default_sinks(*place), mine])
    assert mine.metrics == lines(tmp_path / "metrics.jsonl") and len(mine.metrics) > 10
    assert mine.episodes == lines(tmp_path / "episodes.jsonl") and len(mine.episodes) > 10
    assert mine.milestones == lines(tmp_path / "milestones.jsonl") and len(mine.milestones) > 3
    assert mine.metrics[-1]["unfinished"] and mine.metrics[-1]["step"] == 141
    assert {line["length"] for line in mine.episodes} == {EPISODE}
    assert {line["env"] for line in mine.episodes} == set(range(ENVS))
    shown = [(name, step) for name, step, _ in mine.images]
    assert shown == [("world_model/view", 51), ("world_model/view", 102)]
    assert {shape for _, _, shape in mine.images} == {(4 * 2 * 8, 8 * 8, 3)}
    films = {("world_model/video/view", step, (5, 4 * 8, 2 * 8 + 2, 3)) for step in (51, 102)}
    assert {*mine.videos} == films
    assert mine.closed == 1


class Broken(Collector):
    """A sink whose disk is full."""

    def milestone(self, name: str, *, step: int, hours: float, env: int) -> None:
        super().milestone(name, step=step, hours=hours, env=env)
        raise OSError(28, "No space left on device", name)

    def close(self) -> None:
        super().close()
        raise OSError(28, "No space left on device", "end")


def journal(tmp_path: Path, sinks: list[Sink]) -> Journal:
    env = Counting(5, 1)
    return Journal(tmp_path, env, counters=Counters(), past=None, steps=9, sinks=sinks)


def test_a_sink_that_fails_is_a_fault_and_the_others_are_closed(tmp_path: Path) -> None:
    """The first error is the one that is raised."""
    for order in (1, -1):
        broken, whole = Broken(), Collector()
        message = f"cannot write the record in {tmp_path}: No space left on device: map/1"
        with (
            pytest.raises(Fault, match=message),
            journal(tmp_path, [broken, whole][::order]) as written,
        ):
            written.milestones([(0, "map/1")], counters=Counters(step=1))
        assert (broken.closed, whole.closed) == (1, 1)


def test_a_sink_that_cannot_be_closed_is_a_fault(tmp_path: Path) -> None:
    for order in (1, -1):
        broken, whole = Broken(), Collector()
        with (
            pytest.raises(Fault, match="No space left on device: end"),
            journal(tmp_path, [broken, whole][::order]),
        ):
            pass
        assert (broken.closed, whole.closed) == (1, 1)


def test_a_record_that_cannot_be_opened_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Fault, match=f"cannot write the record in {tmp_path / 'file'}: File exists"):
        default_sinks(tmp_path / "file", 0)


def test_every_output_is_a_sink(tmp_path: Path) -> None:
    outputs = [*default_sinks(tmp_path, 0), Progress(1), Collector()]
    assert all(isinstance(output, Sink) for output in outputs)
    assert not isinstance(io.StringIO(), Sink)
    close([*outputs])
