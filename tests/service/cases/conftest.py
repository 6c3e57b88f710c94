"""The homes of the tests about erasing, in which a case system's decisions are held for an officer."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

_PATH = Path(__file__).parents[1] / "erasing" / "conftest.py"
_NAME = "greffier_tests_offices"
if _NAME not in sys.modules:
    _spec = importlib.util.spec_from_file_location(_NAME, _PATH)
    assert _spec is not None
    assert _spec.loader is not None
    sys.modules[_NAME] = importlib.util.module_from_spec(_spec)
    _spec.loader.exec_module(sys.modules[_NAME])

_offices = sys.modules[_NAME]
office_template = _offices.office_template
small_office = _offices.small_office
office = _offices.office
told = _offices.told
