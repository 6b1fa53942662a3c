import hashlib
import io
import os

import pytest
from botocore.exceptions import ClientError

from tests.local_objectstore.conftest import client


def code_of(call, **arguments) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_an_object_comes_back_as_it_was_put(s3, root):
    put = s3.put_object(
        Bucket="code",
        Key="global/parser/p1/parser.py",
        Body=b"x = 1\n",
        ContentType="text/x-python",
        Metadata={"a": "b"},
    )
    got = s3.get_object(Bucket="code", Key="global/parser/p1/parser.py")

    assert got["Body"].read() == b"x = 1\n"
    assert got["ETag"] == put["ETag"] == f'"{hashlib.md5(b"x = 1" + bytes([10])).hexdigest()}"'
    assert got["ContentType"] == "text/x-python"
    assert got["Metadata"] == {"a": "b"}
    assert got["ContentLength"] == 6
    assert (root / "code/global/parser/p1/parser.py").read_bytes() == b"x = 1\n"


def test_files_put_into_the_folder_by_hand_are_objects(s3, root):
    (root / "code/global").mkdir()
    (root / "code/global/by hand.txt").write_bytes(b"hello")

    listed = s3.list_objects_v2(Bucket="code", Prefix="global/")

    assert [item["Key"] for item in listed["Contents"]] == ["global/by hand.txt"]
    assert listed["Contents"][0]["ETag"] == '"5d41402abc4b2a76b9719d911017c592"'
    assert s3.get_object(Bucket="code", Key="global/by hand.txt")["Body"].read() == b"hello"


def test_an_edit_in_the_folder_shows_at_once(s3, root):
    before = s3.put_object(Bucket="code", Key="a", Body=b"old", Metadata={"of": "old"})
    (root / "code/a").write_bytes(b"hello")

    head = s3.head_object(Bucket="code", Key="a")

    assert head["ETag"] == '"5d41402abc4b2a76b9719d911017c592"' != before["ETag"]
    assert head["Metadata"] == {}
    assert s3.get_object(Bucket="code", Key="a")["Body"].read() == b"hello"


def test_an_object_that_is_put_again_is_replaced_whole(s3, root):
    s3.put_object(Bucket="code", Key="a", Body=b"1" * 100_000)
    s3.put_object(Bucket="code", Key="a", Body=b"2")

    assert s3.get_object(Bucket="code", Key="a")["Body"].read() == b"2"
    assert os.listdir(root / ".tmp") == []


def test_metadata_survives_a_restart(s3, root):
    from local.objectstore import ObjectStore
    from tests.local_objectstore.conftest import serving

    s3.put_object(Bucket="code", Key="a", Body=b"1", Metadata={"k": "v"})

    with serving(ObjectStore(root)) as second:
        again = client(second.url)
        assert again.head_object(Bucket="code", Key="a")["Metadata"] == {"k": "v"}
        again.close()


@pytest.mark.parametrize(
    ("span", "expected"),
    [("bytes=0-3", b"0123"), ("bytes=4-", b"456789"), ("bytes=-2", b"89"), ("bytes=8-99", b"89")],
)
def test_a_range_is_cut_out(s3, span, expected):
    s3.put_object(Bucket="code", Key="a", Body=b"0123456789")

    got = s3.get_object(Bucket="code", Key="a", Range=span)

    assert got["Body"].read() == expected
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert got["ContentRange"].endswith("/10")


def test_a_range_outside_of_the_object_is_refused(s3):
    s3.put_object(Bucket="code", Key="a", Body=b"0123456789")

    assert code_of(s3.get_object, Bucket="code", Key="a", Range="bytes=10-") == "InvalidRange"


def test_conditions_on_reading_are_honoured(s3):
    etag = s3.put_object(Bucket="code", Key="a", Body=b"1")["ETag"]

    assert code_of(s3.get_object, Bucket="code", Key="a", IfNoneMatch=etag) == "304"
    assert code_of(s3.get_object, Bucket="code", Key="a", IfMatch='"other"') == "PreconditionFailed"
    assert s3.get_object(Bucket="code", Key="a", IfMatch=etag)["Body"].read() == b"1"


