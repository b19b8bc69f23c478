"""A data set is a function of its recordings, its seed and the number of a batch."""

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from gymnasium.spaces import MultiDiscrete
from made_recordings import LENGTHS, OBS, SIDE, made

from dreamer_jax import spaces
from dreamer_jax.commands.recorded_data import RecordedSource, open_dataset
from dreamer_jax.data import dataset, unpacked
from dreamer_jax.data.dataset import Dataset
from dreamer_jax.data.order import shuffled
from dreamer_jax.types import Clips, Draw
from envs.kinds import AnySpace, Image
from envs.play import recordings
from envs.play.recorded_spaces import described
from envs.play.recordings import Recording
from envs.play.run_writer import RunWriter


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("recordings") / "video")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def same(one: Any, other: Any) -> bool:
    equal = jax.tree.map(np.array_equal, one, other)
    return jax.tree.structure(one) == jax.tree.structure(other) and all(jax.tree.leaves(equal))


def places(clips: Clips) -> list[tuple[int, int]]:
    """(run, time) of every step, by what the pixels show."""
    image = np.asarray(clips.steps.obs["image"])
    return list(zip(image[..., 1, 1, 0].ravel(), image[..., 0, 0, 0].ravel(), strict=True))


def test_a_batch_is_what_was_recorded(recorded: Path, cache: Path) -> None:
    data = open_dataset([recorded], seed=0, held_out=0, cache=cache)
    interface = spaces.of(*data.spaces)
    assert interface.obs.images == {"image": (SIDE, SIDE, 1), "other": (SIDE, SIDE, 2)}
    assert interface.act.keys == set() and data.held_out.runs == ()
    for index in range(20):
        clips: Any = data.training.clips(Draw(batch=4, length=6), index)
        assert clips.steps.obs["image"].shape == (6, 4, SIDE, SIDE, 1)
        assert (clips.steps.action, clips.steps.events) == ({}, {})
        np.testing.assert_array_equal(clips.steps.obs["image"][..., 0, 0, 0], clips.time)
        np.testing.assert_array_equal(clips.steps.reward, clips.time)
        np.testing.assert_array_equal(np.diff(clips.time, axis=0), 1)
        run = clips.steps.obs["image"][:, :, 1, 1, 0]
        assert (run == run[:1]).all()
        np.testing.assert_array_equal(clips.duration, np.array(LENGTHS)[run[0]])
        np.testing.assert_array_equal(clips.steps.is_first, clips.time == 0)
        np.testing.assert_array_equal(clips.steps.is_last, clips.time == clips.duration - 1)
        assert clips.time.dtype == clips.duration.dtype == np.int32


def test_every_start_comes_once_in_an_epoch(recorded: Path, cache: Path) -> None:
    data = open_dataset([recorded], seed=3, held_out=0, cache=cache)
    draw = Draw(batch=1, length=6)
    count = data.training.starts(6)
    assert count == sum(n for n in LENGTHS if n >= 6)
    expected = Counter(
        (run, min(t, n - 6)) for run, n in enumerate(LENGTHS) if n >= 6 for t in range(n)
    )
    orders = []
    for epoch in range(2):
        indices = range(epoch * count, (epoch + 1) * count)
        orders.append([places(data.training.clips(draw, index))[0] for index in indices])
        assert Counter(orders[-1]) == expected
    assert orders[0] != orders[1] and orders[0] != sorted(orders[0])


def test_single_moments_are_sorted_and_of_one_run(recorded: Path, cache: Path) -> None:
    data = open_dataset([recorded], seed=3, held_out=0, cache=cache)
    draw = Draw(batch=8, length=5, piece=1)
    seen = Counter[tuple[int, int]]()
    for index in range(12):
        clips: Any = data.training.clips(draw, index)
        assert (np.diff(clips.time, axis=0) > 0).all() and (clips.time < clips.duration).all()
        run = clips.steps.obs["image"][:, :, 1, 1, 0]
        assert (run == run[:1]).all()
        np.testing.assert_array_equal(clips.steps.obs["image"][..., 0, 0, 0], clips.time)
        seen.update(places(clips))
    assert seen.keys() == {(i, t) for i, n in enumerate(LENGTHS) if n >= 5 for t in range(n)}


@pytest.mark.parametrize("piece", [2, 3])
def test_pieces_are_successive_and_do_not_share_a_step(
    recorded: Path, cache: Path, piece: int
) -> None:
    data = open_dataset([recorded], seed=3, held_out=0, cache=cache)
    starts = Counter[int]()
    for index in range(60):
        clips: Any = data.training.clips(Draw(batch=8, length=6, piece=piece), index)
        gaps = np.diff(clips.time, axis=0)
        assert (gaps > 0).all() and (clips.time < clips.duration).all()
        assert (np.delete(gaps, np.s_[piece - 1 :: piece], axis=0) == 1).all()
        starts.update(clips.time[::piece][:, clips.duration == max(LENGTHS)].ravel().tolist())
    last = max(LENGTHS) - piece
    assert starts.keys() == set(range(last + 1)), "anywhere in a run"
    assert starts[last] < 1.5 * starts.total() / len(starts), "the end no more often than others"


