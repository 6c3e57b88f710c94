"""A version tested on its invented cases, before it decides about people (the fitness gate).

It runs in a worker of its own. Nothing of it is a decision: no number of a boot is taken, nothing is recorded but the
`fitness/1` entry of the report, and the answers are counted and thrown away.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as StillRunning
from typing import Any, Final, TypeVar, cast

from home.errors import Refused, Unfinished, UsageError
from home.greffier import Greffier
from registry.gate_report import Counts, FitnessReport, cases_of, make_report
from registry.manifest import Manifest, SystemVersion
from registry.store import systems as register_store
from runtime.errors import InputInvalid, PromptTooLong, RuntimeFault
from runtime.explain.question import Limits, Survey, SurveyOrder, Wording
from runtime.program import Request
from runtime.worker.supervisor import Supervisor
from service.deciding import boots, programs, trial_worker
from service.records.accesses import STAFF
from service.systems import admission

LIMITS: Final = Limits(values=8)
"""Of other values of a field in each case. Fewer than for one person's explanation: there are many cases."""
ANSWERED: Final = 24
"""Cases that are answered in full, where later steps write text."""
EXPLAINED: Final = 8
_PATIENCE_S: Final = 3600.0
_TELLING_S: Final = 10.0

T = TypeVar("T")
Told = Callable[[str], None]


def run(
    g: Greffier,
    slug: str,
    version: int | None = None,
    *,
    role: str = "administrator",
    told: Told = lambda _: None,
) -> FitnessReport:
    """Test a version (the newest where none is named), and record the report. `told`: how far it is, in words.

    Raises UnknownSystem, UnknownVersion; Refused (the role is no staff; the model is not registered; the build is not
    accepted); UsageError for a version without a model here or without cases; Unfinished where the runtime fails, and
    CannotRecord: then there is no report.
    """
    if g.problem is not None:
        raise g.problem
    if role not in STAFF:
        raise Refused("a version is tested by staff only", reason="role", field="role")
    found = _version(g, slug, version)
    order = _order(found)
    with trial_worker.worker(g) as worker:
        try:
            facts = trial_worker.demand_build(worker, found.manifest, "version")
            told(f"{slug}, version {found.version}: {len(order.cases)} cases")
            surveyed = _wait(worker.survey(order), told)
            answered = _answer(worker, found.manifest, order, told)
        except RuntimeFault as fault:
            raise Unfinished(str(fault), reason=fault.reason or "stopped") from None
    report = make_report(
        found,
        _counts(surveyed.survey, answered),
        made=g.clock().strftime("%Y-%m-%dT%H:%MZ"),
        seed=order.seed,
        runtime=facts.runtime,
        build=facts.build,
        device=boots.device_name(surveyed.device),
    )
    admission.keep(g, report)
    return report


def _version(g: Greffier, slug: str, number: int | None) -> SystemVersion:
    with g.reading() as conn:
        system = register_store.read_system(conn, slug)
        if number is None:
            versions = register_store.list_versions(conn, slug)
            if not versions:
                raise UsageError("has no version yet: register one", field="system")
            found = versions[-1]
        else:
            found = register_store.read_version(conn, slug, number)
    if found.model is None or system.system.capture != "runtime":
        message = "runs elsewhere: it cannot be tested here, and goes live without"
        raise UsageError(message, field="version")
    if found.manifest.fitness is None:
        message = "declares no cases: register a version with a grid of values, or with cases, to be tested on"
        raise UsageError(message, field="version.fitness")
    trial_worker.demand_model(g, found.model, "version")
    return found


def _order(version: SystemVersion) -> SurveyOrder:
    """What is run. The seed follows from the version: whoever tests it again draws the same."""
    manifest = version.manifest
    fitness = manifest.fitness
    explained = fitness.explained if fitness else None
    return SurveyOrder(
        id=str(uuid.uuid4()),
        program=programs.program(manifest),
        cases=tuple(cast("Any", cases_of(manifest))),
        wordings=tuple(Wording(one.kind, one.template) for one in manifest.wordings or ()),
        protected=tuple(field.id for field in manifest.fields if field.protected),
        groups=groups_of(manifest),
        seed=hashlib.sha256(version.digest.encode()).hexdigest()[:32],
        explained=EXPLAINED if explained is None else explained,
        limits=LIMITS,
    )


def groups_of(manifest: Manifest) -> tuple[tuple[str, ...], ...]:
    """The groups of at least two fields, in declared order."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for field in manifest.fields:
        if field.group is not None:
            found[field.group].append(field.id)
    return tuple(tuple(names) for names in found.values() if len(names) > 1)


def _answer(worker: Supervisor, manifest: Manifest, order: SurveyOrder, told: Told) -> Counter[str]:
    """How some cases ended that were answered in full, by outcome; none where the first step is all there is."""
    if len(manifest.steps) < 2:
        return Counter()
    drawn = _sample(order.cases, order.seed)
    told(f"answering {len(drawn)} cases in full")
    # Where the version draws, each case has a seed of its own that anyone can make again.
    requests = [
        Request(
            id=f"{order.id}/{number}",
            program=order.program,
            fields=case,
            seed=None if manifest.seed == "none" else _sha256(f"{order.seed}|answer|{number}")[:32],
        )
        for number, case in drawn
    ]
    futures = [worker.generate(request, deadline_s=_PATIENCE_S) for request in requests]
    ended: Counter[str] = Counter()
    for future in futures:
        try:
            ended[_wait(future, told).outcome] += 1
        except (InputInvalid, PromptTooLong):
            continue  # the survey counted it among the skipped
    return ended


def _sample(cases: Sequence[Mapping[str, Any]], seed: str) -> list[tuple[int, Mapping[str, Any]]]:
    order = sorted(range(len(cases)), key=lambda number: _sha256(f"{seed}|drawn|{number}"))
    return [(number, cases[number]) for number in sorted(order[:ANSWERED])]


def _wait(future: Future[T], told: Told) -> T:
    waited = 0.0
    while True:
        try:
            return future.result(_TELLING_S)
        except StillRunning:
            if future.done():  # just now; or it is the future's own fault, which this raises again
                return future.result()
            waited += _TELLING_S
            told(f"still running, {waited:.0f} s")


def _counts(survey: Survey, answered: Counter[str]) -> Counts:
    return Counts(
        cases=survey.cases,
        skipped=survey.skipped,
        outcomes=survey.outcomes,
        sensitive=survey.sensitive,
        by_field=survey.by_field,
        protected=survey.protected,
        stable=survey.stable,
        wordings=survey.wordings,
        verdicts=survey.verdicts,
        reasons=survey.reasons,
        answered=answered.total(),
        cut_off=answered["length"],
        invalid=answered["invalid"],
        refused=answered["refusal"],
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
