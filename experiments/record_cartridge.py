"""Records the project's own cartridge, played to its end by a script and at random.

    python -m experiments.record_cartridge --out=recordings/cartridge --episodes=28

Every second episode is played by the script, with 10 to 30 % random buttons in between. The others
are random: half of them from the beginning, and half after the script has played up to 400 steps.
The keeper's question alone, which may be answered once, is always left to the script. An episode
ends with the game, or is truncated. A recording is continued. With --play=script or --play=random
all episodes are of one sort.
"""

import argparse
import dataclasses
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

import envs
from envs.play import recorder, recordings
from envs.play.recorder import Actions, Moment
from envs.settings import flatten
from envs.timestep import Timestep
from experiments.cartridge_script import CartridgePlayer

ENV, BUTTONS = "gameboy_demo", "a b up down left right"
PLAYS = BOTH, SCRIPT, RANDOM = ("both", "script", "random")
STEPS = 1_024  # after which an episode is truncated
LEAST, MOST = 0.1, 0.3  # share of random buttons of a scripted episode
PROLOGUE = 400  # most steps of the script before a random episode


class Mixture:
    """Chooses buttons: see the module."""

    def __init__(self, names: Sequence[str], *, seed: int, play: str) -> None:
        """`names` are those of the actions; `play` is one of PLAYS."""
        self._names, self._seed, self._play = list(names), seed, play
        self._players: dict[int, CartridgePlayer] = {}
        self._random: dict[int, np.random.Generator] = {}
        self._noise: dict[int, float] = {}
        self._prologue: dict[int, int] = {}

    def __call__(self, timestep: Timestep, moments: list[Moment]) -> Actions:
        """See `recorder.Choose`."""
        buttons = [
            self._button({k: x[row] for k, x in timestep.obs.items()}, row, moment)
            for row, moment in enumerate(moments)
        ]
        chosen = [[self._names.index(button)] for button in buttons]
        return {"action": np.array(chosen, np.int32)}

    def _button(self, obs: dict[str, np.ndarray], row: int, moment: Moment) -> str:
        if moment.step == 0:
            self._random[row] = random = recorder.generator(self._seed, row, moment)
            self._players[row] = CartridgePlayer(random)
            which = (row + moment.number) % 4
            if self._play != BOTH:
                which = which // 2 * 2 + (self._play == RANDOM)
            self._noise[row] = float(random.uniform(LEAST, MOST)) if which % 2 == 0 else 1.0
            self._prologue[row] = int(random.integers(PROLOGUE)) if which == 3 else 0
        player, random = self._players[row], self._random[row]
        button = player.button(obs)
        noise = 0.0 if moment.step < self._prologue[row] else self._noise[row]
        if random.random() < noise and not player.is_asked(obs):
            return str(random.choice(self._names))
        return button


def main(argv: Sequence[str]) -> int:
    """Records; exit code 2 in one line for a mistake of the user."""
    parser = argparse.ArgumentParser("record_cartridge", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the recording")
    parser.add_argument("--episodes", type=int, default=28, help="how many in all")
    parser.add_argument("--play", choices=PLAYS, default=BOTH, help="who plays")
    parser.add_argument("--size", type=int, default=0, help="env.size; 0: the screen as it is")
    parser.add_argument("--steps", type=int, default=STEPS, help="most steps of an episode")
    parser.add_argument("--copies", type=int, default=4, help="of the game, at once")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args(argv[1:])
    options = dataclasses.replace(
        envs.default_options(ENV), size=flags.size, steps=flags.steps, buttons=BUTTONS
    )
    names = envs.action_names(ENV, options)
    try:
        with closing(envs.make(ENV, options, num_envs=flags.copies, seed=flags.seed)) as env:
            recording = recordings.begin(
                flags.out, env, name=ENV, options=flatten(options), seed=flags.seed
            )
            policy = Mixture(names, seed=flags.seed, play=flags.play)
            recorder.record(recording, env, policy, episodes=flags.episodes)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
