"""What counts as progress in Pokémon Red, and what somebody has counted by mistake."""

import numpy as np
import pytest
from red_ram import BULBASAUR, CHARMANDER, PIDGEY, at, flags, member, party, reading

from envs.pokemon.memory import PokemonReading
from envs.pokemon.progress import EVENTS, EpisodeProgress, World, event_keys

TICKET, STARTER, BROCK = 104, 34, 119
WORLD = World(
    flags={STARTER: "got_starter", BROCK: "beat_brock", TICKET: "bought_museum_ticket"},
    maps={0: "pallet_town", 12: "route_1"},
    badges={0: "boulder", 1: "cascade"},
    tracked=(BROCK,),
    uncounted=frozenset({TICKET}),
    goal=BROCK,
)


def sums(*readings: PokemonReading) -> dict[str, float]:
    """The events of an episode, added up, without those that are 0."""
    return {key: value for key, value in follow(*readings)[0].items() if value}


def follow(*readings: PokemonReading) -> tuple[dict[str, float], list[tuple[str, ...]]]:
    progress = EpisodeProgress(readings[0], WORLD)
    total, milestones = dict.fromkeys(event_keys(WORLD), 0.0), []
    for now in readings[1:]:
        events, names = progress.update(now)
        assert events.keys() == total.keys()
        total = {key: total[key] + value for key, value in events.items()}
        milestones.append(names)
    return total, milestones


def hurt(*hp: int, level: int = 5, species: bytes = b"") -> PokemonReading:
    """A party whose members have `hp` of 20."""
    return reading(party(*(member(n, 20, level) for n in hp), species=species))


def test_the_names_of_all_events():
    assert event_keys(WORLD) == (*(f"event/{name}" for name in EVENTS), "event/beat_brock")


def test_nothing_happens_where_nothing_changes():
    now = reading({**at(12, 3, 3), **flags(1, 2), **party(member(5, 20, 5)), 0xD356: b"\x01"})
    assert sums(now, now, now) == {}


def test_flags_count_once_however_often_they_are_set():
    steps = [flags(), flags(5, 2559), flags(), flags(5)]
    assert sums(*map(reading, steps)) == {"event/flags": 2}


def test_flags_of_the_start_are_no_news():
    assert sums(*map(reading, (flags(5), flags(), flags(5)))) == {}


def test_the_museum_ticket_is_not_counted():
    total, milestones = follow(*map(reading, (flags(), flags(TICKET), flags(TICKET, 7))))
    assert total["event/flags"] == 1 and milestones == [(), ("flag/7",)]


def test_the_goal_is_reached_once():
    steps = [flags(), flags(BROCK), flags(), flags(BROCK)]
    assert sums(*map(reading, steps)) == {
        "event/flags": 1,
        "event/success": 1,
        "event/beat_brock": 1,
    }


def test_badges_count_by_their_bits():
    steps = [{0xD356: bytes([badges])} for badges in (0b01, 0b11, 0b01, 0b11)]
    total, milestones = follow(*map(reading, steps))
    assert total["event/badges"] == 1 and milestones == [("badge/cascade",), (), ()]


def test_a_cell_counts_once_on_each_map():
    places = [at(0, 3, 3), at(0, 4, 3), at(0, 3, 3), at(12, 3, 3), at(12, 4, 3), at(0, 5, 3)]
    found = sums(*map(reading, places))
    assert found["event/cells"] == 4 and found["event/maps"] == 1
    assert found["event/explored"] == pytest.approx((3**0.5 - 1) + 2**0.5)


def test_x_and_y_are_not_mixed_up():
    assert sums(reading(at(0, 3, 4)), reading(at(0, 4, 3)))["event/cells"] == 1


def test_between_two_maps_no_cell_counts():
    between = reading({**at(12, 200, 3)})
    assert sums(reading(at(0, 3, 3)), between) == {}
    found = sums(reading(at(0, 3, 3)), between, reading(at(12, 0, 3)))
    assert found["event/maps"] == found["event/cells"] == 1


def test_where_the_player_has_been_is_seen_around_it():
    first, second = reading(at(0, 3, 4)), reading(at(0, 4, 6))
    progress = EpisodeProgress(first, WORLD)
    assert np.argwhere(progress.around(first.player)).tolist() == [[24, 24, 0]]
    progress.update(second)
    seen = progress.around(second.player)
    assert seen.shape == (48, 48, 1) and set(np.unique(seen)) == {0, 255}
    assert np.argwhere(seen).tolist() == [[22, 23, 0], [24, 24, 0]]
    assert not progress.around(reading(at(1, 3, 4)).player).any()
    progress.update(reading({**at(0, 255, 255), 0xD368: b"\xff\xff"}))
    assert progress.around(reading(at(0, 255, 255)).player).sum() == 255


def test_what_was_seen_around_the_player_does_not_change_later():
    first = reading(at(0, 3, 4))
    progress = EpisodeProgress(first, WORLD)
    seen = progress.around(first.player)
    progress.update(reading(at(0, 4, 4)))
    assert seen.sum() == 255


def test_levels_count_at_the_best_of_the_party():
    one, two = member(9, 20, 5), member(9, 20, 7)
    parties = [(one,), (one, two), (one,), (one, two), (member(9, 20, 6), two)]
    assert sums(*(reading(party(*p)) for p in parties)) == {"event/levels": 8}


