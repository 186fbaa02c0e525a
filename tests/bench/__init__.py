"""``make bench``: how fast virtsnap is, as ratios measured in one run on one machine."""
