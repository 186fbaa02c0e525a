"""``*.yaml.j2`` → YAML: the same values give the same text, and nothing outside is read.

No loader (so no include), no clock, no environment, no chance, no object addresses; bounded in
size and in what ``range`` may count.
"""

import operator
import re
import traceback
from collections.abc import Callable
from typing import Any

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, UndefinedError, nodes
from jinja2.filters import do_indent
from jinja2.sandbox import SandboxedEnvironment

from reconciler.manifest import overlay
from reconciler.manifest.positions import Unreadable
from reconciler.manifest.problem import Place, Problem, did_you_mean
from reconciler.manifest.values import Values
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES

#: Over a whole template, all its ``range`` together.
MAX_COUNTED = 100_000
_MOST_REPEATED = 10_000
_LARGEST_EXPONENT = 64
_WIDEST_INDENT = 100
#: ``%1000000d`` and ``%*d``
_WIDE_FORMAT = re.compile(r"%[^A-Za-z%]*([0-9]{3}|\*)")
#: ``<built-in method upper of str object at 0x7f…>``: another one at every run
_ADDRESS = re.compile(r" at 0x[0-9a-f]+>")
_OVERLAY_NAMES = {variable.partition(".")[0] for variable in overlay.VARIABLES}
_READS_OTHERS = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
#: what differs from run to run, or can make a giant out of a word
_FILTERS_TAKEN_AWAY = ("random", "center", "pprint", "urlize", "wordwrap")
_GLOBALS_KEPT = ("dict", "namespace")


class _Refused(Exception):
    """A template does what it may not; the text says what."""


def render(file: str, text: str, values: Values) -> str:
    """*text* filled in; ``Unreadable`` with the line at fault."""
    environment = _Environment(
        undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True, finalize=_printable
    )
    try:
        _refuse_other_files(file, environment.parse(text))
        code = environment.compile(text, filename=file)
        template = environment.template_class.from_code(environment, code, environment.globals)
        return _collected(template.generate(values))
    except TemplateSyntaxError as error:
        cause = (error.message or "").rstrip(".")
        raise _unreadable(file, error.lineno, f"is not a template: {cause}") from None
    except Unreadable:
        raise
    except UndefinedError as error:
        raise _unreadable(file, _line_in(file, error), _undefined(str(error), values)) from None
    except MemoryError:
        raise
    except Exception as error:  # a template can raise whatever Python can
        cause = (str(error) or type(error).__name__).partition("\n")[0].rstrip(".")
        raise _unreadable(file, _line_in(file, error), f"cannot be rendered: {cause}") from None


class _Environment(SandboxedEnvironment):
    """Jinja2's sandbox, with less in it."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in _FILTERS_TAKEN_AWAY:
            self.filters.pop(name, None)
        self.filters["format"] = _formatted
        self.filters["indent"] = _indented
        self.globals = {name: self.globals[name] for name in _GLOBALS_KEPT}
        self.globals["range"] = _bounded_range()

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        giants = ("center", "expandtabs", "format", "format_map", "ljust", "rjust", "zfill")
        if isinstance(obj, str) and attr in giants:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        return _BINARY[operator](left, right)


def _times(left: Any, right: Any) -> Any:
    for repeated, count in ((left, right), (right, left)):
        if isinstance(repeated, str | list | tuple) and (
            isinstance(count, int) and count * len(repeated) > _MOST_REPEATED
        ):
            raise _Refused(f"repeats more than {_MOST_REPEATED} times")
    return operator.mul(left, right)


def _power(left: Any, right: Any) -> Any:
    if isinstance(right, int) and abs(right) > _LARGEST_EXPONENT:
        raise _Refused(f"an exponent is larger than {_LARGEST_EXPONENT}")
    return operator.pow(left, right)


def _remainder(left: Any, right: Any) -> Any:
    if isinstance(left, str) and _WIDE_FORMAT.search(left):
        raise _Refused("a format is wider than 99")
    return operator.mod(left, right)


_BINARY: dict[str, Callable[[Any, Any], Any]] = {"*": _times, "**": _power, "%": _remainder}


def _formatted(text: str, *values: Any) -> Any:
    return _remainder(text, values)


def _indented(text: str, width: int = 4, *args: Any, **options: Any) -> str:
    if not isinstance(width, int) or width > _WIDEST_INDENT:
        raise _Refused(f"an indent is wider than {_WIDEST_INDENT}")
    return do_indent(text, width, *args, **options)


def _bounded_range() -> Callable[..., range]:
    left = MAX_COUNTED

    def bounded(*bounds: int) -> range:
        nonlocal left
        counted = range(*bounds)
        left -= len(counted)
        if left < 0:
            raise _Refused(f"its ranges count more than {MAX_COUNTED} numbers")
        return counted

    return bounded


def _printable(value: Any) -> Any:
    """What may stand between ``{{`` and ``}}``: text and numbers, as YAML writes them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float | Undefined):
        return value
    kind = "nothing" if value is None else f"a {type(value).__name__}"
    raise _Refused(f"it prints {kind} (use | tojson)")


def _refuse_other_files(file: str, template: nodes.Template) -> None:
    for node in template.find_all(_READS_OTHERS):
        name = type(node).__name__.lower().replace("fromimport", "import")
        raise _unreadable(file, node.lineno, f"a template reads no other file ({name})")


def _collected(chunks: Any) -> str:
    texts: list[str] = []
    length = 0
    for chunk in chunks:
        length += len(chunk)
        if length > MAX_MANIFEST_BYTES:
            raise _Refused(f"it grows beyond {MAX_MANIFEST_BYTES // 1024 // 1024} MiB")
        texts.append(chunk)
    text = "".join(texts)
    if _ADDRESS.search(text):
        raise _Refused("it prints a function or an object; are brackets missing?")
    return text


def _undefined(message: str, values: Values) -> str:
    name = message.split("'")[1] if message.count("'") >= 2 else ""
    if name in _OVERLAY_NAMES and name not in values:
        return f"{message} (write overlay templates between {{% raw %}} and {{% endraw %}})"
    return f"{message}{did_you_mean(name, values)}"


def _line_in(file: str, error: BaseException) -> int:
    """The line of the template; Jinja2 puts it into the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return next((frame.lineno or 1 for frame in reversed(frames) if frame.filename == file), 1)


def _unreadable(file: str, line: int | None, message: str) -> Unreadable:
    return Unreadable(Problem(file=file, place=Place(line or 1, 1), message=message))
