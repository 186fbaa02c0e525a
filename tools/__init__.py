"""What the project makes from itself: see ``tools.generate``."""
