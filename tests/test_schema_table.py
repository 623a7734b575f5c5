"""The bundled table of names and GUIDs, against Samba's copy of the schema and against itself."""

from __future__ import annotations

import json
from importlib.resources import files

import pytest
from samba_lab import DomainController

from adsyncconfig.directory import Scope
from adsyncconfig.filters import AnyOf, Equals
from adsyncconfig.live import LiveDirectory
from adsyncconfig.operations import OPERATIONS, names_of_operations
from adsyncconfig.schema import Kind, bundled, bundled_property_sets

# What the table and a controller of schema 47 (2008 R2) share at the least.
SHARED = {Kind.CLASS: 200, Kind.ATTRIBUTE: 1100, Kind.RIGHT: 60}


@pytest.mark.parametrize("kind", list(Kind))
def test_the_table_agrees_with_a_controller_on_every_name_that_both_have(
    directory: LiveDirectory, contoso: DomainController, kind: Kind
) -> None:
    root = directory.root
    if kind is Kind.RIGHT:
        found = directory.search(
            f"CN=Extended-Rights,{root.configuration_naming_context}",
            Equals("objectClass", "controlAccessRight"),
            ["cn", "rightsGuid"],
            scope=Scope.ONE_LEVEL,
        )
        there = {entry.text("cn"): (entry.text("rightsGuid") or "").lower() for entry in found}
    else:
        found = directory.search(
            root.schema_naming_context,
            AnyOf((Equals("objectClass", "classSchema"), Equals("objectClass", "attributeSchema"))),
            ["lDAPDisplayName", "schemaIDGUID"],
            scope=Scope.ONE_LEVEL,
        )
        there = {entry.text("lDAPDisplayName"): str(entry.guid("schemaIDGUID")) for entry in found}
    table = {name: str(guid) for name, guid in bundled(kind).items()}
    both = table.keys() & there.keys()
    assert len(both) >= SHARED[kind]
    assert {name: table[name] for name in both} == {name: there[name] for name in both}


def test_the_property_sets_of_the_table_are_the_controllers(directory: LiveDirectory) -> None:
    found = directory.search(
        directory.root.schema_naming_context,
        Equals("objectClass", "attributeSchema"),
        ["lDAPDisplayName", "attributeSecurityGUID"],
        scope=Scope.ONE_LEVEL,
    )
    there = {
        (entry.text("lDAPDisplayName") or "").lower(): entry.guid("attributeSecurityGUID") for entry in found
    }
    table = bundled_property_sets()
    both = table.keys() & there.keys()
    assert len(both) >= 25
    assert {name: table[name] for name in both} == {name: there[name] for name in both}
    # And of what the features ask about, none is missing from the table that the controller has in a set.
    asked = names_of_operations(each for operations in OPERATIONS.values() for each in operations)[
        Kind.ATTRIBUTE
    ]
    assert {name for name in map(str.lower, asked) if there.get(name)} <= table.keys()


def test_the_table_says_where_it_comes_from() -> None:
    table = json.loads(files("adsyncconfig").joinpath("data/schema.json").read_text(encoding="utf-8"))
    assert "MS-ADSC" in table["origin"]


def test_each_guid_has_one_name_of_its_kind_but_for_the_pair_that_active_directory_shares() -> None:
    shared = {
        kind.name: sorted(name for name, guid in table.items() if list(table.values()).count(guid) > 1)
        for kind in Kind
        if (table := bundled(kind))
    }
    # A property set and a validated write of one attribute (MS-ADTS 3.1.1.2.3.3, 5.1.3.2.2).
    pair = ["DNS-Host-Name-Attributes", "Validated-DNS-Host-Name"]
    assert shared == {"CLASS": [], "ATTRIBUTE": [], "RIGHT": pair}
