"""Exports world model and policy as ONNX, with a page that plays the dream without a server."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dreamer_jax.commands.browser_page import described, model_of, one_env
from dreamer_jax.commands.chosen_checkpoints import load_one
from dreamer_jax.commands.flags import Flags
from dreamer_jax.commands.hints import override
from dreamer_jax.commands.options import Setup, decide
from dreamer_jax.playable import folder, graphs, starts
from dreamer_jax.run import manifest, spaces_record

STARTS = 8  # moments at which a dream may begin
APART = 12  # steps from one to the next


def exporting(flags: Flags) -> Callable[[], None]:
    """Prepares to write a folder for any web host, from the newest checkpoint."""
    setup = in_float32(decide(flags))
    out = Path(flags.out or setup.logdir / "page")
    folder.require_own(out)
    graphs.require_exporter()
    saved = load_one(setup, flags.checkpoint)
    model = model_of(saved, setup)
    env = one_env(setup)

    def export() -> None:
        interface = spaces_record.spaces_of(manifest.read(setup.logdir))
        carry = saved.agent.player.carry(1)
        with closing(env):
            found = starts.recorded(
                model, saved.state, carry, env, seed=setup.seed, count=STARTS, apart=APART
            )
            page = described(setup, env, model, step=saved.step)
        step = graphs.step(model, saved.state, carry)
        see = graphs.see(model, saved.state, carry, interface)
        folder.write(
            out,
            files={"step": step, "see": see},
            starts=found,
            described=page,
            onnxruntime=flags.onnxruntime,
        )
        size = sum(file.stat().st_size for file in out.rglob("*") if file.is_file()) / 1e6
        print(f"{out}: {size:.1f} MB from step {saved.step:,}, for any web host")
        print(f"to try it here: python -m http.server --bind 127.0.0.1 --directory {out}")

    return export


def in_float32(setup: Setup) -> Setup:
    """The same run, computing in float32: browsers have no bfloat16."""
    if not hasattr(setup.config.agent, "model"):
        return setup
    return setup._replace(config=override(setup.config, "model.dtype=float32"))
