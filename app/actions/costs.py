"""Usage as it is recorded: tokens and times from the runtime, energy with its method, cost by the system's tariff."""

from __future__ import annotations

from auditlog.canonical import Json
from registry.system import AISystem, Tariff
from runtime.capture import Usage

MILLION = 1_000_000
HOUR_US = 3_600 * MILLION


def usage(system: AISystem, measured: Usage) -> dict[str, Json]:
    """The `usage` value of a record: tokens, µs, µJ with method, cost in millionths with the tariff's date.

    An energy of method `estimated` comes from the watts that the system's host declares.
    """
    tariff = system.tariff
    return {
        "prompt_tokens": measured.prompt_tokens,
        "output_tokens": measured.output_tokens,
        "queue_us": measured.queue_us,
        "first_us": measured.first_us,
        "total_us": measured.total_us,
        "energy_uj": measured.energy_uj,
        "energy_method": measured.energy_method,
        "cost_millionths": cost_millionths(tariff, measured) if tariff else None,
        "currency": tariff.currency if tariff else None,
        "tariff_valid_from": tariff.valid_from.isoformat() if tariff and tariff.valid_from else None,
    }


def cost_millionths(tariff: Tariff, measured: Usage) -> int:
    """Marginal cost of one decision in millionths of the currency, rounded half up; monthly parts are not in it.

    `input` and `output` are prices per million tokens, `request` per decision, `device_hour` per hour of busy device.
    """
    parts = tariff.components
    tokens = measured.prompt_tokens * (parts.input or 0) + measured.output_tokens * (parts.output or 0)
    device = measured.total_us * (parts.device_hour or 0)
    cost = (parts.request or 0) + _rounded(tokens, MILLION) + _rounded(device, HOUR_US)
    return max(cost, parts.minimum or 0)


def _rounded(value: int, by: int) -> int:
    return (2 * value + by) // (2 * by)
