"""What the build adds to the wheel: the man pages, made from the commands' own help."""

from __future__ import annotations

import os
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.builders.utils import get_reproducible_timestamp


class ManPages(BuildHookInterface):  # type: ignore[type-arg]
    """Write the pages beside the build and have them installed in share/man/man1."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the pages to a wheel; an editable installation does without."""
        if version == "editable":
            return
        self._folder = tempfile.TemporaryDirectory()
        sys.dont_write_bytecode = True
        sys.path.insert(0, self.root)
        try:
            from cli.main import adsyncconfig  # noqa: PLC0415 - the source tree is on the path only now
            from cli.man_page import man_pages  # noqa: PLC0415
        finally:
            sys.path.remove(self.root)
        date = datetime.fromtimestamp(get_reproducible_timestamp(), UTC).date().isoformat()
        for name, text in man_pages(adsyncconfig, self.metadata.version, date):
            path = Path(self._folder.name, name)
            path.write_text(text, encoding="utf-8", newline="\n")
            build_data["shared_data"][os.fspath(path)] = f"share/man/man1/{name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:  # noqa: ARG002
        """Remove the files, which are in the wheel by now."""
        if version != "editable":
            self._folder.cleanup()
