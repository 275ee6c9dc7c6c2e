"""Columns of whole numbers: 64-bit in memory, on the wire a MessagePack array of numbers in their shortest form.

No number of a column becomes an object of Python before it is asked for. The compiled form is
``schemas/wire/native/columns.c``.
"""

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec

from schemas.wire.native import pack_column, unpack_column

__all__ = ["Column", "column", "pack", "pack_in_python", "unpack", "unpack_in_python"]

if TYPE_CHECKING:
    Column = array[int]
else:
    Column = array  # takes no argument before Python 3.12
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


def column(numbers: Iterable[int] = ()) -> Column:
    """A column of these numbers; raises OverflowError for one beyond 64 bits."""
    return array("q", numbers)


def pack(numbers: Column) -> bytes:
    """The bytes of a column, the same for equal columns."""
    return pack_in_python(numbers) if pack_column is None else pack_column(numbers)


def unpack(data: bytes | msgspec.Raw) -> Column:
    """The inverse of :func:`pack`; raises :class:`msgspec.MsgspecError` where the data is no column."""
    if unpack_column is None:
        return unpack_in_python(data)
    try:
        return array("q", unpack_column(data))
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None


def pack_in_python(numbers: Column) -> bytes:
    """As :func:`pack`, without the compiled form."""
    return _encode(numbers.tolist())


def unpack_in_python(data: bytes | msgspec.Raw) -> Column:
    """As :func:`unpack`, without the compiled form."""
    try:
        return array("q", _decode(data))
    except OverflowError:
        raise msgspec.ValidationError("no column of 64-bit numbers") from None
