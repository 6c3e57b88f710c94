"""Tiles against trees built from scratch, and paths and bundles against the published cases."""

from __future__ import annotations

import base64
import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from auditlog.core.errors import FormatError, ProofError, TooLarge
from auditlog.core.formats.checkpoint import open_checkpoint
from auditlog.core.formats.keyring import key_ring
from auditlog.core.formats.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    prove_consistency,
    prove_inclusion,
    root_hash,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from auditlog.core.formats.note import parse_vkey
from auditlog.core.formats.tiles import (
    Tile,
    entry_bundles_of_size,
    format_entries_path,
    format_entry_bundle,
    format_tile_path,
    grow,
    node_from_tile,
    node_in_tile,
    nodes_reader,
    parse_entries_path,
    parse_entry_bundle,
    parse_tile_path,
    root_from_edge,
    tiles_of_size,
)

SHARED = Path(__file__).parents[5] / "shared" / "vectors"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the published vectors (../shared/vectors) are not here")

LEAVES = [leaf_hash(b"%d" % index) for index in range(70_000)]
WHOLE = {(level, index): content for level, index, content in grow(0, {}, LEAVES).tiles}


def naive_tiles(leaves):
    """Every tile of a tree, straight from the definition of c2sp.org/tlog-tiles."""
    tiles, level, hashes = {}, 0, list(leaves)
    while hashes:
        groups = [hashes[start : start + 256] for start in range(0, len(hashes), 256)]
        tiles |= {Tile(level, index, len(group)): b"".join(group) for index, group in enumerate(groups)}
        hashes = [root_hash(group) for group in groups if len(group) == 256]
        level += 1
    return tiles


def read_whole(tile):
    return WHOLE[tile.level, tile.index][: tile.width * 32]


