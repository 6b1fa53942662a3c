"""The platform and its functions as Pulumi components, one a file; pure planners are in `manifests`.

    naming      every name, from an environment's or a function's ids (pure)
    settings    the platform's stack configuration, typed and validated
    platform    Platform: everything that the main job needs in one environment
    function    FunctionComponent: one parser's identity, configuration, Knative Service and Trigger
    build       BuildComponent: the Kaniko Job with its monitor

Modules are imported by name (`from components.function import FunctionComponent`): this file imports nothing,
so that whoever needs only names does not pay for the Pulumi SDK.
"""
