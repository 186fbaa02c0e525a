"""A state machine over a host: manifests change, people meddle, virtsnap dies, the laws hold."""
