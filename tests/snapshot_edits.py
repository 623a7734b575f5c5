"""Changes to a snapshot file that no cmdlet makes: entries added, and entries and descriptors replaced."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

Record = dict[str, Any]


def add_entry(path: Path, dn: str, attributes: dict[str, list[str]], *, like: str | None = None) -> None:
    """Add an object; ``like`` is the DN of one whose descriptor it shares."""
    header, records = _read(path)
    number = next(each["descriptor"] for each in records if each.get("dn") == like) if like else None
    records.append({"dn": dn, "descriptor": number, "attributes": attributes})
    header["entries"] += 1
    _write(path, header, records)


def edit_entry(path: Path, dn: str, change: Callable[[Record], object]) -> None:
    """Change an object's record in place."""
    header, records = _read(path)
    (record,) = (each for each in records if each.get("dn") == dn)
    change(record)
    _write(path, header, records)


def replace_descriptor(path: Path, dn: str, descriptor: bytes) -> None:
    """Give an object these bytes for a descriptor, malformed ones too."""
    header, records = _read(path)
    header["descriptors"] += 1
    number = header["descriptors"]
    records.insert(0, {"descriptor": number, "base64": base64.b64encode(descriptor).decode("ascii")})
    for record in records:
        if record.get("dn") == dn:
            record["descriptor"] = number
    _write(path, header, records)


def _read(path: Path) -> tuple[Record, list[Record]]:
    header, *records = (json.loads(line) for line in path.read_text(encoding="utf-8").splitlines())
    return header, records


def _write(path: Path, header: Record, records: list[Record]) -> None:
    lines = (json.dumps(record, ensure_ascii=False) for record in (header, *records))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
