"""Where manifests come from, and when to look there again."""

import os

# Without it, importing GitPython fails on a machine that has no git, also for plain folders.
os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
