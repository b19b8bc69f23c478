"""Runs as tasks of Ray."""

import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from dreamer_jax.sweeps import ray_pool
from dreamer_jax.sweeps.plan import Setting, SweptRun
from dreamer_jax.sweeps.pool import Ended
from dreamer_jax.sweeps.ray_pool import LOCAL, RayPool

RAY = pytest.mark.skipif(not find_spec("ray"), reason='needs pip install -e ".[ray]"')


@RAY
@pytest.mark.filterwarnings("ignore")  # those of the library are not ours
def test_tasks_run_their_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each prints its flags, and one fails."""
    tells = "import sys; print(*sys.argv[1:]); sys.exit('--seed=1' in sys.argv)"
    monkeypatch.setattr(ray_pool, "command", lambda run: [sys.executable, "-c", tells, *run.flags])
    pool, ended = RayPool(LOCAL, jobs=2), list[Ended]()
    try:
        for seed in (0, 1):
            logdir = tmp_path / "one" / f"seed{seed}"
            flags = (f"--seed={seed}", f"--logdir={logdir}")
            pool.start(SweptRun(Setting("one", {}), seed, logdir, flags))
        assert pool.free() == 0
        while len(ended) < 2:
            ended += pool.wait()
    finally:
        pool.close()
    assert {each.run.seed: each.code for each in ended} == {0: 0, 1: 1}
    for each in ended:
        assert each.run.output.read_text() == " ".join(each.run.flags) + "\n"


def test_without_the_library_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ValueError, match=r'--ray needs its library: pip install -e "\.\[ray\]"'):
        RayPool(LOCAL, jobs=None)