@pytest.mark.parametrize("piece", [0, 1, 2])
def test_a_resume_is_exact(recorded: Path, cache: Path, piece: int) -> None:
    def opened() -> Dataset:
        return open_dataset([recorded], seed=1, cache=cache)

    draw = Draw(batch=4, length=6, piece=piece)
    with opened().training.ahead(draw) as batches:
        straight = [next(batches) for _ in range(10)]
    resumed: list[Clips] = []
    for start in (0, 5):
        with opened().training.ahead(draw, start=start) as batches:
            resumed += [next(batches) for _ in range(5)]
    assert same(straight, resumed)
    other = open_dataset([recorded], seed=2, cache=cache).training.clips(draw, 0)
    assert not same(straight[0], other)


@pytest.mark.parametrize("piece", [0, 2])
def test_hosts_share_a_batch(recorded: Path, cache: Path, piece: int) -> None:
    draw = Draw(batch=6, length=4, piece=piece)
    whole = open_dataset([recorded], seed=1, cache=cache).training
    parts = [open_dataset([recorded], seed=1, cache=cache, hosts=(i, 3)).training for i in range(3)]
    for index in (0, 7):
        shares: Any = [part.clips(draw, index) for part in parts]
        assert shares[0].time.shape == (4, 2) and shares[0].duration.shape == (2,)
        for name in ("time", "duration"):
            axis = int(name == "time")
            joined = np.concatenate([getattr(share, name) for share in shares], axis)
            np.testing.assert_array_equal(joined, getattr(whole.clips(draw, index), name))
        steps = jax.tree.map(lambda *x: np.concatenate(x, 1), *[share.steps for share in shares])
        assert same(steps, whole.clips(draw, index).steps)
    with pytest.raises(ValueError, match="7 clips cannot be split over 3 hosts"):
        parts[0].clips(Draw(batch=7, length=4), 0)


def test_held_out_runs_are_apart(recorded: Path, cache: Path, tmp_path: Path) -> None:
    data = open_dataset([recorded], seed=1, held_out=0.3, cache=cache)
    sides = [{run.name for run in side.runs} for side in (data.training, data.held_out)]
    assert not sides[0] & sides[1] and len(sides[0] | sides[1]) == len(LENGTHS)
    assert sides[1] == {
        run.name
        for run in open_dataset([recorded], seed=5, held_out=0.3, cache=cache).held_out.runs
    }
    for index in range(5):
        drawn = {run for run, _ in places(data.held_out.clips(Draw(8, 2), index))}
        assert {f"video{run}.mp4" for run in drawn} <= sides[1]
    more = open_dataset([recorded, made(tmp_path / "more")], seed=1, held_out=0.3, cache=cache)
    assert sides[1] <= {run.name for run in more.held_out.runs}
    two = made(tmp_path / "two", (5, 6))
    for share in (0.01, 0.99):
        pair = open_dataset([two], seed=1, held_out=share, cache=cache)
        assert len(pair.training.runs) == len(pair.held_out.runs) == 1
    alone = open_dataset([made(tmp_path / "one", (5,))], seed=1, held_out=0.5, cache=cache)
    assert len(alone.training.runs) == 1


def test_recordings_are_joined_in_any_order(recorded: Path, cache: Path, tmp_path: Path) -> None:
    more = made(tmp_path / "more", (9, 9))
    one = open_dataset([recorded, more], seed=1, cache=cache)
    other = open_dataset([more, recorded], seed=1, cache=cache, observations=("image",))
    assert one.digest == other.digest != open_dataset([recorded], seed=1, cache=cache).digest
    assert set(other.spaces[0]) == {"image"}
    clips, fewer = (x.training.clips(Draw(4, 4), 2) for x in (one, other))
    assert set(fewer.steps.obs) == {"image"}
    assert same(clips.steps.obs["image"], fewer.steps.obs["image"])


def test_nothing_but_the_cache_is_read(tmp_path: Path) -> None:
    """Once it is unpacked, steps are read one by one from files that are mapped into memory."""
    folder = made(tmp_path / "video")
    before = open_dataset([folder], seed=0, cache=tmp_path / "cache").training.clips(Draw(4, 6), 3)
    shutil.rmtree(folder / "episodes")
    again = open_dataset([folder], seed=0, cache=tmp_path / "cache")
    assert same(before, again.training.clips(Draw(4, 6), 3))
    for run in again.training.runs:
        for x in run.arrays.values():
            assert isinstance(x.base, np.memmap) and not x.flags.writeable


def test_a_spoilt_cache_is_made_again(tmp_path: Path) -> None:
    folder, cache = made(tmp_path / "video"), tmp_path / "cache"
    before = open_dataset([folder], seed=0, cache=cache).training.clips(Draw(4, 6), 3)
    (unpacked_folder,) = (path for path in cache.iterdir() if path.is_dir())
    (unpacked_folder / "reward.npy").write_bytes(b"\x93NUMPY")
    (cache / f"{unpacked_folder.name}.partial").mkdir()
    again = open_dataset([folder], seed=0, cache=cache)
    assert same(before, again.training.clips(Draw(4, 6), 3))
    assert [path.name for path in cache.iterdir() if path.is_dir()] == [unpacked_folder.name]


