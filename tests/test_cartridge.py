"""The cartridge from its first room to its end, by buttons, with everything it shows read."""

import re
import shlex
from collections import Counter
from typing import Any

import numpy as np
import pytest

pytest.importorskip("pyboy", reason="needs PyBoy: pip install -e '.[pokemon]'")

from cartridge_player import ITEMS, NAMES, Player

from envs.pokemon.cartridge.build import EVENTS, MAPS
from envs.pokemon.demo_cartridge import load_demo_cartridge
from envs.pokemon.progress import EpisodeProgress
from envs.pokemon.text import dialogue, visible

WORDS = ["FERN", "MOSS", "PINE", "ROSE"]

# What is done -> all that it changes. Done: buttons; `answer` chooses the word that was read;
# `fight` and its move; `train` and the level to reach; `meet` looks for something in the grass.
# Changed: where the player is, +events, the purse, the bag. Said: what the message box says in the
# end. Whatever is not named must be as it was.
GAME = """
a                   -> +read_note says="The word is {word}."
b down a            -> facing=down +met_keeper says="The word?"
answer              -> +gate_open says="Right! Please pass."
a down left a       -> at=4,4 facing=left says="Have a good trip!"
a down wait         -> map=village at=4,3 facing=down
down 2 left a       -> at=6,3 facing=left says="The door opens for the word of the"
a                   -> says="the word of the day."
a                   -> says="It's on the note in your house."
b up right 4 down a -> at=5,7 facing=down says="LITTLE VILLAGE Every day a word."
a right 2 wait      -> map=route at=5,1 facing=right
up 2 a              -> at=4,1 facing=up says="ROUTE: wild ones hide in the grass."
a down right 2      -> at=5,3 facing=right
train 7             -> facing=left
right 4             -> at=5,7 facing=right
up 4 a              -> at=2,7 facing=up +found_potion bag=POTION:2 says="ROBIN found a POTION!"
a up 2 down 4       -> at=5,7 facing=down
right               -> at=5,8 facing=right says="Halt! Let's see what you have!"
a fight             -> +beat_tim money=3100
up a                -> facing=up says="The town is just ahead."
a right wait        -> map=town at=4,1 facing=right
right 3 up a        -> at=4,4 facing=up says="GARDEN TOWN LAB and CLINIC."
a right 4 a         -> at=4,7 facing=right says="Only who has a badge may go on."
a up 2 wait         -> map=clinic at=6,4 facing=up
up 2 left up a      -> at=4,3 says="Welcome! Shall I heal your team?"
a                   -> says="All of you are well again!"
a right 4 up a      -> at=4,7 says="A POTION costs ¥300. Buy one?"
a                   -> money=2800 bag=POTION:3 says="Here you are!"
a a                 -> says="A POTION costs ¥300. Buy one?"
down a              -> says="Another time!"
a left 3 down 3 wait -> map=town at=3,7 facing=down
down left 5 up 2 wait -> map=lab at=6,4 facing=up
up 3 a              -> at=4,4 says="This little one needs company."
a                   -> says="Will you take CINDERUP along?"
a                   -> +got_cinderup team=SPRIGLET,CINDERUP says="ROBIN got CINDERUP!"
a a                 -> says="Be good to each other."
a right 3 a         -> at=4,6 facing=right +radio_on says="The radio is on."
a a                 -> -radio_on says="The radio is off."
a left 2 down 3 wait -> map=town at=3,2 facing=down
down right 5 down 4 left 4 a -> at=8,4 facing=left says="GYM Leader: FLINT"
a up wait           -> map=gym at=6,4 facing=up
up 2                -> at=4,4 says="Nobody gets past me to FLINT!"
a fight 1           -> +beat_jo money=2950
up 2 a              -> at=3,4 says="I am FLINT. I am as hard as rock!"
a fight 1           -> +beat_flint money=3450 badges=1 says="ROBIN got the PEBBLE BADGE!"
a a                 -> says="Go east, through the forest."
a down 4 wait       -> map=town at=8,4 facing=down
right 3 up 4 right down a -> at=4,8 says="A fine badge! Go on."
a up left up wait    -> map=clinic at=6,4 facing=up
up 2 left up a      -> at=4,3 says="Welcome! Shall I heal your team?"
a                   -> says="All of you are well again!"
a right down 3 wait -> map=town at=3,7 facing=down
down right 2 wait   -> map=forest at=4,1 facing=right
down right 2 down 2 right 5 -> at=7,7 facing=right
a                   -> +found_nets bag=POTION:3,NET:3 says="ROBIN found three NETS!"
a catch             -> team=SPRIGLET,CINDERUP,WRIGGLY bag=POTION:3,NET:2 facing=right
left 4 up 2 left 2 up 3 right 6 -> at=2,7 facing=right
right a             -> says="HALL: the very best are inside."
a up wait           -> map=hall at=6,4 facing=up
up 3 a              -> at=4,4 says="I am IRIS, the champion. Ready?"
a fight             -> +beat_iris money=5450 badges=3 says="ROBIN got the STAR BADGE!"
a wait              -> +the_end
"""


