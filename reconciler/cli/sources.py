"""The manifests that ``-f`` names: a folder, a file, or standard input."""

import sys
from pathlib import Path

from reconciler.cli.options import DEFAULT_MANIFESTS, Options
from reconciler.errors import SourceError
from reconciler.model.desired import Desired
from reconciler.model.manifest_file import MAX_MANIFEST_BYTES, ManifestFile


def has_manifests(options: Options) -> bool:
    """The user named some, or they are where they are by default."""
    return options.manifests is not None or Path(DEFAULT_MANIFESTS).is_dir()


def load_desired(
    options: Options,
    *,
    values: tuple[Path, ...] = (),
    settings: tuple[str, ...] = (),
    allow_empty: bool = False,
    is_still: bool = False,
) -> Desired:
    """What the manifests declare; all of their problems at once.

    *is_still*: only once nobody writes them any more, as far as that can be seen.
    """
    from reconciler.manifest.load import load

    files, source, revision, is_complete = _read(options, is_still=is_still)
    return load(
        files,
        source=options.source_id or source,
        revision=revision,
        # a part of the source says nothing about what has gone (law 8)
        is_complete=is_complete and options.selection.is_everything,
        default_host_uri=options.uri,
        values=values,
        settings=settings,
        allow_empty=allow_empty,
    )


def _read(
    options: Options, *, is_still: bool
) -> tuple[tuple[ManifestFile, ...], str, str | None, bool]:
    """Files, source, revision, and whether that is all of the source."""
    name = options.manifests or DEFAULT_MANIFESTS
    if name == "-":
        text = sys.stdin.buffer.read(MAX_MANIFEST_BYTES + 1)
        return (ManifestFile("-", text),), "-", None, False
    path = Path(name)
    if options.manifests is None and not path.exists():
        raise SourceError(
            f"cannot read manifests: there is no folder {DEFAULT_MANIFESTS}/ here",
            hint="go to the folder that has one, or name it: virtsnap -f PATH …",
        )
    from reconciler.source.folder import FolderSource

    source = FolderSource(path)
    fetched = source.fetch() if is_still else source.glance()
    return fetched.files, source.id, fetched.revision, path.is_dir()
