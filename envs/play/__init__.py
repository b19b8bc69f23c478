"""Playing by hand, recording what was played, and filming episodes."""