class Reader:
    """Plays lines of a script, such as those of `GAME`, and checks all that they lead to."""

    def __init__(self, seed: int):
        self.player = Player(seed)
        self.world = self.player.world()
        self.word = ""
        self.progress = EpisodeProgress(self.player.reading(), load_demo_cartridge().world)
        self.counted: Counter[str] = Counter()
        self.milestones: list[str] = []

    def play(self, script: str) -> None:
        for line in script.strip().splitlines():
            done, _, changed = line.partition("->")
            self.act(done.split())
            says = self.expect(shlex.split(changed.format(word=self.word or "{word}")))
            self.listen(says, line)
            assert self.player.world() == self.world, line
            self.check_reading()

    def check_reading(self) -> None:
        """The environment reads the same from memory, and counts what is new."""
        reading, player, world = self.player.reading(), self.player, self.world
        place = reading.player
        assert (MAPS[place.map], (place.y, place.x)) == (world["map"], world["at"])
        assert place.on_map and ["down", "up", "left", "right"][place.facing] == world["facing"]
        team = [f"{NAMES[m.species]} {m.level} {m.hp}/{m.max_hp}" for m in reading.party]
        assert team == player.party()
        assert [f"{ITEMS[item]} {n}" for item, n in reading.bag.items()] == world["bag"]
        assert (reading.money, reading.badges) == (world["money"], world["badges"])
        assert {EVENTS[n] for n in np.flatnonzero(reading.flags).tolist()} == world["events"]
        assert reading.battle.kind == world["battle"] == 0
        said = dialogue(visible(reading.tiles)).replace("\n", " ")
        assert re.sub("▼", "", said).strip() == player.dialogue()
        events, names = self.progress.update(reading)
        self.counted += Counter(events)
        self.milestones += names

    def act(self, words: list[str]) -> None:
        """Presses the buttons; whatever attacks from the grass is fought."""
        while words:
            word = words.pop(0)
            count = int(words.pop(0)) if words and words[0].isdigit() else None
            if word == "answer":
                self.answer()
            elif word == "fight":
                self.player.fight(count or 0)
            elif word == "catch":
                self.catch()
            elif word == "train":
                self.train(count or 0)
            else:
                for _ in range(count or 1):
                    self.player.press(word)
                    self.defend()

    def answer(self) -> None:
        """Moves the cursor to the word that was read and chooses it."""
        player = self.player
        player.until(lambda: "▶" in "".join(player.menu()), limit=3)
        assert [line.strip("▶") for line in player.menu() if line] == WORDS
        for _ in range(WORDS.index(self.word)):
            player.press("down")
        chosen = player.byte(0xCC26)
        assert f"▶{self.word}" in player.menu() and WORDS[chosen] == self.word
        player.press("a")

    def train(self, level: int) -> None:
        """Walks to and fro in the grass until the first of the party has a level."""
        for _ in range(200):
            if self.player.byte(0xD18C) >= level:
                return
            self.act(["right", "left"])
        raise AssertionError(f"no level {level}: {self.player.party()}")

    def catch(self) -> None:
        """Walks to and fro until something attacks, and throws nets at it."""
        player = self.player
        while not player.byte(0xD057):
            player.press("left" if player.pressed % 2 else "right")
        for _ in range(60):
            if not player.byte(0xD057):
                player.press("wait 2")
                return
            if player.rows()[14][7:13] == "▶FIGHT":
                player.press("down a")
                assert next(line for line in player.menu() if line).startswith("▶POTION")
                player.press("down")
            player.press("a")
        raise AssertionError(f"nothing was caught: {player.rows()}")

    def defend(self) -> None:
        if self.player.byte(0xD057) == 1:
            self.player.fight()

    def expect(self, changes: list[str]) -> str:
        """Notes what has changed; returns what should be said."""
        says = ""
        for change in changes:
            name, _, value = change.partition("=")
            if name[0] in "+-":
                events: set[str] = self.world["events"]
                self.world["events"] = events ^ {name[1:]}
            elif name == "says":
                says = value
            else:
                self.world[name] = parse(name, value)
        return says

    def listen(self, says: str, line: str) -> None:
        if "{word}" in says:
            start = says.partition("{")[0]
            self.player.until(lambda: self.player.dialogue().endswith("."), limit=4)
            found = re.fullmatch(re.escape(start) + r"(\w+)\.", self.player.dialogue())
            assert found, line
            self.word = found[1]
        else:
            self.player.hears(says)


def parse(name: str, value: str) -> Any:
    """A value of `Player.world`, from its text in a script."""
    if name == "at":
        row, column = value.split(",")
        return int(row), int(column)
    if name == "team":
        return value.split(",")
    if name == "bag":
        return [pair.replace(":", " ") for pair in value.split(",")]
    return int(value) if value.isdigit() else value


def test_the_whole_game() -> None:
    reader = Reader(7)
    assert reader.world == {
        "map": "home",
        "at": (3, 4),
        "facing": "up",
        "battle": 0,
        "bag": ["POTION 1"],
        "money": 3000,
        "badges": 0,
        "events": set(),
        "team": ["SPRIGLET"],
    }
    reader.play(GAME)
    screen = "".join(reader.player.rows())
    assert "THE  END" in screen and "Well done!" in screen
    events = set(re.findall(r"\+(\w+)", GAME))
    assert {name for name in reader.milestones if name.startswith("flag/")} == {
        f"flag/{name}" for name in events - {"radio_on"}
    }
    places = {name for name in reader.milestones if name.startswith("map/")}
    assert places == {f"map/{name}" for name in re.findall(r"map=(\w+)", GAME)} - {"map/home"}
    assert reader.counted["event/badges"] == 2 and reader.counted["event/success"] == 1
    assert reader.counted["event/flags"] == len(events) - 1
    assert reader.counted["event/levels"] > 0 and reader.counted["event/blackouts"] == 0
