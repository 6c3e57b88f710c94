"""An installation's settings: `greffier.toml` in its home, overridden by `GREFFIER_…` environment variables."""

from __future__ import annotations

import json
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from auditlog.core.errors import FormatError
from auditlog.core.formats.canonical import parse_json
from home.creation import write_durably
from home.errors import SettingsError

SLUG = r"^[a-z0-9-]{1,64}$"
ORIGIN = r"^[a-z0-9][a-z0-9./-]{0,200}$"
SETTINGS_FILE = "greffier.toml"
PROFILE_FILE = "agency.json"
ACCESSIBILITY_FILE = "accessibility.json"

Text = dict[str, str]


def _known_zone(name: str) -> str:
    """A time zone that this machine knows, such as Europe/Amsterdam."""
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError("time_zone", "must be the name of a time zone, such as Europe/Amsterdam") from None
    return name


class AuthorityProfile(BaseModel):
    """A body outside the agency to which a person can complain (GDPR 77, AI Act 85 and 77)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Text
    about: Literal["personal_data", "ai_systems", "fundamental_rights"]
    contact: str


class AgencyProfile(BaseModel):
    """Who the agency is for the people it writes to; without it no letter can be written (DESIGN §5.6)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: Text
    address: list[str]
    phone: str
    email: str
    dpo: str
    authorities: Annotated[list[AuthorityProfile], Field(min_length=1)]
    objection_route: Text
    objection_weeks: Annotated[int, Field(ge=1, le=26)]
    court: Text

    def name(self, lang: str) -> str:
        """The agency's legal name in a language, or in the first one it has."""
        return self.names.get(lang) or next(iter(self.names.values()))


