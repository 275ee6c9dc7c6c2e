"""Pseudonyms: keyed, one way, different for each company, and stable for as long as the secret is (design 2.3).

A company's keys are derived from the secret by HKDF-SHA256, one for users and one for sources; a pseudonym
is the BLAKE2b-128 under such a key. Without the secret nobody can test a guess.
"""

import hashlib
import hmac
import re
from typing import Final

from schemas.names import Pseudonym

__all__ = ["KeyFormatError", "Pseudonyms", "parse_key"]

_SALT: Final = b"footfall pseudonyms 1"
_HEX: Final = re.compile("[0-9A-Fa-f]{64}")
_KEY_BYTES: Final = 32
_PSEUDONYM_BYTES: Final = 16
_ID_BYTES: Final = 8
_COMPANIES: Final = 25_000
_REMEMBERED: Final = 100_000
_REMEMBERED_CHARS: Final = 64
_BLOCK_BYTES: Final = 64
_INNER_PAD: Final = 0x36
_OUTER_PAD: Final = 0x5C


class KeyFormatError(ValueError):
    """A key that is not 64 hexadecimal digits; the message holds nothing of it."""


def parse_key(text: str, what: str = "pseudonym key") -> bytes:
    """The 32 bytes of 64 hexadecimal digits, white space around them ignored; raises :class:`KeyFormatError`."""
    digits = text.strip()
    if not _HEX.fullmatch(digits):
        raise KeyFormatError(f"the {what} must be 64 hexadecimal digits, not {len(digits)} characters")
    return bytes.fromhex(digits)


class _Company:
    """The keyed hashes of one company, to be copied, and the pseudonyms lately made with them."""

    __slots__ = ("id_hash", "source_hash", "sources", "user_hash", "users")

    def __init__(self, user_key: bytes, source_key: bytes) -> None:
        self.id_hash = hashlib.blake2b(key=source_key, digest_size=_ID_BYTES, person=b"id")
        self.user_hash = hashlib.blake2b(key=user_key, digest_size=_PSEUDONYM_BYTES, person=b"user")
        self.source_hash = hashlib.blake2b(key=source_key, digest_size=_PSEUDONYM_BYTES, person=b"source")
        self.users: dict[str, Pseudonym] = {}
        self.sources: dict[str, Pseudonym] = {}


class Pseudonyms:
    """Makes pseudonyms under one secret of 32 bytes; what it remembers to be fast is bounded.

    Companies are remembered in two generations: one of the older that is asked for joins the younger.
    """

    __slots__ = ("_companies", "_inner", "_older", "_outer", "_remembered")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != _KEY_BYTES:
            raise KeyFormatError(f"the pseudonym key must be {_KEY_BYTES} bytes, not {len(secret)}")
        prk = hmac.digest(_SALT, secret, "sha256").ljust(_BLOCK_BYTES, b"\0")
        # The two halves of HMAC (RFC 2104) under that key, to be copied: a third of the time of a whole one.
        self._inner = hashlib.sha256(bytes(byte ^ _INNER_PAD for byte in prk))
        self._outer = hashlib.sha256(bytes(byte ^ _OUTER_PAD for byte in prk))
        self._companies: dict[str, _Company] = {}
        self._older: dict[str, _Company] = {}
        self._remembered = 0

    def __repr__(self) -> str:
        return f"Pseudonyms(fingerprint={self.fingerprint()!r})"

    def user(self, company: str, user: str) -> Pseudonym:
        """The 16 bytes that stand for ``user`` within ``company``."""
        entry = self._companies.get(company) or self._company(company)
        known = entry.users.get(user)
        return known if known is not None else self._make(entry.user_hash, entry.users, user)

    def source(self, company: str, source: str) -> Pseudonym:
        """The 16 bytes that stand for ``source`` within ``company``; unlike those of a user of that name."""
        entry = self._companies.get(company) or self._company(company)
        known = entry.sources.get(source)
        return known if known is not None else self._make(entry.source_hash, entry.sources, source)

    def identity(self, company: str, source: Pseudonym, identity: str) -> int:
        """64 bits that stand for an event's ``id`` within its source."""
        digest = (self._companies.get(company) or self._company(company)).id_hash.copy()
        digest.update(source + identity.encode())
        return int.from_bytes(digest.digest(), "big")

    def fingerprint(self) -> str:
        """16 hex digits that tell this secret from others and say nothing about it."""
        return self._expand(b"fingerprint").hex()[:16]

    def _make(self, keyed: hashlib.blake2b, known: dict[str, Pseudonym], name: str) -> Pseudonym:
        digest = keyed.copy()
        digest.update(name.encode())
        pseudonym = Pseudonym(digest.digest())
        if len(name) <= _REMEMBERED_CHARS:
            if self._remembered >= _REMEMBERED:
                self._age()
            known[name] = pseudonym
            self._remembered += 1
        return pseudonym

    def _company(self, company: str) -> _Company:
        if len(self._companies) >= _COMPANIES:
            self._age()
        entry = self._older.pop(company, None)
        if entry is None:
            name = company.encode()
            entry = _Company(self._expand(b"user\0" + name), self._expand(b"source\0" + name))
        else:
            entry.users, entry.sources = {}, {}
        self._companies[company] = entry
        return entry

    def _age(self) -> None:
        self._older, self._companies, self._remembered = self._companies, {}, 0

    def _expand(self, info: bytes) -> bytes:
        """HKDF-Expand of RFC 5869 for the one block of 32 bytes that is needed."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(info + b"\x01")
        outer.update(inner.digest())
        return outer.digest()
