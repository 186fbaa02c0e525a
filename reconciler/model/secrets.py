"""Passwords in connection URIs: given by users, never said by us."""

import re

#: Up to the last ``@`` before a slash: a password may hold one too.
_PASSWORD_IN_AUTHORITY = re.compile(r"(//[^/@:\s]*):[^/\s]*@")
#: Only from the beginning of a word: from each of its letters, a long word would take its square.
_SECRET_PARAMETER = re.compile(
    r"(?i)(?<![\w.-])([\w.-]*(?:pass(?:word|wd|phrase)?|secret|token|api_?key))=[^&\s'\"]*"
)


def without_secrets(text: str) -> str:
    """*text* with the passwords of every URI in it replaced by ``***``."""
    return _SECRET_PARAMETER.sub(r"\1=***", _PASSWORD_IN_AUTHORITY.sub(r"\1:***@", text))
