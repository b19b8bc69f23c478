"""The record of a run: JSON lines, resumption, TensorBoard events."""

import io
import json
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from google.protobuf.message_factory import GetMessageClass
from PIL import Image
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter

from dreamer_jax.outputs.journal import picture
from dreamer_jax.outputs.logger import Logger

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


def test_lines_and_points(tmp_path: Path) -> None:
    logger = Logger(tmp_path / "new" / "run", 0)
    logger.scalars(10, 40, 1.5, {"loss/image": 0.25, "count": 3})
    logger.episode(12, "", 21.0, 500, env=3)
    logger.episode(13, "flag/one", 4.0, 50, env=2)
    assert lines(tmp_path / "new/run/episodes.jsonl") == [
        {"step": 12, "score": 21.0, "length": 500, "env": 3},
        {"step": 13, "score": 4.0, "length": 50, "env": 2, "start": "flag/one"},
    ]
    assert lines(tmp_path / "new/run/metrics.jsonl") == [
        {"step": 10, "frames": 40, "seconds": 1.5, "loss/image": 0.25, "count": 3}
    ]
    logger.close()
    assert not (tmp_path / "new/run/milestones.jsonl").exists()
    points = {
        value.tag: (event.step, value.simple_value)
        for event in events(tmp_path / "new/run")
        for value in event.summary.value
    }
    assert points == {
        "loss/image": (10, 0.25),
        "count": (10, 3.0),
        "episode/score": (12, 21.0),
        "episode/length": (12, 500.0),
        "frontier/score": (13, 4.0),
        "frontier/length": (13, 50.0),
    }


def test_any_scalar_becomes_a_number_and_the_unbounded_null(tmp_path: Path) -> None:
    logger = Logger(tmp_path, 0)
    values: dict[str, Any] = {
        "nan": float("nan"),
        "inf": np.float32("inf"),
        "numpy": np.int64(3),
        "jax": jnp.float32(0.5),
        "minus": jnp.float32("-inf"),
    }
    logger.scalars(1, 1, 0.0, values)
    logger.close()
    (line,) = lines(tmp_path / "metrics.jsonl")
    assert {k: line[k] for k in values} == {
        "nan": None,
        "inf": None,
        "numpy": 3,
        "jax": 0.5,
        "minus": None,
    }


def test_resuming_drops_what_will_be_lived_again(tmp_path: Path) -> None:
    logger = Logger(tmp_path, 0)
    for step in (10, 20, 30):
        logger.scalars(step, step, 0.0, {"loss": step})
        logger.episode(step, "", 1.0, 5)
        logger.milestone(step, step / 100, f"map/{step}", 2)
    logger.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('not json\n[1]\n{"step": null}\n{"step": 1' + "0" * 400 + "}\n")
    with (tmp_path / "metrics.jsonl").open("ab") as file:
        file.write(b'\xff\xfe\n{"step": 15, "fra')
    logger = Logger(tmp_path, 20)
    logger.scalars(25, 25, 0.0, {"loss": 25})
    logger.close()
    assert [line["step"] for line in lines(tmp_path / "metrics.jsonl")] == [10, 20, 25]
    assert [line["step"] for line in lines(tmp_path / "episodes.jsonl")] == [
        10
    ]  # that of 20 is seen again
    assert lines(tmp_path / "milestones.jsonl") == [
        {"step": step, "hours": step / 100, "name": f"map/{step}", "env": 2} for step in (10, 20)
    ]
    restarts = [event.step for event in events(tmp_path) if event.session_log.status]
    assert restarts == [1, 21], "TensorBoard hides what came after the restored step"
    assert not list(tmp_path.glob("*.partial"))


def test_images(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 20, 3), np.uint8)
    logger = Logger(tmp_path, 0)
    logger.image(5, "report/reconstruction", picture)
    with pytest.raises(ValueError, match=r"\[H, W, 3\] uint8, not \[8, 20\] float32"):
        logger.image(5, "grey", np.zeros((8, 20), np.float32))
    logger.close()
    (value,) = [v for event in events(tmp_path) for v in event.summary.value]
    assert value.tag == "report/reconstruction"
    shown = np.asarray(Image.open(io.BytesIO(value.image.encoded_image_string)))
    assert np.array_equal(shown, picture)


def test_the_record_format_is_what_tensorboard_reads(tmp_path: Path) -> None:
    """The reader above is checked against the writer it stands beside."""
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
