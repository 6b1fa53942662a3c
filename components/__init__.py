"""The platform and its functions as Pulumi components, one a file; pure planners are in `manifests`.

    naming      every name, from an environment's or a function's ids (pure)
    settings    the platform's stack configuration, typed and validated (a package)
    capacity    what each environment may use (pure)
    composition which values of the configuration each component gets (pure)
    platform    Platform: everything that the main job needs in one environment, composed of:
    namespace   PlatformNamespace: the namespace with its pod security level
    storage     Storage: the buckets of code, contexts and states; of
    bucket      Bucket: one S3 bucket with all that guards it
    registry    Registry: repositories, or the Secrets that open another registry; of
    repository  Repository: one ECR repository with its lifecycle
    roles       Roles: what accounts may do in AWS
    providers   who provides storage and images (names only)
    access      Access: accounts, Roles, the storage's Secret
    quotas      Quotas: ResourceQuota and LimitRange
    network     Network: who may talk to whom
    admission   Admission: what the API server refuses
    gitops      Gitops: what Flux hears of, its account
    broker      Broker: the Broker and the automation service's Triggers
    observability  Observability: monitors, rules, dashboards
    function    FunctionComponent: one parser's identity, configuration, Knative Service and Trigger
    build       BuildComponent: the Kaniko Job with its monitor

Modules are imported by name (`from components.function import FunctionComponent`): this file imports nothing,
so that whoever needs only names does not pay for the Pulumi SDK.
"""
