"""What fixtures/cmdlets says that a cmdlet writes, with the account's SID filled in."""

from __future__ import annotations

import json
import re
from pathlib import Path

FIXTURES = Path(__file__).parent.parent / "fixtures"
CONTOSO_SNAPSHOT = FIXTURES / "directories" / "contoso.jsonl"
GROUP_WRITEBACK = "Set-ADSyncUnifiedGroupWritebackPermissions"


def expected_aces(cmdlet: str, target: str, sid: str) -> list[str]:
    """The entries, as SDDL, that the cmdlet leaves on a target of this kind."""
    fixture = json.loads((FIXTURES / "cmdlets" / f"{cmdlet}.json").read_text(encoding="utf-8"))
    values = {**fixture["guids"], "SID": sid, "DOMAIN": sid.rpartition("-")[0]}
    aces: list[str] = fixture["aces"][target]
    return [re.sub(r"<([^>]+)>", lambda match: values[match[1]], ace) for ace in aces]
