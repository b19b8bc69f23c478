"""What to type instead of a flag or a field that does not exist."""

import difflib
from collections.abc import Collection, Iterable, Sequence

from dreamer_jax.agents.by_name import AGENTS
from dreamer_jax.config import Config
from envs import settings
from envs.gym_options import Options
from envs.settings import UnknownField, flatten

SHOWN = 3  # most suggestions
DEVICE = "JAX_PLATFORMS=cpu or JAX_PLATFORMS=cuda before the command, or --mesh=data=N"
# What to type here -> names of it in other programs.
NAMES = {
    "--env": "task game env_id env_name environment gym_id",
    "--steps": "total_timesteps total_steps num_steps train_steps timesteps frames num_frames",
    "--logdir": "log_dir output output_dir save_dir run_dir resume load restore ckpt "
    "tensorboard_log exp_name run_name experiment_name root_dir workdir",
    "--config": "configs preset",
    "--size": "model_size",
    "--seed": "random_seed rng_seed",
    "--trackers": "track tracker logger loggers use_wandb wandb wandb_project report_to",
    "--agent": "algo algorithm algo_name agent_name",
    "--deterministic": "torch_deterministic cudnn_deterministic deterministic_algorithms",
    "--mode=eval": "eval evaluate eval_only test",
    "--video": "film films render save_video record_video capture_video",
    "--episodes": "num_episodes n_episodes",
    DEVICE: "device devices gpu gpus cpu cuda tpu platform accelerator use_gpu num_gpus gpu_id",
    "--set env.max_steps": "max_episode_steps max_episode_length episode_length time_limit",
    "--set env.kwargs": "env_kwargs make_kwargs env_args env_config",
    "--set env.wrap": "wrapper wrappers wrapper_class env_wrapper",
    "--set env.action_repeat": "frame_skip frameskip num_repeats",
    "--set env.frame_stack": "n_stack num_stack framestack frame_stacking",
    "--set env.reward_clip": "clip_rewards clip_reward",
    "--set env.size": "image_size img_size screen_size",
    "--set env.sticky": "sticky_actions repeat_action_probability",
    "--set model.depth": "cnn_depth cnn_channels_multiplier channels_multiplier",
    "--set model.deter": "recurrent_state_size deter_size gru_size rnn_size",
    "--set model.stoch": "stochastic_size stoch_size",
    "--set model.classes": "discrete_size discrete num_classes",
    "--set model.units": "dense_units mlp_units hidden_units hidden_dim",
    "--set model.vectors": "norm_obs normalize_obs obs_norm symlog_inputs",
    "--set model.dtype": "precision compute_dtype",
    "--set losses.free_nats": "free kl_free_nats free_bits",
    "--set losses.dynamics": "dyn dyn_scale kl_dynamic",
    "--set losses.representation": "rep rep_scale kl_representation",
    "--set losses.value": "vf_coef value_coef",
    "--set losses.replay_value": "repval",
    "--set train.eval_envs": "num_eval_envs n_eval_envs eval_num_envs",
    "--init_from": "pretrained finetune fine_tune from_checkpoint warm_start init_weights",
    "--override": "force overwrite",
    "--set behavior.horizon (the discount is 1 - 1/horizon)": "discount gamma discount_factor",
    "--set behavior.imagination": "imag_horizon imag_length imagination_horizon rollout_length",
    "--set behavior.entropy": "ent_coef entropy_coef entropy_scale actent",
    "--set behavior.lambda_": "lambda lam gae_lambda return_lambda",
    "--set behavior.slow_rate": "tau polyak target_tau",
    "--set behavior.slow_regularizer": "slowreg",
    "--set optimizer.learning_rate": "lr",
    "--set optimizer.epsilon": "eps adam_eps",
    "--set optimizer.clip": "agc grad_clip max_grad_norm clip_gradients",
    "--set optimizer.momentum": "beta1 adam_beta1",
    "--set optimizer.rms_decay": "beta2 adam_beta2",
    "--set ppo.epochs": "n_epochs update_epochs num_epochs",
    "--set ppo.minibatches": "num_minibatches n_minibatches",
    "--set ppo.clip": "clip_range clip_coef clip_eps",
    "--set ppo.value_clip": "clip_range_vf clip_vloss",
    "--set replay.batch": "batch_size bs minibatch_size per_rank_batch_size",
    "--set replay.length": "batch_length seq_len seq_length sequence_length "
    "per_rank_sequence_length",
    "--set replay.capacity": "buffer_size replay_size memory_size buffer_capacity replay_capacity",
    "--set train.envs": "num_envs n_envs env_amount num_environments num_workers parallel_envs",
    "--set train.ratio": "train_ratio replay_ratio",
    "--set train.ratio (steps replayed for each step taken)": "utd utd_ratio gradient_steps "
    "train_freq train_every updates_per_step",
    "--set train.behavior_after": "actor_warmup_steps actor_warmup pretrain pretrain_steps",
    "--set replay.micro_batches": "gradient_accumulation_steps accumulate_grad_batches "
    "grad_accumulation_steps gradient_accumulation grad_accum accumulation_steps",
    "--set train.prefill": "learning_starts warmup_steps start_steps",
    "--set train.log_every": "log_interval log_freq",
    "--set train.report_every": "report_interval video_every video_interval",
    "--set train.eval_every": "eval_interval eval_freq",
    "--set train.eval_episodes": "n_eval_episodes num_eval_episodes eval_eps",
    "--set train.save_every": "save_interval save_freq checkpoint_every checkpoint_interval",
    "--set train.keep": "keep_last max_checkpoints save_total_limit",
}
OURS = {name: typed for typed, names in NAMES.items() for name in names.split()}


