"""Doubles that behave: an in-memory libvirt whose images have content, and the engine's tools."""
