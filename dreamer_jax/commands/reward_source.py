"""The learned reward of a run: which pictures it was learned from, and how it is read."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import jax

from dreamer_jax.agents.learned_reward import RewardFunction
from dreamer_jax.commands import fit_setup
from dreamer_jax.pretraining.by_name import STAGES
from dreamer_jax.pretraining.reward_config import RewardConfig
from dreamer_jax.run import manifest, spaces_record
from dreamer_jax.spaces import Interface
from dreamer_jax.world_model import tokenizer, video_reward

STAGE = "reward"


class RewardSource(NamedTuple):
    """What a run has to know of the stage whose rewards it learns from, apart from the weights."""

    image: str  # key of the observation that it was learned from
    shape: tuple[int, int, int]  # of that image
    config: RewardConfig

    def to_json(self) -> dict[str, Any]:
        """For config.json."""
        return {"image": self.image, "shape": list(self.shape), "config": asdict(self.config)}


def find(logdir: Path) -> RewardSource:
    """Of a run of --mode=fit --stage=reward; ValueError if the logdir holds none."""
    if not manifest.exists(logdir):
        raise ValueError(f"reward.logdir={logdir}: no run is there")
    found = fit_setup.stored(logdir)
    if found.stage != STAGE:
        raise ValueError(f"reward.logdir={logdir} holds the stage {found.stage!r}, not {STAGE!r}")
    ((image, shape),) = spaces_record.spaces_of(manifest.read(logdir)).obs.images.items()
    return RewardSource(image=image, shape=shape, config=found.config.stage)


def from_json(saved: dict[str, Any]) -> RewardSource | None:
    """The inverse of `RewardSource.to_json`; None for an empty one. ValueError in one line."""
    if not saved:
        return None
    where = f"{manifest.NAME}: reward"
    if saved.keys() != set(RewardSource._fields) or not isinstance(saved["image"], str):
        raise ValueError(f"{where} should have the fields {', '.join(RewardSource._fields)}")
    shape = saved["shape"]
    if not isinstance(shape, list) or [type(n) for n in shape] != [int] * 3:
        raise ValueError(f"{where}: {shape!r} is no shape of an image")
    config = manifest.rebuild(STAGES[STAGE].config(), saved["config"], path=where)
    return RewardSource(image=saved["image"], shape=(shape[0], shape[1], shape[2]), config=config)


def function(source: RewardSource, interface: Interface) -> RewardFunction:
    """The rewards of the pictures of an environment.

    ValueError if it does not show what the reward was learned from.
    """
    shape = interface.obs.images.get(source.image)
    if shape != source.shape:
        there = "no such image" if shape is None else "x".join(map(str, shape))
        wanted = "x".join(map(str, source.shape))
        raise ValueError(
            f"the reward was learned from {source.image!r} of {wanted}; the environment has {there}"
        )
    frozen = None
    if source.config.reward.variant in video_reward.READ_TOKENS:
        frozen = tokenizer.make(source.config.tokenizer, image=source.shape)
    model = video_reward.make(source.config.reward, image=source.shape, tokenizer=frozen)

    def init(key: jax.Array) -> dict[str, Any]:
        of_reward, of_tokenizer = jax.random.split(key)
        params: dict[str, Any] = {"reward": model.init(of_reward)}
        if frozen is not None:
            params["tokenizer"] = frozen.init(of_tokenizer)
        return params

    return RewardFunction(image=source.image, init=init, rewards=model.rewards)
