"""What the fuzzer starts from: every real manifest of this repository, and pieces that hurt parsers."""

from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
_WHERE = (
    "examples/*/*.yaml",
    "manifests/*.yaml",
    "tests/manifest/bad/*.yaml",
    "tests/cases/*/*.yaml",
)

#: Every kind of field once, so that structures are mutated in all of it.
WHOLE = b"""\
apiVersion: virtsnap/v1
kind: Host
metadata: {name: kvm01, labels: {site: mad}}
spec: {uri: "qemu+ssh://root@kvm01/system", suspend: false, pruneGone: never, folders: [/srv/overlays],
  limits: {domains: 8, blockJobs: 2, bandwidth: 200MiB}}
---
apiVersion: virtsnap/v1
kind: SnapshotClass
metadata: {name: hot-quiesced}
spec: {type: external, memory: false, quiesce: required, disks: {vdc: skip}}
---
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {name: debian13, labels: {app: web}}
spec:
  host: kvm01
  domain: debian13
  suspend: false
  snapshots:
    - {name: pre-upgrade, description: Before, class: hot-quiesced, type: external, memory: false,
       quiesce: preferred, disks: {vdb: external, vdc: skip}, power: any, protect: false, ifLost: report,
       overlay: "{{ image.folder }}/{{ domain.name }}-{{ disk.target }}-{{ snapshot.name }}.qcow2"}
    - {name: after-upgrade, after: pre-upgrade}
  revert: {to: pre-upgrade, request: INC-4711, power: recorded, config: disks, present: keep}
  chain: {maxDepth: 8}
  prune: never
  unmanaged: report
  disruption: window
  windows: [{schedule: "0 2 * * sun", duration: 2h, timeZone: Europe/Madrid}]
  shutdown: {timeout: 2m, then: refuse}
  dependsOn: [db01]
"""

#: Scalars where something else is expected, or where readers of YAML disagree.
SCALARS = (
    *(
        "",
        "~",
        "null",
        "yes",
        "no",
        "on",
        "off",
        "y",
        "true",
        "FALSE",
        "0",
        "-0",
        "1",
        "-1",
        "007",
        "0o17",
    ),
    *(
        "0x1F",
        "1e999",
        "-1e999",
        "1e-999",
        ".inf",
        "-.inf",
        ".nan",
        "1_000",
        "1:30",
        "2001-01-01",
        "<<",
        "=",
        "*",
    ),
    *("9" * 40, "9" * 5000, "1" + "0" * 300, "0." + "0" * 300 + "1", "\u0661\u0662", "²", "½"),
    *(
        "ü",
        "snäp",
        "e\u0301",
        "\u202eevil",
        "\u2028",
        "\u2029",
        "\x85",
        "\ufeff",
        "\u200b",
        "\U0001f600",
        "\ufffe",
    ),
    *(
        "a" * 255,
        "a" * 256,
        "ü" * 50,
        "ü" * 51,
        "a" * 70_000,
        "/" * 300,
        "../" * 50 + "etc/passwd",
        "/etc/passwd",
    ),
    *(
        "-",
        "--",
        "-rf",
        "--force",
        ".",
        "..",
        ".hid",
        "/",
        "a/b",
        "a\\b",
        "C:\\x",
        "\\\\h\\s",
        "~root",
        "$(id)",
        "`id`",
    ),
    *(
        "${HOME}",
        "%s%n",
        "%2e%2e",
        "';--",
        '"',
        "'",
        "<x>",
        "]]>",
        "&amp;",
        "&x;",
        "<!DOCTYPE x>",
        "\x1b[31m",
        "[red]x[/]",
    ),
    *(
        "{{ 1 }}",
        "{% x %}",
        "{{ disk.target }}",
        "/{{ disk.target }}{{ snapshot.name }}",
        "{{",
        "}}",
        "{#",
    ),
    *(
        "0s",
        "1s",
        "99999999999s",
        "36501d",
        "1B",
        "99999999TiB",
        "1MB",
        "@daily",
        "@never",
        "* * * * *",
        "0 2 30 2 *",
    ),
    *(
        "60 * * * *",
        "*/0 * * * *",
        "Europe/Madrid",
        "../../etc/passwd",
        "Mars/Base",
        "UTC\0",
        "posixrules",
        "Europe",
    ),
    *(
        "qemu:///system",
        "qemu+ssh://u:p@h/",
        "://",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "qemu://[::1",
    ),
    *(
        "sha256:" + "0" * 64,
        "sha256:",
        "virtsnap/v1",
        "virtsnap/v2",
        "Host",
        "DomainSnapshots",
        "SnapshotPolicy",
    ),
    *(
        "0F1E2D3C-0000-4000-8000-0123456789ab",
        "0" * 36,
        "{0F1E2D3C-0000-4000-8000-0123456789}",
        "urn:uuid:x",
    ),
)

