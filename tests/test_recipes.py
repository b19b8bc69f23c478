"""The recipes of the documentation: their commands are accepted, and what is cheap is run."""

import json
import re
import shlex
from pathlib import Path

import pytest
from command import ROOT

import configs
import envs
from dreamer_jax import config as config_
from dreamer_jax.commands import options
from dreamer_jax.commands.flags import parse
from dreamer_jax.main import COMMANDS as MODES

TEXT = (ROOT / "docs" / "recipes.md").read_text().replace("$seed", "0")
COMMANDS = re.findall(r"python -m dreamer_jax\.main ([^;\n]*)", TEXT)
BEGIN = [line for line in COMMANDS if "--init_from" not in line and "--env=" in line]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("line", BEGIN)
def test_a_command_begins_a_run(line: str, tmp_path: Path) -> None:
    words = shlex.split(line)
    setup = options.decide(parse(["main", *words, f"--logdir={tmp_path / 'run'}"], ["train"]))
    config_.resolve(setup.config)
    assert setup.preset in configs.PRESETS and envs.family(setup.env)


def test_all_commands_are_read() -> None:
    assert len(BEGIN) >= 10 and len(COMMANDS) == len(BEGIN) + 4
    for line in COMMANDS:
        parse(["main", *shlex.split(line)], MODES)


def test_seeds_are_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed, score in enumerate((490.0, 500.0, 480.0)):
        logdir = tmp_path / "logdir" / f"cartpole-seed{seed}"
        logdir.mkdir(parents=True)
        lines = [{"step": 1, "evaluation/mean": 9.0}, {"step": 2, "evaluation/mean": score}]
        lines.append({"step": 3})
        (logdir / "metrics.jsonl").write_text("".join(f"{json.dumps(x)}\n" for x in lines))
    monkeypatch.chdir(tmp_path)
    (block,) = [block for block in blocks("python") if "evaluation/mean" in block]
    exec(compile(block, "recipe", "exec"), {})
    assert capsys.readouterr().out == "490.0 ± 10.0 over 3 seeds\n"


def test_the_files_are_there() -> None:
    for name in re.findall(r"`((?:examples|dreamer_jax)/[\w/]+\.py)`", TEXT):
        assert (ROOT / name).is_file(), name
