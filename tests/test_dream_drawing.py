"""What films of dreams are drawn from, and what can be said of any frame."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import pytest
import tiny

from dreamer_jax import spaces
from dreamer_jax.commands.dream_views import limited, signs, views, written
from dreamer_jax.media import cells, curves, dream_films, panels
from dreamer_jax.media.curves import Curve
from dreamer_jax.media.dream_films import Film, Told
from dreamer_jax.media.panels import DREAM, GROUND, INK, SURFACE, TRUTH, WRONG, Color
from dreamer_jax.media.views import Numbers, Pictures, Texts, View, choose, sheet

T, SEEN = 6, 2
NOTHING = np.full(T, np.nan)


def pixels(picture: np.ndarray, color: Color) -> int:
    """How many pixels have exactly this color."""
    return int((picture == np.array(color)).all(-1).sum())


def observed(seed: int) -> dict[str, np.ndarray]:
    """Observations [T, ...] of every kind."""
    step = tiny.experience(tiny.make(obs=tiny.MIXED), T, seed=seed)
    return {key: np.asarray(x)[:, 0] for key, x in step.obs.items()}


def drawn(known: int = T) -> list[View]:
    truth = {key: x[:known] for key, x in observed(0).items()}
    return views(truth, observed(1), spaces.observations(tiny.MIXED), env="counting")


def film(shown: Sequence[View], continues: np.ndarray | None = None) -> Film:
    """A film with made-up numbers."""
    line = np.linspace(0, 1, T)
    going = np.ones(T) if continues is None else continues
    told = Told(line, going, line, NOTHING, NOTHING, NOTHING)
    actions = ["", *(f"action {i}" for i in range(1, T))]
    return Film("a title", shown, told, actions, begin=3, seen=SEEN)


def test_pictures_grow_by_whole_factors() -> None:
    generator = np.random.default_rng(0)
    small = generator.integers(0, 256, (3, 5, 3)).astype(np.uint8)
    large = panels.scaled(small, side=17)
    assert large.shape == (17, 17, 3)
    top, left = (17 - 9) // 2, (17 - 15) // 2
    assert (large[top : top + 9 : 3, left : left + 15 : 3] == small).all()
    assert panels.scaled(generator.integers(0, 9, (40, 60, 3)).astype(np.uint8), side=20).shape
    assert [panels.whole(np.zeros((n, n, 3)), about=200) for n in (48, 64, 300)] == [192, 192, 300]


def test_errors_are_black_where_there_are_none_and_white_where_they_are_large() -> None:
    generator = np.random.default_rng(0)
    one = generator.integers(0, 256, (4, 4, 3)).astype(np.uint8)
    assert not panels.difference(one, one).any()
    assert (panels.difference(np.zeros_like(one), np.full_like(one, 255)) == 255).all()
    small = panels.difference(np.zeros_like(one), np.full_like(one, 20))
    assert (small[..., 0] == 120).all() and not small[..., 1:].any()


def test_parts_stand_beside_and_below_each_other() -> None:
    one, other = panels.empty(4, width=6, color=INK), panels.empty(9, width=3, color=WRONG)
    assert panels.row([one, other], gap=2).shape == (9, 11, 3)
    below = panels.column([one, other], gap=2)
    assert below.shape == (15, 6, 3) and pixels(below, INK) == 24 and pixels(below, WRONG) == 27
    both = panels.apart(one, other, width=20)
    assert both.shape == (9, 20, 3) and pixels(both[:, :6], INK) == 24
    assert panels.bordered(one, margin=1, color=WRONG)[0, 0].tolist() == list(WRONG)


def test_words_have_their_colors_and_are_cut() -> None:
    text = panels.words("HHH ", ("HHH", WRONG), size=19).astype(int)
    red = np.max(text[..., 0] - text[..., 1], axis=0) > 60
    middle = panels.length("HHH ", size=19)
    assert red[middle:].any() and not red[: middle - 1].any() and text[:, :middle].max() > 200
    assert panels.words("a long line of text", width=30).shape[1] == 30


def test_a_timeline_is_bright_up_to_now() -> None:
    bar = panels.timeline(2, total=4, now=2, width=8)
    assert bar[0, 0].tolist() == list(TRUTH) and bar[0, 5].tolist() == list(DREAM)
    assert bar[0, 7].sum() < bar[0, 5].sum() / 2


def test_curves_grow_and_errors_between_them_are_shaded() -> None:
    two = [Curve(np.zeros(T), TRUTH), Curve(np.ones(T), DREAM)]
    small = partial(curves.plot, "a", seen=SEEN, height=40, width=38 + 60)
    widths = []
    for now in range(T):
        plot = small(two, now=now)[-40:, -60:]
        ink = (plot == np.array(curves.SHADE)).all(-1)
        widths.append(int(ink.any(0).sum()))
        assert not ink[:, 10 * (now + 1) :].any()
    assert widths == sorted(widths) and widths[0] == 0 and widths[-1] >= 40
    alone = small([two[0], Curve(NOTHING, DREAM)], now=3)
    assert pixels(alone, TRUTH) and not pixels(alone, curves.SHADE)


def test_numbers_are_written_shortly() -> None:
    numbers = (0.0, -0.0, 1234.4, 12.34, 0.1234, 1.5e7)
    assert [curves.short(x) for x in numbers] == ["0", "0", "1234", "12.3", "0.123", "1.5e+07"]
    assert [curves.decimals(x) for x in (200, 1, 0.02)] == [0, 2, 4]
    assert curves.ticks(-0.3, high=2.1) == [0.0, 1.0, 2.0]
    low, high = curves.limits(np.array([1.0, np.nan]))
    assert low < 1 < high and curves.limits(NOTHING) == (0.0, 1.0)


def test_a_scatter_has_equal_numbers_on_its_line() -> None:
    values = np.array([0.0, 1.0, 2.0])
    small = partial(curves.scatter, "a", note="", side=99, within=(0.0, 2.0), truth=values)
    on, off = small(dream=values)[-120:], small(dream=2 - values)[-120:]
    assert pixels(off, TRUTH) > pixels(on, TRUTH) > 0


def test_only_wrong_letters_are_marked() -> None:
    text, other = np.array([list("left")]), np.array([list("lift")])
    assert not pixels(cells.letters(text, text, width=60), (84, 32, 38))
    marked = cells.letters(text, other, width=60)
    columns = (marked == np.array((84, 32, 38))).all(-1).any(0)
    assert columns[12:24].any() and not columns[:11].any() and not columns[25:].any()


def test_only_wrong_entries_are_marked_and_many_are_counted() -> None:
    truth, dream = np.array([1, 0, 5]), np.array([1, 1, 5])
    same = cells.entries("a", truth, truth.copy(), classes=(2, 2, 9), width=300)
    assert not pixels(same, WRONG)
    assert pixels(cells.entries("a", truth, dream, classes=(2, 2, 9), width=300), WRONG) > 10
    assert not pixels(cells.entries("a", None, dream, classes=(2, 2, 9), width=300), TRUTH)
    many = np.zeros(99, int)
    assert cells.entries("a", many, many, classes=(3,) * 99, width=300).shape[1] <= 300


def test_every_kind_of_observation_is_a_view() -> None:
    shown = drawn(known=3)
    kinds = [type(view).__name__ for view in shown]
    assert kinds == ["Pictures", "Pictures", "Texts", "Numbers", "Entries", "Entries"]
    assert {view.name for view in shown} == tiny.MIXED.keys()
    for view in shown:
        assert len(view.truth) == len(view.dream) == T
    _, board = (view for view in shown if isinstance(view, Pictures))
    wrong = (observed(0)["board"][1] != observed(1)["board"][1]).any(-1)
    assert ((board.error(1) == 255) == wrong[..., None]).all() and wrong.any()
    (numbers,) = (view for view in shown if isinstance(view, Numbers))
    assert np.isnan(numbers.truth).any(1).tolist() == [False] * 3 + [True] * 3


def test_what_has_no_room_is_named() -> None:
    many = spaces.Spaces(images={f"i{i}": (4, 4, 3) for i in range(6)}, vectors={"v": 2})
    shown, others = limited(many)
    assert others == ["i4", "i5"] and shown.keys == {"i0", "i1", "i2", "i3", "v"}
    assert limited(spaces.observations(tiny.MIXED))[1] == []


def test_texts_are_written_in_rows() -> None:
    letters, columns = signs("gameboy_demo", alphabet=256)
    codes = np.full((1, 40), 0x7F)
    codes[0, 20:22] = 0x80, 0x81
    assert columns == 20
    assert "".join(written(codes, letters, columns=columns)[0, 1]).strip() == "AB"
    letters, columns = signs("gym:Some-v0", alphabet=64)
    assert len(set(letters)) == 63 and letters[1] == "0"
    assert written(np.zeros((1, 5), int), letters, columns=columns).shape == (1, 1, 5)


def test_rows_without_letters_are_left_out() -> None:
    (text,) = (view for view in drawn() if isinstance(view, Texts))
    blank = {**observed(0), "sign": np.zeros((T, 18), np.int64)}
    (empty,) = (
        view
        for view in views(blank, blank, spaces.observations(tiny.MIXED), env="counting")
        if isinstance(view, Texts)
    )
    assert text.dream.shape == empty.dream.shape == (T, 1, 18)
    assert (empty.dream == " ").all()


def test_numbers_that_move_are_chosen() -> None:
    line = np.linspace(0, 1, T)
    truth = np.stack([np.zeros(T), line, np.ones(T), 5 * line], 1)
    dream = truth + np.array([0.0, 0.0, 0.001, 0.0])
    chosen = choose([[Numbers("a", truth, dream)]], most=4)
    assert [one.title for one in chosen] == ["a 1", "a 3"]
    assert chosen[1].within == pytest.approx((0, 5))
    wrong = truth + np.array([2.0, 0.0, 0.0, 0.0]) * line[:, None]
    assert [x.index for x in choose([[Numbers("a", truth, wrong)]], most=4)] == [0, 1, 3]


@pytest.mark.parametrize("make", [dream_films.openloop, dream_films.free])
def test_all_frames_of_a_film_have_one_size(
    make: Callable[[Film], Iterator[np.ndarray]],
) -> None:
    for shown in (drawn(), [x for x in drawn() if isinstance(x, Numbers)]):
        long = film(shown)._replace(title="gym:Pendulum-v1 at step 300,000: truth and dream")
        frames = list(make(long))
        assert len(frames) == T and len({x.shape for x in frames}) == 1
        assert all(x.dtype == np.uint8 for x in frames)


def test_what_was_seen_looks_other_than_what_was_dreamt() -> None:
    same = [view for view in drawn() if isinstance(view, Pictures)]
    frames = list(dream_films.free(film(same)))
    for now, frame in enumerate(frames):
        picture = frame[100:-120]  # without the bar and the curves
        seen, dreamt = pixels(picture, TRUTH), pixels(picture, DREAM)
        assert (seen > 500) == (now < SEEN) and (dreamt > 500) == (now >= SEEN)


def test_the_end_of_a_dream_is_shown() -> None:
    continues = np.array([1, 1, 1, 0.1, 1, 1.0])
    ended = film(drawn(), continues)
    assert ended.alive.tolist() == pytest.approx([1, 1, 1, 1, 0.1, 0.1])
    colors = [ended.color(now) for now in range(T)]
    assert colors == [TRUTH] * 2 + [DREAM] * 2 + [dream_films.OVER] * 2


def test_futures_are_a_grid_with_the_best_and_the_worst_marked() -> None:
    pictures = [x for x in drawn() if isinstance(x, Pictures)]
    returns = [float(i) for i in range(9)]
    *_, frame = dream_films.futures("nine", [film(pictures)] * 9, returns)
    assert pixels(frame, dream_films.GOOD) and pixels(frame, WRONG)
    *_, equal = dream_films.futures("nine", [film(pictures)] * 9, [1.0] * 9)
    assert not pixels(equal, dream_films.GOOD)
    assert frame.shape[1] >= 3 * dream_films.TILE
    *_, numbers = dream_films.futures("nine", [film(drawn()[3:4])] * 9, returns)
    assert pixels(numbers, DREAM) and pixels(numbers, SURFACE) > pixels(numbers, GROUND) / 9


def test_a_contact_sheet_has_a_column_for_each_time() -> None:
    view = next(view for view in drawn() if isinstance(view, Pictures))
    sheets = [sheet(view, times=range(n), seen=SEEN, about=96) for n in (2, 4)]
    assert sheets[1].shape[1] - sheets[0].shape[1] == 2 * (96 + 6)
    exact = view._replace(dream=view.truth)
    errors = sheet(exact, times=[SEEN], seen=SEEN, about=96)[-96:, -96:]
    assert not errors.any()
