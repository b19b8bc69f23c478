"""What a run reports: metrics, episodes, milestones, images and progress."""
