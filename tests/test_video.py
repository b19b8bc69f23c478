"""Films can be read back: their frames, their sizes and their times."""

import io
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence

from dreamer_jax.media import video

SIDE, FRAMES = 33, 12  # an odd side, which MP4 does not have


def film() -> list[np.ndarray]:
    """A bright square that moves to the right on a dark ground."""
    frames = []
    for i in range(FRAMES):
        frame = np.full((SIDE, SIDE, 3), 16, np.uint8)
        frame[8:20, 2 * i : 2 * i + 8] = (240, 120, 60)
        frames.append(frame)
    return frames


def test_an_mp4_has_every_frame(tmp_path: Path) -> None:
    video.save(tmp_path / "a.mp4", iter(film()), rate=59.7275)
    with av.open(tmp_path / "a.mp4") as file:
        (stream,) = file.streams.video
        assert abs(float(stream.average_rate or 0) - 59.7275) < 0.01
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)]
    assert len(frames) == FRAMES and frames[0].shape == (SIDE + 1, SIDE + 1, 3)
    for found, drawn in zip(frames, film(), strict=True):
        assert np.abs(found[:SIDE, :SIDE].astype(int) - drawn).mean() < 6


def test_a_gif_has_every_frame_at_its_time() -> None:
    picture = Image.open(io.BytesIO(video.gif(film(), rate=15)))
    frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(picture)]
    assert len(frames) == FRAMES and picture.info["loop"] == 0
    assert [frame.info["duration"] for frame in frames] == 4 * [70, 60, 70]
    assert (np.asarray(frames[3]) == film()[3]).all()


def test_a_gif_holds_palettes_until_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of the memory of colors; the file is the one that Pillow makes of colors."""
    rng, kept = np.random.default_rng(0), list[Image.Image]()
    frames = rng.integers(0, 255, (3, 24, 32, 3), np.uint8)
    colors, buffer = [Image.fromarray(x) for x in frames], io.BytesIO()
    times = video.durations(len(frames), rate=10)
    first, *others = colors
    first.save(buffer, "GIF", save_all=True, append_images=others, duration=times, loop=0)
    save = Image.Image.save

    def watched(self: Image.Image, *args: Any, **rest: Any) -> None:
        kept.extend([self, *rest["append_images"]])
        save(self, *args, **rest)

    monkeypatch.setattr(Image.Image, "save", watched)
    assert video.gif(frames, rate=10) == buffer.getvalue()
    assert [x.mode for x in kept] == ["P"] * len(frames)


def test_a_gif_is_never_too_fast_for_a_browser() -> None:
    picture = Image.open(io.BytesIO(video.gif(film(), rate=60)))
    assert getattr(picture, "n_frames", 1) == FRAMES // 2
    assert sum(video.durations(6, rate=30)) == 200


@pytest.mark.parametrize("make", [video.mp4, video.gif])
def test_what_is_no_film_is_refused(make: object, tmp_path: Path) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match="at least one"):
        make([], rate=30)
    with pytest.raises(ValueError, match="and of"):
        make([*film(), film()[0][1:]], rate=30)
    with pytest.raises(ValueError, match="uint8"):
        make([np.zeros((4, 4, 3))], rate=30)
    with pytest.raises(ValueError, match=r"\.mp4 or \.gif"):
        video.save(tmp_path / "a.avi", film(), rate=30)
