"""The Kubernetes provider: Pulumi's resource calls, carried out against one cluster.

Interchangeable with pulumi-kubernetes 4: the same state, the same verdicts on changes. What each call does is
in the modules beside this one; here they are only put together. Where it differs on purpose (no API call for
a preview or for a change of nothing, uid preconditions, no fixed pauses) the modules say why.
"""

import time
from collections.abc import Callable
from typing import Any

from engine.kubernetes import apply, state
from engine.kubernetes.annotations import annotation, is_true, propagation_policy, timeout_seconds
from engine.kubernetes.await_ import NotReady, judge_now, wait_until_ready
from engine.kubernetes.check import checked
from engine.kubernetes.cluster import Cluster
from engine.kubernetes.config import ConfigError, Source
from engine.kubernetes.delete import WAITED_FOR_ONLY_IF_ASKED, delete
from engine.kubernetes.diff import compare
from engine.kubernetes.kinds import Kind, builtin_kind, custom_kind, is_builtin, parse_token, type_of
from engine.kubernetes.refusals import refused_type, unsupported
from engine.kubernetes.rest import ApiError, NotFound, Unreachable
from engine.kubernetes.settings import Settings, check_settings, diff_settings, settings_of
from engine.kubernetes.target import Target, explained, explanation, is_missing, recorded_id, split_id
from engine.provider import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    OutcomeUnknown,
    PartialFailure,
    Properties,
    ProviderError,
    ReadResult,
    ResourceGone,
)
from engine.values import unwrap

Json = dict[str, Any]
ClusterFor = Callable[[Source], Cluster]

REPLACE_UNREADY = "replaceUnready"


