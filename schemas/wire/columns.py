"""Columns of whole numbers: 64-bit in memory, on the wire a MessagePack array of numbers in their shortest form.

No number of a column becomes an object of Python before it is asked for. The compiled form is
``schemas/wire/native/columns.c``.
"""

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import msgspec

from schemas.wire.native import pack_column, unpack_column

__all__ = ["Column", "column", "pack", "pack_in_python", "unpack", "unpack_in_python"]

if TYPE_CHECKING:
    Column = array[int]
else:
    Column = array  # takes no argument before Python 3.12
_LEAST: Final = -(2**63)
_MOST: Final = 2**63 - 1
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


def column(numbers: Iterable[int] = ()) -> Column:
    """A column of these numbers; raises OverflowError for one beyond 64 bits."""
    return array("q", numbers)


def pack(numbers: Column) -> bytes:
    """The bytes of a column, the same for equal columns."""
    return pack_in_python(numbers) if pack_column is None else pack_column(numbers)


def unpack(data: bytes | msgspec.Raw, least: int = _LEAST, most: int = _MOST) -> Column:
    """The inverse of :func:`pack`; raises :class:`msgspec.MsgspecError` where the data is no column.

    Nor is it one with a number below ``least`` or above ``most``: so none is refused after it was read.
    """
    if unpack_column is None:
        return unpack_in_python(data, least, most)
    try:
        return array("q", unpack_column(data, least, most))
    except ValueError as error:
        raise msgspec.ValidationError(str(error)) from None


def pack_in_python(numbers: Column) -> bytes:
    """As :func:`pack`, without the compiled form."""
    return _encode(numbers.tolist())


def unpack_in_python(data: bytes | msgspec.Raw, least: int = _LEAST, most: int = _MOST) -> Column:
    """As :func:`unpack`, without the compiled form."""
    numbers = _decode(data)
    if numbers and (min(numbers) < least or max(numbers) > most):
        raise msgspec.ValidationError("no column of such numbers")
    return array("q", numbers)
