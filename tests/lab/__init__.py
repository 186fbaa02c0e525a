"""A private libvirtd with real guests, made on the spot and gone without a trace."""
