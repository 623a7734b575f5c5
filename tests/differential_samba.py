"""A second opinion on plain entries: the access check of Samba's Python module, in an interpreter of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import pytest
import samba_lab

from acl import SecurityDescriptor, Sid

# Only the distribution's own interpreter has these modules, so this runs there and not in the virtualenv.
_SCRIPT = """
import json, sys
from samba import NTSTATUSError, security as opinion
from samba.dcerpc import security
from samba.ndr import ndr_unpack

sids, *questions = map(json.loads, sys.stdin)
token = security.token()
token.num_sids = len(sids)
token.sids = [security.dom_sid(sid) for sid in sids]
for data, masks in questions:
    descriptor = ndr_unpack(security.descriptor, bytes.fromhex(data))
    answers = []
    for mask in masks:
        try:
            answers.append(opinion.access_check(descriptor, token, mask))
        except NTSTATUSError:
            answers.append(0)
    print(json.dumps(answers))
"""


class Question(NamedTuple):
    """What each of these masks is granted on a descriptor."""

    descriptor: SecurityDescriptor
    masks: Sequence[int]


def second_opinion(sids: Iterable[Sid], questions: Iterable[Question]) -> list[list[int]]:
    """What Samba grants a token of these SIDs, for each question and mask; 0 where it refuses."""
    interpreter = samba_lab._samba_python()
    if interpreter is None:
        pytest.skip("no Python can import samba (package: python3-samba)")
    lines = [json.dumps(list(map(str, sids)))]
    lines += [
        json.dumps([each.descriptor.to_bytes().hex(), list(map(int, each.masks))]) for each in questions
    ]
    command = [interpreter, "-I", "-c", _SCRIPT]
    done = subprocess.run(command, input="\n".join(lines), capture_output=True, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]
