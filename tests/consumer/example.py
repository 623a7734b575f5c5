# pyright: strict
"""A program that uses adsyncconfig as a library. Not run: type checkers read it beside the wheel."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import assert_type

import acl
import adsyncconfig
from acl import AccessMask, Ace, Acl, SecurityDescriptor, Sid


def trustees(descriptor: SecurityDescriptor) -> Iterator[Sid]:
    dacl = descriptor.dacl
    if dacl is None:
        return
    assert_type(dacl, Acl)
    for ace in dacl:
        assert_type(ace, Ace)
        if ace.sid is not None:
            yield ace.sid


def may_read(descriptor: SecurityDescriptor, token: frozenset[Sid]) -> bool:
    result = acl.access_check(descriptor, token, AccessMask(0x10))
    assert_type(result.granted, AccessMask)
    return result.decisive is not None


def grant(server: str, user: str, password: str) -> int:
    try:
        with adsyncconfig.connect(server, user=user, password=password) as directory:
            result = adsyncconfig.set_adsync_unified_group_writeback_permissions(
                directory,
                ad_connector_account_dn="CN=MSOL_0123456789ab,CN=Users,DC=contoso,DC=example",
                ad_object_dn="OU=Writeback,DC=contoso,DC=example",
                what_if=True,
                confirm=None,
            )
    except adsyncconfig.ADSyncConfigError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    for change in result.changes:
        assert_type(change.dn, str)
        for ace in change.added:
            sys.stdout.write(f"{change.status} {change.dn} {adsyncconfig.ace_to_sddl(ace)}\n")
    return 0


def look(path: str) -> list[str]:
    with adsyncconfig.open_snapshot(path) as directory:
        return [found.dn for found in adsyncconfig.get_adsync_ad_connector_account(directory).accounts]


if __name__ == "__main__":
    sys.exit(grant(*sys.argv[1:]))
