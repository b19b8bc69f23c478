"""Converts Gymnasium spaces to the few kinds that the agent knows (see `envs.kinds`)."""

from envs.codecs.actions import Actions, no_actions
from envs.codecs.observations import Observations

__all__ = ["Actions", "Observations", "no_actions"]