def test_conditions_on_writing_are_honoured(s3):
    etag = s3.put_object(Bucket="code", Key="a", Body=b"1", IfNoneMatch="*")["ETag"]

    assert code_of(s3.put_object, Bucket="code", Key="a", Body=b"2", IfNoneMatch="*") == "PreconditionFailed"
    s3.put_object(Bucket="code", Key="a", Body=b"3", IfMatch=etag)
    assert code_of(s3.put_object, Bucket="code", Key="a", Body=b"4", IfMatch=etag) == "PreconditionFailed"
    assert s3.get_object(Bucket="code", Key="a")["Body"].read() == b"3"


def test_missing_things_are_named_as_s3_names_them(s3):
    assert code_of(s3.get_object, Bucket="code", Key="none") == "NoSuchKey"
    assert code_of(s3.head_object, Bucket="code", Key="none") == "404"
    assert code_of(s3.get_object, Bucket="nosuch", Key="a") == "NoSuchBucket"
    assert code_of(s3.list_objects_v2, Bucket="nosuch") == "NoSuchBucket"
    assert code_of(s3.put_object, Bucket="nosuch", Key="a", Body=b"") == "NoSuchBucket"
    assert code_of(s3.get_bucket_acl, Bucket="code") == "NotImplemented"


def test_a_folder_of_objects_is_no_object(s3):
    s3.put_object(Bucket="code", Key="a/b", Body=b"1")

    assert code_of(s3.get_object, Bucket="code", Key="a") == "NoSuchKey"


@pytest.mark.parametrize(("first", "second"), [("a", "a/b"), ("a/b", "a"), ("a", "a/b/c/d")])
def test_a_key_cannot_be_object_and_folder_at_once(s3, first, second):
    s3.put_object(Bucket="code", Key=first, Body=b"1")

    assert code_of(s3.put_object, Bucket="code", Key=second, Body=b"2") == "KeyConflict"
    s3.delete_object(Bucket="code", Key=first)
    s3.put_object(Bucket="code", Key=second, Body=b"2")
    assert s3.get_object(Bucket="code", Key=second)["Body"].read() == b"2"


def test_deleting_twice_is_a_success(s3, root):
    s3.put_object(Bucket="code", Key="a/b/c", Body=b"1")

    s3.delete_object(Bucket="code", Key="a/b/c")
    s3.delete_object(Bucket="code", Key="a/b/c")

    assert code_of(s3.head_object, Bucket="code", Key="a/b/c") == "404"
    assert os.listdir(root / "code") == []


def test_many_objects_are_deleted_in_one_request(s3):
    for key in ("a", "b/c", "d & e"):
        s3.put_object(Bucket="code", Key=key, Body=b"1")

    result = s3.delete_objects(
        Bucket="code", Delete={"Objects": [{"Key": key} for key in ("a", "b/c", "d & e", "missing")]}
    )

    assert [item["Key"] for item in result["Deleted"]] == ["a", "b/c", "d & e", "missing"]
    assert "Contents" not in s3.list_objects_v2(Bucket="code")


def test_a_copy_keeps_content_and_metadata(s3):
    s3.put_object(Bucket="code", Key="a/ä ö", Body=b"1", Metadata={"k": "v"})

    s3.copy_object(Bucket="code", Key="copy", CopySource={"Bucket": "code", "Key": "a/ä ö"})
    s3.copy_object(
        Bucket="code",
        Key="new",
        CopySource={"Bucket": "code", "Key": "a/ä ö"},
        MetadataDirective="REPLACE",
        Metadata={"n": "w"},
    )

    assert s3.get_object(Bucket="code", Key="copy")["Body"].read() == b"1"
    assert s3.head_object(Bucket="code", Key="copy")["Metadata"] == {"k": "v"}
    assert s3.head_object(Bucket="code", Key="new")["Metadata"] == {"n": "w"}