def test_mistakes_are_one_line(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*folders: Path, match: str, **options: Any) -> None:
        with pytest.raises(ValueError, match=match) as error:
            data = open_dataset(folders, seed=0, cache=tmp_path / "cache", **options)
            data.training.clips(Draw(2, 31), 0)
        assert "\n" not in str(error.value)

    refused(match="a data set needs a recording")
    refused(tmp_path / "nowhere", match="no recording in")
    refused(recorded, recorded, match="are the same recording")
    text = "no training run has the 31 steps of a clip; the longest of 7 has 30"
    refused(recorded, match=text, held_out=0)
    refused(recorded, match="'screen'; it has image, other", observations=("screen",))
    refused(recorded, match="from 0 to below 1, not 1", held_out=1)
    refused(recorded, match="host 2 of 2", hosts=(2, 2))
    spoilt = Path(shutil.copytree(recorded, tmp_path / "spoilt"))
    with recordings.episode_path(spoilt, 3).open("ab") as stream:
        stream.write(b"more")
    shutil.rmtree(tmp_path / "cache")
    refused(spoilt, match=r"000003.npz: its SHA-256 is not that of the index")
    assert [path.suffix for path in (tmp_path / "cache").iterdir()] == [".lock"]
    monkeypatch.setattr(unpacked, "SPARE", 10**18)
    other = made(tmp_path / "other", (4, 5), seed=1)
    refused(other, match="needs 0.0 GB unpacked")


def test_different_recordings_are_not_joined(
    recorded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(OBS, "image", Image(SIDE, SIDE, 3))
    monkeypatch.delitem(OBS, "other")
    fresh = Recording(tmp_path / "other", "video", {}, 0, described(OBS, {}), (), "")
    writer = RunWriter(recordings.begin_with(fresh), number=0, name="x.mp4")
    for t in range(3):
        flags = {name: np.array([t == 0 and name == "is_first"]) for name in recordings.FLAGS}
        image = np.zeros((1, SIDE, SIDE, 3), np.uint8)
        writer.add({"obs/image": image, "reward": np.zeros(1, np.float32), **flags})
    writer.finish(fresh)
    text = r"'image' is image \[4, 4, 3\] of uint8 in .*other and image \[4, 4, 1\] of uint8 in"
    with pytest.raises(ValueError, match=text):
        open_dataset([recorded, tmp_path / "other"], seed=0, cache=tmp_path / "cache")


def test_videos_and_play_are_joined_where_nobody_reads_actions(
    recorded: Path, tmp_path: Path, cache: Path
) -> None:
    obs: dict[str, AnySpace] = {"image": Image(SIDE, SIDE, 1)}
    described_ = described(obs, {"action": MultiDiscrete([3])})
    fresh = Recording(tmp_path / "play", "video", {}, 0, described_, (), "")
    writer = RunWriter(recordings.begin_with(fresh), number=0, name="x.mp4")
    for t in range(9):
        flags = {name: np.array([t == 0 and name == "is_first"]) for name in recordings.FLAGS}
        image, action = np.zeros((1, SIDE, SIDE, 1), np.uint8), np.ones((1, 1), np.int32)
        reward = np.zeros(1, np.float32)
        writer.add({"obs/image": image, "action/action": action, "reward": reward, **flags})
    writer.finish(fresh)
    sources = [RecordedSource(recorded), RecordedSource(tmp_path / "play")]
    with pytest.raises(ValueError, match=r"the action 'action' is .* and absent in"):
        dataset.join(sources, seed=0, cache=cache, observations=("image",))
    data = dataset.join(sources, seed=0, cache=cache, observations=("image",), actions=False)
    assert data.spaces[1] == {} and data.training.clips(Draw(4, 4), 0).steps.action == {}


def test_an_error_while_reading_ahead_arrives(recorded: Path, cache: Path) -> None:
    side = open_dataset([recorded], seed=0, cache=cache).training
    with side.ahead(Draw(2, 99)) as batches:
        with pytest.raises(ValueError, match="has the 99 steps"):
            next(batches)
        assert list(batches) == []


@pytest.mark.parametrize("count", [1, 2, 3, 17, 64, 1000, 4097])
def test_an_order_is_a_permutation(count: int) -> None:
    found = [shuffled(np.arange(count), count, seed=5, epoch=epoch) for epoch in range(2)]
    for order in found:
        assert sorted(order.tolist()) == list(range(count))
    if count > 17:
        assert (found[0] != found[1]).any()
        neighbors = np.abs(np.diff(found[0])).mean()
        assert abs(neighbors / (count / 3) - 1) < 0.4  # as of random numbers
    large = shuffled(np.arange(1000) + 10**15, 10**15 + 1000, seed=1, epoch=0)
    assert len(set(large.tolist())) == 1000 and large.max() < 10**15 + 1000