def override(config: Config, assignment: str) -> Config:
    """`envs.settings.override`; the error for an unknown field searches all sections for it."""
    try:
        return settings.override(config, assignment)
    except UnknownField as error:
        last, value = error.path.rpartition(".")[2], assignment.partition("=")[2]
        if not (found := similar(last, flatten(config, ""))):
            raise
        raise UnknownField(
            error.path, name=error.name, valid=error.valid, meant=_typed(found, value)
        ) from None


def unknown_flag(name: str, argv: Sequence[str], flags: Iterable[str]) -> str:
    """One line about a flag that is not among `flags`.

    Args:
        name: of the flag, without dashes.
        argv: the command line, for the value.
        flags: names of all flags.
    """
    given = [text.lstrip("-").partition("=") for text in argv if text.startswith("-")]
    value = next((value for flag, _, value in given if flag == name), "")
    of_agents = [
        flatten(Config(env=Options(), agent=agent.config()), "") for agent in AGENTS.values()
    ]
    known = name.startswith("env.") or any(name in paths for paths in of_agents)
    found = [f"--set {name}"] if known else []
    last = name.rpartition(".")[2].replace("-", "_")
    # Fields of the first agent come first: others have more of the same name.
    found = found or next(filter(None, (similar(last, paths) for paths in of_agents)), [])
    found = found or [f"--{flag}" for flag in difflib.get_close_matches(name, list(flags), 1)]
    hint = f"did you mean {_typed(found, value)}?" if found else "--help shows all"
    return f"unknown flag --{name}; {hint}"


def similar(name: str, paths: Collection[str]) -> list[str]:
    """What to type for a field with this last name or for another program's `name`, up to `=`."""
    same = [f"--set {path}" for path in paths if path.rpartition(".")[2] == name]
    other = OURS.get(name.lower(), "")
    if other.startswith("--set ") and other.split()[1] not in paths:
        other = ""  # another environment or another agent has this option
    return list(dict.fromkeys(same))[:SHOWN] or [other] * bool(other)


def _typed(found: Iterable[str], value: str) -> str:
    """The suggestions with the value, each where it is still missing."""
    return " or ".join(
        f"{text}={value}" if value and "=" not in text and "(" not in text else text
        for text in found
    )
