"""The bundled directory is what a controller of the lab holds, when it is captured anew."""

from __future__ import annotations

from pathlib import Path

import samba_lab
from capture import ORIGIN, captured
from conftest import live, require_lab
from contoso_directory import populate
from expectations import CONTOSO_SNAPSHOT

from adsyncconfig.snapshot import write_snapshot


def test_the_bundled_directory_is_captured_again_as_it_is(tmp_path: Path) -> None:
    require_lab()
    again = tmp_path / "contoso.jsonl"
    with samba_lab.contoso_lab() as controller:
        populate(controller)
        with live(controller) as directory:
            write_snapshot(again, directory.root, captured(directory), origin=ORIGIN)
    assert again.read_text(encoding="utf-8") == CONTOSO_SNAPSHOT.read_text(encoding="utf-8")
