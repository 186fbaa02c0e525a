"""One suite for the port ``Hypervisor``, run on the fake and on the real host: neither may lie."""
