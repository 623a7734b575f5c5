"""The object-type tree of an access check: the parts of an object that are asked about.

Decided here: the shape of the tree. What is granted on its nodes is decided in ``access``.

    level 0     the class of the object, or the one class, control access right or validated write in question
    level 1     property sets, and properties that belong to none
    level 2     the properties of the set before them

Sources: MS-DTYP 2.3.9 (OBJECT_TYPE_LIST), MS-ADTS 5.1.3.3.3 (the tree of a directory object).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias
from uuid import UUID

from .errors import AclError

__all__ = ["ObjectTree", "ObjectType", "ObjectTypes"]


class ObjectType(NamedTuple):
    """One node: its depth in the tree, and the GUID by which entries name it."""

    level: int
    guid: UUID


@dataclass(frozen=True, slots=True)
class ObjectTree:
    """A tree of object types, its nodes each followed by what is below it; build once, check often.

    Raises AclError unless the first node, and only that one, has level 0, and no level is left out on the
    way down: what Windows answers with ERROR_INVALID_PARAMETER.
    """

    nodes: tuple[ObjectType, ...]
    #: Of each node: the indices of its ancestors, nearest first, and of its children, and where what is
    #: below it ends.
    ancestors: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)
    children: tuple[tuple[int, ...], ...] = field(init=False, repr=False, compare=False)
    ends: tuple[int, ...] = field(init=False, repr=False, compare=False)
    #: Where each GUID stands.
    positions: dict[UUID, int] = field(init=False, repr=False, compare=False)
    #: True when no node has a sibling: then whatever holds for one holds for all.
    is_chain: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ancestors: list[tuple[int, ...]] = []
        children: list[list[int]] = []
        path: list[int] = []
        for index, (level, _) in enumerate(self.nodes):
            if not (0 < level <= len(path) or level == index == 0):
                raise AclError(f"node {index} of an object-type tree cannot have level {level}")
            del path[level:]
            ancestors.append(tuple(reversed(path)))
            if path:
                children[path[-1]].append(index)
            children.append([])
            path.append(index)
        ends = list(range(1, len(ancestors) + 1))
        for index, above in enumerate(ancestors):
            for each in above:
                ends[each] = index + 1
        # dNSHostName and its property set share a GUID: the set, which stands first, is meant (5.1.3.3.3).
        positions = {guid: index for index, (_, guid) in reversed(list(enumerate(self.nodes)))}
        object.__setattr__(self, "ancestors", tuple(ancestors))
        object.__setattr__(self, "children", tuple(map(tuple, children)))
        object.__setattr__(self, "ends", tuple(ends))
        object.__setattr__(self, "positions", positions)
        object.__setattr__(self, "is_chain", all(len(each) <= 1 for each in children))

    def __len__(self) -> int:
        return len(self.nodes)

    @classmethod
    def of(cls, object_types: ObjectTypes) -> ObjectTree:
        """The tree of a sequence of (level, GUID); bare GUIDs lie each one level below the one before."""
        if isinstance(object_types, ObjectTree):
            return object_types
        return cls(
            tuple(
                [
                    ObjectType(index, each) if isinstance(each, UUID) else ObjectType(*each)
                    for index, each in enumerate(object_types)
                ]
            )
        )

    @classmethod
    def of_class(cls, object_class: UUID, attributes: Iterable[tuple[UUID, UUID | None]]) -> ObjectTree:
        """The tree of a class, from schemaIDGUID and attributeSecurityGUID (or None) of its attributes."""
        sets: dict[UUID | None, list[UUID]] = {}
        for attribute, property_set in attributes:
            sets.setdefault(property_set, []).append(attribute)
        nodes = [ObjectType(0, object_class)]
        for property_set, members in sets.items():
            if property_set is not None:
                nodes.append(ObjectType(1, property_set))
            level = 1 if property_set is None else 2
            nodes += [ObjectType(level, attribute) for attribute in members]
        return cls(tuple(nodes))


#: What an access check takes: a tree, a sequence of (level, GUID), or GUIDs from the root down.
ObjectTypes: TypeAlias = ObjectTree | Sequence[tuple[int, UUID] | UUID]
