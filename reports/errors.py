"""What can go wrong while a document is made. A document that would be wrong or blank is never made."""

from __future__ import annotations


class ReportError(Exception):
    """Root of this package's errors."""


class LanguageError(ReportError):
    """The language asked for has no catalogue."""


class TranslationError(ReportError):
    """A sentence of a template has no translation in the language asked for."""


class CatalogueError(ReportError):
    """A catalogue cannot be read, or two catalogues translate one sentence differently."""


class ContextError(ReportError):
    """A template asks for what its context does not have, or would print a value without a format."""


class TwinError(ReportError):
    """A document's form for machines is not what it must be, or does not hold."""


class PdfError(ReportError):
    """No PDF can be made: of this document, or on this machine."""

    def __init__(self, message: str) -> None:
        super().__init__(f"pdf: {message}")
