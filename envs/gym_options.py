"""Options of the Gymnasium family."""

import dataclasses

from envs import keywords
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

    ignore: str = ""  # keys of observations to leave out, such as "goal,robot/*"
    only: str = ""  # the only keys of observations to use
    kinds: str = ""  # how to read keys, such as "board=symbols,depth=vector"; else by their spaces

    # Keyword arguments of the environment, as a JSON object.
    kwargs: str = dataclasses.field(default="{}", metadata={"keywords": True})
    first_copy: int = 0  # number of the first copy, for `{copy}` in kwargs and for DREAMER_COPY

    # What `envs.gym_wrappers` wraps around the environment, from the inside out.
    wrap: str = ""  # the user's own functions env -> env, as module:function,module:function
    sticky: float = 0.0  # probability that the action before is repeated instead
    action_repeat: int = 1  # steps of the environment for each action
    flatten: bool = False  # all observations as one vector
    normalize: bool = False  # observations minus their mean, over their deviation, in random play
    frame_stack: int = 1  # observations shown together, the newest last
    reward_scale: float = 1.0  # factor
    reward_clip: float = 0.0  # rewards are clipped to [-reward_clip, reward_clip]; 0: they are not
    reward_sign: bool = False  # rewards are -1, 0 or 1


def check(options: Options) -> None:
    """Raises ValueError in one line for an option that is out of range."""
    if options.max_steps < 0:
        raise ValueError(f"max_steps must not be negative, got {options.max_steps}")
    if not 0 < options.timeout <= LONGEST:
        raise ValueError(f"timeout must be above 0 and at most {LONGEST}, got {options.timeout}")
    if options.nonfinite not in (TRUNCATE, STOP):
        raise ValueError(f"nonfinite must be {TRUNCATE} or {STOP}, got {options.nonfinite!r}")
    check_side(options.size)
    keywords.read(options.kwargs)
    least = {"first_copy": 0, "action_repeat": 1, "frame_stack": 1, "reward_clip": 0}
    for name, bound in least.items():
        if getattr(options, name) < bound:
            raise ValueError(f"{name} must be at least {bound}, got {getattr(options, name)}")
    if not 0 <= options.sticky < 1:
        raise ValueError(f"sticky must be at least 0 and below 1, got {options.sticky}")
    for function in functions(options.wrap):
        if not all(function.partition(":")):
            text = "wrap must be module:function, or several of them with commas between"
            raise ValueError(f"{text}, got {options.wrap!r}")


def functions(wrap: str) -> list[str]:
    """The functions in the option `wrap`, each as module:function."""
    return [text.strip() for text in wrap.split(",")] if wrap else []
