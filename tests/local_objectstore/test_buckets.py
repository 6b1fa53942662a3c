import pytest
from botocore.exceptions import ClientError


def test_buckets_are_the_folders_of_the_root(s3, root):
    (root / "by-hand").mkdir()

    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["by-hand", "code"]
    assert s3.head_bucket(Bucket="by-hand")["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert s3.get_bucket_location(Bucket="code")["LocationConstraint"] is None


def test_a_bucket_is_created_once_with_or_without_a_location(s3):
    s3.create_bucket(Bucket="more", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})

    with pytest.raises(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket="more")


def test_only_an_empty_bucket_can_be_deleted(s3, root):
    s3.put_object(Bucket="code", Key="a/b", Body=b"1")

    with pytest.raises(ClientError, match="BucketNotEmpty"):
        s3.delete_bucket(Bucket="code")
    s3.delete_object(Bucket="code", Key="a/b")
    s3.delete_bucket(Bucket="code")

    assert not (root / "code").exists()
    with pytest.raises(ClientError, match="NoSuchBucket"):
        s3.delete_bucket(Bucket="code")


def test_a_missing_bucket_is_404_on_head(s3):
    with pytest.raises(ClientError, match="404"):
        s3.head_bucket(Bucket="nosuch")
