"""One's own videos become runs of a recording."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from envs.import_video import main
from envs.play import recorded_spaces, recorded_steps, recordings, run_writer

FRAMES, HEIGHT, WIDTH = 40, 48, 64


def moving(count: int = FRAMES) -> np.ndarray:
    """A bright square that goes to the right on a slope of gray: [count, 48, 64, 3]."""
    found = np.zeros((count, HEIGHT, WIDTH, 3), np.uint8)
    found[...] = np.linspace(20, 120, WIDTH).astype(np.uint8)[:, None]
    for i in range(count):
        found[i, 16:32, i : i + 16] = (230, 200, 40)
    return found


def film(path: Path, images: np.ndarray, *, rate: int = 30, codec: str = "libx264") -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = images.shape[1:3]
        stream.pix_fmt = {"gif": "rgb8"}.get(codec, "yuv420p")
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return film(tmp_path_factory.mktemp("videos") / "game.mp4", moving())


def imported(*flags: object) -> int:
    return main(["import_video", *map(str, flags)])


def arrays(folder: Path) -> dict[str, np.ndarray]:
    """All steps of a recording."""
    found = recordings.find(folder)
    files = list(recorded_steps.read_episodes(found, recorded_spaces.columns(found.spaces)))
    return {key: np.concatenate([x[key] for x in files]) for key in files[0]}


def failed(capsys: pytest.CaptureFixture[str], *flags: object) -> str:
    """The one line of a mistake."""
    assert imported(*flags) == 2
    text = capsys.readouterr().err
    assert text.startswith("error: ") and text.count("\n") == 1
    return text


def test_frames_are_those_of_the_video(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert imported(video, f"--out={out}") == 0
    found, truth = arrays(out), moving()
    error = np.abs(found["obs/image"].astype(int) - truth)
    assert found["obs/image"].shape == truth.shape and error.mean() < 4
    assert np.flatnonzero(found["is_first"]).tolist() == [0]
    assert np.flatnonzero(found["is_last"]).tolist() == [FRAMES - 1]
    assert not found["is_terminal"].any() and not found["reward"].any()
    recording = recordings.find(out)
    assert (recording.env, recording.spaces["action"]) == ("video", {})
    (run,) = recordings.runs(recording)
    assert (run.parts[0].name, run.steps) == ("game.mp4", FRAMES)


def test_the_rate_is_that_of_the_clock(tmp_path: Path) -> None:
    """Frame k at 10 a second is that which was on screen at second k / 10."""
    image = np.arange(FRAMES, dtype=np.uint8)[:, None, None, None] * 5
    images = np.broadcast_to(image, (FRAMES, HEIGHT, WIDTH, 3))
    path = film(tmp_path / "clock.mkv", np.ascontiguousarray(images), rate=25)
    assert imported(path, f"--out={tmp_path}/out", "--rate=10", "--gray") == 0
    found = arrays(tmp_path / "out")["obs/image"]
    assert found.shape == (16, HEIGHT, WIDTH, 1)
    shown = np.floor(np.arange(16) / 10 * 25 + 1e-6)
    np.testing.assert_allclose(found.mean((1, 2, 3)) / 5, shown, atol=0.6)
    assert imported(path, f"--out={tmp_path}/faster", "--rate=50", "--gray") == 0
    twice = arrays(tmp_path / "faster")["obs/image"]
    np.testing.assert_allclose(twice.mean((1, 2, 3)) / 5, np.arange(79) // 2, atol=0.6)


def test_sizes_crops_and_animated_images(tmp_path: Path) -> None:
    path = film(tmp_path / "small.gif", moving(12), rate=20, codec="gif")
    flags = "--crop=16,0,48,64", "--size=16x32", "--gray"
    assert imported(path, f"--out={tmp_path}/out", *flags) == 0
    found = arrays(tmp_path / "out")["obs/image"]
    rows = moving(12)[:, 16:48].mean(-1).reshape(12, 16, 2, 32, 2).mean((2, 4))
    assert found.shape == (12, 16, 32, 1)
    assert np.corrcoef(found.ravel(), rows.ravel())[0, 1] > 0.97


def test_a_folder_of_images_is_one_video(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, truth = tmp_path / "shots", moving(12)
    folder.mkdir()
    for i, image in enumerate(truth):
        Image.fromarray(image).save(folder / f"shot{i}.png")
    assert imported(folder, f"--out={tmp_path}/out") == 0
    np.testing.assert_array_equal(arrays(tmp_path / "out")["obs/image"], truth)
    (folder / "shot5.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert "shot5.png cannot be read as an image" in failed(capsys, folder, f"--out={tmp_path}/no")
    Image.fromarray(truth[5, :32]).save(folder / "shot5.png")
    text = failed(capsys, folder, f"--out={tmp_path}/no")
    assert "has images of 32x64x3, and the first has 48x64x3; --size=" in text
    assert not list((tmp_path / "no" / "episodes").iterdir())


LOGS = {
    "csv": "time,action\n0.1,up\n0.5,noop\n",
    "jsonl": '{"frame": 3, "action": "up"}\n{"frame": 15, "action": "noop"}\n',
}


@pytest.mark.parametrize("suffix", LOGS)
def test_keys_come_from_a_log(video: Path, tmp_path: Path, suffix: str) -> None:
    log = tmp_path / f"keys.{suffix}"
    log.write_text(LOGS[suffix])
    flags = f"--actions={log}", "--action_names=noop,up,down"
    assert imported(video, f"--out={tmp_path}/out", *flags) == 0
    recording = recordings.find(tmp_path / "out")
    assert recording.spaces["action"]["action"]["classes"] == [3]
    expected = np.zeros(FRAMES, int)
    expected[3:15] = 1
    np.testing.assert_array_equal(arrays(tmp_path / "out")["action/action"][:, 0], expected)


def test_numbers_are_choices_or_values(video: Path, tmp_path: Path) -> None:
    log = tmp_path / "keys.csv"
    log.write_text("frame,action\n0,1 0\n10,2 1\n")
    assert imported(video, f"--out={tmp_path}/choices", f"--actions={log}") == 0
    found = arrays(tmp_path / "choices")["action/action"]
    assert found.dtype == np.int32 and found[9:11].tolist() == [[1, 0], [2, 1]]
    log.write_text("frame,action\n5,-0.5\n")
    assert imported(video, f"--out={tmp_path}/values", f"--actions={log}") == 0
    found = arrays(tmp_path / "values")["action/action"]
    assert found.dtype == np.float32 and found[4:6, 0].tolist() == [0, -0.5]


def test_long_videos_are_cut_into_files(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_writer, "MOST_STEPS", 13)
    assert imported(video, f"--out={tmp_path}/out") == 0
    recording = recordings.find(tmp_path / "out")
    assert [(e.part, e.steps) for e in recording.episodes] == [(0, 13), (1, 13), (2, 13), (3, 1)]
    assert [run.steps for run in recordings.runs(recording)] == [FRAMES]
    found = arrays(tmp_path / "out")
    assert found["is_first"].sum() == found["is_last"].sum() == 1
    fields = json.loads((tmp_path / "out" / "index.json").read_text())
    for change in ({"part": 2}, {"name": "other"}, {"number": 7}, {"whole": True}):
        lie = json.loads(json.dumps(fields))
        lie["episodes"][1] |= change
        (tmp_path / "out" / "index.json").write_text(json.dumps(lie))
        with pytest.raises(ValueError, match="impossible episode"):
            recordings.find(tmp_path / "out")


def test_it_continues_with_what_is_missing(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, out = tmp_path / "videos", tmp_path / "out"
    folder.mkdir()
    film(folder / "game2.mp4", moving(10))
    film(folder / "game10.mp4", moving(20))
    assert imported(folder, f"--out={out}") == 0
    before = recordings.find(out)
    assert [run.parts[0].name for run in recordings.runs(before)] == ["game2.mp4", "game10.mp4"]
    (out / "episodes" / "0-2-0.partial").write_bytes(b"half")
    assert imported(folder, video, f"--out={out}") == 0
    after = recordings.find(out)
    assert after.episodes[:2] == before.episodes and len(after.episodes) == 3
    assert "game2.mp4 is there already" in capsys.readouterr().out
    assert not list((out / "episodes").glob("*.partial"))
    assert "was recorded with another options" in failed(capsys, folder, f"--out={out}", "--gray")


def test_mistakes_are_one_line(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = f"--out={tmp_path}/out"
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.mp4").write_text("no video")
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    log = tmp_path / "keys.csv"
    log.write_text("time,action\n1,up\n0.5,down\n")
    (tmp_path / "long.csv").write_text(f"time,action\n1,{'x' * 200_000}\n")
    (tmp_path / "large.csv").write_text("time,action\n1,1e300\n")
    (tmp_path / "digits.jsonl").write_text(f'{{"frame": 1{"0" * 400}, "action": 1}}\n')
    for flags, text in {
        (tmp_path / "nowhere.mp4", out): "nowhere.mp4 does not exist",
        (tmp_path / "empty", out): "has no video and no images",
        (tmp_path / "text.mp4", out): "text.mp4 cannot be read as a video",
        (tmp_path / "sound.mkv", out): "has no video stream",
        (video, out, "--size=144"): "--size=144: expected HEIGHTxWIDTH",
        (video, out, "--crop=0,0,99,99"): "is not inside of",
        (video, out, "--rate=0"): "--rate=0: expected frames a second",
        (video, out, f"--actions={log}"): "keys.csv, line 3: it is earlier",
        (video, out, f"--actions={tmp_path}/long.csv"): "long.csv, line 2: expected",
        (video, out, f"--actions={tmp_path}/large.csv"): "a log has the action 1e+300; at most",
        (video, out, f"--actions={tmp_path}/digits.jsonl"): "and not a number from 0 on",
        (video, out, "--action_names=a"): "--action_names needs --actions",
        (video, f"--out={tmp_path}"): "is not empty and has no index.json",
        (video,): "the following arguments are required: --out",
    }.items():
        assert text in failed(capsys, *flags)


def test_it_needs_no_device(video: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from envs.import_video import main; "
        f"assert main(['', {str(video)!r}, '--out={tmp_path}/out']) == 0; "
        "assert 'jax' not in sys.modules and 'dreamer_jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
