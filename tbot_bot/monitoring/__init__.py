"""What the system says of itself: logs, last errors, health, the status document."""
