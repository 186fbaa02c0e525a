"""The tests: see tests/lab/README.md for the real hosts they use."""
