"""Options of the Gymnasium family."""

import dataclasses

from envs.resize import check_side

LONGEST = 86_400  # seconds of timeout; timers have a limit


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Gymnasium family."""

    max_steps: int = 0  # steps after which an episode is truncated; 0 keeps the environment's limit
    size: int = 64  # pixels; side of resized images, used unless an image already fits the encoder
    timeout: float = 60.0  # an environment hangs if it does not answer within this many seconds
    ignore: str = ""  # keys of observations to leave out, such as "goal,robot/*"
    only: str = ""  # the only keys of observations to use
    kinds: str = ""  # how to read keys, such as "board=symbols,depth=vector"; else by their spaces


def check(options: Options) -> None:
    """Raises ValueError in one line for an option that is out of range."""
    if options.max_steps < 0:
        raise ValueError(f"max_steps must not be negative, got {options.max_steps}")
    if not 0 < options.timeout <= LONGEST:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST}, got {options.timeout}")
    check_side(options.size)