#: Pieces of text that mean something to YAML.
TOKENS = (
    *(
        "[",
        "]",
        "{",
        "}",
        ":",
        ": ",
        ",",
        "-",
        "- ",
        "? ",
        "&a ",
        "*a",
        "*b",
        "<<: *a\n",
        "<<: ",
        "!",
        "!!",
        "!!str ",
    ),
    *(
        "!!int ",
        "!!binary ",
        "!!python/object/apply:os.system ",
        "!!python/name:os.system ",
        "!<tag:x> ",
        "!a!b ",
    ),
    *(
        "|",
        "|+",
        "|-",
        "|9",
        ">",
        ">-",
        "'",
        '"',
        '"\\',
        "#",
        " #",
        "%YAML 1.1\n",
        "%YAML 9.9\n",
        "%TAG ! x\n",
        "@",
        "`",
    ),
    *(
        "---\n",
        "--- ",
        "...\n",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "  ",
        "\n  ",
        "\n    ",
        "\x00",
        "\x07",
        "\x1b",
        "\x7f",
        "\x85",
    ),
    *(
        "\ufeff",
        "\u2028",
        '"\\ud800"',
        '"\\x00"',
        '"\\U0010ffff"',
        '"\\UFFFFFFFF"',
        "\\",
        "null",
        "0x",
        "0o",
    ),
    *(
        "[" * 40,
        "{a: " * 40,
        "- " * 40,
        "&a [*a]",
        "? ? ? ",
        "!!omap ",
        "!!set ",
        "!!merge ",
        "=",
        "~",
    ),
)

#: Bytes that are no text, or only nearly.
RAW = (
    *(
        b"\xff",
        b"\xfe\xff",
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xc0\x80",
        b"\xed\xa0\x80",
        b"\xed\xb0\x80",
        b"\xf4\x90\x80\x80",
    ),
    *(
        b"\xe2\x80",
        b"\x80",
        b"\x00",
        b"\x1a",
        b"\x0b",
        b"\x0c",
        b"\xc2\x85",
        b"\xe2\x80\xa8",
        b"\x7f",
        b"\r",
        b"\r\n",
    ),
)

#: Pieces of templates: what works, what a sandbox must not let through, and what never ends by itself.
JINJA = (
    *("{{ ", " }}", "{% ", " %}", "{# ", " #}", "{%- ", "-%}", "{{ name }}", "{{ site.zone }}", "{{ n + 1 }}", "a", "1"),
    *("{% for i in range(9) %}", "{% for i in range(99999) %}", "{% for a in l recursive %}", "{% endfor %}", "{% if x %}"),
    *("{% if true %}", "{% else %}", "{% endif %}", "{% set x = 1 %}", "{% set ns = namespace(x='aa') %}", "{% raw %}"),
    *("{% endraw %}", "{% macro m(n) %}", "{% endmacro %}", "{{ m(9) }}", "{% call m(1) %}", "{% endcall %}", "{% block b %}"),
    *("{% endblock %}", "{{ self.b() }}", "{% filter upper %}", "{% endfilter %}", "{% include 'x' %}", "{% import 'x' as y %}"),
    *("{{ ''.__class__ }}", "{{ ''['__class__'] }}", "{{ ''|attr('__class__') }}", "{{ m.__globals__ }}", "{{ range.__self__ }}"),
    *("{{ 'a' * 99999 }}", "{{ 'a' * 9999 }}", "{{ 9 ** 64 }}", "{{ 9 ** 99 }}", "{{ '%99999d' % 1 }}", "{{ [0] * 9999 }}"),
    *("{{ 1 // 0 }}", "{{ 1 / 0 }}", "{{ none }}", "{{ [1] | tojson }}", "{{ x | default('y') }}", "{{ 'a'.format(1) }}"),
    *("{% set ns.x = ns.x ~ ns.x %}", "{{ 'a' | upper }}", "{{ loop.index }}", "{{ lipsum() }}", "{{ cycler }}", "{{ dict }}"),
    *("{% do x %}", "{% break %}", "{% with %}", "{% endwith %}", "\n", "'", '"', "|", "~", "(", ")", "[", "]", ".", "%", "}"),
    *("kind: ", "name: ", "\n- ", "---\n", "apiVersion: virtsnap/v1\n", "\x00", "\ufeff", "\u2028", "ü"),
)  # fmt: skip

VALUES = (
    b"name: web\nn: 3\nl: [1, [2, [3]]]\nsite: {zone: a, list: [x, y], deep: {er: {and: more}}}\n"
)
TEMPLATE = b"""\
{% for i in range(1, 3) %}---
apiVersion: virtsnap/v1
kind: DomainSnapshots
metadata: {name: "{{ name }}-{{ i }}"}
spec: {snapshots: [{name: {{ site.zone | tojson }}}], chain: {maxDepth: {{ n + 1 }}}}
{% endfor %}"""


@cache
def manifests() -> tuple[bytes, ...]:
    """The seeds, in a fixed order."""
    paths = sorted(path for pattern in _WHERE for path in ROOT.glob(pattern))
    return (WHOLE, TEMPLATE, *(path.read_bytes() for path in paths))