class KubernetesProvider:
    """One configured provider instance. Clusters come from outside, since instances share them."""

    def __init__(self, cluster_for: ClusterFor) -> None:
        self._cluster_for = cluster_for
        self._settings = Settings(source=Source())
        self._cluster: Cluster | None = None
        self._config_error: ConfigError | None = None
        self._unreachable = False
        self._declared: dict[tuple[str, str], Kind] = {}
        """Kinds of CustomResourceDefinitions seen in this run, which the server may not know yet."""

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Refuse configuration that is malformed or asks for what the embedded engine does not do."""
        return CheckResult(inputs=news, failures=check_settings(news))

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Ask for replacement of all resources only when the cluster is another one."""
        return diff_settings(olds, news)

    def configure(self, inputs: Properties) -> None:
        """Take the configuration. A cluster that cannot be reached is no error yet: each call decides."""
        self._settings = settings_of(inputs)
        try:
            self._cluster = self._cluster_for(self._settings.source)
        except (ConfigError, OSError) as error:
            self._config_error = ConfigError(str(error))
        if self._settings.delete_unreachable or self._settings.skip_update_unreachable:
            self._unreachable = not self._answers()

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Fill in name, namespace and defaults.

        Needs the cluster only for the scope of unknown custom kinds.
        """
        if olds and self._unreachable and self._settings.skip_update_unreachable:
            return CheckResult(inputs=olds)
        token = type_of(urn)
        if reason := refused_type(token, news):
            return CheckResult(inputs=news, failures=(CheckFailure("", reason),))
        api_version, kind = _identity(token, news)
        result = checked(
            urn=urn,
            token=token,
            olds=olds,
            news=news,
            seed=random_seed,
            namespaced=self._is_namespaced(api_version, kind),
            default_namespace=self._default_namespace(),
        )
        if kind == "CustomResourceDefinition":
            self._remember_kinds(result.inputs)
        return result

    def diff(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        ignore_changes: tuple[str, ...] = (),
    ) -> DiffResult:
        """Compare with the recorded object.

        Asks the cluster only for Jobs with `pulumi.com/replaceUnready`.
        """
        document = unwrap(news)
        api_version, kind = _identity(type_of(urn), document)
        live = state.recorded_live(old_outputs)
        return compare(
            old_inputs=state.recorded_inputs(old_outputs),
            live=live,
            news=document,
            namespaced=self._is_namespaced(api_version, kind),
            mutable_data=self._mutable_data(kind, live, document),
            ignored=ignore_changes,
            force_replace=kind == "Job"
            and is_true(document, REPLACE_UNREADY)
            and self._is_unready(urn, id, document),
        )

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """POST the object and wait until it is ready. A preview answers with the inputs and calls nothing."""
        if preview:
            return CreateResult(id="", outputs=inputs)
        document = state.document_of(inputs)
        deadline = time.monotonic() + timeout_seconds(document, timeout)
        target = self._target(urn, document, deadline)
        manager = apply.manager_of(document, None, state.new_manager())
        try:
            live = apply.create(
                target, document, manager=manager, upsert=self._settings.upsert, deadline=deadline
            )
        except (ApiError, Unreachable) as error:
            if isinstance(error, Unreachable) or error.code >= 500:
                raise OutcomeUnknown(explanation(error, "create", target)) from error
            raise explained(error, "create", target) from error
        outputs = self._awaited(target, live, inputs, manager, document["apiVersion"], deadline)
        return CreateResult(id=target.id, outputs=outputs)

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        """Return the object of these inputs if a create of ours made it."""
        document = state.document_of(inputs)
        target = self._existing_target(urn, recorded_id(document), document)
        try:
            live = target and apply.created(target, document)
        except (ApiError, Unreachable) as error:
            raise explained(error, "read", recorded_id(document)) from error
        if not target or not live:
            return None
        manager, initial = state.new_manager(), document["apiVersion"]
        outputs = state.outputs_of(live, inputs, manager=manager, initial_api_version=initial)
        return CreateResult(id=target.id, outputs=outputs)

    def update(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        news: Properties,
        timeout: float | None = None,
        ignore_changes: tuple[str, ...] = (),
        preview: bool = False,
    ) -> Properties:
        """Apply the new inputs and wait until the object is ready. A preview merges, and calls nothing.

        With unchanged inputs (a retry after initErrors) the server writes nothing, and the wait begins anew.
        """
        live = state.recorded_live(old_outputs)
        recorded = state.recorded_inputs(old_outputs)
        if preview:
            return state.preview_outputs(live, recorded, news)
        document = state.document_of(news)
        deadline = time.monotonic() + timeout_seconds(document, timeout)
        target = self._target(urn, document, deadline)
        previous = old_outputs.get(state.FIELD_MANAGER)
        manager = apply.manager_of(document, previous, state.new_manager())
        initial = str(old_outputs.get(state.INITIAL_API_VERSION) or document["apiVersion"])
        try:
            live_now = apply.update(
                target,
                document,
                live,
                manager=manager,
                previous=previous if previous != manager else None,
                force=self._settings.patch_force,
                ignored=ignore_changes,
            )
        except Unreachable as error:
            raise explained(error, "update", target) from error
        except ApiError as error:
            if is_missing(error):
                raise ResourceGone(explanation(error, "update", target)) from error
            # Pulumi's provider records a refused update as a partial failure: old object, new `__inputs`.
            outputs = state.outputs_of(live, news, manager=previous or manager, initial_api_version=initial)
            reasons = (explanation(error, "update", target),)
            raise PartialFailure(id=id, outputs=outputs, reasons=reasons) from error
        return self._awaited(target, live_now, news, manager, initial, deadline)

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        """Delete the recorded object, never a successor of its name, and wait until it is gone."""
        if self._unreachable and self._settings.delete_unreachable:
            return
        live = state.recorded_live(old_outputs)
        target = self._existing_target(urn, id, live)
        if target is None:
            return
        inputs = unwrap(old_inputs)
        kind = target.kind.kind
        try:
            delete(
                target,
                uid=(live.get("metadata") or {}).get("uid"),
                policy=propagation_policy(inputs),
                wait=not (is_true(inputs, "skipAwait") and kind in WAITED_FOR_ONLY_IF_ASKED),
                timeout=timeout_seconds(inputs, timeout),
            )
        except (ApiError, Unreachable) as error:
            raise explained(error, "delete", target) from error

    def read(self, *, urn: str, id: str, inputs: Properties, outputs: Properties) -> ReadResult:
        """GET the object: with recorded outputs a refresh, without them an import."""
        if self._unreachable and (
            self._settings.skip_update_unreachable or self._settings.delete_unreachable
        ):
            kept = self._settings.skip_update_unreachable
            return ReadResult(id=id, inputs=inputs, outputs=outputs) if kept else ReadResult(id=None)
        live_before = state.recorded_live(outputs)
        target = self._existing_target(urn, id, live_before)
        if target is None:
            return ReadResult(id=None)
        try:
            live = target.get()
        except NotFound:
            return ReadResult(id=None)
        except (ApiError, Unreachable) as error:
            raise explained(error, "read", target) from error
        if outputs.get(state.INPUTS):
            found = state.refreshed_inputs(live, inputs or outputs[state.INPUTS])
        else:
            found = state.imported_inputs(live, builtin=target.kind.builtin)
        result = state.outputs_of(
            live,
            found,
            manager=outputs.get(state.FIELD_MANAGER) or state.new_manager(),
            initial_api_version=outputs.get(state.INITIAL_API_VERSION) or live["apiVersion"],
        )
        return ReadResult(id=target.id, inputs=found, outputs=result)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Refuse: this provider's functions render Helm charts, Kustomize folders and YAML texts."""
        raise ProviderError(unsupported(f"the function {token}"))

    def _awaited(
        self, target: Target, live: Json, inputs: Properties, manager: str, initial: str, deadline: float
    ) -> Properties:
        """Wait, and return the outputs.

        Raise PartialFailure with what there is when it did not become ready.
        """
        reasons: tuple[str, ...] = ()
        try:
            live = wait_until_ready(target, live, max(0.0, deadline - time.monotonic()))
        except NotReady as error:
            live, reasons = error.live, error.reasons
        outputs = state.outputs_of(live, inputs, manager=manager, initial_api_version=initial)
        if reasons:
            raise PartialFailure(id=target.id, outputs=outputs, reasons=reasons)
        return outputs

    def _target(self, urn: str, document: Json, deadline: float) -> Target:
        """Return the target of checked inputs; waits a while for a kind that the server does not have yet."""
        api_version, kind = _identity(type_of(urn), document)
        cluster = self._reachable()
        found = self._kind(api_version, kind)
        for pause in apply.NOT_FOUND_PAUSES:
            if found or time.monotonic() + pause > deadline or is_builtin(api_version):
                break
            time.sleep(pause)
            found = self._kind(api_version, kind)
        metadata = document["metadata"]
        if found is None:
            raise ProviderError(
                f"the cluster does not know the kind {kind} of {api_version}; install its "
                "CustomResourceDefinition first, and let this resource depend on it (depends_on)"
            )
        return Target(
            cluster, found, metadata.get("namespace") if found.namespaced else None, metadata["name"]
        )

    def _existing_target(self, urn: str, id: str, live: Json) -> Target | None:
        """Return the target of a recorded or imported id.

        None when the cluster does not have the kind any more.
        """
        api_version, kind = _identity(type_of(urn), live)
        cluster = self._reachable()
        found = self._kind(api_version, kind)
        namespace, name = split_id(id)
        if found and found.namespaced and namespace is None:
            namespace = self._default_namespace()
        return Target(cluster, found, namespace, name) if found else None

    def _kind(self, api_version: str, kind: str) -> Kind | None:
        try:
            return self._reachable().kind(api_version, kind)
        except (ApiError, Unreachable) as error:
            raise explained(error, "look up", f"the kind {kind} of {api_version}") from error

    def _is_namespaced(self, api_version: str, kind: str) -> bool:
        """Return the scope of a kind.

        From the table, this run's CRDs, the cluster; namespaced if nobody knows.
        """
        known = builtin_kind(api_version, kind) or self._declared.get((api_version, kind))
        if known is None and self._cluster and not self._unreachable:
            try:
                known = self._cluster.kind(api_version, kind)
            except (ApiError, Unreachable, ProviderError):
                known = None
        return known.namespaced if known else True

    def _default_namespace(self) -> str:
        if self._settings.namespace:
            return self._settings.namespace
        try:
            return self._cluster.namespace() if self._cluster else "default"
        except (ConfigError, OSError):
            return "default"

    def _mutable_data(self, kind: str, live: Json, document: Json) -> bool:
        switches = {"ConfigMap": self._settings.config_map_mutable, "Secret": self._settings.secret_mutable}
        return switches.get(kind, False) and not (
            live.get("immutable") is True or document.get("immutable") is True
        )

    def _is_unready(self, urn: str, id: str, document: Json) -> bool:
        """Say whether the live Job is not complete (a missing one is: it is made anew)."""
        target = self._existing_target(urn, id, document)
        try:
            return target is None or not judge_now(target, _judged(target.get())).ready
        except NotFound:
            return True
        except (ApiError, Unreachable) as error:
            raise explained(error, "read", id) from error

    def _remember_kinds(self, definition: Json) -> None:
        spec = definition.get("spec")
        versions = spec.get("versions") if isinstance(spec, dict) else None
        for version in versions if isinstance(versions, list) else ():
            kind = custom_kind(definition["spec"], version["name"])
            self._declared[kind.api_version, kind.kind] = kind

    def _answers(self) -> bool:
        try:
            self._reachable().client.get("/version")
        except (ApiError, Unreachable, ProviderError):
            return False
        return True

    def _reachable(self) -> Cluster:
        if self._cluster is None:
            raise self._config_error or ConfigError("the Kubernetes provider is not configured")
        return self._cluster


def _identity(token: str, document: Json) -> tuple[str, str]:
    """Return (apiVersion, kind): the document's own words, else the token's."""
    api_version, kind = parse_token(token)
    return str(document.get("apiVersion") or api_version), str(document.get("kind") or kind)


def _judged(live: Json) -> Json:
    """Return the Job without the annotation that would take it out of judgement."""
    if annotation(live, "skipAwait") is None:
        return live
    metadata = {**live["metadata"], "annotations": {}}
    return {**live, "metadata": metadata}
