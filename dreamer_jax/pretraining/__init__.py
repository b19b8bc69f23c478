"""Learning from recordings alone: tokenizer, dynamics and reward."""
