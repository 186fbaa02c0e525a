"""Sources: folders and real git repositories in a temporary place."""
