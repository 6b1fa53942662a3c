"""What an environment is declared as."""

from pathlib import Path

import pulumi
import pytest

from components.access import Access, AccessArgs
from components.manifests.access import service_rules
from components.platform import Platform
from components.settings import ENVIRONMENTS, EVENT_TYPES, PlatformSettings
from tests.components.declaring import declare, is_secret

GOLDEN = Path(__file__).parent / "golden"


EMULATED = {
    "kubernetes:apps/v1:Deployment",
    "kubernetes:cert-manager.io/v1:Certificate",
    "kubernetes:cert-manager.io/v1:ClusterIssuer",
    "kubernetes:cert-manager.io/v1:Issuer",
    "kubernetes:core/v1:Service",
    "kubernetes:operator.knative.dev/v1beta1:KnativeEventing",
    "kubernetes:operator.knative.dev/v1beta1:KnativeServing",
    "kubernetes:rabbitmq.com/v1beta1:Binding",
    "kubernetes:rabbitmq.com/v1beta1:Exchange",
    "kubernetes:rabbitmq.com/v1beta1:Permission",
    "kubernetes:rabbitmq.com/v1beta1:Policy",
    "kubernetes:rabbitmq.com/v1beta1:Queue",
    "kubernetes:rabbitmq.com/v1beta1:RabbitmqCluster",
    "kubernetes:rabbitmq.com/v1beta1:User",
    "kubernetes:sources.knative.dev/v1alpha1:RabbitmqSource",
    "knative-lambda:components:Backing",
    "knative-lambda:components:Certificates",
    "knative-lambda:components:DeadLetters",
    "knative-lambda:components:Knative",
    "knative-lambda:components:Rabbitmq",
    "knative-lambda:components:Topology",
}
"""What the local platform emulates, or has no use for."""


def settings(**values):
    return PlatformSettings.parse({"environment": "dev", **values})


@pytest.fixture(scope="module")
def declared():
    return declare(lambda: Platform("platform", settings()))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_types_names_and_parents_are_a_contract(environment):
    """Each line is a resource: changed on purpose only, with aliases where a resource must survive it."""
    expected = (GOLDEN / f"{environment}.txt").read_text().splitlines()

    declared = declare(lambda: Platform("platform", settings(environment=environment)))

    assert [f"{name}  {kind}  in {parent}" for kind, name, parent in declared.identities()] == expected


def test_the_local_environment_has_no_guards_that_nothing_would_enforce_and_nothing_in_aws():
    parts = [
        {line.split()[1] for line in (GOLDEN / f"{environment}.txt").read_text().splitlines()}
        for environment in ("local", "dev")
    ]

    assert parts[1] - parts[0] == {
        "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicy",
        "kubernetes:admissionregistration.k8s.io/v1:ValidatingAdmissionPolicyBinding",
        "kubernetes:core/v1:ConfigMap",
        "kubernetes:core/v1:LimitRange",
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:monitoring.coreos.com/v1:PodMonitor",
        "kubernetes:monitoring.coreos.com/v1:PrometheusRule",
        "kubernetes:monitoring.coreos.com/v1:ServiceMonitor",
        "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "kubernetes:apps/v1:Deployment",
        "kubernetes:core/v1:Service",
        "knative-lambda:components:Admission",
        "knative-lambda:components:Network",
        "knative-lambda:components:Observability",
        "knative-lambda:components:Quotas",
        *(kind for kind in parts[1] if kind.startswith("aws:")),
        "knative-lambda:components:Bucket",
        "knative-lambda:components:Repository",
        "knative-lambda:components:Service",
        *EMULATED,
    }


