"""A catalogue of one's own, from TOML: types and metrics beside the built-in ones; all of its mistakes at once."""

import difflib
import re
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.catalogue.catalogue import BUILT_IN, Catalogue
from schemas.catalogue.fields import Field, FieldType
from schemas.catalogue.lines import Lines
from schemas.catalogue.metrics import MOST_KEYS, Distinct, Kind, Metric, WindowSize
from schemas.catalogue.types import Basis, ConsentScope, EventType
from schemas.limits import DIMENSION_PATTERN

__all__ = ["CatalogueMistakesError", "Mistake", "read_catalogue"]

_TYPE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}(\.[a-z][a-z0-9-]{0,31}){1,3}")
_NAME: Final = re.compile("[a-z][a-z0-9_]{0,47}")
_DIMENSION: Final = re.compile(DIMENSION_PATTERN)
_MOST_TITLE: Final = 200
_UNITS: Final = ("1", "s", "By")
_TUMBLING: Final = (WindowSize.HOUR, WindowSize.DAY, WindowSize.MONTH)
_OF_SOURCES: Final = (WindowSize.DAY, WindowSize.MONTH)
_KINDS: Final[Mapping[str, tuple[Kind, Distinct | None]]] = {
    "count": (Kind.COUNT, None),
    "sum": (Kind.SUM, None),
    "sources": (Kind.DISTINCT, Distinct.SOURCE),
    "gauge": (Kind.GAUGE, None),
    "distribution": (Kind.DISTRIBUTION, None),
}
_MEASURED: Final = {
    Kind.SUM: (FieldType.INT,),
    Kind.GAUGE: (FieldType.INT, FieldType.BOOL),
    Kind.DISTRIBUTION: (FieldType.INT,),
}
"""What the field of a metric of each kind may be; others have none."""
_FIELD_TYPES: Final = [kind.value for kind in FieldType if kind not in {FieldType.CHOICE, FieldType.ITEMS}]


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake; ``line`` counts from 1."""

    line: int
    what: str
    do: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.what}: {self.do}"


class CatalogueMistakesError(ValueError):
    """A catalogue that cannot be taken."""

    def __init__(self, mistakes: Collection[Mistake]) -> None:
        super().__init__("\n".join(map(str, mistakes)))
        self.mistakes = tuple(mistakes)


def read_catalogue(text: str, base: Catalogue = BUILT_IN) -> Catalogue:
    """``base`` with the types and metrics of a TOML text added; raises :class:`CatalogueMistakesError`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        line = int(at[1]) if at else text.count("\n") + 1
        raise CatalogueMistakesError([Mistake(line, "this is no TOML", "mend it, see https://toml.io")]) from None
    reader = _Reader(base, Lines(text))
    catalogue = reader.read(content)
    if reader.mistakes:
        raise CatalogueMistakesError(sorted(reader.mistakes, key=lambda mistake: mistake.line))
    return catalogue


