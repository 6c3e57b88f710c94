"""The quick paths of a group are the proofs of RFC 9162."""

from __future__ import annotations

import pytest

from auditlog.core.formats.merkle import leaf_hash, prove_inclusion, root_hash
from auditlog.core.formats.tiles import grow, nodes_reader
from auditlog.writing.unit import Paths


@pytest.mark.parametrize("before", [0, 1, 2, 5, 255, 256, 257, 511, 1000])
@pytest.mark.parametrize("added", [1, 2, 3, 7, 64, 256, 300])
def test_paths_of_a_growth_are_the_proofs(before, added):
    leaves = [leaf_hash(str(number).encode()) for number in range(before + added)]
    growth = grow(before, grow(0, {}, leaves[:before]).edge, leaves[before:])
    paths = Paths(growth)

    def read(nodes):
        return [root_hash(leaves[place << level : (place + 1) << level]) for level, place in nodes]

    for index in sorted(
        {before, before + 1, before + added // 2, before + added - 1} & set(range(before, len(leaves)))
    ):
        assert paths(index) == prove_inclusion(index, len(leaves), read)


@pytest.fixture(scope="module")
def tall():
    """Leaves of a tree that has tiles of three levels, and the edge at every size that is asked for."""
    return [leaf_hash(str(number).encode()) for number in range(66_300)]


@pytest.mark.parametrize(
    ("before", "size"),
    [
        (65_000, 66_000),
        (65_530, 65_537),  # the first entry behind a full tile of level 1: the next one has no node yet
        (65_536, 65_537),
        (65_536, 65_791),
        (65_600, 65_610),
        (65_700, 65_792),
        (65_791, 65_793),
        (66_000, 66_300),
    ],
)
def test_paths_in_a_tall_tree(tall, before, size):
    growth = grow(before, grow(0, {}, tall[:before]).edge, tall[before:size])
    contents = {(level, index): content for level, index, content in grow(0, {}, tall[:size]).tiles}
    read = nodes_reader(lambda tile: contents[tile.level, tile.index], size)
    paths = Paths(growth)
    for index in {before, before + 1, (before + size) // 2, size - 1, *range(65_534, 65_540)} & set(
        range(before, size)
    ):
        assert paths(index) == prove_inclusion(index, size, read)
