"""Time-stamping authorities (RFC 3161): ask one for a token over a published checkpoint, and check a token offline.

What is stamped is the whole note, byte for byte, signatures and cosignatures included, under SHA-256. A token is kept
as the authority's whole response, which `openssl ts -verify -in FILE.tsr -data FILE.checkpoint` reads too. Qualified
electronic time stamps (Regulation (EU) 910/2014, article 42) have this form.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import new
from typing import Final

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from rfc3161_client import (
    HashAlgorithm,
    PKIStatus,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from auditlog.core.errors import FormatError, VerifyError
from auditlog.peers.cms import names_certificate, with_ordered_certificates
from auditlog.peers.fetch import Unreachable

MAX_TOKEN: Final = 100_000
"""Bytes of a response: real ones with their certificates have 2,000 to 20,000."""
_DIGESTS: Final = {
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}
_AGAIN: Final = "try again later, or check timestamp_url"
_REQUEST_HEADERS: Final = {
    "content-type": "application/timestamp-query",
    "accept": "application/timestamp-reply",
    "accept-encoding": "identity",
    "user-agent": "greffier",
}


class NoToken(Unreachable):
    """The authority gave no usable token now. It says nothing about the log: try again later, or ask another one."""


class TokenError(VerifyError):
    """A token does not show that this checkpoint existed at the time that it states."""


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What a token says of itself, nothing of it verified. `time` is UTC, `policy` an OID in dots, `digest` lower hex.

    `authority` is the subject of the certificate that it says it was signed with, None where that is not inside.
    """

    time: datetime
    serial: int
    policy: str
    algorithm: str
    digest: str
    authority: str | None


def request_token(url: str, note: bytes, *, timeout: float) -> bytes:
    """A token over `note` from the authority at `url`, within `timeout` seconds: its response, verbatim.

    Status, nonce and imprint are checked; its signature is `verify_token`'s, with a CA that the reader trusts. Raises
    FormatError for a bad address, else NoToken.
    """
    try:
        target = httpx.URL(url)
    except httpx.InvalidURL:
        target = httpx.URL()
    if target.scheme not in {"http", "https"} or not target.host:
        raise FormatError("must be http://… or https://…", field="timestamp_url")
    request = TimestampRequestBuilder().data(note).hash_algorithm(HashAlgorithm.SHA256).build()
    data = _post(target, request.as_bytes(), timeout)
    try:
        response = _decode(data)
        _check_status(response)
        _check_imprint(response, note)
    except (FormatError, TokenError) as error:
        raise NoToken(f"{str(error).removeprefix('token: ')}: {_AGAIN}", field=_place(target)) from None
    if response.tst_info.nonce != request.nonce:
        raise NoToken("answers another request than ours: try again later", field=_place(target))
    return data


def verify_token(
    token: bytes, note: bytes, *, roots: Sequence[x509.Certificate], intermediates: Sequence[x509.Certificate] = ()
) -> datetime:
    """The time at which the note existed, by an authority under one of `roots`. Offline; revocation is not looked up.

    Checked: status, imprint over the note, one signature by a certificate for time-stamping alone that the token names,
    its chain to `roots`, and that all of these were valid at the time stated (they may have expired since). Raises
    FormatError for what is no response, TokenError for one that does not hold.
    """
    if not roots:
        raise TokenError("needs the certificate of a CA that you trust", field="CA")
    response = _decode(token)
    _check_status(response)
    _check_imprint(response, note)
    moment = _time(response)
    given = [*roots, *(certificate for certificate in intermediates if not _self_issued(certificate))]
    signer = _signer(response, given)
    _check_signer(signer, moment)
    if not names_certificate(response.time_stamp_token(), signer.public_bytes(Encoding.DER)):
        raise TokenError("does not name the certificate that it was signed with", field="token")
    verifier = VerifierBuilder(roots=list(roots), intermediates=given[len(roots) :], tsa_certificate=signer).build()
    try:
        verifier.verify_message(response, note)
    except (VerificationError, ValueError):
        raise TokenError(
            "is not signed by an authority under the given CA: its signature does not hold, or its certificates do "
            "not lead there",
            field="token",
        ) from None
    return moment


def check_imprint(token: bytes, note: bytes) -> None:
    """Raise FormatError or TokenError unless the token says that it is over `note`. Who signed it is not judged."""
    response = _decode(token)
    _check_status(response)
    _check_imprint(response, note)


def check_unchanged(token: bytes, note: bytes) -> None:
    """As `check_imprint`, and its signature holds where the token brings its own root: nobody is trusted by this."""
    check_imprint(token, note)
    found = list(_embedded(_decode(token)))
    roots = [certificate for certificate in found if _self_issued(certificate)]
    if roots:
        verify_token(token, note, roots=roots, intermediates=[one for one in found if one not in roots])


def describe_token(token: bytes) -> TokenFacts:
    """What a token says of itself. Raises FormatError for what is no response, TokenError for one without a token."""
    response = _decode(token)
    _check_status(response)
    info = response.tst_info
    imprint = info.message_imprint
    named = [certificate for certificate in _embedded(response) if _is_signer(response, certificate)]
    return TokenFacts(
        time=_time(response),
        serial=info.serial_number,
        policy=info.policy.dotted_string,
        algorithm=_DIGESTS.get(imprint.hash_algorithm.dotted_string, imprint.hash_algorithm.dotted_string),
        digest=imprint.message.hex(),
        authority=named[0].subject.rfc4514_string() if len(named) == 1 else None,
    )


