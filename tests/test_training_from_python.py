"""`dreamer_jax.train`: what the command line means, with exceptions in place of exit codes."""

import json
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import SMALL, call, hastily, lines

import dreamer_jax
from dreamer_jax.run import checkpoint

# The flags of SMALL, as Python has them.
SET: dict[str, Any] = {}
for text in SMALL:
    if text.startswith("--set="):
        name, _, value = text.removeprefix("--set=").partition("=")
        SET[name] = value if not value.isdecimal() else int(value)


def test_it_is_the_command_line(tmp_path: Path) -> None:
    """Trained here in another thread, where there are no signals; the numbers are the same."""
    done = dict[str, Any]()

    def train() -> None:
        done["agent"] = dreamer_jax.train(
            env="counting", logdir=tmp_path / "python", steps=60, set=SET, config="debug", seed=3
        )

    before = signal.getsignal(signal.SIGINT)
    with hastily():
        thread = threading.Thread(target=train)
        thread.start()
        thread.join()
    shell = tmp_path / "shell"
    assert call(*SMALL, "--steps=60", "--seed=3", f"--logdir={shell}").code == 0
    agent = done["agent"]
    assert agent.step == 60 and agent.seed == 3 and agent.logdir == tmp_path / "python"
    configs = [json.loads((x / "config.json").read_text()) for x in (agent.logdir, shell)]
    assert {key for key in configs[0] if configs[0][key] != configs[1][key]} == {"logdir"}
    arrays = [checkpoint.read_arrays(x / "checkpoints", 60) for x in (agent.logdir, shell)]
    np.testing.assert_equal(arrays[0], arrays[1])
    assert [line["step"] for line in lines(agent.logdir)] == [line["step"] for line in lines(shell)]
    assert signal.getsignal(signal.SIGINT) is before
    with hastily():  # nothing is left to do, as the command says
        again = dreamer_jax.train(logdir=agent.logdir)
    assert again.step == 60
    assert again.act({"vector": np.zeros(2), "discrete": [3]})[0].shape == (1,)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"env": "cartpol"}, "did you mean cartpole"),
        ({"env": "counting", "learning_rate": 1}, "learning_rate"),
        ({"env": "counting", "set": {"model.unit": 4}}, "model.unit"),
        ({"env": "counting", "set": ["model.units=many"]}, "model.units=many"),
        ({"env": "counting", "set": "model.units=many"}, "model.units=many"),
        ({"env": "counting", "seed": -1}, "seed"),
        ({"env": "counting", "dry_run": True}, "dry_run=True is for the command line"),
        ({"env": "counting", "help": True}, "help=True is for the command line"),
        ({"env": "counting", "override": True}, "--override"),
        ({}, "--env is needed"),
    ],
    ids=str,
)
def test_mistakes_are_exceptions(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    logdir: dict[str, Any] = {"logdir": tmp_path / "run"} if given else {}
    with pytest.raises(ValueError, match=said) as found:
        dreamer_jax.train(**given, **logdir)
    assert "\n" not in str(found.value) and not (tmp_path / "run").exists()


def test_names_that_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'lod'"):
        dreamer_jax.lod  # noqa: B018  # the expression is what is tested
