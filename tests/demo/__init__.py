"""``make demo``: the main job on a real guest, for somebody who sees virtsnap for the first time."""
