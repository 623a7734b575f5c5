"""The features that a user may name, in any case: of the cmdlets, of device writeback, and Cloud Sync's types."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from .catalogue import CLOUD_SYNC, DEVICE_REGISTRATION_CONFIGURATION, FEATURES, REGISTERED_DEVICES, Feature
from .errors import ParameterError

__all__ = ["FEATURE_NAMES", "feature_named", "features_named", "nearest"]

#: Where a cmdlet's feature and a type of Cloud Sync are called alike, the cmdlet's is meant.
_KNOWN: Final[dict[str, tuple[Feature, ...]]] = {
    **{name.lower(): (feature,) for name, feature in CLOUD_SYNC.items()},
    **{name.lower(): (feature,) for name, feature in FEATURES.items()},
    REGISTERED_DEVICES.name.lower(): (REGISTERED_DEVICES, DEVICE_REGISTRATION_CONFIGURATION),
}
#: The names in the spelling that messages list.
FEATURE_NAMES: Final = (
    *FEATURES,
    REGISTERED_DEVICES.name,
    *(name for name in CLOUD_SYNC if name.lower() not in map(str.lower, FEATURES)),
)


def feature_named(name: str) -> tuple[Feature, ...]:
    """What the name stands for: two features for device writeback. Raises ParameterError with the nearest name."""
    found = _KNOWN.get(name.strip().lower())
    if found is None:
        raise ParameterError(
            f"there is no feature '{name}': give {', '.join(FEATURE_NAMES)}{nearest(name, FEATURE_NAMES)}"
        )
    return found


def features_named(names: Sequence[str]) -> list[Feature]:
    """The features of these names, each once. Raises ParameterError for one that is none, and for none at all."""
    found = {feature.cmdlet + feature.name: feature for name in names for feature in feature_named(name)}
    if not found:
        raise ParameterError(f"-Feature is empty: give one or more of {', '.join(FEATURE_NAMES)}")
    return list(found.values())


def nearest(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` for the known name that is most like this one in any case; empty for none."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a wrong name pays for it

    spelled = {each.lower(): each for each in known}
    near = get_close_matches(name.strip().lower(), spelled, n=1)
    return f"; did you mean {spelled[near[0]]}?" if near else ""
