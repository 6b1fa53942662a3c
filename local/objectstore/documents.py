"""The XML documents of S3's REST API. Pure."""

import datetime
import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from urllib.parse import quote
from xml.etree import ElementTree
from xml.etree.ElementTree import Element, SubElement

from local.objectstore.errors import S3Error
from local.objectstore.listing import Page, encode_token
from local.objectstore.storage import StoredObject

_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MAX_DELETES = 1000
_MAX_PARTS = 10_000
# What XML 1.0 cannot hold; S3 clients that list such keys ask for encoding-type=url.
_NO_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
Fields = Sequence[tuple[str, object]]


def document(root: str, fields: Fields = ()) -> bytes:
    """Render a flat document; a value that is a sequence of pairs becomes a nested element."""
    element = Element(root, xmlns=_NAMESPACE)
    _fill(element, fields)
    return _render(element)


def error_document(error: S3Error, resource: str, request_id: str) -> bytes:
    """Render an error; unlike the others it has no namespace."""
    element = Element("Error")
    _fill(
        element,
        [("Code", error.code), ("Message", error.message), ("Resource", resource), ("RequestId", request_id)],
    )
    return _render(element)


def listing_document(
    bucket: str, query: dict[str, str], page: Page, objects: Iterable[StoredObject]
) -> bytes:
    """Render a page of ListObjects (V1) or ListObjectsV2, whichever the query asks for."""
    encode: Callable[[str], str] = _url_encoded if query.get("encoding-type") == "url" else str
    fields: list[tuple[str, object]] = [
        ("Name", bucket),
        ("Prefix", encode(query.get("prefix", ""))),
        ("MaxKeys", query.get("max-keys") or "1000"),
        ("IsTruncated", "true" if page.truncated else "false"),
    ]
    if query.get("delimiter"):
        fields.append(("Delimiter", encode(query["delimiter"])))
    if "encoding-type" in query:
        fields.append(("EncodingType", "url"))
    fields += (
        _position_v2(query, page) if query.get("list-type") == "2" else _position_v1(query, page, encode)
    )
    fields += [("Contents", _contents(found, encode(found.key))) for found in objects]
    fields += [("CommonPrefixes", [("Prefix", encode(prefix))]) for prefix in page.prefixes]
    return document("ListBucketResult", fields)


def parse_deletes(body: bytes) -> tuple[list[str], bool]:
    """Return the keys of a DeleteObjects request and whether it wants a quiet answer; raises MalformedXML."""
    root = _parse(body, "Delete")
    keys = [_text(item, "Key") for item in root.findall("Object")]
    if not 0 < len(keys) <= _MAX_DELETES:
        raise S3Error("MalformedXML", f"{len(keys)} keys to delete; allowed are 1 to {_MAX_DELETES}")
    return keys, (root.findtext("Quiet") or "").lower() == "true"


def parse_parts(body: bytes) -> list[tuple[int, str]]:
    """Return number and ETag (without quotes) of the parts to join; raises MalformedXML, InvalidPartOrder."""
    root = _parse(body, "CompleteMultipartUpload")
    parts = [
        (part_number(_text(item, "PartNumber")), _text(item, "ETag").strip('"'))
        for item in root.findall("Part")
    ]
    if not parts:
        raise S3Error("MalformedXML", "no parts are named; a multipart upload needs one at least")
    if any(first[0] >= second[0] for first, second in itertools.pairwise(parts)):
        raise S3Error("InvalidPartOrder", "the parts are not named in ascending order of their numbers")
    return parts


def timestamp(seconds: float) -> str:
    """Return a time as S3 writes it in XML."""
    moment = datetime.datetime.fromtimestamp(seconds, datetime.UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _url_encoded(text: str) -> str:
    return quote(text, safe="/-_.~*")


def _contents(found: StoredObject, key: str) -> Fields:
    return [
        ("Key", key),
        ("LastModified", timestamp(found.modified)),
        ("ETag", f'"{found.meta.etag}"'),
        ("Size", found.size),
        ("StorageClass", "STANDARD"),
    ]


def _position_v2(query: dict[str, str], page: Page) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("KeyCount", len(page.keys) + len(page.prefixes))]
    fields += [(tag, query[name]) for tag, name in _ECHOED_V2.items() if query.get(name)]
    if page.truncated:
        fields.append(("NextContinuationToken", encode_token(page.last)))
    return fields


_ECHOED_V2 = {"ContinuationToken": "continuation-token", "StartAfter": "start-after"}


def _position_v1(query: dict[str, str], page: Page, encode: Callable[[str], str]) -> list[tuple[str, object]]:
    fields: list[tuple[str, object]] = [("Marker", encode(query.get("marker", "")))]
    if page.truncated:
        fields.append(("NextMarker", encode(page.last)))
    return fields


def _render(element: Element) -> bytes:
    rendered: bytes = ElementTree.tostring(element, encoding="utf-8", xml_declaration=True)
    return rendered


def _fill(element: Element, fields: Fields) -> None:
    for name, value in fields:
        child = SubElement(element, name)
        if isinstance(value, (list, tuple)):
            _fill(child, value)
        else:
            child.text = _NO_XML.sub("\ufffd", str(value))


def _parse(body: bytes, root: str) -> Element:
    # expat itself limits entity expansion, and nothing external is ever loaded.
    try:
        element = ElementTree.fromstring(body)  # noqa: S314
    except ElementTree.ParseError as error:
        raise S3Error("MalformedXML", f"the body is no XML: {error}") from None
    for item in element.iter():
        item.tag = item.tag.rpartition("}")[2]
    if element.tag != root:
        raise S3Error("MalformedXML", f"the document is <{element.tag}>; expected <{root}>")
    return element


def _text(element: Element, name: str) -> str:
    text = element.findtext(name)
    if not text:
        raise S3Error("MalformedXML", f"<{element.tag}> has no <{name}>")
    return text


def part_number(text: str) -> int:
    """Return the number of a part, 1 to 10,000; raises InvalidArgument."""
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= _MAX_PARTS):
        raise S3Error("InvalidArgument", f"the part number is {text[:32]!r}; allowed are 1 to {_MAX_PARTS}")
    return int(text)
