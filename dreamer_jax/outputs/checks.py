"""The checks of a run: what a healthy agent's measures stay within, and what helps if not.

`after` is in updates at the default learning rate, see `diagnosis/effective_updates`. The values of
healthy runs and of planted faults are in docs/diagnosis.md.
"""

from dreamer_jax.outputs.findings import Check

OF_WORLD_MODEL = (
    Check(
        name="imagined_return",
        metric="imagined_return_bias",
        low=-1.0,
        high=1.0,
        why="At 1, what is imagined too much is as large as all rewards there are.",
        after=5_000,
        sentence=(
            "returns imagined with the recorded actions miss the real ones by {value:+.2f} times "
            "the rewards on the way"
        ),
        advice=(
            "the policy learns from rewards that do not exist: look at event_reward, other_reward "
            "and continue_at_end, and try --set losses.reward=5 or --set train.ratio=64"
        ),
    ),
    Check(
        name="imagined_order",
        metric="imagined_return_correlation",
        low=0.1,
        why="0 is chance. Single batches of healthy runs come near it, five in a row do not.",
        after=10_000,
        times=5,
        needs={"reward_events": 3},
        sentence=(
            "imagined and real rewards of the same states hardly go together: correlation "
            "{value:.2f}"
        ),
        advice=(
            "the model does not know which states lead to reward: try --set train.ratio=64, or "
            "--set losses.free_nats=0.1 if what matters is small"
        ),
    ),
    Check(
        name="missed_rewards",
        metric="event_reward",
        low=0.1,
        why="0 means that rewards are not noticed at all.",
        after=10_000,
        needs={"reward_events": 3},
        sentence="where rewards are, the model predicts only {value:.0%} of them",
        advice=(
            "what tells the reward is not in the latents: try --set losses.reward=5, or "
            "--set losses.free_nats=0.1 if it is small in the observation"
        ),
    ),
    Check(
        name="inflated_rewards",
        metric="event_reward",
        high=1.3,
        why="A right prediction gives 1, however rare rewards are.",
        after=5_000,
        sentence="where rewards are, the model predicts {value:.0%} of them",
        advice=(
            "rewards may depend on what is not observed, or change their scale: look at the "
            "environment's rewards, and try --set optimizer.learning_rate at half its value"
        ),
    ),
    Check(
        name="false_rewards",
        metric="other_reward",
        high=0.3,
        why="A third of an event at every step outweighs all real events.",
        after=5_000,
        sentence="where no reward is, the model predicts {value:.0%} of one",
        advice=(
            "the policy will look for these rewards: try --set losses.reward=5 or "
            "--set train.ratio=64"
        ),
    ),
    Check(
        name="unforeseen_rewards",
        metric="event_reward_prior",
        low=0.15,
        why="Dreams see priors alone. Healthy priors foresee a third of what posteriors notice.",
        after=10_000,
        times=5,
        needs={"reward_events": 5, "event_reward": 0.6},
        sentence=(
            "rewards are noticed once they are seen, but the prior foresees only {value:.0%}"
        ),
        advice=(
            "dreams have no rewards to learn from: try --set losses.free_nats=0.1 or "
            "--set losses.dynamics=2"
        ),
    ),
    Check(
        name="missed_ends",
        metric="end_contrast",
        low=3.0,
        why="1 means that ends look like all other steps; healthy models reach 15 and more.",
        after=10_000,
        needs={"ends": 1},
        sentence=(
            "an end of an episode is predicted only {value:.1f} times as strongly where there is "
            "one as elsewhere"
        ),
        advice="dreams go on where episodes end: try --set losses.continue_=5",
    ),
    Check(
        name="false_ends",
        metric="continue_elsewhere",
        low=0.95,
        why="At 0.95, half of all dreams end within 14 steps although nothing ends.",
        after=5_000,
        sentence="the model expects {value:.1%} of the steps that do go on to go on",
        advice="dreams end where episodes go on: try --set losses.continue_=5",
    ),
    Check(
        name="open_loop_5",
        metric="open_loop_5/",
        high=1.5,
        why="At 1, repeating what was seen last, or the mean, predicts as well as the model.",
        after=10_000,
        sentence=(
            "up to 5 steps ahead, predictions of {key} are {value:.1f} times as wrong as a guess "
            "without a model"
        ),
        advice=(
            "the prior has not learned how the environment moves: try --set train.ratio=64, "
            "--set losses.dynamics=2 or a larger --size"
        ),
    ),
    Check(
        name="open_loop_15",
        metric="open_loop_15/",
        high=3.0,
        why="Errors grow with the steps; those of a healthy run of Boxing reached 1.6.",
        after=10_000,
        sentence=(
            "6 to 15 steps ahead, predictions of {key} are {value:.1f} times as wrong as a guess "
            "without a model"
        ),
        advice="dreams drift away: try --set behavior.imagination=8 or --set losses.dynamics=2",
    ),
    Check(
        name="useless_prior",
        metric="prior_error",
        high=2.0,
        why="At 1, it knows no more than how often each class occurs. It may lag behind a little.",
        after=5_000,
        sentence="the prior is {value:.1f} times as wrong as a guess that is always the same",
        advice=(
            "dreams are noise: try --set losses.dynamics=2, --set train.ratio=64 or "
            "--set optimizer.learning_rate at half its value"
        ),
    ),
    Check(
        name="actions_without_effect",
        metric="action_effect",
        low=1e-4,
        why="0 means that another action changes nothing; small effects are ten times this limit.",
        after=10_000,
        sentence="what the model expects does not depend on the action: {value:.1g} nats",
        advice=(
            "the policy cannot learn in dreams: check that the environment uses its actions, and "
            "try --set losses.free_nats=0.1"
        ),
    ),
    Check(
        name="stuck_reconstruction",
        metric="reconstruction/",
        high=0.9,
        why="At 1, the decoder knows no more than the mean of the batch.",
        after=10_000,
        sentence="reconstructions of {key} have {value:.0%} of the error of their mean",
        advice=(
            "the latents do not hold it: try --set losses.keys='<observation>=10' for this one, "
            "--set losses.free_nats=0.1, or a larger --size"
        ),
    ),
    Check(
        name="free_nats",
        metric="under_free_nats",
        high=0.99,
        why="Below the free nats, nothing pulls prior and posterior together.",
        after=5_000,
        sentence="{value:.1%} of the steps are under the free nats",
        advice=(
            "observations carry less than that, so the prior learns nothing: try "
            "--set losses.free_nats=0.1, or larger scales of the observations' losses"
        ),
    ),
    Check(
        name="dead_latents",
        metric="dead_latents",
        high=0.95,
        why="With 32 latents, fewer than two still tell something.",
        after=5_000,
        sentence="{value:.0%} of the latents tell nothing about the step",
        advice=(
            "the posterior has collapsed: try --set losses.representation=0.01, "
            "--set losses.free_nats=1, or larger scales of the observations' losses"
        ),
    ),
)
OF_BEHAVIOR = (
    Check(
        name="entropy_collapse",
        metric="randomness/",
        low=0.003,
        why="0 is the least that the policy can have; solved tasks kept ten times this.",
        after=5_000,
        sentence="the policy tries nothing else: {value:.1%} of the randomness of {key} is left",
        advice=(
            "fine if the task is solved; else try --set behavior.entropy at ten times its value"
        ),
    ),
    Check(
        name="value_drift",
        metric="value_bias",
        low=-2.0,
        high=2.0,
        why="Advantages are divided by the return range, so at 1 all of them are wrong.",
        after=10_000,
        sentence="values miss the returns of replayed steps by {value:+.2f} return ranges",
        advice=(
            "the critic believes in itself more than in rewards: try --set losses.replay_value=1 "
            "or --set optimizer.learning_rate at half its value"
        ),
    ),
    Check(
        name="critic_gap",
        metric="critic_gap",
        high=1.0,
        why="The slow critic follows in 50 updates, so a gap this wide is a jump.",
        after=5_000,
        sentence="critic and slow critic are {value:.2f} return ranges apart",
        advice=(
            "values change faster than they can be followed: try --set optimizer.learning_rate at "
            "half its value, or --set behavior.slow_regularizer=2"
        ),
    ),
    Check(
        name="value_size",
        metric="value_size",
        high=3.0,
        why="At 1, every state is worth the usual reward at every step, forever.",
        after=10_000,
        needs={"reward_events": 3},
        sentence="values are {value:.1f} times as large as the rewards explain",
        advice=(
            "values feed themselves: try --set losses.replay_value=1, a shorter "
            "--set behavior.horizon, or --set behavior.critics=2 with --set behavior.ensemble=min"
        ),
    ),
    Check(
        name="return_range",
        metric="return_size",
        high=3.0,
        why="As for values: imagined returns cannot exceed what rewards add up to.",
        after=10_000,
        needs={"reward_events": 3},
        sentence="imagined returns are {value:.1f} times as large as the rewards explain",
        advice=(
            "advantages become too small to learn from: look at imagined_return_bias, and try a "
            "shorter --set behavior.horizon"
        ),
    ),
)
CHECKS = OF_WORLD_MODEL + OF_BEHAVIOR
