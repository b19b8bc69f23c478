"""Which flag is for which --mode."""

from dreamer_jax.commands.flags import Flags

PLAYS = ("train", "eval", "dream", "report", "play", "export", "record")  # modes of runs that act
# Flag -> the modes that it is for. Flags that are not here are for all.
OF_MODES = {
    "agent": PLAYS,
    "checkpoint": ("eval", "dream", "play", "export", "record"),
    "config": PLAYS,
    "data": ("fit",),
    "env": PLAYS,
    "override": PLAYS,
    "size": PLAYS,
    "stage": ("fit",),
    "context": ("dream",),
    "dry_run": ("train",),
    "episodes": ("eval", "dream", "record"),
    "gif": ("eval",),
    "horizon": ("dream",),
    "video": ("eval",),
    "init_from": ("train", "fit"),
    "onnxruntime": ("export",),
    "out": ("export", "report", "record"),
    "policy": ("record",),
    "port": ("play",),
    "steps": ("train", "fit"),
    "trackers": ("train", "fit"),
}
# Flag -> what was perhaps meant.
INSTEAD = {
    "episodes": "; --steps says how long a run trains",
    "steps": "; --episodes says how much is played",
}


def require_of_mode(flags: Flags) -> None:
    """ValueError for a flag that its mode does not have."""
    for name, modes in OF_MODES.items():
        value = getattr(flags, name)
        if value not in (None, False) and flags.mode not in modes:
            given = f"--{name}" if value is True else f"--{name}={value}"
            text = f"{given} is for --mode={'|'.join(modes)}, not for {flags.mode}"
            raise ValueError(f"{text}{INSTEAD.get(name, '')}")
