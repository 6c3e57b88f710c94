"""The extract for the record of processing activities (GDPR 30(1)), from register and versions."""

from __future__ import annotations

from typing import Final

from home import calendar
from home.greffier import Greffier
from registry.manifest import SystemVersion
from registry.store import systems as register_store
from registry.system import AISystem
from reports.processing_record.context import Activity, Category, ProcessingRecord
from service.deciding.ai_notice import system_url
from service.disclosing.report import agency_here, newest_version
from service.systems import register

_PERSONAL: Final = frozenset({"personal", "special", "criminal"})
# What is not in use, or no more, is no processing of this agency today.
_IN_USE: Final = frozenset({"approved", "pilot", "active", "suspended"})


def processing_record(g: Greffier) -> ProcessingRecord:
    """The extract of this agency: systems that are in use or about to be. It is the controller's own paper, so members
    that the public does not see are in it."""
    activities, without = [], []
    with g.reading() as conn:
        slugs = [one.system.slug for one in register_store.list_systems(conn) if one.state in _IN_USE]
    for slug in slugs:
        found = register.show(g, slug)
        categories = _categories(found.system, found.version or newest_version(g, slug))
        facts = found.system.use
        if categories or found.system.processing or (facts is not None and facts.personal_data):
            activities.append(
                Activity(system=found.system, url=system_url(g, slug), state=found.state, categories=categories)
            )
        else:
            without.append(found.system.name)
    return ProcessingRecord(
        agency=agency_here(g), written=calendar.today(g), activities=tuple(activities), without=tuple(without)
    )


def _categories(system: AISystem, version: SystemVersion | None) -> tuple[Category, ...]:
    fields = () if version is None else version.manifest.fields
    read = [
        Category(label=one.label, source=one.source, data_class=one.class_) for one in fields if one.class_ in _PERSONAL
    ]
    named = [
        Category(label=one.name, source=None if one.use == "output" else one.source, data_class=one.class_)
        for one in system.data or ()
        if one.class_ in _PERSONAL
    ]
    return tuple(read + named)
