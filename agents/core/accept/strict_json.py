"""JSON by the letter of RFC 8259 from hostile bytes: every outcome is a value or a typed refusal.

Beyond the grammar three things are refused: bytes that are not UTF-8, a byte order mark, and escapes that
name half a surrogate pair. A number of any size is grammatical, so it is read. Of keys that repeat the last one wins.
"""

import json
import re
import sys
from json.scanner import make_scanner
from typing import Final

from schemas.limits import MAX_DEPTH

__all__ = ["NotJsonError", "has_lone_surrogate", "parse", "too_deep"]

_NOT_BRACKETS: Final = bytes(set(range(256)) - set(b'[]{}"'))
_SQUARE: Final = bytes.maketrans(b"{}", b"[]")
_ESCAPED_OR_PAIR: Final = re.compile(
    rb"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}",
)
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_WHOLE_DIGITS: Final = 20
_FEW_DIGITS: Final = 5000
"""So many are read as fast as the bytes are; Python's own bound is less."""
_OUT_OF_RANGE: Final = -1
_FRACTION: Final = 0.5


class NotJsonError(ValueError):
    """The bytes are no JSON text; the message holds nothing of them."""


def too_deep(data: bytes) -> bool:
    """Whether arrays and objects nest more than 64 deep, in JSON or in anything that looks like it."""
    if data.count(b"[") + data.count(b"{") <= MAX_DEPTH:
        return False
    if b"\\" in data:
        data = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = data.translate(None, _NOT_BRACKETS).replace(b'""', b"")
    if b'"' in outside:
        outside = b"".join(outside.split(b'"')[::2])
    brackets = outside.translate(_SQUARE)
    return _peels_slowly(brackets) and _depth(brackets) > MAX_DEPTH


def _peels_slowly(brackets: bytes) -> bool:
    """False where taking off the innermost pairs 64 times leaves nothing: proof of at most 64 levels."""
    for _ in range(MAX_DEPTH):
        if not brackets:
            return False
        rest = brackets.replace(b"[]", b"")
        if len(rest) == len(brackets):
            return True
        brackets = rest
    return bool(brackets)


def _depth(brackets: bytes) -> int:
    depth = deepest = 0
    for bracket in brackets:
        if bracket == 0x5B:
            depth += 1
            deepest = max(deepest, depth)
        elif depth:
            depth -= 1
    return deepest


def has_lone_surrogate(data: bytes) -> bool:
    r"""Whether a string of the JSON text ``data`` has an escape (``\ud800``) that names half a pair."""
    if b"\\u" not in data or _SURROGATE.search(data) is None:
        return False
    return _SURROGATE.search(_ESCAPED_OR_PAIR.sub(b" ", data)) is not None


def _integer(digits: str) -> int:
    return int(digits) if len(digits) <= _WHOLE_DIGITS else _OUT_OF_RANGE


def _float(_: str) -> float:
    return _FRACTION


def _constant(_: str) -> None:
    raise NotJsonError("NaN and Infinity are no JSON")


_quick = json.JSONDecoder(parse_constant=_constant)
_scan = make_scanner(_quick)  # type: ignore[arg-type]  # it takes its settings from any object
_patient = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)


def parse(data: bytes) -> object:
    """The JSON value in ``data``, which must not be :func:`too_deep`; raises :class:`NotJsonError`.

    Of a fraction nothing matters but that it is one; an integer of many digits is read as one that is in no range.
    """
    if has_lone_surrogate(data):
        raise NotJsonError("half a surrogate pair")
    try:
        return _decode(data.decode())
    except NotJsonError:
        raise
    except (ValueError, RecursionError):
        raise NotJsonError("not JSON") from None


def _decode(text: str) -> object:
    if 0 < sys.get_int_max_str_digits() <= _FEW_DIGITS:
        try:
            return _decode_quickly(text)
        except (json.JSONDecodeError, NotJsonError):
            raise
        except ValueError:  # more digits than Python reads: each number is asked for
            pass
    return _patient.decode(text)


def _decode_quickly(text: str) -> object:
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    return value if end == len(text) else _quick.decode(text)  # with space around it, or not JSON
