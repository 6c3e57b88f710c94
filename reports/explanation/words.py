"""An explanation as plain text, for the command line and for a member of a JSON answer."""

from __future__ import annotations

from reports.explanation.context import Explanation
from reports.layout import laid_out
from reports.render import Renderer


def words(renderer: Renderer, explanation: Explanation, lang: str) -> str:
    """Lines of at most 100 columns, with a newline at the end. Raises LanguageError, TranslationError, ContextError."""
    return laid_out(renderer.page("explanation/body.txt", lang, explanation=explanation))
