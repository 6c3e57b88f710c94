"""What a time-stamp token's signed data (CMS, RFC 5652) holds that the decoder does not show, read from its DER.

Which certificate a signature names as its own (RFC 2634 section 5.4, RFC 5035): RFC 3161 section 2.4.2 has the
requester check it, since the signer's issuer and serial number are not signed and the digest of its certificate is.
And certificates out of order: many authorities write the set in the order of the chain, which BER allows and the
decoder, for DER alone, refuses; the set is not signed, so putting it in order changes nothing that is.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import new
from typing import Final

from auditlog.core.errors import FormatError

_SEQUENCE, _SET, _OCTETS, _OID = 0x30, 0x31, 0x04, 0x06
_CONTEXT_0 = 0xA0
# The encoded object identifiers of the two attributes, and of the digests that may stand in them.
_ATTRIBUTES: Final = {
    bytes.fromhex("2a864886f70d010910020c"): "sha1",  # signingCertificate: always SHA-1
    bytes.fromhex("2a864886f70d010910022f"): "sha256",  # signingCertificateV2: SHA-256 unless it says otherwise
}
_DIGESTS: Final = {
    bytes.fromhex("608648016503040201"): "sha256",
    bytes.fromhex("608648016503040202"): "sha384",
    bytes.fromhex("608648016503040203"): "sha512",
}


def names_certificate(token: bytes, certificate: bytes) -> bool:
    """Whether the one signature of a token (DER of ContentInfo) states, signed, that `certificate` (DER) made it.

    True when every signing-certificate attribute names it first, and there is one. Raises FormatError for other DER.
    """
    named = list(_named(token))
    return bool(named) and all(new(name, certificate).digest() == digest for name, digest in named)


def with_ordered_certificates(response: bytes) -> bytes:
    """The same TimeStampResp with its certificates in DER's order. Raises FormatError for other DER."""
    status, (_, token) = _pair(_only(response))
    content_type, (_, content) = _pair(token)
    parts = list(_elements(_only(content)))
    signed = b"".join(_element(tag, _ordered(inner) if tag == _CONTEXT_0 else inner) for tag, inner in parts)
    token = _element(*content_type) + _element(_CONTEXT_0, _element(_SEQUENCE, signed))
    return _element(_SEQUENCE, _element(*status) + _element(_SEQUENCE, token))


def _ordered(content: bytes) -> bytes:
    return b"".join(sorted(_element(tag, inner) for tag, inner in _elements(content)))


def _element(tag: int, content: bytes) -> bytes:
    """The DER of an element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _named(token: bytes) -> Iterator[tuple[str, bytes]]:
    """(digest's name, digest) of the first certificate in each signing-certificate attribute."""
    for attribute in _signed_attributes(token):
        (_, oid), (_, values) = _pair(attribute)
        if oid in _ATTRIBUTES:
            # SigningCertificate{V2} ::= SEQUENCE { certs SEQUENCE OF ESSCertID{v2}, … }, once in the attribute's SET
            certificates = _first(_first(values, _SEQUENCE), _SEQUENCE)
            yield _digest(_first(certificates, _SEQUENCE), _ATTRIBUTES[oid])


def _digest(identifier: bytes, name: str) -> tuple[str, bytes]:
    """ESSCertID ::= SEQUENCE { hash OCTET STRING, … }; the second version may begin with an AlgorithmIdentifier."""
    parts = list(_elements(identifier))
    if parts and parts[0][0] == _SEQUENCE:
        oid = _first(parts.pop(0)[1], _OID)
        if oid not in _DIGESTS:
            raise FormatError("names its certificate by a digest that is not SHA-2", field="token")
        name = _DIGESTS[oid]
    if not parts or parts[0][0] != _OCTETS:
        raise FormatError("has a damaged signing-certificate attribute", field="token")
    return name, parts[0][1]


def _signed_attributes(token: bytes) -> Iterator[bytes]:
    """The content of each signed attribute of the last SET of SignedData: the signers, of which there must be one."""
    _, (_, content) = _pair(_only(token))
    tag, signers = list(_elements(_only(content)))[-1]
    found = list(_elements(signers))
    if tag != _SET or len(found) != 1:
        raise FormatError("must have exactly one signature", field="token")
    for part, content in _elements(found[0][1]):
        if part == _CONTEXT_0:
            yield from (attribute for _, attribute in _elements(content))


def _pair(content: bytes) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
    parts = list(_elements(content))
    if len(parts) != 2:
        raise FormatError("is no signed data of the expected form", field="token")
    return parts[0], parts[1]


def _only(content: bytes) -> bytes:
    """The content of the one SEQUENCE that this is, with nothing behind it."""
    parts = list(_elements(content))
    if len(parts) != 1 or parts[0][0] != _SEQUENCE or not parts[0][1]:
        raise FormatError("is no signed data of the expected form", field="token")
    return parts[0][1]


def _first(content: bytes, tag: int) -> bytes:
    for found, inner in _elements(content):
        if found == tag:
            return inner
        break
    raise FormatError("is no signed data of the expected form", field="token")


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, content) of the DER elements that follow each other; tags of one byte, lengths of at most four."""
    at = 0
    while at < len(content):
        header = content[at : at + 2]
        if len(header) < 2 or header[0] & 0x1F == 0x1F:
            raise FormatError("is no DER", field="token")
        tag, length, at = header[0], header[1], at + 2
        if length > 0x7F:
            count = length & 0x7F
            if not 1 <= count <= 4 or at + count > len(content):
                raise FormatError("is no DER", field="token")
            length, at = int.from_bytes(content[at : at + count], "big"), at + count
        if at + length > len(content):
            raise FormatError("is no DER", field="token")
        yield tag, content[at : at + length]
        at += length
