"""Metrics by name: those of earlier versions, the groups of a page, and what they mean."""

import re

GROUPS = {
    "evaluation": "Evaluation",
    "episode": "Training episodes",
    "world_model": "World model",
    "actor_critic": "Actor and critic",
    "collection": "Collection",
    "optimizer": "Optimizer",
    "diagnosis": "Diagnosis",
    "held_out": "On runs that are held out",
    "tokenizer": "Tokenizer",
    "dynamics": "Dynamics",
    "reward": "Model of progress",
    "learned_reward": "Learned reward",
    "speed": "Speed",
}
OTHERS = "other"
# Beginning of a name of earlier versions -> that of today.
EARLIER = {
    **{f"loss/{name}": f"actor_critic/loss/{name}" for name in ("policy", "value", "replay_value")},
    "loss/total": "optimizer/loss",
    "loss/": "world_model/loss/",
    "behavior/": "actor_critic/",
    "entropy/": "actor_critic/entropy/",
    "randomness/": "actor_critic/randomness/",
    "report/": "world_model/",
    "env/": "collection/",
    "frontier/": "collection/frontier/",
    "checkpoint/pause_seconds": "speed/checkpoint_seconds",
    "checkpoint/bytes_before": "speed/checkpoint_bytes",
}
# Pattern of a name -> what it is, and how it looks in a run that learns.
MEANINGS = {
    r"episode/mean_score": "Mean score of the episodes since the last line. Rises.",
    r"episode/mean_success": "Share of episodes that solved the task. Rises.",
    r"evaluation/mean": "Mean score of the greedy policy, same episodes each time. Rises.",
    r"evaluation/success": "Share of evaluated episodes that solved the task. Rises.",
    r"world_model/loss/(image|vector)/.*": "Squared error of reconstructions. Falls.",
    r"world_model/loss/(choice|bits|text|symbols)/.*": "Nats of reconstructions. Falls.",
    r"world_model/loss/reward": "Nats of the predicted reward. Falls.",
    r"world_model/loss/continue": "Nats of whether the episode continues. Falls.",
    r"world_model/loss/(dynamics|representation)": "KL with free nats: it never falls below them.",
    r"world_model/kl": "Nats that the prior did not predict. Above the free nats.",
    r"world_model/(prior|posterior)_entropy": "Entropy of the latents, in nats.",
    r"world_model/seen/.*": "Error of reconstructions on fresh sequences. Falls.",
    r"world_model/expected/.*": "Error of predictions from actions alone. Falls, slowly.",
    r"actor_critic/imagined_return": "Return in imagination. Close to that of replay.",
    r"actor_critic/replay_return": "Return of replayed steps.",
    r"actor_critic/return_(low|high)": "5th or 95th percentile of imagined returns. They part.",
    r"actor_critic/return": "Mean λ-return of the rollouts. Rises.",
    r"actor_critic/return_std": "Deviation of the returns. Above 0.",
    r"actor_critic/reward": "Mean reward of a step that is learned from. Rises.",
    r"actor_critic/value": "Mean of the critic. Follows the return.",
    r"actor_critic/advantage_std": "Deviation of the advantages. Falls as the policy is learned.",
    r"actor_critic/imitated": "Share of steps that the return filter leaves to the policy.",
    r"actor_critic/weight": "Share of dreamt steps before the end of an episode.",
    r"actor_critic/newest/.*": "The critic on the newest rollout.",
    r"actor_critic/approx_kl": "How far an update moves the policy, in nats. About 0.01.",
    r"actor_critic/clip_fraction": "Share of actions whose probability moved too far. Below 0.3.",
    r"actor_critic/explained_variance": "Share of the returns that the critic knew. Rises to 1.",
    r"actor_critic/ratio_error": "Acting against learning, before the first step. 0.",
    r"actor_critic/entropy/.*": "Entropy of the policy, in nats. Falls slowly.",
    r"actor_critic/randomness/.*": "Entropy of the policy; 1 is uniform. Falls slowly, not to 0.",
    r"learned_reward/mean": "Mean reward of a step, learned and true ones mixed. Rises.",
    r"tokenizer/loss/reconstruction": "Squared error of the pictures. Falls.",
    r"tokenizer/loss/commitment": "Distance of encodings from their codes.",
    r"(tokenizer|held_out)/codes_in_use": "Share of the codes that occur in a batch. Rises.",
    r"(tokenizer|held_out)/perplexity": "As many codes, used alike, would say as much. Rises.",
    r"(tokenizer|held_out)/(psnr|ssim)(_moving)?": "Likeness of reconstructions. Rises.",
    r"tokenizer/revived_codes": "Codes that nothing used, replaced. Falls.",
    r"held_out/error_moving": "Error where something moves; 1 for a mean picture. Falls.",
    r"dynamics/loss/tokens": "Nats of each token of the next frame. Falls.",
    r"dynamics/loss/(reward|continue|summary)": "Nats of reward and continue. Falls.",
    r"(dynamics|held_out)/accuracy/all(_top5)?": "Share of tokens guessed right. Above copying.",
    r"held_out/accuracy/changed(_top5)?": "The same for tokens that change; copying has 0. Rises.",
    r"held_out/(accuracy|frame)/copy": "What copying the frame before has.",
    r"held_out/frame/.*": "Whole frames from own tokens. Rises above those with shuffled actions.",
    r"held_out/actions/ratio_.*": "Loss without the true actions, relative. Above 1: they matter.",
    r"held_out/psnr/dream_.*": "Likeness of a dream after so many frames. Above a held frame.",
    r"held_out/psnr/held_.*": "Likeness of the last frame seen, held.",
    r"held_out/reward/explained": "Share of the variance of rewards that is predicted. Rises.",
    r"reward/loss/pairs": "Nats of the order, or distance, of two frames. Falls.",
    r"(reward|held_out)/accuracy.*": "Share of pairs of frames in the right order. Above 0.5.",
    r"held_out/tau(_rewound|_fail_partial_success)?": "Rank correlation of the rewards' sum with "
    "what a clip has achieved. Rises to 1.",
    r"held_out/tau_rewound_position": "The same with the position in the clip. A clock has 1.",
    r"held_out/(pearson|spearman)": "Correlation of the rewards' sum with time. Rises.",
    r"held_out/clipped(_.*)?": "Share of steps whose gain is doubted. Low on true frames.",
    r"held_out/pace": "Mean reward of a step, relative to the training runs. About 1.",
    r"optimizer/gradient_norm": "Norm of the gradient before it is clipped.",
    r"optimizer/update_norm": "Norm of what an update changes.",
    r"collection/restarts": "Environments that were started again after a failure. Stays 0.",
    r"speed/frames_per_second": "Frames since the last line. Steady.",
    r"speed/updates_per_second": "Updates since the last line. Steady.",
    r"speed/checkpoint_seconds": "How long training waited for a checkpoint.",
}


def current(name: str) -> str:
    """The name of today for one of any version."""
    for start, today in EARLIER.items():
        if name.startswith(start):
            return today + name[len(start) :]
    return name


def group(name: str) -> str:
    """The key of `GROUPS` that a metric belongs to, or OTHERS."""
    start = name.partition("/")[0]
    return start if start in GROUPS and "/" in name else OTHERS


def meaning(name: str) -> str:
    """What a metric is, in one or two sentences; '' if nothing is known."""
    return next((text for form, text in MEANINGS.items() if re.fullmatch(form, name)), "")


def order(name: str) -> tuple[int, bool, str]:
    """Sorts metrics by group, and within it those with a known meaning first."""
    return [*GROUPS, OTHERS].index(group(name)), not meaning(name), name
