"""The buckets of an environment: what guards them, and what goes away in them by itself."""

import json

import pytest

from components.bucket import Bucket
from components.manifests.bucket import lifecycle
from components.manifests.cloud import Cloud
from components.storage import Storage, StorageArgs
from tests.components.declaring import declare

BUCKETS = ("source", "context", "state")
KEY = "arn:aws:kms:us-west-2:123456789012:key/1234abcd"


def args(**values):
    given = {
        "provider": "aws",
        "cloud": Cloud(account="123456789012", region="us-west-2"),
        "source_bucket": "code",
        "context_bucket": "contexts",
        "state_bucket": "states",
    }
    return StorageArgs(**{**given, **values})


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: Storage("storage", args()))


def rules_of(declared, bucket):
    return {rule["id"]: rule for rule in declared.inputs(f"storage-{bucket}-lifecycle")["rules"]}


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["storage"] == {
        "source_bucket": "code",
        "context_bucket": "contexts",
        "state_url": "s3://states?region=us-west-2",
    }
    assert set(declared.outputs["storage"]) == set(Storage.__annotations__)
    assert set(declared.outputs["storage-source"]) == set(Bucket.__annotations__)


@pytest.mark.parametrize("bucket", BUCKETS)
def test_nobody_gets_into_a_bucket_from_outside(declared, bucket):
    ownership = declared.inputs(f"storage-{bucket}-ownership")
    block = declared.inputs(f"storage-{bucket}-public-access")

    assert ownership["rule"] == {"objectOwnership": "BucketOwnerEnforced"}
    assert {key: value for key, value in block.items() if isinstance(value, bool)} == {
        "blockPublicAcls": True,
        "blockPublicPolicy": True,
        "ignorePublicAcls": True,
        "restrictPublicBuckets": True,
    }


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_reached_by_current_tls_only_and_its_policy_allows_nothing(declared, bucket):
    made = declared.inputs(f"storage-{bucket}-policy")
    arn = f"arn:aws:s3:::{made['bucket']}"
    statements = json.loads(made["policy"])["Statement"]

    assert [statement["Condition"] for statement in statements] == [
        {"Bool": {"aws:SecureTransport": "false"}},
        {"NumericLessThan": {"s3:TlsVersion": 1.2}},
    ]
    for statement in statements:
        assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
        assert statement["Resource"] == [arn, f"{arn}/*"]


@pytest.mark.parametrize("bucket", BUCKETS)
def test_objects_are_encrypted_and_kept_in_versions(declared, bucket):
    (rule,) = declared.inputs(f"storage-{bucket}-encryption")["rules"]

    assert rule == {"applyServerSideEncryptionByDefault": {"sseAlgorithm": "AES256"}}
    assert declared.inputs(f"storage-{bucket}-versioning")["versioningConfiguration"] == {"status": "Enabled"}


def test_a_key_of_ones_own_encrypts_all_buckets():
    declared = declare(lambda: Storage("storage", args(kms_key_arn=KEY)))

    for bucket in BUCKETS:
        (rule,) = declared.inputs(f"storage-{bucket}-encryption")["rules"]
        assert rule == {
            "applyServerSideEncryptionByDefault": {"sseAlgorithm": "aws:kms", "kmsMasterKeyId": KEY},
            "bucketKeyEnabled": True,
        }


def test_build_contexts_expire_and_code_does_not(declared):
    contexts, code = rules_of(declared, "context"), rules_of(declared, "source")

    assert contexts["expire"]["expiration"] == {"days": 7}
    assert contexts["old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 1}
    assert "expire" not in code
    assert code["old-versions"]["noncurrentVersionExpiration"] == {"noncurrentDays": 30}
    assert rules_of(declared, "state") == code


@pytest.mark.parametrize("bucket", BUCKETS)
def test_no_bucket_fills_up_with_what_nobody_sees(declared, bucket):
    """Parts of uploads that were given up, and markers of deletions whose versions are gone."""
    rules = rules_of(declared, bucket)

    assert rules["unfinished-uploads"]["abortIncompleteMultipartUpload"] == {"daysAfterInitiation": 1}
    assert "expire" in rules or rules["delete-markers"]["expiration"] == {"expiredObjectDeleteMarker": True}
    assert all(rule["status"] == "Enabled" for rule in rules.values())
    places = {rule["filter"]["prefix"] for name, rule in rules.items() if not name.startswith("expire")}
    assert places == {""}


def test_where_revisions_come_from_is_kept_when_builds_and_their_contexts_expire(declared):
    rules = rules_of(declared, "context")
    expiring = [rule for rule in rules.values() if rule.get("expiration", {}).get("days")]

    assert [rule["filter"]["prefix"] for rule in expiring] == ["build-context/", "builds/"]
    assert {rule["expiration"]["days"] for rule in expiring} == {7}


def test_a_lifecycle_never_expires_twice():
    """S3 refuses an expiration in days together with one of delete markers."""
    for days in (0, 1, 365):
        given = [rule["expiration"] for rule in lifecycle(days, 30) if "expiration" in rule]
        assert len(given) == 1
        assert len(given[0]) == 1


@pytest.mark.parametrize(
    ("given", "emptied"),
    [
        pytest.param({}, set(), id="prd"),
        pytest.param({"delete_contexts": True}, {"context"}, id="stg"),
        pytest.param({"delete_all": True}, set(BUCKETS), id="dev"),
    ],
)
def test_a_bucket_is_deleted_with_its_objects_only_where_that_is_wanted(given, emptied):
    declared = declare(lambda: Storage("storage", args(**given)))

    forced = {name for name in BUCKETS if declared.inputs(f"storage-{name}-bucket").get("forceDestroy")}
    assert forced == emptied


def test_protected_buckets_are_protected_with_all_their_settings():
    """Without its settings, a bucket that is kept would lose its encryption and its policy."""
    declared = declare(lambda: Storage("storage", args(protect=True)))

    protected = {name for name, sent in declared.requests.items() if sent.protect}
    of_kept = {name for name in declared.requests if name.startswith(("storage-source", "storage-state"))}
    assert protected == of_kept


def test_everything_is_in_the_regions_and_partitions_own_names():
    cloud = Cloud(account="123456789012", region="cn-north-1")
    declared = declare(lambda: Storage("storage", args(cloud=cloud)))

    made = [name for name, sent in declared.requests.items() if sent.type.startswith("aws:")]
    assert {declared.inputs(name)["region"] for name in made} == {"cn-north-1"}
    assert "arn:aws-cn:s3:::code/*" in declared.inputs("storage-source-policy")["policy"]
    assert cloud.registry == "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn"


def test_of_s3_compatible_storage_only_the_address_is_told():
    given = args(provider="s3-compatible", endpoint="http://minio.storage.svc:9000")

    declared = declare(lambda: Storage("storage", given))

    assert [kind for kind, _, _ in declared.identities()] == ["knative-lambda:components:Storage"]
    assert declared.outputs["storage"] == {
        "source_bucket": "code",
        "context_bucket": "contexts",
        "state_url": "s3://states?region=us-west-2&endpoint=http%3A%2F%2Fminio.storage.svc%3A9000"
        "&s3ForcePathStyle=true",
    }
