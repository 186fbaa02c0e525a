"""Faults at every boundary: each call that leaves the engine fails, loses its connection, or is the last."""
