"""What a run tells the world: metrics, episodes, pictures, progress."""
