"""The quick paths of a group are the proofs of RFC 9162."""

from __future__ import annotations

import pytest

from auditlog.merkle import leaf_hash, prove_inclusion, root_hash
from auditlog.tiles import grow, nodes_reader
from auditlog.unit import Paths


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


def test_paths_in_a_tall_tree():
    leaves = [leaf_hash(str(number).encode()) for number in range(66_000)]
    first = grow(0, {}, leaves[:65_000])
    growth = grow(65_000, first.edge, leaves[65_000:])
    contents = {(level, index): content for level, index, content in grow(0, {}, leaves).tiles}
    read = nodes_reader(lambda tile: contents[tile.level, tile.index], 66_000)
    paths = Paths(growth)
    for index in (65_000, 65_535, 65_536, 65_999):
        assert paths(index) == prove_inclusion(index, 66_000, read)
