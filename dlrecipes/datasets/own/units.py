"""Units beside numbers: which are well known, and which measure the same: 500 g and 1.5 kg."""

from collections.abc import Iterable, Mapping

SCALES: Mapping[str, Mapping[str, float]] = {
    "kg": {
        **{"mg": 1e-6, "g": 1e-3, "kg": 1.0, "t": 1e3, "gram": 1e-3, "gm": 1e-3, "kilogram": 1.0},
        **{"oz": 0.028349523125, "lb": 0.45359237, "lbs": 0.45359237},
    },
    "m": {
        **{"mm": 1e-3, "cm": 1e-2, "m": 1.0, "km": 1e3, "meter": 1.0, "metre": 1.0},
        **{"in": 0.0254, "inch": 0.0254, "ft": 0.3048, "yd": 0.9144, "mi": 1609.344},
    },
    "l": {
        "ml": 1e-3,
        "cl": 1e-2,
        "dl": 0.1,
        "l": 1.0,
        "liter": 1.0,
        "litre": 1.0,
        "gal": 3.785411784,
    },
    "s": {
        **{"ms": 1e-3, "s": 1.0, "sec": 1.0, "second": 1.0, "m": 60.0, "min": 60.0, "minute": 60.0},
        **{"h": 3600.0, "hr": 3600.0, "hour": 3600.0, "d": 86_400.0, "day": 86_400.0},
        **{"week": 604_800.0, "month": 2_629_800.0, "year": 31_557_600.0, "yr": 31_557_600.0},
    },
    "mb": {"b": 1e-6, "byte": 1e-6, "kb": 1e-3, "mb": 1.0, "gb": 1e3, "tb": 1e6},
    "kw": {
        "w": 1e-3,
        "kw": 1.0,
        "mw": 1e3,
        "hp": 0.745699872,
        "ps": 0.73549875,
        "bhp": 0.745699872,
    },
    "mhz": {"hz": 1e-6, "khz": 1e-3, "mhz": 1.0, "ghz": 1e3},
    "m2": {
        "cm2": 1e-4,
        "m2": 1.0,
        "m²": 1.0,
        "sqm": 1.0,
        "ft2": 0.09290304,
        "sqft": 0.09290304,
        "ha": 1e4,
    },
}
"""What a unit is in the one that it is turned into, by that; units in lower case."""
OTHERS = frozenset(
    (
        *("%", "‰", "$", "€", "£", "¥", "₹", "usd", "eur", "gbp", "chf", "wh", "kwh", "mwh", "v"),
        *("°c", "°f", "k", "cc", "kmpl", "km/kg", "m3", "km/h", "mph", "pa", "hpa", "bar", "psi"),
    )
)
"""Other well-known units, in lower case."""
KNOWN = OTHERS.union(*SCALES.values())


def short(unit: str) -> str:
    """Return a unit as it is compared: in lower case, without a full stop or the s of a plural."""
    bare = unit.casefold().rstrip(".")
    return bare.removesuffix("s") if len(bare) > 2 else bare


def scale_of(units: Iterable[str]) -> str:
    """Return the unit that all of some units can be turned into; empty if there is none."""
    names = set(units)
    return next((base for base, scale in SCALES.items() if names <= scale.keys()), "")


def factor(unit: str, base: str) -> float | None:
    """Return what a number beside a unit is multiplied with; None if it measures something else.

    Args:
        unit: The unit; empty for the one that all are turned into.
        base: That one, a name in `SCALES`.
    """
    return SCALES[base].get(short(unit)) if unit else 1.0