@settings(deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_growing_in_steps_equals_building_from_scratch(steps):
    size, edge, stored = 0, {}, {}
    for step in steps:
        growth = grow(size, edge, LEAVES[size : size + step])
        stored |= {(level, index): content for level, index, content in growth.tiles}
        size, edge = growth.size, growth.edge
        assert root_from_edge(size, edge) == root_hash(LEAVES[:size])
    assert size == sum(steps)
    built = {Tile(level, index, len(content) // 32): content for (level, index), content in stored.items()}
    assert built == naive_tiles(LEAVES[:size])
    assert edge == {tile.level: content for tile, content in built.items() if tile.width < 256}
    assert set(tiles_of_size(size)) == set(built)


def test_a_tree_of_three_levels():
    growth = grow(0, {}, LEAVES)
    built = {Tile(level, index, len(content) // 32): content for level, index, content in growth.tiles}
    assert built == naive_tiles(LEAVES)
    paths = {format_tile_path(tile) for tile in built}
    assert {"tile/0/272", "tile/0/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1"} <= paths
    assert len(paths) == 273 + 1 + 1 + 1 + 1
    root = root_hash(LEAVES)
    assert root_from_edge(growth.size, growth.edge) == root
    read = nodes_reader(read_whole, 70_000)
    assert tree_root(70_000, read) == root
    for index in (0, 255, 256, 65_535, 65_536, 69_887, 69_888, 69_999):
        verify_inclusion(LEAVES[index], index, 70_000, prove_inclusion(index, 70_000, read), root)
    for old in (1, 256, 65_535, 65_536, 65_537, 69_999):
        proof = prove_consistency(old, 70_000, read)
        verify_consistency(old, root_hash(LEAVES[:old]), 70_000, root, proof)


@settings(deadline=None)
@given(st.integers(1, 70_000))
def test_roots_of_any_size_from_the_same_tiles(size):
    edge = {}
    for level in range(3):
        if width := (size >> 8 * level) % 256:
            edge[level] = read_whole(Tile(level, size >> 8 * (level + 1), width))
    root = tree_root(size, nodes_reader(read_whole, size))
    assert root_from_edge(size, edge) == root
    verify_inclusion(
        LEAVES[size - 1], size - 1, size, prove_inclusion(size - 1, size, nodes_reader(read_whole, size)), root
    )


def test_growing_by_nothing_changes_nothing():
    growth = grow(300, {0: b"".join(LEAVES[256:300]), 1: root_hash(LEAVES[:256])}, [])
    assert growth.tiles == ()
    assert growth.size == 300
    assert root_from_edge(growth.size, growth.edge) == root_hash(LEAVES[:300])
    assert root_from_edge(0, {}) == EMPTY_ROOT == root_from_edge(0, {0: b""})


@pytest.mark.parametrize(
    ("size", "edge"),
    [
        (1, {}),
        (1, {0: b"x" * 31}),
        (1, {0: b"x" * 64}),
        (256, {0: b"x" * 32}),
        (1, {0: b"x" * 32, 1: b"x" * 32}),
        (0, {0: b"x" * 32}),
        (-1, {}),
    ],
)
def test_an_edge_that_does_not_fit(size, edge):
    with pytest.raises(FormatError):
        grow(size, edge, LEAVES[:1])
    with pytest.raises(FormatError):
        root_from_edge(size, edge)


def test_leaf_hashes_of_another_length():
    with pytest.raises(FormatError, match="leaf_hashes"):
        grow(0, {}, [b"short"])


def test_nodes():
    assert node_in_tile((0, 1000)) == (0, 3)
    assert node_in_tile((7, 3)) == (0, 1)
    assert node_in_tile((8, 3)) == (1, 0)
    assert node_from_tile((8, 3), WHOLE[1, 0]) == root_hash(LEAVES[768:1024])
    assert node_from_tile((7, 3), WHOLE[0, 1]) == root_hash(LEAVES[384:512])
    with pytest.raises(FormatError, match="narrow"):
        node_from_tile((3, 1), WHOLE[0, 0][: 15 * 32])


def test_reader_checks_size_and_content():
    with pytest.raises(ProofError, match="not in a tree"):
        nodes_reader(read_whole, 300)([(0, 300)])
    with pytest.raises(ProofError, match="not in a tree"):
        nodes_reader(read_whole, 300)([(8, 1)])
    with pytest.raises(FormatError, match=r"tile/0/001\.p/44"):
        nodes_reader(lambda tile: read_whole(tile)[:-1], 300)([(0, 299)])


def test_reader_asks_once_for_a_tile():
    asked = []

    def read(tile):
        asked.append(tile)
        return read_whole(tile)

    prove_inclusion(1000, 70_000, nodes_reader(read, 70_000))
    assert len(asked) == len(set(asked))


tiles = st.builds(Tile, st.integers(0, 63), st.integers(0, 2**64 - 1), st.integers(1, 256))


@given(tiles)
def test_path_round_trip(tile):
    assert parse_tile_path(format_tile_path(tile)) == tile
    path = format_entries_path(tile.index, tile.width)
    assert parse_entries_path(path) == (tile.index, tile.width)


@given(tiles, st.data())
def test_changed_paths_are_refused_or_canonical(tile, data):
    path = format_tile_path(tile)
    place = data.draw(st.integers(0, len(path)))
    changed = path[:place] + data.draw(st.text(alphabet="0x/.p5 \n-", max_size=2)) + path[place + 1 :]
    with contextlib.suppress(FormatError):
        assert format_tile_path(parse_tile_path(changed)) == changed
    with contextlib.suppress(FormatError):
        assert format_entries_path(*parse_entries_path(changed)) == changed


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/5",
        "tile/0/0005",
        "tile/00/005",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/x000/005",
        "tile/0/001/005",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000\n",
        "/tile/0/000",
        "tile/0/٠٠١",
        "tile/0/x018/x446/x744/x073/x709/x551/616",
        "tile/0/" + "x999/" * 5000 + "999",
    ],
)
def test_paths_refused(path):
    with pytest.raises(FormatError):
        parse_tile_path(path)
    with pytest.raises(FormatError):
        parse_entries_path(path.replace("tile/0/", "tile/entries/"))


@pytest.mark.parametrize("tile", [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, 2**64, 1), (0, 0, 0), (0, 0, 257)])
def test_tiles_refused(tile):
    with pytest.raises(FormatError):
        Tile(*tile)


def test_entry_bundles():
    assert entry_bundles_of_size(0) == []
    assert entry_bundles_of_size(512) == [(0, 256), (1, 256)]
    assert entry_bundles_of_size(513) == [(0, 256), (1, 256), (2, 1)]
    assert tiles_of_size(0) == []


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundle_round_trip(entries):
    assert parse_entry_bundle(format_entry_bundle(entries)) == entries


@given(st.binary())
def test_any_bytes_are_a_bundle_or_refused(data):
    with contextlib.suppress(FormatError):
        assert format_entry_bundle(parse_entry_bundle(data)) == data


def test_bundle_limits():
    assert parse_entry_bundle(format_entry_bundle([b"x" * 65_535])) == [b"x" * 65_535]
    with pytest.raises(TooLarge):
        format_entry_bundle([b"x" * 65_536])
    with pytest.raises(FormatError, match="256"):
        format_entry_bundle([b""] * 257)
    with pytest.raises(FormatError, match="256"):
        parse_entry_bundle(bytes(2 * 257))


@needs_shared
def test_published_cases():
    for case in json.loads((SHARED / "tlog-json/tile-paths.json").read_text())["cases"]:
        given_, expected = case["input"], case["expect"]
        if case["op"] == "entries_path_for_index":
            index, size = given_["index"] // 256, given_["size"]
            assert format_entries_path(index, min(256, size - index * 256)) == expected["path"]
        elif case["op"] == "entries_path":
            assert format_entries_path(given_["n"], given_["width"] or 256) == expected["path"]
        elif case["op"] == "tile_path":
            tile = Tile(given_["level"], given_["index"], given_["width"] or 256)
            assert format_tile_path(tile) == expected["path"]
        else:
            assert parsed(case) == (expected if expected["ok"] else {"ok": False}), case["name"]


def parsed(case):
    given_ = case["input"]
    try:
        if case["op"] == "parse_tile_path":
            tile = parse_tile_path(f"tile/{given_['level']}/{given_['index']}")
            return {"ok": True, "level": tile.level, "index": tile.index, "width": tile.width % 256}
        assert case["op"] == "parse_entry_bundle"
        entries = parse_entry_bundle(base64.b64decode(given_["bundle_b64"]))
        return {"ok": True, "entries_b64": [base64.b64encode(entry).decode() for entry in entries]}
    except FormatError:
        return {"ok": False}


@needs_shared
def test_the_sample_log_of_tessera():
    log = SHARED / "tlog-tiles/log"
    known = json.loads((SHARED / "tlog-tiles/keys.json").read_text())
    keys = key_ring([parse_vkey(known["vkey"])])
    roots = {}
    for size in range(16):
        checkpoint = open_checkpoint((log / f"checkpoint.{size}").read_bytes(), keys, origin=known["origin"]).checkpoint
        roots[size] = checkpoint.root
        assert checkpoint.size == size
        if size == 0:
            continue
        entries = parse_entry_bundle((log / format_entries_path(0, size)).read_bytes())
        growth = grow(0, {}, [leaf_hash(entry) for entry in entries])
        assert len(entries) == size
        assert root_from_edge(size, growth.edge) == checkpoint.root
        assert growth.edge[0] == (log / format_tile_path(Tile(0, 0, size))).read_bytes()
    read = nodes_reader(lambda tile: (log / format_tile_path(tile)).read_bytes(), 15)
    for old in range(16):
        verify_consistency(old, roots[old], 15, roots[15], prove_consistency(old, 15, read))
    assert (log / "checkpoint").read_bytes() == (log / "checkpoint.15").read_bytes()
