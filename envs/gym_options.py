"""Options of the Gymnasium family."""

import dataclasses

from envs.resize import check_side

LONGEST = 86_400  # seconds of timeout; timers have a limit
TRUNCATE, STOP = "truncate", "stop"  # what a number that is not finite ends: episode or run


@dataclasses.dataclass(frozen=True)
class Options:
    """Options of the Gymnasium family."""

    max_steps: int = 0  # steps after which an episode is truncated; 0 keeps the environment's limit
    size: int = 64  # pixels; side of resized images, used unless an image already fits the encoder
    timeout: float = 60.0  # an environment hangs if it does not answer within this many seconds
    nonfinite: str = TRUNCATE  # a number that is NaN or infinite ends its episode; "stop": the run
    replay: bool = True  # False: a resume ends the running episodes instead of repeating them


def check(options: Options) -> None:
    """Raises ValueError in one line for an option that is out of range."""
    if options.max_steps < 0:
        raise ValueError(f"max_steps must not be negative, got {options.max_steps}")
    if not 0 < options.timeout <= LONGEST:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST}, got {options.timeout}")
    if options.nonfinite not in (TRUNCATE, STOP):
        raise ValueError(f"nonfinite must be {TRUNCATE} or {STOP}, got {options.nonfinite!r}")
    check_side(options.size)