def test_its_outputs_are_the_declared_ones(declared):
    assert declared.outputs["platform"] == {
        "namespace": "knative-lambda-dev",
        "broker_name": "knative-lambda-broker-dev",
        "broker_url": "http://knative-lambda-broker-dev-broker-ingress.knative-lambda-dev.svc.cluster.local",
        "dead_letter_sink": "http://knative-lambda-dlq-handler.knative-lambda-dev.svc.cluster.local",
        "amqp_host": "rabbitmq-cluster-dev.rabbitmq-dev.svc.cluster.local",
        "amqp_publisher_secret": "notifi-publisher-user-credentials",
        "build_account": "kaniko-builder",
        "service_account": "knative-lambda-builder",
        "webhook_paths": {},
        "gitops_role_arn": "",
        "source_bucket": "knative-lambda-dev-fusion-modules-tmp",
        "context_bucket": "knative-lambda-dev-context-tmp",
        "state_url": "s3://knative-lambda-dev-state?region=us-west-2",
        "registry": "339954290315.dkr.ecr.us-west-2.amazonaws.com",
        "repository": "knative-lambdas-dev",
        "cache_repository": "knative-lambdas-dev-cache",
        "service_repository": "knative-lambda-builder-dev",
        "base_images": "",
    }
    assert set(declared.outputs["platform"]) == set(Platform.__annotations__)


def test_everything_waits_for_the_namespace(declared):
    namespaced = [
        name
        for _, name, parent in declared.identities()
        if parent
        in {f"platform-{part}" for part in ("access", "eventing", "quotas", "network", "observability")}
    ]

    for name in namespaced:
        assert declared.inputs(name)["metadata"]["namespace"] == "knative-lambda-dev"
        assert "platform-space-namespace" in declared.depends_on(name)


def test_the_namespace_refuses_privileged_pods(declared):
    labels = declared.inputs("platform-space-namespace")["metadata"]["labels"]

    assert labels["pod-security.kubernetes.io/enforce"] == "baseline"
    assert labels["pod-security.kubernetes.io/warn"] == "restricted"


def test_a_build_may_read_pods_and_nothing_else(declared):
    assert declared.inputs("platform-access-build-identity")["automountServiceAccountToken"] is False
    assert declared.inputs("platform-access-build-role")["rules"] == [
        {"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get"]}
    ]
    binding = declared.inputs("platform-access-build-binding")
    assert binding["roleRef"] == {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Role",
        "name": "kaniko-builder",
    }
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "kaniko-builder", "namespace": "knative-lambda-dev"}
    ]


