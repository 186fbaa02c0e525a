"""Known bugs, planted one at a time into a copy of the package: the tests must fail."""
