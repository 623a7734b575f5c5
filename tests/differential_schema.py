"""The schema as a controller has it: classes and attributes with the GUIDs by which entries name them.

Read once over LDAP, so that the trees of an access check are the controller's own (MS-ADTS 5.1.3.3.3).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

import ldap3

from acl.object_tree import ObjectTree

_CONSTRUCTED = 0x4  # systemFlags: FLAG_ATTR_IS_CONSTRUCTED (MS-ADTS 2.2.10)


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of the schema."""

    name: str
    guid: UUID
    property_set: UUID | None
    # By a client at all: neither constructed, nor a back link (MS-ADTS 3.1.1.4.5.7), nor, as Samba and not
    # the document has it, systemOnly.
    is_writable: bool

    @property
    def path(self) -> tuple[UUID, ...]:
        """Its place below a class."""
        return (self.guid,) if self.property_set is None else (self.property_set, self.guid)


@dataclass(frozen=True)
class Schema:
    """The schema's classes and attributes by name."""

    classes: dict[str, UUID]
    attributes: dict[str, Attribute]

    @classmethod
    def read(cls, connection: Any, base_dn: str) -> Schema:
        """Read the schema of a forest's root domain."""
        wanted = ("lDAPDisplayName", "schemaIDGUID", "attributeSecurityGUID")
        more = ("systemFlags", "systemOnly", "linkID")
        found = connection.extend.standard.paged_search(
            f"CN=Schema,CN=Configuration,{base_dn}",
            "(|(objectClass=classSchema)(objectClass=attributeSchema))",
            ldap3.LEVEL,
            attributes=["objectClass", *wanted, *more],
            paged_size=500,
        )
        classes: dict[str, UUID] = {}
        attributes: dict[str, Attribute] = {}
        for entry in found:
            raw = {name: values[0] for name, values in entry["raw_attributes"].items() if values}
            name = raw["lDAPDisplayName"].decode()
            guid = UUID(bytes_le=raw["schemaIDGUID"])
            if b"classSchema" in entry["raw_attributes"]["objectClass"]:
                classes[name] = guid
                continue
            property_set = raw.get("attributeSecurityGUID")
            attributes[name] = Attribute(
                name,
                guid,
                UUID(bytes_le=property_set) if property_set else None,
                raw.get("systemOnly") != b"TRUE"
                and not int(raw.get("systemFlags", 0)) & _CONSTRUCTED
                and int(raw.get("linkID", 0)) % 2 == 0,
            )
        return cls(classes, attributes)

    @cached_property
    def property_sets(self) -> list[UUID]:
        """Every property set that has a member."""
        return sorted({each.property_set for each in self.attributes.values() if each.property_set})

    def path(self, object_class: str, attribute: str) -> tuple[UUID, ...]:
        """Class, property set where there is one, attribute: what a check of one attribute asks about."""
        return (self.classes[object_class], *self.attributes[attribute].path)


@dataclass(frozen=True, slots=True)
class ClassTree:
    """The tree of a class, and the attribute behind each of its nodes (None for the class and for sets)."""

    tree: ObjectTree
    attributes: tuple[Attribute | None, ...]

    @classmethod
    def of(cls, schema: Schema, object_class: str, names: Iterable[str]) -> ClassTree:
        """The tree over the attributes of these names."""
        attributes = [schema.attributes[name] for name in sorted(names)]
        tree = ObjectTree.of_class(
            schema.classes[object_class], [(each.guid, each.property_set) for each in attributes]
        )
        # A set and its member may share a GUID: a node is an attribute's when nothing hangs below it.
        by_guid = {each.guid: each for each in attributes}
        return cls(
            tree,
            tuple(
                None if below else by_guid[node.guid]
                for node, below in zip(tree.nodes, tree.children, strict=True)
            ),
        )
