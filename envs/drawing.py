"""Pictures by the renderers of Gymnasium environments, for films of tasks without images."""

import os
from typing import Any

import gymnasium
import numpy as np

from envs.explained import explained
from envs.extras import install, missing

MODE = "rgb_array"  # of `gymnasium.Env.render`: returns a picture and opens no window

# [h, w, 3] uint8, or one line that says why there is none.
Picture = np.ndarray | str


def mode_of(creator: Any) -> str | None:
    """The `render_mode` that draws pictures, if the `metadata` of an entry point has it."""
    metadata = getattr(creator, "metadata", None)
    modes = metadata.get("render_modes", ()) if isinstance(metadata, dict) else ()
    return MODE if MODE in modes else None


def picture(env: gymnasium.Env[Any, Any]) -> Picture:
    """The newest moment as the environment's own renderer shows it."""
    if env.render_mode != MODE:
        return f"it has no render_mode {MODE!r}"
    for driver in ("SDL_VIDEODRIVER", "SDL_AUDIODRIVER"):  # pygame looks for a display otherwise
        os.environ.setdefault(driver, "dummy")
    try:
        found: Any = env.render()
    except (Exception, SystemExit) as error:
        if module := missing(error):
            return f"{module} is not installed: {install(module)}"
        return explained(error)
    if not isinstance(found, np.ndarray) or found.dtype != np.uint8 or found.ndim != 3:
        return f"its renderer returned {type(found).__name__}, not [h, w, 3] uint8"
    if found.shape[-1] != 3:
        return f"its renderer returned an array of shape {list(found.shape)}, not [h, w, 3]"
    return found.copy()
