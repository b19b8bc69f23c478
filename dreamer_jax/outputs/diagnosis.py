"""The diagnosis of a run: what its reports say of the agent, in words."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from dreamer_jax.outputs.checks import CHECKS
from dreamer_jax.outputs.findings import BEGINS, Finding, Watched, judge
from dreamer_jax.outputs.jsonl import drop_lines, encode


class Diagnosis:
    """Follows the checks of a run.

    Each finding is a line for the user and one in `diagnosis.jsonl`. The file exists once a check
    has failed.
    """

    def __init__(
        self,
        logdir: Path,
        first_step: int,
        *,
        watch: Mapping[str, Watched],
        say: Callable[[str], None],
    ) -> None:
        """Continues after `first_step`, 0 for a new run; lines of later steps are dropped.

        watch: the courses of the checks until then. say: prints a line. Raises OSError.
        """
        self.watch = dict(watch)
        self._path, self._say = logdir / "diagnosis.jsonl", say
        drop_lines(self._path, first_step)

    def judge(self, values: Mapping[str, float], *, step: int) -> None:
        """Takes the metrics of a report by their full names. Raises OSError."""
        self.watch, found = judge(CHECKS, self.watch, values)
        for finding in found:
            self._say(in_words(finding, step=step))
            with self._path.open("a") as file:
                file.write(encode({"step": step, **asdict(finding)}))


def in_words(finding: Finding, *, step: int) -> str:
    """A finding in one line."""
    if finding.state == BEGINS:
        return f"warning: step {step}: {finding.sentence}; {finding.advice}"
    return f"step {step}: no longer {finding.check}: {finding.sentence}"
