"""A coverage-guided fuzzer for the engine: nothing may come out of it but a value or one of its two errors.

    script/fuzz [bytes|sddl|condition] [minutes]

``bytes`` asks SecurityDescriptor.from_bytes, and Condition and Claim for what entries carry; ``sddl`` asks
from_sddl; ``condition`` takes a condition both as bytes and as text. What was read is written and read again,
and has to be the same; what stands in an exception has to lie in the input.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

atheris = import_module("atheris")  # only in the virtualenv that script/fuzz makes
with atheris.instrument_imports(include=["acl"]):
    from acl import AceType, AclError, MalformedError, SddlError, SecurityDescriptor, Sid
    from acl.claim import Claim
    from acl.condition import Condition
    from acl.condition_text import condition_from_sddl, condition_to_sddl
    from acl.sddl import descriptor_from_sddl, descriptor_to_sddl

FIXTURES = Path(__file__).parent.parent / "fixtures"
DOMAIN = Sid.from_string("S-1-5-21-1-2-3")


def _one(data: bytes) -> None:
    try:
        descriptor = SecurityDescriptor.from_bytes(data)
    except MalformedError as error:
        _check_offset(data, error)
        return
    assert descriptor.to_bytes() == data
    assert SecurityDescriptor.from_bytes(replace(descriptor).to_bytes()) == descriptor
    for acl in (descriptor.sacl, descriptor.dacl):
        for ace in acl or ():
            if ace.is_conditional:
                _condition_bytes(ace.data)
            elif ace.type == AceType.SYSTEM_RESOURCE_ATTRIBUTE:
                _claim_bytes(ace.data)
    try:
        text = descriptor_to_sddl(descriptor, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    except AclError:
        return  # unknown types, reserved bits and malformed conditions have no text
    # Read once, an object entry without GUIDs is a plain one, as it is to Windows; from then on text is stable.
    again = descriptor_from_sddl(text, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    _text(descriptor_to_sddl(again, domain_sid=DOMAIN, forest_root_sid=DOMAIN))


def _condition_bytes(data: bytes) -> None:
    try:
        condition = Condition.from_bytes(data)
    except MalformedError as error:
        _check_offset(data, error)
        return
    again = Condition.from_bytes(condition.to_bytes())
    assert again == condition
    try:
        text = condition_to_sddl(condition)
    except AclError:
        return
    assert condition_to_sddl(condition_from_sddl(text)) == text


def _claim_bytes(data: bytes) -> None:
    try:
        claim = Claim.from_bytes(data)
    except MalformedError as error:
        _check_offset(data, error)
        return
    assert Claim.from_bytes(claim.to_bytes()) == claim


def _sddl(data: bytes) -> None:
    _text(data.decode("utf-8", "replace"))


def _text(source: str) -> None:
    try:
        descriptor = descriptor_from_sddl(source, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    except SddlError as error:
        _check_span(source, error)
        return
    try:
        raw = descriptor.to_bytes()
    except AclError:
        assert len(source) > 10_000  # more than a list can hold
        return
    assert SecurityDescriptor.from_bytes(raw) == descriptor
    text = descriptor_to_sddl(descriptor, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    again = descriptor_from_sddl(text, domain_sid=DOMAIN, forest_root_sid=DOMAIN)
    assert descriptor_to_sddl(again, domain_sid=DOMAIN, forest_root_sid=DOMAIN) == text


def _condition(data: bytes) -> None:
    _condition_bytes(data)
    _condition_bytes(b"artx" + data)
    source = data.decode("utf-8", "replace")
    try:
        condition = condition_from_sddl(source)
    except SddlError as error:
        _check_span(source, error)
        return
    assert Condition.from_bytes(condition.to_bytes()) == condition
    text = condition_to_sddl(condition)
    assert condition_to_sddl(condition_from_sddl(text)) == text


def _check_offset(data: bytes, error: MalformedError) -> None:
    assert 0 <= error.offset <= len(data), error
    assert error.reason


def _check_span(source: str, error: SddlError) -> None:
    start, end = error.span
    assert error.source == source
    assert 0 <= start <= end <= len(source), error
    assert error.marked()


TARGETS: dict[str, Callable[[bytes], None]] = {"bytes": _one, "sddl": _sddl, "condition": _condition}


def _texts(value: object) -> Iterator[str]:
    """Every string in a fixture."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _seeds(target: str) -> Iterator[bytes]:
    """What to start from: the vectors of the tests."""
    if target == "bytes":
        vectors = json.loads((FIXTURES / "descriptors.json").read_text(encoding="utf-8"))["vectors"]
        for vector in vectors:
            yield b"".join(bytes.fromhex(line.split("|")[0]) for line in vector["bytes"])
    for text in _texts(
        json.loads((FIXTURES / ("conditions.json" if target == "condition" else "sddl.json")).read_bytes())
    ):
        yield text.encode()
        if target == "condition" and text.replace(" ", "").startswith("61727478"):
            yield bytes.fromhex(text)


def main() -> None:
    target, seconds, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    folder.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds(target)):
        (folder / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        "-max_len=2048",
        "-timeout=5",
        "-rss_limit_mb=1024",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options, f"-artifact_prefix={folder.parent}/", str(folder)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
