"""A model for every kind of difference, made from the difference itself, so that none is missing."""

from dataclasses import fields
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

from pydantic import Field, create_model

from reconciler.model.drift import Difference
from reconciler.report.document import Document


def _model_of(kind: type[Difference]) -> type[Document]:
    """*kind* and the fields of the dataclass, under the same names in camelCase."""
    hints = get_type_hints(kind)
    columns: dict[str, Any] = {"kind": (Literal[kind.kind], kind.kind)}
    for column in fields(kind):
        columns[column.name] = (hints[column.name], ...)
    return create_model(kind.kind, __base__=Document, __doc__=kind.__doc__, **columns)


_MODELS: dict[type[Difference], type[Document]] = {
    kind: _model_of(kind) for kind in get_args(Difference)
}

if TYPE_CHECKING:
    DriftDocument = Document
else:
    #: One of them, told apart by ``kind``.
    DriftDocument = Annotated[reduce(or_, _MODELS.values()), Field(discriminator="kind")]


def drift_document(difference: Difference) -> Document:
    """*difference* for machines."""
    values = {column.name: getattr(difference, column.name) for column in fields(difference)}
    return _MODELS[type(difference)](**values)
