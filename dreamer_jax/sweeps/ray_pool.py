"""Runs as tasks of a Ray cluster."""

import importlib
import logging
import os
from typing import Any

from dreamer_jax.sweeps.plan import SweptRun
from dreamer_jax.sweeps.pool import POLL_SECONDS, Ended, command, launched

LOCAL = "local"  # as an address: a cluster of this machine alone, for this sweep
CORES = 2  # of a run, unless --jobs divides them


class RayPool:
    """Tasks of Ray. All machines need this program, and the folder of the sweep at its path."""

    def __init__(self, address: str, *, jobs: int | None) -> None:
        """Connects, or starts a cluster.

        address: LOCAL, 'auto' for the cluster of this machine, or that of another one.
        jobs: runs side by side; None for as many as the cluster has CORES for.

        Raises ValueError in one line where Ray is missing, or no cluster answers.
        """
        try:
            ray: Any = importlib.import_module("ray")
        except ImportError:
            raise ValueError('--ray needs its library: pip install -e ".[ray]"') from None
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        more: dict[str, Any] = {} if address != LOCAL else {"include_dashboard": False}
        place = None if address == LOCAL else address
        try:
            ray.init(place, log_to_driver=False, logging_level=logging.ERROR, **more)
        except (ConnectionError, RuntimeError, ValueError) as error:
            raise ValueError(f"--ray={address}: {str(error).splitlines()[0]}") from None
        self._ray = ray
        total = int(ray.cluster_resources().get("CPU", 1))
        cores = max(1, total // jobs if jobs else min(CORES, total))
        gpus = 1 if ray.cluster_resources().get("GPU", 0) else 0
        self._jobs = jobs or max(1, total // cores)
        self._task: Any = ray.remote(num_cpus=cores, num_gpus=gpus, max_retries=0)(_task())
        self._running = dict[Any, SweptRun]()

    def free(self) -> int:
        """See `Pool`."""
        return self._jobs - len(self._running)

    def start(self, run: SweptRun) -> None:
        """See `Pool`."""
        place = f"--logdir={run.logdir}"
        words = [f"--logdir={run.logdir.absolute()}" if x == place else x for x in command(run)]
        path = os.environ.get("PYTHONPATH", "")
        made = self._task.remote(
            launched(words, []),
            str(run.output.absolute()),
            {"PYTHONPATH": path} if path else {},
            os.getcwd(),
        )
        self._running[made] = run

    def wait(self) -> list[Ended]:
        """See `Pool`."""
        done, _ = self._ray.wait(
            list(self._running), num_returns=len(self._running), timeout=POLL_SECONDS
        )
        return [Ended(self._running.pop(task), self._code(task)) for task in done]

    def stop(self) -> None:
        """See `Pool`; what a machine of the cluster does not end, its end of the task does."""
        for task in self._running:
            self._ray.cancel(task, force=True)

    def close(self) -> None:
        """Leaves the cluster, and ends it if it was started here."""
        self._ray.shutdown()

    def _code(self, task: Any) -> int:
        try:
            return int(self._ray.get(task))
        except self._ray.exceptions.RayError:
            return 1


def _task() -> Any:
    """The function of a task. It is sent by value, so it must not use anything of this module."""

    def execute(words: list[str], output: str, more: dict[str, str], folder: str) -> int:
        import os
        import pathlib
        import subprocess

        pathlib.Path(output).parent.mkdir(parents=True, exist_ok=True)
        with open(output, "ab") as file:
            return subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                env={**os.environ, **more},
                cwd=folder,
                start_new_session=True,
            ).wait()

    return execute
