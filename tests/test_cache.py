"""What is compiled is kept, in a place for each kind of processor, unless the user says where."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import pytest
from command import SMALL, call

from dreamer_jax.host import compile_cache


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What JAX is told, instead of telling it: the other tests share one folder."""
    settings: dict[str, str] = {}
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    return settings


def test_each_kind_of_processor_has_a_folder(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compile_cache.keep_compiled_programs()
    first = told.pop("jax_compilation_cache_dir")
    assert Path(first).parent == tmp_path / "dreamer_jax"
    compile_cache.keep_compiled_programs()
    assert told.pop("jax_compilation_cache_dir") == first
    monkeypatch.setattr(compile_cache, "processor", lambda: "another one")
    compile_cache.keep_compiled_programs()
    assert told["jax_compilation_cache_dir"] != first


def test_the_folder_of_the_user_wins(
    told: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    compile_cache.keep_compiled_programs()
    assert told == {}


@pytest.fixture
def everything_kept() -> Iterator[None]:
    """JAX keeps all that it compiles, however fast that was: not only what took a second."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 0.0)
    yield
    jax.config.update(name, before)


@pytest.mark.usefixtures("everything_kept")
def test_another_seed_compiles_nothing_anew(tmp_path: Path) -> None:
    """What is compiled does not depend on the seed: it is an argument."""
    events: Counter[str] = Counter()

    def listen(event: str, **_: Any) -> None:
        events[event.removeprefix("/jax/compilation_cache/")] += 1

    assert call(*SMALL, "--steps=60", "--seed=1", f"--logdir={tmp_path / 'a'}").code == 0
    jax.monitoring.register_event_listener(listen)
    try:
        assert call(*SMALL, "--steps=60", "--seed=2", f"--logdir={tmp_path / 'b'}").code == 0
    finally:
        jax.monitoring.unregister_event_listener(listen)
    assert events["cache_misses"] == 0
    assert events["cache_hits"] == events["compile_requests_use_cache"] > 0
