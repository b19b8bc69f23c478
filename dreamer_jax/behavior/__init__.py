"""Learning to act from rollouts, whatever has produced them."""