def read_certificates(data: bytes) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """(roots, others) of a CA file, PEM or DER: a root has itself as issuer. Raises FormatError."""
    try:
        pem = b"-----BEGIN" in data
        found = x509.load_pem_x509_certificates(data) if pem else [x509.load_der_x509_certificate(data)]
        roots = [certificate for certificate in found if _self_issued(certificate)]
    except Exception:  # a foreign decoder again: ValueError, TypeError, InvalidVersion…
        raise FormatError("must hold certificates, PEM or DER", field="CA") from None
    if not roots:
        raise FormatError("must hold the CA's root certificate, which is issued by itself", field="CA")
    return roots, [certificate for certificate in found if not _self_issued(certificate)]


# --- asking -----------------------------------------------------------------------------------------------------------


def _post(url: httpx.URL, body: bytes, timeout: float) -> bytes:
    deadline = time.monotonic() + timeout
    place = _place(url)
    try:
        with (
            httpx.Client(timeout=timeout, follow_redirects=False, headers=_REQUEST_HEADERS) as client,
            client.stream("POST", url, content=body) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise NoToken(f"answers with status {response.status_code}: {_AGAIN}", field=place)
            return _body(response, deadline, place)
    except (httpx.HTTPError, httpx.StreamError) as error:
        # The library's text may hold the whole address, and so a secret in it.
        raise NoToken(f"cannot be reached ({type(error).__name__}): {_AGAIN}", field=place) from None


def _body(response: httpx.Response, deadline: float, place: str) -> bytes:
    data = b""
    for piece in response.iter_raw():  # as it comes: a size to wait for would let a server drip for ever
        data += piece
        if len(data) > MAX_TOKEN:
            raise NoToken(f"answers with more than {MAX_TOKEN} bytes: {_AGAIN}", field=place)
        if time.monotonic() > deadline:
            raise NoToken("takes too long: try again later", field=place)
    return data


def _place(url: httpx.URL) -> str:
    """How errors name the authority: without path, query and user, which may hold a secret."""
    return f"time-stamping authority {url.host}"


# --- reading ----------------------------------------------------------------------------------------------------------


def _decode(data: bytes) -> TimeStampResponse:
    if len(data) > MAX_TOKEN:
        raise FormatError(f"has more than {MAX_TOKEN} bytes", field="token")
    try:
        return _decode_whole(data)
    except Exception:  # a foreign decoder over hostile bytes: it raises as many sorts of errors as it has parts
        try:
            return _decode_whole(with_ordered_certificates(data))
        except Exception:
            raise FormatError("is no time-stamp response (RFC 3161)", field="token") from None


def _decode_whole(data: bytes) -> TimeStampResponse:
    """Decode, and parse the parts that the decoder leaves for later."""
    response = decode_timestamp_response(data)
    if response.status != PKIStatus.GRANTED:
        return response
    info, signed = response.tst_info, response.signed_data
    _ = (info.policy, info.message_imprint.message, info.serial_number, info.gen_time, info.nonce)
    _ = [(signer.issuer, signer.serial_number) for signer in signed.signer_infos]
    for certificate in map(x509.load_der_x509_certificate, signed.certificates):
        _ = (certificate.subject, certificate.issuer, certificate.serial_number, certificate.not_valid_after_utc)
    return response


def _check_status(response: TimeStampResponse) -> None:
    if response.status != PKIStatus.GRANTED:
        raise TokenError(f"is a refusal by the authority (status {response.status})", field="token")


def _check_imprint(response: TimeStampResponse, note: bytes) -> None:
    imprint = response.tst_info.message_imprint
    name = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
    if name is None:
        raise TokenError("uses a digest that is not SHA-2", field="token")
    if imprint.message != new(name, note).digest():
        raise TokenError("was made over other bytes than this checkpoint's", field="token")


def _time(response: TimeStampResponse) -> datetime:
    return response.tst_info.gen_time.astimezone(UTC)


def _embedded(response: TimeStampResponse) -> Iterator[x509.Certificate]:
    for data in response.signed_data.certificates:
        yield x509.load_der_x509_certificate(data)


def _is_signer(response: TimeStampResponse, certificate: x509.Certificate) -> bool:
    return any(
        signer.issuer == certificate.issuer and signer.serial_number == certificate.serial_number
        for signer in response.signed_data.signer_infos
    )


def _signer(response: TimeStampResponse, given: Sequence[x509.Certificate]) -> x509.Certificate:
    """The one certificate that the one signature says it was made with."""
    if len(response.signed_data.signer_infos) != 1:
        raise TokenError("must have exactly one signature", field="token")
    found = {certificate for certificate in (*_embedded(response), *given) if _is_signer(response, certificate)}
    if not found:
        raise TokenError(
            "comes without its authority's certificate: put that into the CA file, beside the root", field="token"
        )
    if len(found) > 1:
        raise TokenError("comes with two certificates of the same issuer and number", field="token")
    return found.pop()


def _check_signer(signer: x509.Certificate, moment: datetime) -> None:
    """RFC 3161 section 2.3: a critical extended key usage with time-stamping alone; and valid at that moment."""
    try:
        usage = signer.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        usage = None
    if usage is None or not usage.critical or list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise TokenError("is signed with a certificate that is not for time-stamping", field="token")
    first, last = signer.not_valid_before_utc, signer.not_valid_after_utc
    if not first <= moment <= last:
        raise TokenError(
            f"states {moment:%Y-%m-%dT%H:%M:%SZ}, when its authority's certificate was not valid "
            f"({first:%Y-%m-%d} to {last:%Y-%m-%d})",
            field="token",
        )


def _self_issued(certificate: x509.Certificate) -> bool:
    return certificate.subject == certificate.issuer
