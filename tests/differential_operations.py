"""What the engine predicts that the connector can do, beside what happens when it tries."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random
from typing import Any
from uuid import UUID

import differential
import ldap3
import trying
from contoso_directory import CONNECTOR_DN
from differential import Comparison, Pools
from differential_access import CONNECTOR, DOMAIN_ADMINS, DOMAIN_USERS, TRUSTEES, Descriptors, Parties
from differential_schema import Schema
from trying import REFUSED, SUCCESS

from acl import AccessMask, Ace, AceFlag, Control, SecurityDescriptor, Sid
from acl.access import access_check

RESET_PASSWORD = UUID("00299570-246d-11d0-a768-00aa006e0529")  # User-Force-Change-Password
_M = AccessMask
_CI, _IO = AceFlag.CONTAINER_INHERIT, AceFlag.INHERIT_ONLY


@dataclass(frozen=True, slots=True)
class Stage:
    """A container with a group and a user in it, for the connector to try its hand on."""

    container: str
    group: str
    user: str
    group_sid: Sid
    user_sid: Sid

    @classmethod
    def set_up(cls, administrator: Any, container: str) -> Stage:
        """Create the group and the user."""
        group, user = f"CN=Stage Group,{container}", f"CN=Stage User,{container}"
        administrator.add(group, "group", {"sAMAccountName": "stage-group", "description": "before"})
        administrator.add(user, "user", {"sAMAccountName": "stage-user"})
        sids = [
            Sid.from_bytes(differential.read(administrator, dn, "objectSid")["objectSid"][0])
            for dn in (group, user)
        ]
        return cls(container, group, user, *sids)

    def write(self, administrator: Any, descriptors: Descriptors) -> Descriptors:
        """Give container, group and user these descriptors; what the controller made of them."""
        parts = differential.OWNER | differential.GROUP | differential.DACL
        dns = (self.container, self.group, self.user)
        for dn, each in zip(dns, descriptors, strict=True):
            assert differential.write(administrator, dn, each, parts) == SUCCESS, administrator.result
        return tuple(differential.stored(administrator, dn) for dn in dns)

    def clear(self, administrator: Any) -> None:
        """Delete what is in the container."""
        for dn in (
            self.group,
            f"CN=Stage Renamed,{self.container}",
            f"CN=Stage New,{self.container}",
            self.user,
        ):
            administrator.delete(dn)


def stage_descriptors(dice: Random, schema: Schema) -> Descriptors:
    """Descriptors for container, group and user, of entries about what the connector will try."""
    rights = [
        *(
            _M.DS_CREATE_CHILD,
            _M.DS_DELETE_CHILD,
            _M.DELETE,
            _M.DS_CONTROL_ACCESS,
            _M.WRITE_DAC,
            _M.WRITE_OWNER,
        ),
        *(_M.DS_READ_PROPERTY, _M.DS_WRITE_PROPERTY, _M.DS_WRITE_PROPERTY, _M.DS_WRITE_PROPERTY_EXTENDED),
    ]
    names = ("description", "member", "name", "cn")
    types: list[UUID | None] = [None] * 8
    types += [schema.classes[name] for name in ("group", "user", "organizationalUnit")]
    types += [guid for name in names for guid in schema.attributes[name].path]
    types += [RESET_PASSWORD] * 4
    some = Pools(
        TRUSTEES, differential.masks(dice, rights), types, flags=(*[0] * 8, _CI, _CI | _IO), deny=0.25
    )
    seen = Ace.allow(CONNECTOR, _M.DS_LIST_CONTENTS)  # what it can't see it can't try
    owners = (DOMAIN_ADMINS, DOMAIN_ADMINS, CONNECTOR)
    return tuple(
        SecurityDescriptor(Control.DACL_PROTECTED, dice.choice(owners), DOMAIN_USERS).with_dacl(
            [seen, *some.entries(dice)]
        )
        for _ in range(3)
    )


def predict_operations(parties: Parties, stage: Stage, descriptors: Descriptors) -> dict[str, bool]:
    """Which operations succeed, by the rights that MS-ADTS 3.1.1.4 and 3.1.1.5 ask for."""
    container, group, user = descriptors
    token, schema = parties.token, parties.schema
    class_of_group = schema.classes["group"]

    def on_group(right: int, *object_types: UUID) -> bool:
        return bool(
            access_check(group, token, right, object_types=object_types, principal_self=stage.group_sid)
        )

    def on_container(right: int) -> bool:
        return bool(access_check(container, token, right, object_types=(class_of_group,)))

    writes = {
        name: on_group(_M.DS_WRITE_PROPERTY, *schema.path("group", name))
        for name in ("description", "member", "name", "cn")
    }
    descriptor_path = schema.path("group", "nTSecurityDescriptor")
    member = schema.attributes["member"].guid
    reset = access_check(
        user, token, _M.DS_CONTROL_ACCESS, object_types=(RESET_PASSWORD,), principal_self=stage.user_sid
    )
    return {
        "create a group": on_container(_M.DS_CREATE_CHILD),
        "read description": on_group(_M.DS_READ_PROPERTY, *schema.path("group", "description")),
        "write description": writes["description"],
        "add a member": writes["member"],
        "add itself as a member": writes["member"] or on_group(_M.DS_WRITE_PROPERTY_EXTENDED, member),
        "reset a password": bool(reset),
        "write the DACL": on_group(_M.WRITE_DAC, *descriptor_path),
        "take ownership": on_group(_M.WRITE_OWNER, *descriptor_path),
        "rename": writes["name"] and writes["cn"],
        "delete": on_group(_M.DELETE, class_of_group) or on_container(_M.DS_DELETE_CHILD),
    }


def try_operations(parties: Parties, stage: Stage, descriptors: Descriptors) -> dict[str, bool]:
    """Which operations succeed; each is undone as far as it stands in the way of the next."""
    connection, administrator = parties.connector, parties.administrator
    group = descriptors[1]
    password = '"Lab-Passw0rd.2023"'.encode("utf-16-le")

    def worked(said: str) -> bool:
        assert said in (SUCCESS, REFUSED), (said, connection.result)
        return said == SUCCESS

    def change_password() -> str:
        connection.modify(stage.user, {"unicodePwd": [(ldap3.MODIFY_REPLACE, [password])]})
        said: str = connection.result["description"]
        return said

    new, renamed = f"CN=Stage New,{stage.container}", f"CN=Stage Renamed,{stage.container}"
    results = {
        "create a group": worked(trying.create_group(connection, new)),
        "read description": bool(differential.read(connection, stage.group, "description")["description"]),
        "write description": worked(trying.write(connection, stage.group, "description", "after")),
        "add a member": worked(trying.add_member(connection, stage.group, stage.user)),
        "add itself as a member": worked(trying.add_member(connection, stage.group, CONNECTOR_DN)),
        "reset a password": worked(change_password()),
        "write the DACL": worked(differential.write(connection, stage.group, group)),
        "take ownership": worked(
            differential.write(connection, stage.group, replace(group, owner=CONNECTOR), differential.OWNER)
        ),
    }
    differential.write(administrator, stage.group, group, differential.OWNER | differential.DACL)
    results["rename"] = worked(trying.rename(connection, stage.group, "CN=Stage Renamed"))
    if results["rename"]:
        assert trying.rename(administrator, renamed, "CN=Stage Group") == SUCCESS
    results["delete"] = worked(trying.delete(connection, stage.group))
    return results


def compare(comparison: Comparison[Descriptors], parties: Parties, dn: str, dice: Random) -> None:
    """Write descriptors to a container and what is in it, let the connector try, and compare."""
    stage = Stage.set_up(parties.administrator, dn)
    found = stage.write(parties.administrator, stage_descriptors(dice, parties.schema))
    results = try_operations(parties, stage, found)
    stage.clear(parties.administrator)
    comparison.compare(
        found,
        lambda descriptors: predict_operations(parties, stage, descriptors),
        results,
        lambda descriptors: "\n".join(each.to_sddl() for each in descriptors),
    )
