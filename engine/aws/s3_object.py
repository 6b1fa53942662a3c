"""`aws:s3/bucketObjectv2:BucketObjectv2`: one object, its content given as text, base64 or a file asset.

terraform: internal/service/s3/object.go. The content is not read back: an object whose ETag is not the
recorded one was changed by somebody else, and then what was recorded of its content is forgotten.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

from engine.aws.client import Aws
from engine.aws.s3_bucket import GONE, delete_versions, is_conflict
from engine.aws.shapes import given, pairs, unpaired
from engine.aws.spec import (
    OUTPUT,
    Autoname,
    Change,
    Created,
    Json,
    Kind,
    Prop,
    ResourceType,
    flag,
    mapping,
    regional,
    tagged,
    text,
)
from engine.provider import ProviderError
from engine.values import Asset

_CONTENT = ("content", "contentBase64", "source")
_GONE = (*GONE, "NoSuchKey")
_HEADERS = {
    "cacheControl": "CacheControl",
    "contentDisposition": "ContentDisposition",
    "contentEncoding": "ContentEncoding",
    "contentLanguage": "ContentLanguage",
    "contentType": "ContentType",
    "metadata": "Metadata",
    "kmsKeyId": "SSEKMSKeyId",
    "serverSideEncryption": "ServerSideEncryption",
    "storageClass": "StorageClass",
    "bucketKeyEnabled": "BucketKeyEnabled",
    "websiteRedirect": "WebsiteRedirectLocation",
}


def create(aws: Aws, inputs: Json) -> Created:
    """Put the object, with its tags."""
    aws.patiently(lambda: _put(aws, inputs), is_conflict)
    return Created(id=f"{inputs['bucket']}/{inputs['key']}")


def update(aws: Aws, id_: str, change: Change) -> None:
    """Put the object anew: what describes it cannot be changed apart from it."""
    aws.call("s3", "put_object", **_request(change.new))


def tag(aws: Aws, id_: str, recorded: Json, added: Mapping[str, str], removed: list[str]) -> None:
    """Set all tags at once, the only way that there is."""
    wanted = {key: value for key, value in {**_tags(aws, recorded), **added}.items() if key not in removed}
    aws.call("s3", "put_object_tagging", Bucket=recorded["bucket"], Key=recorded["key"],
             Tagging={"TagSet": pairs(wanted)})  # fmt: skip


def read(aws: Aws, id_: str, recorded: Json) -> Json | None:
    """Return what describes the object; its content as recorded, if it is still that."""
    bucket, key = _split(id_, recorded)
    head = aws.find("s3", "head_object", _GONE, Bucket=bucket, Key=key)
    if head is None:
        return None
    found = {name: head[api] for name, api in _HEADERS.items() if head.get(api) not in (None, "", {})}
    etag = head["ETag"].strip('"')
    kept = recorded.get("etag") in (None, etag)
    return {
        **found,
        **{name: recorded[name] for name in _CONTENT if kept and name in recorded},
        "storageClass": head.get("StorageClass", "STANDARD"),
        "bucket": bucket,
        "key": key,
        "etag": etag,
        "versionId": head.get("VersionId", ""),
        "arn": f"arn:{aws.partition}:s3:::{bucket}/{key}",
        "tags": _tags(aws, {"bucket": bucket, "key": key}),
    }


def delete(aws: Aws, id_: str, recorded: Json) -> None:
    """Delete the object, with all its versions where the bucket keeps them."""
    bucket, key = _split(id_, recorded)
    versioned = recorded.get("versionId") not in (None, "", "null")
    if not (versioned and delete_versions(aws, bucket, key, locked=bool(recorded.get("forceDestroy")))):
        aws.find("s3", "delete_object", GONE, Bucket=bucket, Key=key)


def _put(aws: Aws, inputs: Json) -> Json:
    return aws.call("s3", "put_object", **_request(inputs))


def _request(inputs: Json) -> Json:
    from urllib.parse import urlencode

    headers = {api: inputs.get(name) for name, api in _HEADERS.items()}
    tags = urlencode(inputs.get("tags") or {})
    body = _body(inputs)
    return {"Bucket": inputs["bucket"], "Key": inputs["key"], "Body": body, **given(**headers, Tagging=tags)}


def _body(inputs: Json) -> bytes:
    if "contentBase64" in inputs:
        return base64.b64decode(inputs["contentBase64"])
    source = inputs.get("source")
    if not isinstance(source, Asset):
        return str(inputs.get("content", "")).encode()
    if source.uri is not None:
        raise ProviderError(
            f"the asset at {source.uri} is remote, which is not supported; use a file or a text"
        )
    return Path(source.path).read_bytes() if source.path else (source.text or "").encode()


def _tags(aws: Aws, recorded: Json) -> dict[str, str]:
    gone = (*_GONE, "NoSuchTagSet")
    answer = aws.find("s3", "get_object_tagging", gone, Bucket=recorded["bucket"], Key=recorded["key"]) or {}
    return unpaired(answer.get("TagSet", ()))


def _split(id_: str, recorded: Json) -> tuple[str, str]:
    """Return bucket and key; ids are `bucket/key` or an `s3://` URL, in old states the key alone."""
    if "bucket" in recorded and "key" in recorded:
        return recorded["bucket"], recorded["key"]
    bucket, slash, key = id_.removeprefix("s3://").partition("/")
    if not slash:
        raise ProviderError(f"{id_!r} names no object; give it as bucket/key or s3://bucket/key")
    return bucket, key


OBJECT = ResourceType(
    type="aws:s3/bucketObjectv2:BucketObjectv2",
    props=tagged(
        regional(
            {
                "bucket": text(required=True, force_new=True),
                "key": text(force_new=True),
                "content": text(),
                "contentBase64": text(),
                "source": Prop(kind=Kind.ASSET),
                "sourceHash": text(local=True),
                "cacheControl": text(),
                "contentDisposition": text(),
                "contentEncoding": text(),
                "contentLanguage": text(),
                "contentType": text(computed=True),
                "metadata": mapping(),
                "kmsKeyId": text(computed=True),
                "serverSideEncryption": text(
                    computed=True, choices=("AES256", "aws:kms", "aws:kms:dsse", "aws:fsx")
                ),
                "storageClass": text(computed=True),
                "bucketKeyEnabled": flag(computed=True),
                "websiteRedirect": text(),
                "forceDestroy": flag(default=False, local=True),
                "etag": OUTPUT,
                "versionId": OUTPUT,
                "arn": OUTPUT,
            }
        )
    ),
    refused={
        "acl": "leave it out: new buckets refuse ACLs",
        "checksumAlgorithm": "leave it out: botocore sends a CRC32",
        "etag": "leave it out: changes of the content are seen without it",
        "objectLockLegalHoldStatus": "leave it out",
        "objectLockMode": "leave it out",
        "objectLockRetainUntilDate": "leave it out",
        "overrideProvider": "use another provider resource",
    },
    exclusive=(_CONTENT,),
    autoname=Autoname(property="key", length=1024, digits=0),
    create=create,
    update=update,
    read=read,
    tag=tag,
    delete=delete,
)

TYPES = (OBJECT,)
