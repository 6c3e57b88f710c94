"""The one home of Jinja for documents and pages.

A template gets its context, `lang`, `now` and the filters of `reports.formats`. Whatever is missing fails: a variable,
a translation, a value that is None. A disclosure is never silently blank. The same data and clock give the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from enum import Enum
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined, TemplateError, select_autoescape
from jinja2.bccache import Bucket
from jinja2.ext import InternationalizationExtension
from markupsafe import Markup

from reports.catalogue import HERE, SOURCE, languages, read_translations
from reports.charts import bar_chart
from reports.errors import ContextError, LanguageError
from reports.formats import Formats
from reports.qr import qr
from reports.record_words import RecordWords

Clock = Callable[[], datetime]


class Renderer:
    """Makes documents and pages.

    `clock` gives an aware UTC time. `templates` are further folders (the site's pages), each with its own
    `locale/<lang>/messages.po`. `stylesheet` is CSS text that `base.html` puts inside a document, so that a saved file
    looks the same without a server; the site's layout overrides that block with a link.
    """

    def __init__(self, clock: Clock, *, templates: Sequence[Path] = (), stylesheet: str = "") -> None:
        if "</" in stylesheet:
            raise ContextError("stylesheet: CSS must not contain '</', it would end the style element")
        self._clock = clock
        folders = (HERE, *templates)
        self._environments = {lang: _environment(lang, folders, stylesheet) for lang in languages()}

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that a document can be made in."""
        return tuple(self._environments)

    def document(self, name: str, context: object, lang: str, *, layout: str = "base.html", **site: object) -> str:
        """The document of folder `name` as a whole HTML page; the fields of its dataclass are the variables.

        `layout` is the page around it, `site` what only that layout needs.
        Raises LanguageError, TranslationError, ContextError.
        """
        return self.page(f"{name}/body.html", lang, **site, **_variables(context), layout=layout)

    def text(self, name: str, context: object, lang: str) -> str:
        """The document of folder `name` as plain text in one paragraph (`body.txt`). Raises as `document` does."""
        return " ".join(self.page(f"{name}/body.txt", lang, **_variables(context)).split())

    def page(self, template: str, lang: str, **context: object) -> str:
        """One template with these variables, `lang` and `now`. Raises as `document` does."""
        environment = self._environments.get(lang)
        if environment is None:
            raise LanguageError(f"lang: use one of {', '.join(self._environments)}")
        try:
            return environment.get_template(template).render(context, lang=lang, now=self._clock())
        except TemplateError as error:
            raise ContextError(f"{template}: {error}") from error


def json_twin(context: object) -> bytes:
    """The same data for machines: UTF-8 JSON, one line, members sorted; times in ISO 8601, a share {"of", "part"}."""
    return (
        json.dumps(_jsonable(context), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
        + "\n"
    ).encode()


def sentences(folder: Path) -> list[tuple[str, ...]]:
    """What the folder's templates say, in file order: (message,) or (singular, plural). Raises ContextError."""
    environment: Any = _environment(SOURCE, (HERE,), "")
    found: list[tuple[str, ...]] = []
    for path in sorted([*folder.rglob("*.html"), *folder.rglob("*.txt")]):
        try:
            extracted = list(environment.extract_translations(path.read_text("utf-8")))
        except TemplateError as error:
            raise ContextError(f"{path}: {error}") from error
        for _line, _function, message in extracted:
            found.append(
                (message,) if isinstance(message, str) else tuple(text for text in message if text is not None)
            )
    return found


class _Compiled(BytecodeCache):
    """Templates as compiled in this process. Jinja keeps a digest of each source, and compiles what changed."""

    def __init__(self) -> None:
        self._code: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if bucket.key in self._code:
            bucket.bytecode_from_string(self._code[bucket.key])

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._code[bucket.key] = bucket.bytecode_to_string()


@cache
def _compiled(_lang: str) -> _Compiled:
    # Of one language each: a filter of a language over a constant is worked out when it is compiled.
    return _Compiled()


def _environment(lang: str, folders: Sequence[Path], stylesheet: str) -> Environment:
    # One recipe, bound to a language once: macros and filters need no language passed along, so none can be forgotten.
    environment = Environment(
        loader=FileSystemLoader(list(folders)),
        # .txt is plain text for a JSON member or a printed line; everything else is HTML.
        autoescape=select_autoescape(disabled_extensions=("txt",), default=True, default_for_string=True),
        undefined=StrictUndefined,
        finalize=_printable,
        lstrip_blocks=True,
        auto_reload=False,
        bytecode_cache=_compiled(lang),
        extensions=[InternationalizationExtension],
    )
    environment.policies["ext.i18n.trimmed"] = True
    translations = read_translations(lang, folders)
    install: Callable[..., None] = environment.install_gettext_callables  # type: ignore[attr-defined]
    install(translations.gettext, translations.ngettext, newstyle=True)
    environment.filters.update(Formats(lang).table())
    environment.filters["qr"] = qr
    environment.globals["bar_chart"] = bar_chart
    words = RecordWords(lang)
    environment.filters |= {"rows": words.rows, "member": words.member}
    # Our own file, not input: the stylesheet is CSS and would be mangled by HTML escaping.
    environment.globals["stylesheet"] = Markup(stylesheet)  # noqa: S704 (see above)
    return environment


def _printable(value: object) -> object:
    """Only text and whole numbers print as they are; all else needs a filter: nothing ever prints "None" or "True"."""
    if isinstance(value, str | StrictUndefined) or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ContextError(f"a value of type {type(value).__name__} was printed without a filter")


def _variables(context: object) -> dict[str, Any]:
    if not dataclasses.is_dataclass(context) or isinstance(context, type):
        raise ContextError("context: give the document's dataclass")
    return {field.name: getattr(context, field.name) for field in dataclasses.fields(context)}


def _jsonable(value: object) -> object:  # noqa: PLR0911 - one line per type reads best
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # A member that is a word of Python has an underscore behind it in the dataclass only.
        left_out = {one.name for one in dataclasses.fields(value) if one.metadata.get("omitted")}
        return {
            name.rstrip("_"): _jsonable(member)
            for name, member in _variables(value).items()
            if member or name not in left_out
        }
    if isinstance(value, Mapping):
        return {str(key): _jsonable(member) for key, member in value.items()}
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Fraction):
        return {"part": value.numerator, "of": value.denominator}
    if isinstance(value, Sequence | frozenset | set) and not isinstance(value, bytes):
        return [_jsonable(member) for member in (value if isinstance(value, Sequence) else sorted(value))]
    raise ContextError(f"a value of type {type(value).__name__} has no JSON form")
