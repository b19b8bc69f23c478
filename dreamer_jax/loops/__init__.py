"""Programs that run until they are done: train a policy, evaluate one."""
