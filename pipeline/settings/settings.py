"""Settings: environment ``FOOTFALL_*``, then a TOML file, then defaults (design 1.7).

The TOML file is the one that ``FOOTFALL_CONFIG`` names, else ``footfall.toml`` in the working folder where there
is one. Anything unknown or bad is refused in one line that names the setting and never shows a secret.
"""

import datetime as dt
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource

from agents.core.accept.pseudonyms import KeyFormatError, Pseudonyms, parse_key
from agents.core.count.kinds.activity import days_kept
from agents.core.shared.control import ControlKeys
from pipeline.errors import StartupError
from pipeline.kafka.connection import Connection
from pipeline.settings.catalogue import catalogue_of
from pipeline.settings.env import added_by_kubernetes
from pipeline.settings.refusals import PREFIX, bad_setting, unknown_setting
from pipeline.settings.security import SecuritySettings
from pipeline.settings.values import Address, Brokers, Duration, OwnPath
from schemas.deciding import Deciding, fold_digest

__all__ = ["DECIDING_SETTINGS", "KEY_FIELDS", "SECRETS", "Settings", "load_settings"]

CONFIG: Final = "FOOTFALL_CONFIG"
"""Names the TOML file; the one variable that is no setting."""
_KEYS_OF_THE_DIGEST: Final = ("pseudonym_key", "control_key")
_KEYS: Final = (*_KEYS_OF_THE_DIGEST, "control_key_previous")
SECRETS: Final = (*_KEYS, "sasl_token_command")
"""What may hold a secret itself, and is never shown."""
KEY_FIELDS: Final = tuple(f"{name}{suffix}" for name in _KEYS for suffix in ("", "_file"))
"""What worker ``anonymize`` holds and ``aggregate`` must not."""
DECIDING_SETTINGS: Final = frozenset(
    [each.name for each in fields(Deciding)] + [key + end for key in _KEYS_OF_THE_DIGEST for end in ("", "_file")]
)
"""The settings that decide figures: a change of one is announced with ``topics fold``."""
_MILLISECOND: Final = dt.timedelta(milliseconds=1)
_PREFIX_PATTERN: Final = re.compile("[A-Za-z0-9._-]{1,150}")