def test_the_service_may_change_what_functions_and_builds_are_made_of_and_look_at_builds(declared):
    verbs = ["get", "create", "patch", "delete", "watch"]

    assert declared.inputs("platform-access-service-role")["rules"] == [
        {"apiGroups": [""], "resources": ["configmaps", "serviceaccounts"], "verbs": verbs},
        {"apiGroups": ["batch"], "resources": ["jobs"], "verbs": [*verbs, "list"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]},
        {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
        {"apiGroups": ["serving.knative.dev"], "resources": ["services"], "verbs": [*verbs, "list"]},
        {"apiGroups": ["eventing.knative.dev"], "resources": ["triggers"], "verbs": verbs},
    ]


def test_pulumis_own_engine_may_also_list_them():
    rules = service_rules("automation-api")
    applied = [tuple(rule["verbs"]) for rule in rules if "patch" in rule["verbs"]]

    assert applied == [("get", "create", "patch", "delete", "watch", "list")] * 4
    assert [rule["resources"] for rule in rules] == [rule["resources"] for rule in service_rules("embedded")]


def test_the_broker_is_backed_by_rabbitmq(declared):
    broker, config = declared.inputs("platform-eventing-broker"), declared.inputs("platform-eventing-config")

    assert broker["metadata"]["annotations"] == {
        "eventing.knative.dev/broker.class": "RabbitMQBroker",
        "rabbitmq.eventing.knative.dev/cpu-request": "50m",
        "rabbitmq.eventing.knative.dev/cpu-limit": "1000m",
        "rabbitmq.eventing.knative.dev/memory-request": "32Mi",
        "rabbitmq.eventing.knative.dev/memory-limit": "400Mi",
    }
    assert broker["spec"]["delivery"] == {
        "retry": 5,
        "backoffPolicy": "exponential",
        "backoffDelay": "PT1S",
        "timeout": "PT30S",
        "deadLetterSink": {
            "ref": {
                "apiVersion": "v1",
                "kind": "Service",
                "name": "knative-lambda-dlq-handler",
                "namespace": "knative-lambda-dev",
            }
        },
    }
    assert broker["spec"]["config"] == {
        "apiVersion": "eventing.knative.dev/v1alpha1",
        "kind": "RabbitmqBrokerConfig",
        "name": "knative-lambda-broker-dev",
        "namespace": "knative-lambda-dev",
    }
    assert config["spec"] == {
        "rabbitmqClusterReference": {"name": "rabbitmq-cluster-dev", "namespace": "rabbitmq-dev"},
        "queueType": "quorum",
    }


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_the_service_gets_every_event_that_it_serves(declared, event_type):
    spec = declared.inputs(f"platform-eventing-{event_type}-trigger")["spec"]

    assert spec["filter"] == {"attributes": {"type": event_type}}
    assert spec["subscriber"]["ref"]["name"] == "knative-lambda-builder"
    assert {key: spec["delivery"][key] for key in ("retry", "backoffPolicy", "backoffDelay", "timeout")} == {
        "retry": 5,
        "backoffPolicy": "exponential",
        "backoffDelay": "PT1S",
        "timeout": "PT30S",
    }
    assert spec["delivery"]["deadLetterSink"]["ref"]["name"] == "knative-lambda-dlq-handler"


def test_addresses_take_the_place_of_services():
    given = settings(subscriberUri="http://127.0.0.1:1/", deadLetterUri="http://127.0.0.1:2/dead-letters")

    spec = declare(lambda: Platform("platform", given)).inputs(
        "platform-eventing-network.notifi.lambda.build.start-trigger"
    )["spec"]

    assert spec["subscriber"] == {"uri": "http://127.0.0.1:1/"}
    assert spec["delivery"]["deadLetterSink"] == {"uri": "http://127.0.0.1:2/dead-letters"}


def test_iam_roles_are_written_on_the_accounts():
    arn = "arn:aws:iam::123456789012:role/builds"

    declared = declare(lambda: Platform("platform", settings(buildRoleArn=arn)))

    meta = declared.inputs("platform-access-build-identity")["metadata"]
    assert meta["annotations"] == {"eks.amazonaws.com/role-arn": arn}
    assert "annotations" not in declared.inputs("platform-access-service-identity")["metadata"]


def test_static_keys_are_kept_in_a_secret_and_travel_as_one():
    def program():
        secret = pulumi.Output.secret("very-secret")
        Access("access", AccessArgs(namespace="ns", access_key_id="key", secret_access_key=secret))

    declared = declare(program)

    assert declared.inputs("access-storage")["metadata"]["name"] == "knative-lambda-storage"
    assert declared.inputs("access-storage")["stringData"] == {
        "access-key-id": "key",
        "secret-access-key": "very-secret",
    }
    assert is_secret(declared.raw_inputs("access-storage")["stringData"])


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_no_account_has_wildcards_secrets_or_rights_beyond_the_namespace(environment):
    declared = declare(lambda: Platform("platform", settings(environment=environment)))
    kinds = {name: kind.rpartition(":")[2] for kind, name, _ in declared.identities()}
    roles = [declared.inputs(name) for name, kind in kinds.items() if kind == "Role"]

    assert [role["metadata"]["name"] for role in roles] == ["kaniko-builder", "knative-lambda-builder"]
    assert not {"ClusterRole", "ClusterRoleBinding"} & set(kinds.values())
    for rule in (rule for role in roles for rule in role["rules"]):
        assert not {"*", "secrets"} & {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}


def test_the_settings_reach_the_guards():
    given = settings(
        allowedRegistries="ghcr.io/team",
        registryAddress="ghcr.io",
        registryRepository="team/functions",
        serviceImage="ghcr.io/team/service:1",
        buildExecutorImage="ghcr.io/team/kaniko:1",
        notifiNamespace="alerts",
        quotaPods="7",
    )
    declared = declare(lambda: Platform("platform", given))

    policy = declared.inputs("platform-admission-functions-policy")["spec"]
    rules = {variable["name"]: variable["expression"] for variable in policy["variables"]}
    assert '["ghcr.io/team/"].exists(r, c.image.startsWith(r))' in rules["images"]
    assert "alerts" in str(declared.inputs("platform-network-functions")["spec"]["egress"])
    # 7 of functions, 5 builds, 2 of the service, 2 of dead letters, the Broker's 2, the source, 2 dispatchers
    # a Trigger.
    triggers = len(EVENT_TYPES) + 20
    assert declared.inputs("platform-quotas-quota")["spec"]["hard"]["pods"] == str(
        7 + 5 + 2 + 2 + 2 + 1 + 2 * triggers
    )


ISSUER = "https://oidc.eks.us-west-2.amazonaws.com/id/A1B2"


def test_accounts_take_on_the_roles_that_were_made_for_them():
    declared = declare(lambda: Platform("platform", settings(awsOidcIssuerUrl=ISSUER)))

    roles = {
        part: declared.inputs(f"platform-access-{part}-identity")["metadata"]["annotations"]
        for part in ("build", "service")
    }
    assert roles == {
        "build": {"eks.amazonaws.com/role-arn": "arn:aws:iam:::knative-lambda-kaniko-dev"},
        "service": {"eks.amazonaws.com/role-arn": "arn:aws:iam:::knative-lambda-builder-dev"},
    }
    assert declared.outputs["platform"]["gitops_role_arn"] == "arn:aws:iam:::knative-lambda-gitops-dev"


def test_rights_are_about_the_buckets_and_repositories_of_the_environment():
    given = settings(awsOidcIssuerUrl=ISSUER, storageStateBucket="states", awsAccountId="123456789012")

    declared = declare(lambda: Platform("platform", given))

    text = declared.inputs("platform-roles-service-policy")["policy"]
    assert '"arn:aws:s3:::states/*"' in text
    assert '"arn:aws:ecr:us-west-2:123456789012:repository/knative-lambdas-dev"' in text


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param({}, "serviceRoleArn and buildRoleArn to roles", id="none"),
        pytest.param({"buildRoleArn": "arn:aws:iam::123456789012:role/b"}, "or serviceRoleArn to", id="one"),
        pytest.param({"awsOidcIssuerUrl": ISSUER}, "", id="made"),
        pytest.param({"storageEndpoint": "http://minio:9000", "registryAddress": "ghcr.io"}, "", id="no-aws"),
    ],
)
def test_pods_without_rights_in_aws_are_warned_of(given, said, caplog):
    declare(lambda: Platform("platform", settings(**given)))

    warnings = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert [said in text for text in warnings] == ([True] if said else [])


