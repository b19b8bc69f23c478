"""The commands in the documentation are commands of the program."""

import shlex
from pathlib import Path

import pytest
from command import ROOT

from dreamer_jax.commands.flags import parse
from dreamer_jax.commands.options import decide
from dreamer_jax.main import COMMANDS
from experiments.release_check import PROGRAM, UPDATED, commands

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "docs" / "environments").glob("*.md"))
GIVEN = [(page.name, line) for page in PAGES for line in commands(page.read_text())]


@pytest.mark.parametrize(("page", "line"), GIVEN)
def test_the_flags_of_every_command_exist(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its preset and its settings too, where it starts a run. experiments/release_check runs it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("POKEMON_RED_ROM", "red.gb")
    flags = parse(["", *shlex.split(line.removeprefix(PROGRAM))], COMMANDS)
    assert page
    if flags.mode == "train" and flags.env:
        here = [each for each in flags.set if not each.startswith("reward.logdir=")]
        flags = flags._replace(init_from=None, set=here)  # there are no such runs here
        assert decide(flags).env == flags.env


def test_the_commands_are_found() -> None:
    page = f"```bash\n{PROGRAM} --env=cartpole   # trains\npip install x\n```\n{PROGRAM} --no\n"
    assert commands(page) == [f"{PROGRAM} --env=cartpole"]
    assert len([line for page, line in GIVEN if page == "README.md"]) >= 6


def test_an_update_is_noticed() -> None:
    assert UPDATED.search("2.05k/40.0k steps 65 updates 107 frames/s 6.55 updates/s score 18.0")
    assert not UPDATED.search("976/40.0k steps 0 updates 1.95k frames/s 0 updates/s")
    assert not UPDATED.search("ring of 100,000 steps (35 MB), about 7.8 updates/s\r")
