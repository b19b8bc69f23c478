"""PPO on the latents of DreamerV3's world model, which is frozen or learns from each rollout."""