class Settings(SecuritySettings):
    """Everything that can be set, frozen; build it with :func:`load_settings`.

    The docstring of each setting is its sentence in ``docs/settings.md``.
    """

    brokers: Brokers = None
    """Kafka brokers as ``host:port``, several separated by commas; an IPv6 address in brackets."""
    topic_prefix: str = "footfall"
    """The beginning of every name of a topic and of a consumer group."""
    partitions: int = Field(default=8, ge=1, le=10_000)
    """Partitions of every topic that ``topics apply`` makes; fixed from then on."""
    replication: int | None = Field(default=None, ge=1, le=32_767)
    """Replicas of every topic that ``topics apply`` makes; not set leaves it to the broker."""
    data_dir: OwnPath = Path(".footfall")
    """The folder for state on disk, and for what ``up`` and ``demo`` keep."""
    catalogue: OwnPath | None = None
    """A TOML file with event types and metrics beside the built-in ones."""
    store: Literal["memory", "rocksdb"] = "memory"
    """Where a worker keeps state that grows with users and sources: ``memory``, or ``rocksdb`` in the data folder."""
    pseudonym_key: SecretStr | None = None
    """64 hex digits that pseudonyms are made with; for ``anonymize`` alone, and never changed."""
    pseudonym_key_file: OwnPath | None = None
    """A file that holds the pseudonym key, in place of the key itself."""
    control_key: SecretStr | None = None
    """64 hex digits that sign ticks and control records; apart from the pseudonym key, and not for ``aggregate``."""
    control_key_file: OwnPath | None = None
    """A file that holds the control key, in place of the key itself."""
    control_key_previous: SecretStr | None = None
    """The control key before, needed while a new one is announced and as long as raw holds what it signed."""
    control_key_previous_file: OwnPath | None = None
    """A file that holds the control key before, in place of the key itself."""
    emit_interval: Duration = Field(default=dt.timedelta(seconds=10), ge=dt.timedelta(seconds=1))
    """Time between two emissions of changed figures to the sink; at least a second."""
    grace_hour: Duration = dt.timedelta(hours=1)
    """How long after its end a window of an hour stays open."""
    grace_day: Duration = dt.timedelta(hours=24)
    """How long after its end a window of a day or longer stays open."""
    lateness: Duration = dt.timedelta(days=35)
    """How far an event may lie behind the event watermark; one further behind is rejected as ``too-late``."""
    clock_ahead: Duration = dt.timedelta(minutes=10)
    """How far an event may lie ahead of its append time; one further ahead is rejected as ``clock-ahead``."""
    idle_after: Duration = dt.timedelta(minutes=5)
    """How long a partition has no record before a tick closes its windows."""
    max_series: int = Field(default=10_000, ge=1)
    """Most combinations of dimension values that count by name in a window of a company's metric; further ones are
    ``~other``."""
    max_sources: int = Field(default=200_000, ge=1)
    """Most sources of a company (the part before ``#``) of which something is remembered."""
    max_incarnations: int = Field(default=400_000, ge=1)
    """Most incarnations (whole sources) of a company of which something is remembered."""
    max_intervals: int = Field(default=1000, ge=1)
    """Most intervals of the sequences seen of one incarnation: the gaps in them, and one more."""
    max_words: int = Field(default=200_000, ge=1)
    """Most installations and apps of a company whose word of consent is kept."""
    max_new_companies: int = Field(default=50_000, ge=1)
    """Most companies unknown until then that a partition takes in on one UTC day."""
    max_users: int = Field(default=1_000_000, ge=1)
    """Most active users of a company and day."""
    max_company_series: int = Field(default=1_000_000, ge=1)
    """Most series of a company over all metrics and windows, with the sources that its distinct figures hold."""
    record_duplicates: bool = False
    """Whether duplicates are written to the rejected topic too; they are counted in metrics in any case."""
    session_timeout: Duration = Field(
        default=dt.timedelta(seconds=10), ge=dt.timedelta(seconds=3), le=dt.timedelta(minutes=5)
    )
    """How long a worker may be silent before its partitions go to another; ``PT3S`` to ``PT5M``."""
    standby: int = Field(default=1, ge=0, le=10)
    """How many other workers, where there are any, keep a copy of each partition's state; 0 saves their memory."""
    metrics_host: Address = "127.0.0.1"
    """The name or address of this machine at which a worker's metrics are served; ``0.0.0.0`` is all of them."""
    metrics_port: int = Field(default=9464, ge=0, le=65_535)
    """The port at which a worker's metrics are served; 0 takes any free one."""
    workers: Brokers = None
    """The metrics of each worker as ``host:port``, several separated by commas, for ``doctor`` to ask."""

    @field_validator("partitions", "replication", "max_series", "standby", "metrics_port", mode="before")
    @classmethod
    def _no_truth(cls, value: object) -> object:
        if isinstance(value, bool):
            raise ValueError("must be a whole number")
        return value

    @field_validator("topic_prefix")
    @classmethod
    def _legal_prefix(cls, value: str) -> str:
        if not _PREFIX_PATTERN.fullmatch(value):
            raise ValueError("must be 1 to 150 characters of A-Za-z0-9._-")
        return value

    @field_validator("emit_interval", "grace_hour", "grace_day", "lateness", "clock_ahead", "idle_after")
    @classmethod
    def _whole(cls, value: dt.timedelta) -> dt.timedelta:
        if value < dt.timedelta(0):
            raise ValueError("must not be negative")
        if value % _MILLISECOND:
            raise ValueError("must be whole milliseconds")
        return value

    @field_validator("lateness")
    @classmethod
    def _lateness_fits(cls, value: dt.timedelta) -> dt.timedelta:
        days_kept(Deciding(lateness=value // _MILLISECOND))
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Given values, then the environment; the TOML file's are merged in by :func:`load_settings`."""
        return init_settings, _Environment(settings_cls)

    def deciding(self) -> Deciding:
        """What decides beside the log and the keys; refuses a catalogue that cannot be taken."""
        given = {each.name: _number(getattr(self, each.name)) for each in fields(Deciding) if each.name != "catalogue"}
        return Deciding(**given, catalogue=catalogue_of(self.catalogue))

    def connection(self) -> Connection:
        """How the brokers are reached; refuses where none are set."""
        if self.brokers is None:
            raise StartupError("FOOTFALL_BROKERS is not set", "set it to host:port of a broker, or try footfall demo")
        return Connection(self.brokers, self.security())

    def without_keys(self) -> Self:
        """The same, as a worker is given it that must hold no key."""
        return self.model_copy(update=dict.fromkeys(KEY_FIELDS))

    def pseudonym_secret(self) -> bytes | None:
        """The 32 bytes of the pseudonym key; None where none is set. Refuses a bad one, and two at once."""
        return self._secret("pseudonym_key", "pseudonym key")

    def control_secrets(self) -> tuple[bytes | None, bytes | None]:
        """The 32 bytes of the control key and of the one before, None where one is not set or the same.

        Refuses bad ones, two at once, one that is the pseudonym key, and the one before alone.
        """
        current = self._secret("control_key", "control key")
        previous = self._secret("control_key_previous", "control key before")
        if current is None and previous is not None:
            raise StartupError(
                "FOOTFALL_CONTROL_KEY_PREVIOUS is set without a control key", "set FOOTFALL_CONTROL_KEY too"
            )
        if self.pseudonym_secret() in ({current, previous} - {None}):
            raise StartupError(
                "the control key is the pseudonym key",
                "set FOOTFALL_CONTROL_KEY to other 64 hexadecimal digits, for example from openssl rand -hex 32",
            )
        return current, None if previous == current else previous

    def _secret(self, field: str, what: str) -> bytes | None:
        given, path = getattr(self, field), getattr(self, f"{field}_file")
        name = PREFIX + field.upper()
        if given is not None and path is not None:
            raise StartupError(f"{name} and {name}_FILE are both set", "unset one of the two")
        if given is not None:
            text = given.get_secret_value()
        elif path is not None:
            name = f"the file that {name}_FILE names, {path},"
            try:
                text = path.read_text("ascii")
            except UnicodeDecodeError:
                raise StartupError(f"{name} holds no key", "put 64 hexadecimal digits there") from None
            except OSError as error:
                raise StartupError(f"{name} cannot be read", f"mend that: {error.strerror}") from None
        else:
            return None
        try:
            return parse_key(text, what)
        except KeyFormatError as error:
            raise StartupError(f"{name} holds no key", str(error)) from None

    def control_keys(self) -> ControlKeys | None:
        """What signs ticks and control records, None where no control key is set; refuses as the keys do."""
        current, previous = self.control_secrets()
        return None if current is None else ControlKeys(current, previous)

    def digest(self) -> str:
        """The fold digest of these settings; without the keys nothing is behind the dash."""
        secret, control = self.pseudonym_secret(), self.control_keys()
        fingerprint = "" if secret is None else Pseudonyms(secret).fingerprint()
        return fold_digest(self.deciding(), fingerprint, "" if control is None else control.mark)


def _number(value: int | dt.timedelta) -> int:
    """A deciding setting as a number; durations in milliseconds."""
    return value // _MILLISECOND if isinstance(value, dt.timedelta) else value


class _Environment(EnvSettingsSource):
    """The client's own, without what is no setting of ours."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in _environment().items()}


def _environment() -> dict[str, str]:
    """The variables that are meant as settings, by name in upper case; never those that Kubernetes adds."""
    found = {name.upper(): value for name, value in os.environ.items() if name.upper().startswith(PREFIX)}
    added = added_by_kubernetes(found)
    return {name: value for name, value in found.items() if name not in added and name != CONFIG}


def load_settings(**overrides: Any) -> Settings:
    """The settings in force; ``overrides`` go before all else.

    Refuses an unknown ``FOOTFALL_*`` variable or TOML key, a file that cannot be read and a bad value.
    """
    environment = _environment()
    for name in sorted(environment):
        if name.removeprefix(PREFIX).lower() not in Settings.model_fields:
            short = name.removeprefix(PREFIX).lower()
            raise unknown_setting(f"environment variable {name}", short, Settings.model_fields, PREFIX)
    given = _from_file()
    fallback = {name: value for name, value in given.items() if PREFIX + name.upper() not in environment}
    try:
        settings = Settings(**(fallback | overrides))
    except ValidationError as error:
        raise bad_setting(error, Settings.model_fields, SECRETS, given, environment, overrides) from None
    settings.deciding()  # refuses a bad catalogue
    settings.security()  # and a wrong combination
    return settings


def _from_file() -> dict[str, Any]:
    named = os.environ.get(CONFIG)
    path = Path(named) if named else Path("footfall.toml")
    if not named and not path.exists():
        return {}
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise StartupError(f"the settings file {path} cannot be read", f"mend that: {error.strerror}") from None
    except UnicodeDecodeError:
        raise StartupError(f"the settings file {path} is not UTF-8", "write it again as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        position = re.search(r"\(at .*\)$", str(error))  # the rest of the message may quote a secret
        raise StartupError(
            f"the settings file {path} is no TOML", f"mend it {position[0] if position else ''}"
        ) from None
    for name in values:
        if name not in Settings.model_fields:
            raise unknown_setting(f"key {name} in the settings file {path}", name, Settings.model_fields)
    return values
