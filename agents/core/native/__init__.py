"""The compiled part, in C: optional, built as the package is installed where there is a compiler.

``pre_aggregate.c`` groups events for the second fold, into the groups of ``groups.h``. ``fast_path.c`` is the fast path
of the first:

- ``stored.h`` reads records as a fetch brought them, ``records.h`` is a sequence of them, ``refusals.h`` tells which of
  them can only be refused, by values that ``short.h`` finds to be no event;
- ``events.h`` reads them into the columns of ``parsed.h``: ``members.h`` the text of an event, ``shapes.h`` what its
  fields come to, ``typed.h`` holds the fields of each type, ``text.h`` reads JSON and times;
- ``run.h`` folds, asking the state through ``host.h``.

Both keep what they number in the table of ``table.h``, which hashes bytes (``slice.h``) with ``siphash.h`` under the
key of ``key.py``. Whatever is not beyond doubt is left to the record-wise fold. Without the compiled part everything is
as exact, and slower.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from schemas.catalogue.fields import Field, FieldType
from schemas.catalogue.types import EventType

__all__ = ["IS_BUILT", "FastPath", "Records", "Types", "cut", "declared", "pre_aggregate_columns"]

if TYPE_CHECKING:
    from agents.core.native.fast_path import FastPath, Records, Types, cut
    from agents.core.native.pre_aggregate import pre_aggregate as pre_aggregate_columns

    IS_BUILT: bool
else:
    try:
        from agents.core.native.fast_path import FastPath, Records, Types, cut
        from agents.core.native.pre_aggregate import pre_aggregate as pre_aggregate_columns
    except ImportError:
        FastPath, Records, Types, cut, pre_aggregate_columns = None, (), None, None, None
    IS_BUILT = FastPath is not None


def declared(types: Mapping[str, EventType]) -> "Types | None":
    """The types of a catalogue of which every field passes on; None where the compiled part is not built."""
    if not IS_BUILT:
        return None
    return Types(
        tuple(
            (entry.name, entry.allowed, tuple(map(_as_measure, entry.measures)))
            for entry in types.values()
            if entry.is_fast
        )
    )


def _as_measure(field: Field) -> tuple[str, bool, bool]:
    return field.name, field.type is FieldType.BOOL, field.required
