"""How each library is asked to do the same work.

A contender is a class of static methods: ``read`` a descriptor from bytes, ``walk`` every entry reading mask,
SID string and GUIDs, ``write`` it back, and where the library has them ``from_text`` and ``to_text``. What a
library cannot do, its class leaves out. ``python benchmarks/contenders.py`` says which are installed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from functools import cache
from importlib import import_module, metadata
from typing import Any

DOMAIN_SID = "S-1-5-21-1004336348-1177238915-682003330"


class Acl:
    """The engine of this project."""

    module = "acl"

    @staticmethod
    def prepare() -> dict[str, Any]:
        engine = import_module("acl")
        domain = engine.Sid.from_string(DOMAIN_SID)

        def walk(descriptor: Any) -> None:
            for acl in (descriptor.sacl, descriptor.dacl):
                for ace in acl.aces:
                    _ = ace.mask, str(ace.sid), ace.object_type, ace.inherited_object_type

        return {
            "read": engine.SecurityDescriptor.from_bytes,
            "walk": walk,
            "write": lambda descriptor: descriptor.to_bytes(),
            "from_text": lambda text: engine.SecurityDescriptor.from_sddl(
                text, domain_sid=domain, forest_root_sid=domain
            ),
            "to_text": lambda descriptor: descriptor.to_sddl(domain_sid=domain, forest_root_sid=domain),
        }


class Winacl:
    """winacl, pure Python."""

    module = "winacl"

    @staticmethod
    def prepare() -> dict[str, Any]:
        winacl = import_module("winacl.dtyp.security_descriptor")

        def walk(descriptor: Any) -> None:
            for acl in (descriptor.Sacl, descriptor.Dacl):
                for ace in acl.aces:
                    _ = ace.Mask, str(ace.Sid)
                    if hasattr(ace, "ObjectType"):
                        _ = ace.ObjectType, ace.InheritedObjectType

        return {
            "read": winacl.SECURITY_DESCRIPTOR.from_bytes,
            "walk": walk,
            "write": lambda descriptor: descriptor.to_bytes(),
        }


class Impacket:
    """impacket, pure Python."""

    module = "impacket"

    @staticmethod
    def prepare() -> dict[str, Any]:
        types = import_module("impacket.ldap.ldaptypes")
        bin_to_string = import_module("impacket.uuid").bin_to_string

        def walk(descriptor: Any) -> None:
            for name in ("Sacl", "Dacl"):
                for ace in descriptor[name].aces:
                    body = ace["Ace"]
                    _ = body["Mask"]["Mask"], body["Sid"].formatCanonical()
                    if "ObjectType" in body.fields:
                        for field in ("ObjectType", "InheritedObjectType"):
                            if body[field]:
                                bin_to_string(body[field])

        return {
            "read": lambda data: types.SR_SECURITY_DESCRIPTOR(data=data),
            "walk": walk,
            "write": lambda descriptor: descriptor.getData(),
        }


class Bonsai:
    """bonsai, a Python parser in a package of C bindings."""

    module = "bonsai"

    @staticmethod
    def prepare() -> dict[str, Any]:
        bonsai = import_module("bonsai.active_directory")

        def walk(descriptor: Any) -> None:
            for acl in (descriptor.sacl, descriptor.dacl):
                for ace in acl.aces:
                    _ = ace.mask, str(ace.trustee_sid), ace.object_type, ace.inherited_object_type

        return {
            "read": bonsai.SecurityDescriptor.from_binary,
            "walk": walk,
            "write": lambda descriptor: descriptor.to_binary(),
        }


class Samba:
    """Samba, parsers in C under a Python binding."""

    module = "samba"

    @staticmethod
    def prepare() -> dict[str, Any]:
        security, ndr = import_module("samba.dcerpc.security"), import_module("samba.ndr")
        domain = security.dom_sid(DOMAIN_SID)
        object_types = range(5, 9)

        def walk(descriptor: Any) -> None:
            for acl in (descriptor.sacl, descriptor.dacl):
                for ace in acl.aces:
                    _ = ace.access_mask, str(ace.trustee)
                    if ace.type in object_types:
                        _ = ace.object.type, ace.object.inherited_type

        return {
            "read": lambda data: ndr.ndr_unpack(security.descriptor, data),
            "walk": walk,
            "write": ndr.ndr_pack,
            "from_text": lambda text: security.descriptor.from_sddl(text, domain),
            "to_text": lambda descriptor: descriptor.as_sddl(domain),
        }


CONTENDERS = {"acl": Acl, "winacl": Winacl, "impacket": Impacket, "bonsai": Bonsai, "samba": Samba}


@cache
def interpreter(name: str) -> str | None:
    """The interpreter that has the library: this one, or for Samba the one that the system came with."""
    if importlib.util.find_spec(CONTENDERS[name].module):
        return sys.executable
    if name == "samba" and (system := shutil.which("python3", path=os.defpath)):
        found = subprocess.run(
            [system, "-c", "import samba.dcerpc.security"], capture_output=True, check=False
        )
        return system if not found.returncode else None
    return None


def version(name: str) -> str:
    """Which release of the library is measured."""
    if name == "samba" and (system := interpreter(name)):
        code = "import samba; print(samba.version)"
        return subprocess.run([system, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    try:
        return metadata.version("adsyncconfig" if name == "acl" else name)
    except metadata.PackageNotFoundError:
        return "(this clone)" if name == "acl" else ""


if __name__ == "__main__":
    for each in CONTENDERS:
        print(f"{each:9} {version(each) if interpreter(each) else 'not installed'}")
