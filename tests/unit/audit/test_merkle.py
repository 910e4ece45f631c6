"""The trees against the definition of RFC 9162 §2.1, written down a second time here, naively."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_gateway.audit.merkle import EMPTY, Frontier, Levels, Path, leaf_hash, root_from_path


def defined_root(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return hashlib.sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    half = 1
    while half * 2 < len(leaves):
        half *= 2
    return hashlib.sha256(b"\x01" + defined_root(leaves[:half]) + defined_root(leaves[half:])).digest()


def some_leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def grown(leaves: Sequence[bytes]) -> Frontier:
    tree = Frontier()
    for leaf in leaves:
        tree.add(leaf)
    return tree


def test_a_growing_tree_has_the_defined_root_at_every_size() -> None:
    leaves = some_leaves(70)
    tree = Frontier()
    assert tree.root() == EMPTY == defined_root([])
    for size, leaf in enumerate(leaves, start=1):
        tree.add(leaf)
        assert tree.root() == defined_root(leaves[:size])


@given(parts=st.lists(st.integers(0, 20), max_size=6))
def test_leaves_added_together_make_the_same_tree_as_one_by_one(parts: list[int]) -> None:
    leaves, tree = some_leaves(sum(parts)), Frontier()
    for count in parts:
        tree.extend(leaves[tree.size : tree.size + count])
    assert (tree.size, tree.peaks) == (len(leaves), grown(leaves).peaks)


def test_a_leaf_is_no_node() -> None:
    assert leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()


@given(size=st.integers(1, 80), data=st.data())
def test_the_path_of_every_leaf_leads_to_the_root(size: int, data: st.DataObject) -> None:
    leaves = some_leaves(size)
    index = data.draw(st.integers(0, size - 1))
    gone = data.draw(st.integers(0, index))
    path = Path(index, size, grown(leaves[:gone]))
    for leaf in leaves[gone:]:
        path.add(leaf)
    assert root_from_path(leaves[index], index, size, path.hashes()) == defined_root(leaves)


@given(size=st.integers(1, 40), changes=st.lists(st.tuples(st.integers(0, 39), st.binary(max_size=3)), max_size=10))
def test_a_changing_tree_has_the_defined_root_and_paths(size: int, changes: list[tuple[int, bytes]]) -> None:
    leaves, tree = some_leaves(size), Levels()
    for index, leaf in enumerate(leaves):
        tree.set(index, leaf)
    for where, data in changes:
        leaves[where % size] = leaf_hash(data)
        tree.set(where % size, leaves[where % size])
    assert tree.root() == defined_root(leaves)
    for index, leaf in enumerate(leaves):
        assert root_from_path(leaf, index, size, tree.path(index)) == defined_root(leaves)


@given(size=st.integers(2, 40), data=st.data())
def test_a_path_that_is_altered_cut_or_lengthened_leads_nowhere(size: int, data: st.DataObject) -> None:
    leaves, tree = some_leaves(size), Levels()
    for index, leaf in enumerate(leaves):
        tree.set(index, leaf)
    index = data.draw(st.integers(0, size - 1))
    path = tree.path(index)
    at = data.draw(st.integers(0, len(path) - 1))
    altered = [*path[:at], leaf_hash(path[at]), *path[at + 1 :]]
    assert root_from_path(leaves[index], index, size, altered) != tree.root()
    with pytest.raises(ValueError, match="short"):
        root_from_path(leaves[index], index, size, path[:-1])
    with pytest.raises(ValueError, match="long"):
        root_from_path(leaves[index], index, size, [*path, EMPTY])


def test_a_frontier_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="no tree of 3 leaves"):
        Frontier(3, [EMPTY])


def test_a_leaf_outside_the_tree_has_no_path() -> None:
    with pytest.raises(ValueError, match="no path"):
        Path(3, 3)
    with pytest.raises(ValueError, match="not in a tree"):
        root_from_path(EMPTY, 3, 3, [])
