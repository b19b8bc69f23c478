"""PPO on the features of any agent: acting, and learning from what the policy has just done."""