def test_levels_past_the_count_are_old():
    both = party(member(9, 20, 5), member(9, 20, 60), count=1)
    assert sums(reading(party(member(9, 20, 5))), reading(both)) == {}


def test_the_pokedex_never_counts_back():
    steps = [
        {0xD2F7: bytes([owned]), 0xD30A: bytes([seen])}
        for owned, seen in ((1, 1), (1, 7), (0, 0), (3, 15))
    ]
    assert sums(*map(reading, steps)) == {"event/owned": 1, "event/seen": 3}


def test_healing_is_a_share_of_the_whole_party():
    assert sums(hurt(5, 20), hurt(15, 20)) == {"event/healed": 0.25}
    assert sums(hurt(10, 10), hurt(20, 0)) == {}  # no more than before


def test_healing_is_capped_until_the_story_goes_on():
    steps = [hurt(10), hurt(20)] * 5
    assert sums(*steps) == {"event/healed": 1}
    tired = party(member(10, 20, 5))
    more = [reading({**tired, **flags(1)}), reading({**party(member(20, 20, 5)), **flags(1)})] * 5
    assert sums(*steps, *more)["event/healed"] == 2


@pytest.mark.parametrize(
    "after",
    [
        hurt(20, species=bytes([CHARMANDER])),  # the tired one was deposited
        hurt(5, 20),  # a healthy one was caught
        hurt(15, level=6),  # it has grown a level, which adds health
        reading(party(member(20, 25, 5))),
        reading(),
    ],
)
def test_what_is_no_healing(after):
    assert "event/healed" not in sums(hurt(5), after)


def test_two_that_change_places_are_not_healed():
    assert sums(hurt(5, 20), hurt(20, 5)) == {}
    before = hurt(5, 20, species=bytes([BULBASAUR, PIDGEY]))
    assert sums(before, hurt(20, 5, species=bytes([PIDGEY, BULBASAUR]))) == {}


def test_waking_up_after_a_defeat_is_no_healing_and_a_defeat_counts_once():
    found = sums(hurt(5, 1), hurt(0, 0), hurt(0, 0), hurt(20, 20))
    assert found == {"event/blackouts": 1}


def test_a_battle_that_is_lost_is_a_defeat():
    fight = [reading({0xD057: bytes([kind])}) for kind in (0, 1, 255, 255, 0, 2, 255)]
    assert sums(*fight) == {"event/blackouts": 2}
    assert sums(reading(), reading()) == {}  # no one can stand there


def test_milestones_are_named_the_first_time():
    steps = [
        at(0, 1, 1),
        {**at(12, 1, 1), **flags(STARTER)},
        at(0, 1, 1),
        {**at(9, 1, 1), **flags(8)},
    ]
    _, names = follow(*map(reading, steps))
    assert names == [("flag/got_starter", "map/route_1"), (), ("flag/8", "map/9")]


def test_another_episode_continues_from_what_one_has_achieved():
    """It inherits rewards already paid; its milestones are counted separately."""
    steps = [
        {**at(0, 3, 3), **flags(1)},
        {**at(0, 3, 4), **flags(1, 2), **party(member(5, 20, 5))},
        {**at(12, 9, 9), **party(member(9, 20, 7)), 0xD356: b"\x01", 0xD30A: b"\x01"},
        {**at(0, 3, 3), **flags(2), **party(member(20, 20, 6)), 0xD356: b"\x02"},
        {**at(0, 4, 4), **flags(3), **party(member(20, 20, 8)), 0xD30A: b"\x07"},
        {**at(12, 9, 9), **flags(1, 2, 3), 0xD356: b"\x03"},
    ]
    readings = [reading(x) for x in steps]
    whole = EpisodeProgress(readings[0], WORLD)
    for i, now in enumerate(readings[1:], 1):
        past = whole.achieved()
        later = EpisodeProgress.after(past, readings[i - 1], WORLD)
        before = whole.milestones
        assert later.milestones == 0 and later.update(now) == whole.update(now)
        assert later.milestones == whole.milestones - before
        np.testing.assert_array_equal(later.around(now.player), whole.around(now.player))
    assert whole.milestones == 5  # flags 2 and 3, a map and both badges


def test_what_happens_before_an_episode_begins_is_none_of_its_own():
    first, now, then = ({**at(0, 3, 3), **flags(*n)} for n in ((), (1,), (1, 2)))
    past = EpisodeProgress(reading(first), WORLD).achieved()
    later = EpisodeProgress.after(past, reading({**now, **at(12, 5, 5)}), WORLD)
    events, names = later.update(reading({**then, **at(12, 5, 5)}))
    assert (events["event/flags"], events["event/cells"], names) == (1, 0, ("flag/2",))
    assert later.milestones == 1


def test_nobody_changes_what_was_achieved():
    progress = EpisodeProgress(reading(at(0, 3, 3)), WORLD)
    past = progress.achieved()
    for n in (3, 4):
        for each in (progress, EpisodeProgress.after(past, reading(at(0, 3, 3)), WORLD)):
            events, _ = each.update(reading({**at(0, n, 4), **flags(n)}))
            assert (events["event/flags"], events["event/cells"]) == (1, 1)
