"""A file of manifests as a source hands it over, and which files those are."""

from dataclasses import dataclass

#: A source hands over one byte more at most: enough for the loader to say that it is too much.
MAX_MANIFEST_BYTES = 1024 * 1024
#: What templates are rendered from; never a manifest itself.
VALUES_FILE = "values.yaml"
_TEMPLATES = (".yaml.j2", ".yml.j2")
_PLAIN = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class ManifestFile:
    """*name* is what the user sees in messages, with ``/`` between folders; ``-`` is stdin."""

    name: str
    text: bytes

    @property
    def is_template(self) -> bool:
        """It is rendered before it is read as YAML."""
        return self.name.endswith(_TEMPLATES)

    @property
    def is_values(self) -> bool:
        """It holds values for the templates in its folder and below."""
        return self.name.rpartition("/")[2] == VALUES_FILE


def is_manifest_path(path: str) -> bool:
    """Whether a source hands over *path* (relative to its folder): YAML or a template, not hidden."""
    return path.endswith(_PLAIN + _TEMPLATES) and not is_hidden(path)


def is_hidden(path: str) -> bool:
    """Whether a part of the relative *path* starts with a dot."""
    return any(part.startswith(".") for part in path.split("/"))
