"""What a scalar means: the core schema of YAML 1.2 (section 10.3 of its specification)."""

import re

Scalar = str | int | float | bool | None

#: Python reads no decimal number of more digits than 4300; nothing here needs more than this.
_MOST_DIGITS = 40
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITE = re.compile(r"([-+]?)\.(inf|Inf|INF)")
_NOT_A_NUMBER = re.compile(r"\.(nan|NaN|NAN)")
_TAGS: dict[str, tuple[type, ...]] = {
    "tag:yaml.org,2002:null": (type(None),),
    "tag:yaml.org,2002:bool": (bool,),
    "tag:yaml.org,2002:int": (int,),
    "tag:yaml.org,2002:float": (int, float),
}


def resolved(text: str, *, tag: str | None, is_plain: bool) -> Scalar:
    """The value of *text*; ``ValueError`` for a tag that is unknown or does not fit."""
    if tag == "tag:yaml.org,2002:str" or (tag is None and not is_plain):
        return text
    if tag is not None and tag not in _TAGS:
        raise ValueError(f"the tag '{tag}' is not supported")
    value = _core(text)
    if tag is not None and not (
        isinstance(value, _TAGS[tag]) and isinstance(value, bool) == (bool in _TAGS[tag])
    ):
        raise ValueError(f"the text does not fit its tag '{tag}'")
    return value


def _core(text: str) -> Scalar:
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if len(text) > _MOST_DIGITS:
        return text
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text):
        return int(text, 8)
    if _HEXADECIMAL.fullmatch(text):
        return int(text, 16)
    return _core_float(text)


def _core_float(text: str) -> float | str:
    if _FLOAT.fullmatch(text):
        return float(text)
    if found := _INFINITE.fullmatch(text):
        return float(f"{found[1]}inf")
    return float("nan") if _NOT_A_NUMBER.fullmatch(text) else text