class _Reader:
    def __init__(self, base: Catalogue, lines: Lines) -> None:
        self.mistakes: list[Mistake] = []
        self._base = base
        self._lines = lines
        self._types = dict(base.types)
        self._metrics = dict(base.metrics)
        self._declared: list[str] = []
        """Types that are in the text, with or without mistakes."""

    def read(self, content: Mapping[str, Any]) -> Catalogue:
        self._known(content, ("types", "metrics"), ())
        types = self._tables(content, "types")
        self._declared = [name for name, _ in types]
        for name, given in types:
            self._read_type(name, given)
        for name, given in self._tables(content, "metrics"):
            self._read_metric(name, given)
        self._bounded()
        return Catalogue(self._types, self._metrics)

    def _bounded(self) -> None:
        """The metrics of a type may not change more with one record than goes into one batch of the state."""
        for name in self._types:
            of_type = [metric for metric in self._metrics.values() if metric.event_type == name and not metric.retired]
            keys = sum(metric.keys for metric in of_type)
            if keys > MOST_KEYS:
                what = f"the metrics of {name} come to {keys} keys an event, more than {MOST_KEYS}"
                do = "leave out windows, dimensions or metrics: docs/catalogue.md says what each costs"
                self._wrong(("metrics", of_type[-1].name), what, do)

    # ---- mistakes

    def _wrong(self, path: tuple[str, ...], what: str, do: str) -> None:
        self.mistakes.append(Mistake(self._lines.of(path), what, do))

    def _known(self, given: Mapping[str, Any], names: Collection[str], path: tuple[str, ...]) -> None:
        for name in given:
            if name not in names:
                self._wrong((*path, name), f"unknown key {name}", _instead(name, names))

    def _tables(self, content: Mapping[str, Any], name: str) -> list[tuple[str, Mapping[str, Any]]]:
        tables = content.get(name, {})
        if not isinstance(tables, dict):
            self._wrong((name,), f"{name} is no table", f'write [{name}."NAME"] and its keys below')
            return []
        found: list[tuple[str, Mapping[str, Any]]] = []
        for key, given in tables.items():
            if isinstance(given, dict):
                found.append((key, given))
            else:
                self._wrong((name, key), f"{key} is no table", f'write [{name}."{key}"] and its keys below')
        return found

    def _text(self, given: Mapping[str, Any], name: str, path: tuple[str, ...], options: Collection[str] = ()) -> str:
        """A text that must be there, one of ``options`` where there are any; "" after a mistake."""
        value = given.get(name)
        if isinstance(value, str) and value and (not options or value in options):
            return value
        text = value if isinstance(value, str) else ""
        what = f"{name} is missing" if value is None else f"{name} is not what it may be"
        do = _instead(text, options) if options else "write a text"
        self._wrong((*path, name) if name in given else path, what, do)
        return ""

    def _title(self, given: Mapping[str, Any], path: tuple[str, ...]) -> str:
        title = self._text(given, "title", path)
        if len(title) > _MOST_TITLE or not title.isprintable():
            self._wrong((*path, "title"), "the title is too long for a line", f"use {_MOST_TITLE} printable characters")
        return title

    def _flag(self, given: Mapping[str, Any], name: str, path: tuple[str, ...]) -> bool:
        value = given.get(name, False)
        if not isinstance(value, bool):
            self._wrong((*path, name), f"{name} is neither true nor false", "write true or false")
        return value is True

    # ---- types

    def _read_type(self, name: str, given: Mapping[str, Any]) -> None:
        path = ("types", name)
        self._known(given, ("title", "basis", "scope", "fields", "passive", "retired"), path)
        if not _TYPE.fullmatch(name):
            self._wrong(path, f"{name} is no name of a type", "use lower case words with dots, such as file.uploaded")
        if name in self._base.types:
            self._wrong(path, f"{name} is built in", "an entry never gets another meaning, so use another name")
            return
        title = self._title(given, path)
        basis = self._text(given, "basis", path, [each.value for each in Basis])
        scope = ConsentScope.APP
        if "scope" in given or basis == Basis.OPT_IN.value:
            scope_text = self._text(given, "scope", path, [each.value for each in ConsentScope])
            scope = ConsentScope(scope_text) if scope_text else scope
        fields = self._fields(given.get("fields", {}), (*path, "fields"))
        passive = self._passive(given.get("passive"), fields, (*path, "passive"))
        retired = self._flag(given, "retired", path)
        known_basis = Basis(basis or Basis.CONTRACT)  # after a mistake any will do to look at its metrics
        self._types[name] = EventType(name, title, known_basis, fields, passive, scope, retired)

    def _fields(self, given: object, path: tuple[str, ...]) -> tuple[Field, ...]:
        if not isinstance(given, dict):
            self._wrong(path, "fields is no table", 'write fields = { NAME = "dim" }')
            return ()
        return tuple([self._field(name, rule, (*path, name)) for name, rule in given.items()])

    def _field(self, name: str, rule: object, path: tuple[str, ...]) -> Field:
        """The field; after a mistake one that lets its metrics be looked at."""
        if not _NAME.fullmatch(name) or name == "user":
            do = "every type has it already" if name == "user" else "use lower case letters, digits and _"
            self._wrong(path, f"{name} is no name of a field", do)
            return Field(name)
        if isinstance(rule, list):
            return self._choice(name, rule, path)
        optional = isinstance(rule, str) and rule.endswith("?")
        kind = rule.removesuffix("?") if isinstance(rule, str) else ""
        if kind not in _FIELD_TYPES:
            do = _instead(kind, _FIELD_TYPES) if kind else f"use one of {', '.join(_FIELD_TYPES)}, or a list of choices"
            self._wrong(path, f"{name} is of no type that is known", do)
            return Field(name)
        return Field(name, FieldType(kind), required=not optional)

    def _choice(self, name: str, choices: list[Any], path: tuple[str, ...]) -> Field:
        if not choices or len({*map(str, choices)}) < len(choices):
            self._wrong(path, f"the choices of {name} are not a list of different texts", "name each once")
            return Field(name)
        if not all(isinstance(each, str) and _DIMENSION.fullmatch(each) for each in choices):
            self._wrong(path, f"a choice of {name} is no dimension value", f"each matches {DIMENSION_PATTERN}")
            return Field(name)
        return Field(name, FieldType.CHOICE, tuple(choices))

    def _passive(self, given: object, fields: Collection[Field], path: tuple[str, ...]) -> tuple[str, str] | str | None:
        if given is None or given is False:
            return None
        if given is True:
            return "declared as no use of a product"
        return self._where(given, fields, path)

    def _where(self, given: object, fields: Collection[Field], path: tuple[str, ...]) -> tuple[str, str] | None:
        """A dimension and a value that it can have."""
        if not isinstance(given, dict) or len(given) != 1:
            self._wrong(path, f"{path[-1]} is no table of one field", f'write {path[-1]} = {{ FIELD = "VALUE" }}')
            return None
        ((name, value),) = given.items()
        field = next((each for each in fields if each.name == name and each.is_dimension), None)
        if field is None:
            names = [each.name for each in fields if each.is_dimension]
            self._wrong(path, f"{name} is no dim or choice of the type", _instead(name, names))
        elif not field.check()(value):
            self._wrong(path, f"{name} never has this value", _instead(str(value), field.choices))
        else:
            return name, str(value)
        return None

    # ---- metrics

    def _read_metric(self, name: str, given: Mapping[str, Any]) -> None:
        path = ("metrics", name)
        known = ("title", "kind", "type", "field", "unit", "where", "dimensions", "windows", "retired")
        self._known(given, known, path)
        if not _NAME.fullmatch(name):
            self._wrong(path, f"{name} is no name of a metric", "use lower case letters, digits and _")
        if name in self._base.metrics:
            self._wrong(path, f"{name} is built in", "an entry never gets another meaning, so use another name")
            return
        title = self._title(given, path)
        named = self._text(given, "kind", path, [*_KINDS])
        entry = self._types.get(self._text(given, "type", path, [*self._types, *self._declared]))
        unit = self._text({"unit": "1"} | dict(given), "unit", path, _UNITS)
        if entry is None:
            return
        dimensions = self._dimensions(given.get("dimensions", []), entry, (*path, "dimensions"))
        where = self._where(given["where"], entry.dimensions, (*path, "where")) if "where" in given else None
        if not named:
            return
        kind, distinct = _KINDS[named]
        windows = self._windows(given.get("windows"), kind, path)
        measured = self._measured(given, kind, entry, path)
        retired = self._flag(given, "retired", path)
        self._metrics[name] = Metric(
            name, "", title, kind, windows, entry.name, where, distinct, dimensions, unit, measured, retired
        )

    def _dimensions(self, given: object, entry: EventType, path: tuple[str, ...]) -> tuple[str, ...]:
        names = given if isinstance(given, list) else [given]
        for name in names:
            if name not in entry.allowed:
                self._wrong(path, f"{name} is no dim or choice of {entry.name}", _instead(str(name), entry.allowed))
        if len({*map(str, names)}) < len(names):
            self._wrong(path, "a dimension is there twice", "name each once")
        return tuple(name for name in names if isinstance(name, str))

    def _windows(self, given: object, kind: Kind, path: tuple[str, ...]) -> tuple[WindowSize, ...]:
        options = [size.value for size in (_OF_SOURCES if kind is Kind.DISTINCT else _TUMBLING)]
        if given is None:
            return tuple(map(WindowSize, options))
        names = given if isinstance(given, list) and given else [""]
        wrong = [str(name) for name in names if name not in options]
        if wrong or len({*names}) < len(names):
            self._wrong((*path, "windows"), "windows is no list of different windows", f"use some of {options}")
            return ()
        return tuple(WindowSize(size) for size in options if size in names)

    def _measured(self, given: Mapping[str, Any], kind: Kind, entry: EventType, path: tuple[str, ...]) -> str | None:
        wanted = _MEASURED.get(kind)
        if wanted is None:
            if "field" in given:
                self._wrong((*path, "field"), f"a {kind.value} reads no field", "leave it out, or use another kind")
            return None
        names = [field.name for field in entry.fields if field.type in wanted]
        if not names:
            types = " or ".join(each.value for each in wanted)
            self._wrong(path, f"{entry.name} has no field for a {kind.value}", f"give the type a field of type {types}")
            return None
        return self._text(given, "field", path, names) or None


def _instead(text: str, options: Collection[str]) -> str:
    """What to do about a name that is none of ``options``."""
    if not options:
        return "leave it out"
    near = difflib.get_close_matches(text, options, n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else f"use one of {', '.join(options)}"
