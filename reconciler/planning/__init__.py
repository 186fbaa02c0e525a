"""The pure core: what differs, what is safe, what to do, and what it will look like after."""
