"""YAML → what is desired."""
