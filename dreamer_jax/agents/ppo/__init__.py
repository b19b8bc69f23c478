"""PPO without a model: encoders, a memory if wanted, policy and critic; the usual baseline."""
