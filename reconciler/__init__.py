"""virtsnap: libvirt snapshots as a git repository says they should be."""
