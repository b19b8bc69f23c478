"""Packages that register environments with Gymnasium when they are imported."""

import importlib
import importlib.metadata
import importlib.util
from contextlib import nullcontext, suppress

import gymnasium
from gymnasium.envs import registration

from envs import old_gym

# Module -> starts of the ids that it registers. Only these are ever imported for an id.
STARTS = {
    "flappy_bird_gymnasium": "FlappyBird-",
    "gym_aloha": "gym_aloha/",
    "gym_pusht": "gym_pusht/",
    "gym_xarm": "gym_xarm/",
    "gymnasium_robotics": "AdroitHand AntMaze_ Fetch FrankaKitchen- HandManipulate HandReach "
    "PointMaze_",
    "highway_env": "exit-v highway- intersection- lane-keeping- merge- parking- racetrack- "
    "roundabout- two-way- u-turn-",
    "minigrid": "BabyAI- MiniGrid-",
    "minihack": "MiniHack-",
    "miniworld": "MiniWorld-",
    "miniwob": "miniwob/",
    "nle": "NetHack",
    "panda_gym": "PandaFlip PandaPickAndPlace PandaPush PandaReach PandaSlide PandaStack",
    "popgym": "popgym-",
    "shimmy": "bsuite/ dm_control/ dmc_ GymV21Environment GymV26Environment",
    "vizdoom.gymnasium_wrapper": "Vizdoom",
}
MODULES = {start: module for module, starts in STARTS.items() for start in starts.split()}
# Starts of ids whose environments import a module that a keyword names: compatibility environments
# (`env_id`), and the classes of vehicles in highway-env (`config`).
IMPORTING = ("GymV", *STARTS["highway_env"].split())
GROUP = "gymnasium.envs"  # of entry points, by which packages name what registers environments


def find(env_id: str) -> registration.EnvSpec:
    """What is registered under an id; imports what registers it.

    Args:
        env_id: `<id>`, or `<module>:<id>` to import the module first. An id without a version is
            the newest one.

    Raises:
        gymnasium.error.Error: nobody registers it.
        ImportError: the module, or a package that would register the id, is not there.
    """
    module, colon, name = env_id.partition(":")
    if colon:
        importlib.import_module(module)
        return old_gym.registered(name) or _registered(name)
    package = module_of(env_id)
    if package and (env_id not in gymnasium.registry or is_placeholder(env_id)):
        importlib.import_module(package)
    for register in (_nothing, _games, _plugins):
        register()
        with suppress(gymnasium.error.UnregisteredEnv):
            return _registered(env_id)
    return _registered(env_id)


def module_of(env_id: str) -> str | None:
    """The module of `STARTS` that registers such an id; None if none does."""
    return next((x for start, x in MODULES.items() if env_id.startswith(start)), None)


def is_installed(module: str) -> bool:
    """Whether the package of a module can be imported; it is not."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None


def is_placeholder(env_id: str) -> bool:
    """Whether Gymnasium only knows where such an environment has gone to."""
    spec = gymnasium.registry.get(env_id)
    return getattr(spec and spec.entry_point, "__name__", "").startswith("_raise")


def _registered(name: str) -> registration.EnvSpec:
    namespace, short, version = registration.parse_env_id(name)
    if name not in gymnasium.registry and version is None:
        newest = registration.find_highest_version(namespace, short)
        name = registration.get_env_id(namespace, short, newest)
    return gymnasium.spec(name)


def _nothing() -> None:
    """Most ids are known already."""


def _games() -> None:
    """Names of games without a start of their own, such as PongNoFrameskip-v4."""
    ale = importlib.import_module("ale_py")
    ale.ALEInterface.setLoggerMode(ale.LoggerMode.Error)  # no banner for each copy


def _plugins() -> None:
    """What installed packages announce; the name of an entry point is the namespace of its ids."""
    for entry in importlib.metadata.entry_points(group=GROUP):
        inside = (
            nullcontext() if entry.name.startswith("__") else registration.namespace(entry.name)
        )
        with inside, suppress(Exception, SystemExit):
            register = entry.load()
            if callable(register):
                register()
