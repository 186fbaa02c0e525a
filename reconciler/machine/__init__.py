"""What virtsnap asks of the machine it runs on: files.

Nothing here knows of libvirt, manifests or plans; it imports the errors alone.
"""
