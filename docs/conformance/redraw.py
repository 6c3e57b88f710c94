# fmt: off
"""Draw a sample again, with nothing of Greffier: redraw.py FOLDER LOG_VKEY_FILE WITNESS_VKEY (sample.md says what)."""
# ruff: noqa: E401, I001, B905, T201
import base64, datetime, hashlib, hmac, json, pathlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
sys.excepthook = lambda kind, error, _: print(f"FAILED: {kind.__name__} {error}", file=sys.stderr)
sha256, b64 = hashlib.sha256, base64.b64decode
def check(holds, why):
    return holds or sys.exit(f"FAILED: {why}")
def signed(note, vkey):  # when, by the signer's clock; 0 for a log. Raises InvalidSignature
    name, key_id, key = vkey.split("+", 2)
    text, _, lines = note.partition("\n\n")
    blobs = [b64(line.split()[2]) for line in lines.splitlines() if line.split()[1] == name]
    blob = next((blob[4:] for blob in blobs if blob[:4].hex() == key_id), None)
    check(blob, f"{name} has not signed this checkpoint with the key given")
    time, text = 0, f"{text}\n"
    if b64(key)[0] == 4:  # a witness: c2sp.org/tlog-cosignature
        time, blob = int.from_bytes(blob[:8], "big"), blob[8:]
        text = f"cosignature/v1\ntime {time}\n{text}"
    Ed25519PublicKey.from_public_bytes(b64(key)[1:]).verify(blob, text.encode())
    return time
def entries(folder):  # c2sp.org/tlog-tiles: bundles of 256, named by their number
    names = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    for name in sorted(names, key=lambda name: int(name.partition(".p")[0].replace("x", "").replace("/", ""))):
        data = names[name].read_bytes()
        while data:
            yield data[2:(end := 2 + int.from_bytes(data[:2], "big"))]
            data = data[end:]
def root(leaves):  # RFC 6962, base64
    while len(leaves) > 1:
        pairs = [sha256(b"\1" + a + b).digest() for a, b in zip(leaves[::2], leaves[1::2])]
        leaves = pairs + leaves[2 * len(pairs):]
    return base64.b64encode(leaves[0]).decode()
folder, keys, witness = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]).read_text().split(), sys.argv[3]
log_key = next(key for key in keys if key.count("+") > 1 and b64(key.split("+", 2)[2])[0] == 1)
raw, told = list(entries(folder / "log/tile/entries")), json.loads((folder / "evidence.json").read_text())
leaves, log = [sha256(b"\0" + entry).digest() for entry in raw], [json.loads(entry) for entry in raw]
for path in ("log/checkpoint", "sample/checkpoint"):
    note = (folder / path).read_text()
    size, tree = int(note.split("\n")[1]), note.split("\n")[2]
    check(signed(note, log_key) == 0 and root(leaves[:size]) == tree, f"{path} is not that of the entries")
(i, begun), (_, drawn) = [(n, entry) for n, entry in enumerate(log) if entry.get("sample") == told["sample"]["id"]]
check(begun | {name: drawn[name] for name in ("id", "time", "stage", "nonce", "checkpoint")} == drawn, "another draw")
check(sha256(bytes.fromhex(drawn["nonce"])).hexdigest() == begun["nonce"], "the nonce is not the one that was hidden")
check(drawn["checkpoint"] == {"size": size, "root": b64(tree).hex()} and i < size, "drawn with another checkpoint")
time = datetime.datetime.fromisoformat(begun["not_before"]).timestamp()
check(witness.split("+")[0] == begun["witness"] and begun["time"] < begun["not_before"], "another witness or time")
check(signed(note, witness) >= time, "the witness signed before the time that was fixed")
people = [n for n in range(begun["since"], begun["until"]) if log[n].get("mode") in ("live", "pilot")]
people = [n for n in people if log[n]["kind"] == "decision/1" and begun["system"] in (None, log[n]["system"])]
check(len(people) == begun["population"] and begun["until"] <= i, "the population is not the one that was fixed")
start = b"greffier/1/draw\0" + sha256(bytes.fromhex(drawn["nonce"]) + b64(tree)).digest()
chosen = sorted(people, key=lambda n: sha256(start + n.to_bytes(8, "big")).digest())[:begun["count"]]
for n in chosen:
    receipt = json.loads((folder / f"records/{log[n]['id']}.receipt.json").read_text())
    salt, value = next(((o["salt"], o["value"]) for o in receipt["openings"] if o["field"] == "outcome"), ("", ""))
    code = hmac.digest(bytes.fromhex(salt), b"greffier/1/field\0" + json.dumps(value).encode(), "sha256").hex()
    gone = any(entry["kind"] == "erasure/1" and entry["record"] == log[n]["id"] for entry in log)
    check(gone or code == log[n]["commitments"]["outcome"], f"{log[n]['id']} is neither opened nor erased")
    print(n, log[n]["id"], "erased" if gone else "opened")
