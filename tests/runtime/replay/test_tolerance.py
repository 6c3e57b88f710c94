"""Bars: from honest decisions alone, and never believed where they do not follow from them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from runtime.capture import Run
from runtime.errors import RuntimeFault
from runtime.replay import tolerance
from runtime.replay.tolerance import (
    LEAST,
    Bars,
    Calibration,
    bars_for,
    calibrate,
    format_calibration,
    parse_calibration,
)
from runtime.verdict import Replayed

HERE, THERE = ("sha256:" + "a" * 64, "cpu"), ("sha256:" + "b" * 64, "cpu")


def replayed(mean: int | None = 10, largest: int = 101, margin: int = 0, **changes: object) -> Replayed:
    one = Replayed("x", "mismatch", "tokens", (1, 0), 9, 0, 9, 8, mean, largest, margin, *HERE, 2, "one_pass", 5)
    return replace(one, **changes)


def run(recorded: tuple[str, str] = THERE, *, model: str = "m", sampler: str = "greedy", rows: bool = True) -> Run:
    kept = (("0" * 16,),) if rows else ()
    return Run((), (), (), {}, None, sampler, 2, recorded[0], model, 0, device=recorded[1], rows=kept)


def made(honest: list[Replayed], recorded: tuple[str, str] = THERE) -> Calibration:
    return calibrate(honest, run(recorded))


def test_bars_are_half_as_much_again_as_the_largest_rounded_up() -> None:
    bars = made([replayed()] * 48 + [replayed(mean=33), replayed(largest=2, margin=7)]).bars
    assert bars == Bars(50, 152, 11)
    assert bars.hold(50, 152, 11)
    assert not any(bars.hold(*one) for one in ((51, 0, 0), (0, 153, 0), (0, 0, 12)))


@pytest.mark.parametrize(
    "spoilt",
    [
        [],
        [replayed(mean=None)],
        [replayed(reason="prompt")],
        [replayed(reason="seed")],
        [replayed(margin=10**12)],  # what no engine would have written
        [replayed(build=THERE[0])],
        [replayed(device="another")],
    ],
)
def test_fewer_than_fifty_or_what_was_not_compared_makes_no_calibration(spoilt: list[Replayed]) -> None:
    with pytest.raises(RuntimeFault, match=r"decisions: "):
        made([replayed()] * (LEAST - 1) + spoilt)


def test_a_calibration_is_read_only_as_it_was_written() -> None:
    calibration = made([replayed(largest=n) for n in range(LEAST)])
    text = format_calibration(calibration)
    assert parse_calibration(text) == calibration
    data = json.loads(text)
    assert data["bars"] == {"logprob_mean": 15, "logprob_max": 74, "margin_max": 0}
    wider = json.dumps({**data, "bars": {**data["bars"], "margin_max": 10**9}}, indent=2, sort_keys=True) + "\n"
    few = text.replace("    [10, 0, 0],\n", "")
    for bad in (wider, few, text.replace('"format": 1', '"format": 2'), text[:-2], "[]", "", text.replace("10", "-1")):
        with pytest.raises(RuntimeFault, match="no calibration"):
            parse_calibration(bad)


def test_those_measured_on_the_very_builds_go_before_others_and_no_sampler_stands_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loose, exact = made([replayed(mean=90)] * LEAST, ("c", "cpu")), made([replayed()] * LEAST)
    monkeypatch.setattr(tolerance, "shipped", lambda: (loose, exact))
    assert bars_for(run(), *HERE) == exact.bars
    assert bars_for(run(("d", "cpu")), *HERE) == loose.bars
    own = made([replayed(mean=1)] * LEAST, ("e", "cpu"))
    assert bars_for(run(("d", "cpu")), *HERE, more=[own]) == own.bars
    assert bars_for(run(), *HERE, more=[own]) == exact.bars
    for other in (run(sampler="gumbel/800"), run(model="another"), run(rows=False)):
        assert bars_for(other, *HERE) is None


def test_what_one_build_gives_again_says_nothing_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reproducible lane repeats to the bit here: bars of nothing, by which an honest record from elsewhere fails."""
    here, across = made([replayed(0, 0)] * LEAST, HERE), made([replayed()] * LEAST)
    monkeypatch.setattr(tolerance, "shipped", lambda: (across,))
    assert bars_for(run(("d", "cpu")), *HERE, more=[here]) == across.bars
    assert bars_for(run(HERE), *HERE, more=[here]) == here.bars
    assert bars_for(run(HERE), *HERE) is None


def test_what_is_shipped_is_sound_and_names_different_builds() -> None:
    tolerance.shipped.cache_clear()
    for one in tolerance.shipped():
        assert (one.recorded_build, one.recorded_device) != (one.build, one.device)
