"""Sweeps: python -m dreamer_jax.sweep --env=cartpole --set model.units=64,128 --seeds=0:5

--set path=a,b    tries both; several of them are a grid. Commas in quotes or brackets do not count.
--seeds=0:5       the seeds of each setting: 0 to 4. Or a list: 0,3,7. Default: 0
--search=20       tries 20 settings that Optuna suggests; --set path=1e-5..1e-3 is then a range
--jobs=4          runs side by side; default: one on each GPU, or on each pair of cores
--name, --logdir  of the sweep; default: logdir/sweeps/<env>-<what is swept>
--metric=name     that tells which setting is best; default: evaluation/mean, or episode/mean_score
--minimize        the smallest is the best
--ray[=address]   runs as tasks of a Ray cluster: of this machine, of 'auto', or of an address

All other flags are those of each run: python -m dreamer_jax.main --help
"""

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from dreamer_jax import own_packages

# Before the imports below. Only the program itself ends the process.
if __name__ != "__main__":
    own_packages.claim()
elif not own_packages.found():
    sys.exit(2)

from dreamer_jax.faults import one_line
from dreamer_jax.loops.train import stop_signals
from dreamer_jax.outputs.say import say_on_stderr
from dreamer_jax.run import manifest
from dreamer_jax.sweeps import plan, search, summary
from dreamer_jax.sweeps.plan import Sweep
from dreamer_jax.sweeps.pool import LocalPool, Pool
from dreamer_jax.sweeps.ray_pool import RayPool
from dreamer_jax.sweeps.schedule import Schedule

STOPPED = 130  # the exit code that shells use for Ctrl-C


def main(argv: Sequence[str]) -> int:
    """Exit code: 0 all runs are finished, 1 some failed, 2 a mistake, 130 stopped by a signal."""
    if {"--help", "-h"} & {*argv}:
        print(__doc__)
        return 0
    try:
        sweep = plan.read(argv[1:])
        settings = search.settings(sweep)
        manifest.require_folder(sweep.folder)
        lock = manifest.lock(sweep.folder)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    try:
        pool: Pool = (
            LocalPool(sweep.jobs) if sweep.ray is None else RayPool(sweep.ray, jobs=sweep.jobs)
        )
        with closing(pool), stop_signals() as stopped:
            counts = f"settings: {settings.total}, seeds of each: {len(sweep.seeds)}"
            say_on_stderr(f"{sweep.folder}: {counts}, runs side by side: {pool.free()}")
            schedule = Schedule(sweep, settings, pool, say_on_stderr)
            schedule.execute(stopped)
            was_stopped = stopped()
        return ended(sweep, settings, schedule.failures, stopped=was_stopped)
    except (ValueError, OSError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    finally:
        manifest.unlock(sweep.folder, lock)


def ended(
    sweep: Sweep, settings: search.Settings, failures: dict[Path, str], *, stopped: bool
) -> int:
    """Writes and prints what came of it; returns the exit code."""
    found = summary.summarize(sweep, settings.tried(), failures)
    summary.write(sweep, found)
    if not sweep.search:
        told = [search.Told(x.setting, x.mean) for x in found.rows if x.mean is not None]
        whole = {x.setting.name for x in found.rows if len(x.scores) == len(x.runs)}
        search.keep_grid(sweep, [each for each in told if each.setting.name in whole])
    drawn = summary.plot(sweep, found)
    print(summary.table(found))
    files = [summary.JSON, summary.CSV, *([summary.PLOT] if drawn else [])]
    say_on_stderr(f"in {sweep.folder}: {', '.join(files)}")
    if stopped:
        say_on_stderr("stopped; the same command continues")
        return STOPPED
    return 1 if failures else 0


def run() -> int:
    """The console script `dreamer-jax-sweep`; returns the exit code."""
    own_packages.search_current_folder()
    return main(sys.argv)


if __name__ == "__main__":
    sys.exit(run())
