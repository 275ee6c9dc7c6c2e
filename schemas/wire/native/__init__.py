"""The compiled part of the schemas, in C: optional, built as the package is installed where there is a compiler.

``columns.c`` writes and reads columns of numbers, see :mod:`schemas.wire.columns`.
"""

from typing import TYPE_CHECKING

__all__ = ["pack_column", "unpack_column"]

if TYPE_CHECKING:
    from schemas.wire.native.columns import pack as pack_column
    from schemas.wire.native.columns import unpack as unpack_column
else:
    try:
        from schemas.wire.native.columns import pack as pack_column
        from schemas.wire.native.columns import unpack as unpack_column
    except ImportError:
        pack_column = unpack_column = None