class AccessibilityFinding(BaseModel):
    """Something on the site that not everybody can use, by the three grounds of the model statement."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    what: Text
    why: Literal["non_compliance", "disproportionate_burden", "out_of_scope"]
    instead: Text = {}


class AccessibilityProfile(BaseModel):
    """What the agency states about its site (Implementing Decision (EU) 2018/1523), from `accessibility.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["full", "partial", "none"]
    audited: date | None = None
    auditor: str = ""
    report: str | None = None
    findings: tuple[AccessibilityFinding, ...] = ()
    prepared: date
    reviewed: date
    enforcement: Text
    enforcement_url: str | None = None

    @model_validator(mode="after")
    def _audited(self) -> AccessibilityProfile:
        if self.status == "full" and (self.audited is None or self.findings):
            raise ValueError("status: full needs an audit by a person (audited, auditor), and no findings")
        if (self.audited is None) != (self.auditor == ""):
            raise ValueError("audited and auditor: give both, or none")
        return self


class Settings(BaseSettings):
    """All settings, each with its default; paths are relative to the home."""

    model_config = SettingsConfigDict(env_prefix="GREFFIER_", extra="forbid", frozen=True)

    agency: Annotated[str, Field(pattern=SLUG)]
    origin: Annotated[str, Field(pattern=ORIGIN)]
    database_url: str = "sqlite:///greffier.db"
    guard_dir: Path = Path("guard")
    key_store: str = "keys/records.keys"
    key_encryption: str | None = None
    payload_store: str = "database"
    small_cell: Annotated[int, Field(ge=2, le=1000)] = 10
    expire_daily: bool = False
    publish_pace_s: Annotated[int, Field(ge=0, le=86_400)] = 60
    republish_s: Annotated[int, Field(ge=60, le=604_800)] = 3_600
    policy_file: Path = Path("policy")
    witness_timeout_s: Annotated[int, Field(ge=1, le=60)] = 5
    witness_grace_s: Annotated[int, Field(ge=0, le=60)] = 1
    timestamp_url: str | None = None
    timestamp_every_s: Annotated[int, Field(ge=60, le=31_536_000)] = 86_400
    mirrors: Path = Path("mirrors")
    key_file: Path | None = None
    key_passphrase_file: Path | None = None
    base_url: str = "http://127.0.0.1:8000"
    languages: tuple[str, ...] = ("en", "nl")
    theme: Path | None = None
    session_idle_min: Annotated[int, Field(ge=1, le=720)] = 30
    session_hours: Annotated[int, Field(ge=1, le=24)] = 10
    entries_public: bool = False
    metrics_on_loopback: bool = True
    self_test: bool = True
    fitness: Literal["enforced", "reported"] = "enforced"
    four_eyes: Literal["enforced", "reported"] = "enforced"
    gate_contested: Literal["warn", "refuse"] = "warn"
    rules_file: Path | None = None
    client_address_header: Annotated[str | None, Field(pattern=r"^[a-z0-9-]{1,40}$")] = None
    time_zone: Annotated[str, AfterValidator(_known_zone)] = "Europe/Amsterdam"
    blind_share: Annotated[int, Field(ge=0, le=100)] = 10
    request_months: Annotated[int, Field(ge=1, le=240)] = 24
    fresh_decision_days: Annotated[int, Field(ge=1, le=180)] = 14
    replay_daily: Annotated[int, Field(ge=0, le=1_000)] = 3
    deadline_s: Annotated[int, Field(ge=1, le=3_600)] = 120
    gpu_layers: Annotated[int, Field(ge=0, le=1_000)] = 0
    memory_mib: Annotated[int | None, Field(ge=16)] = None
    kv_mib: Annotated[int | None, Field(ge=1)] = None
    queue_length: Annotated[int, Field(ge=1, le=100_000)] = 256
    key_concurrency: Annotated[int, Field(ge=1, le=100_000)] = 64
    key_rate_per_minute: Annotated[int, Field(ge=1, le=10_000_000)] = 6_000
    stream_stall_s: Annotated[int, Field(ge=1, le=3_600)] = 30

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment wins over the file."""
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    def origin_of(self, number: int) -> str:
        """Origin of log `number` of this installation: `NAME/<k>` (DESIGN §4)."""
        return f"{self.origin}/{number}"


def read_settings(home: Path) -> Settings:
    """Read `greffier.toml`; raises SettingsError that names the setting and the fix."""
    path = home / SETTINGS_FILE
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SettingsError(
            f"no {SETTINGS_FILE} in {home}: run `greffier init --home {home} …` first", field="home"
        ) from None
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field=SETTINGS_FILE) from None
    except UnicodeDecodeError:
        raise SettingsError("is not UTF-8 text: save it as UTF-8", field=SETTINGS_FILE) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"is not readable as TOML: {error}", field=SETTINGS_FILE) from None
    return _checked(Settings, values, SETTINGS_FILE)


def read_profile(home: Path) -> AgencyProfile | None:
    """Read `agency.json`, if the agency has written it."""
    return _read_json(home, PROFILE_FILE, AgencyProfile)


def read_accessibility(home: Path) -> AccessibilityProfile | None:
    """Read `accessibility.json`, if the agency has written it."""
    return _read_json(home, ACCESSIBILITY_FILE, AccessibilityProfile)


def _read_json(home: Path, name: str, model: type[M]) -> M | None:
    path = home / name
    if not path.exists():
        return None
    try:
        values = parse_json(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", field=name) from None
    except FormatError as error:
        raise SettingsError(str(error), field=name) from None
    return _checked(model, values, name)


def new_settings(agency: str, origin: str, database_url: str | None) -> Settings:
    """The settings of an installation to be made; raises SettingsError."""
    values = {"agency": agency, "origin": origin} | ({"database_url": database_url} if database_url else {})
    return _checked(Settings, values, "init")


def write_settings(home: Path, agency: str, origin: str, database_url: str | None) -> None:
    """Write a first `greffier.toml`. What the environment says stays there."""
    values = {"agency": agency, "origin": origin} | ({"database_url": database_url} if database_url else {})
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    write_durably(home / SETTINGS_FILE, ("\n".join(lines) + "\n").encode(), 0o644)


M = TypeVar("M", bound=BaseModel)
_NO_PATH = "Input is not a valid path for <class 'pathlib.Path'>"


def _checked(model: type[M], values: Any, where: str) -> M:
    if not isinstance(values, dict):
        raise SettingsError("must be an object with named members", field=where)
    try:
        return model(**values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or where
        said = first["msg"].replace("Input should be", "must be").replace(_NO_PATH, "must be a path in quotes")
        field = field if field.isprintable() else ascii(field)[1:-1]  # a member's name is the file's
        raise SettingsError(f"{said} (in {where})", field=field) from None