def test_a_large_file_goes_in_parts_and_comes_back_in_one(s3, root):
    content = os.urandom(9 << 20)

    s3.upload_fileobj(io.BytesIO(content), "code", "big")
    received = io.BytesIO()
    s3.download_fileobj("code", "big", received)

    assert received.getvalue() == content
    assert s3.head_object(Bucket="code", Key="big")["ETag"].endswith('-2"')
    assert os.listdir(root / ".uploads") == []


def test_a_multipart_upload_can_be_aborted_and_names_wrong_parts(s3):
    upload = s3.create_multipart_upload(Bucket="code", Key="big")["UploadId"]
    etag = s3.upload_part(Bucket="code", Key="big", UploadId=upload, PartNumber=1, Body=b"1")["ETag"]
    wrong = {"Parts": [{"PartNumber": 2, "ETag": etag}]}
    call = {"Bucket": "code", "Key": "big", "UploadId": upload}

    assert code_of(s3.complete_multipart_upload, MultipartUpload=wrong, **call) == "InvalidPart"
    s3.abort_multipart_upload(**call)
    assert code_of(s3.abort_multipart_upload, **call) == "NoSuchUpload"
    assert code_of(s3.head_object, Bucket="code", Key="big") == "404"


@pytest.mark.parametrize("algorithm", ["CRC32", "SHA1", "SHA256"])
def test_a_checksum_is_verified_kept_and_given_back(s3, algorithm):
    put = s3.put_object(Bucket="code", Key="a", Body=b"123456789", ChecksumAlgorithm=algorithm)
    got = s3.get_object(Bucket="code", Key="a", ChecksumMode="ENABLED")

    assert got["Body"].read() == b"123456789"
    assert got[f"Checksum{algorithm}"] == put[f"Checksum{algorithm}"] != ""


def test_a_wrong_checksum_changes_nothing(s3):
    s3.put_object(Bucket="code", Key="a", Body=b"old")

    assert (
        code_of(s3.put_object, Bucket="code", Key="a", Body=b"new", ChecksumCRC32="AAAAAA==") == "BadDigest"
    )
    md5 = "1B2M2Y8AsgTpgAmY7PhCfg=="
    assert code_of(s3.put_object, Bucket="code", Key="a", Body=b"new", ContentMD5=md5) == "BadDigest"
    assert s3.get_object(Bucket="code", Key="a")["Body"].read() == b"old"


def test_an_object_over_the_limit_is_refused(s3, root):
    assert code_of(s3.put_object, Bucket="code", Key="a", Body=bytes((32 << 20) + 1)) == "EntityTooLarge"
    assert os.listdir(root / ".tmp") == []


def test_a_wrong_secret_is_refused_and_an_unknown_key_is_named(store, s3):
    wrong, unknown = client(store.url, secret="nope"), client(store.url, access="nobody")

    assert code_of(wrong.list_buckets) == "SignatureDoesNotMatch"
    assert code_of(unknown.list_buckets) == "InvalidAccessKeyId"
    wrong.close()
    unknown.close()


@pytest.mark.parametrize(
    "key", ["a b+c/d&e=f", "ä/ü", "q?x#y", "%41", "a//b", "a/", "../up", "./x", "~t*'()!", "n\nl"]
)
def test_any_key_goes_in_and_out(s3, root, key):
    s3.put_object(Bucket="code", Key=key, Body=key.encode())

    assert s3.get_object(Bucket="code", Key=key)["Body"].read() == key.encode()
    assert [item["Key"] for item in s3.list_objects_v2(Bucket="code")["Contents"]] == [key]
    assert sorted(os.listdir(root.parent)) == ["objects"]
    s3.delete_object(Bucket="code", Key=key)
    assert "Contents" not in s3.list_objects_v2(Bucket="code")