@pytest.mark.parametrize(
    ("environment", "emptied", "protected"),
    [
        ("dev", {"source", "context", "state"}, set()),
        ("stg", {"context"}, {"source", "state"}),
        ("prd", set(), {"source", "state"}),
    ],
)
def test_production_never_deletes_objects_and_protects_code_and_states(environment, emptied, protected):
    declared = declare(lambda: Platform("platform", settings(environment=environment)))
    buckets = {name: f"platform-storage-{name}-bucket" for name in ("source", "context", "state")}

    assert {name for name, of in buckets.items() if declared.inputs(of).get("forceDestroy")} == emptied
    assert {name for name, of in buckets.items() if declared.requests[of].protect} == protected
    repositories = [f"platform-registry-{name}-repository" for name in ("functions", "cache", "service")]
    forced = {declared.inputs(name).get("forceDelete", False) for name in repositories}
    assert forced == {environment == "dev"}


@pytest.mark.parametrize(("environment", "days"), [("dev", 7), ("stg", 30), ("prd", 90)])
def test_images_are_kept_as_long_as_the_contract_says(environment, days):
    declared = declare(lambda: Platform("platform", settings(environment=environment)))

    policy = declared.inputs("platform-registry-functions-lifecycle")["policy"]
    assert f'"countNumber": {days}}}' in policy


def test_a_registrys_secret_is_on_the_accounts_whose_pods_pull_from_it():
    given = {"environment": "dev", "registryAddress": "ghcr.io", "registryRepository": "team/f"}

    def program():
        secrets = {"registryPullConfig": pulumi.Output.secret("{}")}
        Platform("platform", PlatformSettings.parse(given, secrets))

    declared = declare(program)

    for part in ("build", "service"):
        account = declared.inputs(f"platform-access-{part}-identity")
        assert account["imagePullSecrets"] == [{"name": "knative-lambda-registry-pull"}]
    assert "imagePullSecrets" not in declare(lambda: Platform("platform", settings())).inputs(
        "platform-access-build-identity"
    )
