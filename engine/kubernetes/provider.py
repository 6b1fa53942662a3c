"""The Kubernetes provider: Pulumi's resource calls, carried out against one cluster.

Interchangeable with pulumi-kubernetes 4: the same state, the same verdicts on changes. What each call does is
in the modules beside this one; here they are only put together. Where it differs on purpose (no API call for
a preview or for a change of nothing, uid preconditions, no fixed pauses) the modules say why.
"""

import logging
import time
from collections.abc import Callable
from typing import Any

from engine.construct import Constructed, Register
from engine.goals import Goal
from engine.kubernetes import apply, components, functions, patches, previews, state, writes
from engine.kubernetes.addressing import Addressing, Identity
from engine.kubernetes.annotations import annotations_of, is_true, propagation_policy, timeout_seconds
from engine.kubernetes.await_ import NotReady, is_complete, problems, wait_until_ready
from engine.kubernetes.check import checked
from engine.kubernetes.cluster import Cluster
from engine.kubernetes.config import ConfigError, Source
from engine.kubernetes.delete import WAITED_FOR_ONLY_IF_ASKED, delete
from engine.kubernetes.diff import compare
from engine.kubernetes.kinds import type_of
from engine.kubernetes.reading import Reader
from engine.kubernetes.refusals import refused_type
from engine.kubernetes.render import Renderer
from engine.kubernetes.rest import ApiError, NotFound, Unreachable
from engine.kubernetes.settings import Settings, check_settings, diff_settings, settings_of
from engine.kubernetes.target import Target, explained, explanation, is_missing, recorded_id
from engine.provider import (
    CheckFailure,
    CheckResult,
    CreateResult,
    DiffResult,
    OutcomeUnknown,
    PartialFailure,
    Properties,
    ReadResult,
    ResourceGone,
)
from engine.values import contains_secret, contains_unknown, unwrap

Json = dict[str, Any]
ClusterFor = Callable[[Source], Cluster]

REPLACE_UNREADY = "replaceUnready"
HELM_HOOK = "helm.sh/hook"

logger = logging.getLogger(__name__)


class KubernetesProvider:
    """One configured provider instance. Clusters come from outside, since instances share them.

    With `server_previews` a preview asks the API server by dry runs, and so finds what the server refuses;
    without, it is computed here and sends nothing.
    """

    def __init__(self, cluster_for: ClusterFor, *, server_previews: bool = False) -> None:
        self._cluster_for = cluster_for
        self._server_previews = server_previews
        self._settings = Settings(source=Source())
        self._addressing = Addressing(None)
        self._reader = Reader()
        self._renderer: Renderer | None = None
        self._unreachable = False

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Refuse configuration that is malformed or asks for what the embedded engine does not do."""
        return CheckResult(inputs=news, failures=check_settings(urn, news))

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Ask for replacement of all resources only when the cluster is another one."""
        return diff_settings(olds, news)

    def configure(self, inputs: Properties) -> None:
        """Take the configuration. A cluster that cannot be reached is no error yet: each call decides."""
        self._settings = settings_of(inputs)
        cluster, problem = None, None
        try:
            cluster = self._cluster_for(self._settings.source)
        except (ConfigError, OSError) as error:
            problem = ConfigError(str(error))
        self._addressing = Addressing(cluster, namespace=self._settings.namespace, problem=problem)
        if self._settings.render_folder:
            self._renderer = Renderer(self._settings.render_folder)
        elif self._settings.delete_unreachable or self._settings.skip_update_unreachable:
            self._unreachable = not self._addressing.answers()

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Fill in name, namespace and defaults.

        Needs the cluster only for the scope of unknown custom kinds.
        """
        if olds and self._unreachable and self._settings.skip_update_unreachable:
            return CheckResult(inputs=olds)
        token = type_of(urn)
        identity = Identity.of(token, news)
        if reason := refused_type(token, news) or self._unknown(identity):
            return CheckResult(inputs=news, failures=(CheckFailure("", reason),))
        self._warn(urn, news)
        result = checked(
            urn=urn,
            identity=identity,
            olds=olds,
            news=news,
            seed=random_seed,
            namespaced=self._addressing.is_namespaced(identity),
            default_namespace=self._addressing.default_namespace(),
        )
        if identity.kind == "CustomResourceDefinition":
            self._addressing.declare(result.inputs)
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
        if self._renderer and self._settings.always_render:
            return DiffResult(changes=True)
        document = unwrap(news)
        identity = Identity.of(type_of(urn), document)
        live = state.recorded_live(old_outputs)
        return compare(
            old_inputs=state.recorded_inputs(old_outputs),
            live=live,
            news=document,
            namespaced=self._addressing.is_namespaced(identity),
            mutable_data=self._mutable_data(identity.kind, live, document),
            ignored=ignore_changes,
            force_replace=identity.kind == "Job"
            and is_true(document, REPLACE_UNREADY)
            and self._is_unready(identity, id),
            patch=identity.patch,
        )

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """Create the object and wait until it is ready. A preview answers with the inputs, see `previews`."""
        identity = Identity.of(type_of(urn), inputs)
        if preview:
            return CreateResult(id="", outputs=self._previewed_create(identity, inputs))
        document = state.document_of(inputs)
        if self._renderer:
            return CreateResult(id=recorded_id(document), outputs=self._rendered(document, inputs, {}))
        deadline = time.monotonic() + timeout_seconds(document, timeout)
        target = self._addressing.target(identity, document, deadline)
        manager = writes.manager_of(urn, identity, document, None)
        try:
            live = writes.create(target, document, identity, self._settings, manager, deadline)
        except (ApiError, Unreachable) as error:
            if isinstance(error, Unreachable) or error.code >= 500:
                raise OutcomeUnknown(explanation(error, "create", target)) from error
            raise explained(error, "create", target) from error
        finally:
            self._reader.forget(target)
        outputs = self._awaited(target, live, inputs, manager, document["apiVersion"], deadline)
        return CreateResult(id=target.id, outputs=outputs)

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        """Return the object of these inputs if a create of ours made it; a patch makes none."""
        document = state.document_of(inputs)
        identity = Identity.of(type_of(urn), document)
        if identity.patch or self._renderer:
            return None
        target = self._addressing.existing(identity, recorded_id(document))
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
        """Apply the new inputs and wait until the object is ready. A preview merges, see `previews`.

        With unchanged inputs (a retry after initErrors) the server writes nothing, and the wait begins anew.
        """
        identity = Identity.of(type_of(urn), news)
        if preview:
            return self._previewed_update(identity, old_outputs, news)
        document = state.document_of(news)
        if self._renderer:
            return self._rendered(document, news, old_outputs)
        deadline = time.monotonic() + timeout_seconds(document, timeout)
        target = self._addressing.target(identity, document, deadline)
        live = state.recorded_live(old_outputs)
        previous = old_outputs.get(state.FIELD_MANAGER)
        initial = str(old_outputs.get(state.INITIAL_API_VERSION) or document["apiVersion"])
        managers = writes.manager_of(urn, identity, document, previous), previous
        try:
            updated = writes.update(
                target, document, live, identity, self._settings, managers, ignore_changes
            )
        except Unreachable as error:
            # It may have taken effect. On record as pending it is looked at before the next update.
            raise OutcomeUnknown(explanation(error, "update", target)) from error
        except ApiError as error:
            if is_missing(error):
                raise ResourceGone(explanation(error, "update", target)) from error
            # Pulumi's provider records a refused update as a partial failure: old object, new `__inputs`.
            outputs = state.outputs_of(
                live, news, manager=previous or managers[0], initial_api_version=initial
            )
            reasons = (explanation(error, "update", target),)
            raise PartialFailure(id=id, outputs=outputs, reasons=reasons) from error
        finally:
            self._reader.forget(target)
        return self._awaited(target, updated, news, managers[0], initial, deadline)

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
        live = state.recorded_live(old_outputs)
        if self._renderer:
            self._renderer.remove(live)
            return
        if self._unreachable and self._settings.delete_unreachable:
            return
        identity = Identity.of(type_of(urn), live)
        target = self._addressing.existing(identity, id)
        if target is None:
            return
        inputs = unwrap(old_inputs)
        uid = (live.get("metadata") or {}).get("uid")
        try:
            if identity.patch:
                recorded = old_outputs.get(state.FIELD_MANAGER)
                patches.relinquish(target, uid, writes.manager_of(urn, identity, inputs, recorded))
                return
            delete(
                target,
                uid=uid,
                policy=propagation_policy(inputs),
                wait=not (is_true(inputs, "skipAwait") and identity.kind in WAITED_FOR_ONLY_IF_ASKED),
                timeout=timeout_seconds(inputs, timeout),
            )
        except (ApiError, Unreachable) as error:
            raise explained(error, "delete", target) from error
        finally:
            self._reader.forget(target)

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Read the object: with recorded outputs a refresh, without them an import.

        One request has its own limit, kubeClientSettings.timeout; `timeout` adds none, as with Pulumi's.
        """
        if self._unreachable and self._settings.delete_unreachable:
            return ReadResult(id=None)
        if self._renderer or (self._unreachable and self._settings.skip_update_unreachable):
            return ReadResult(id=id, inputs=inputs, outputs=outputs)
        target = self._addressing.existing(Identity.of(type_of(urn), state.recorded_live(outputs)), id)
        if target is None:
            return ReadResult(id=None)
        try:
            live = self._reader.get(target)
            reasons = problems(target, live) if outputs.get(state.INPUTS) else ()
        except NotFound:
            return ReadResult(id=None)
        except (ApiError, Unreachable) as error:
            raise explained(error, "read", target) from error
        found, result = state.read(live, inputs, outputs, builtin=target.kind.builtin)
        return ReadResult(id=target.id, inputs=found, outputs=result, reasons=reasons)

    def invoke(self, token: str, args: Properties) -> Properties:
        """Call a function: those that read YAML texts and Kustomize folders."""
        return functions.call(token, args, self._addressing)

    def cancel(self) -> None:
        """Have nothing waited for any more: what is written stays, and is recorded as not ready."""
        self._addressing.canceled.set()

    def construct(self, component: Goal, register: Register, *, preview: bool) -> Constructed:
        """Construct a component of `kubernetes.yaml.v2` or `kubernetes.kustomize.v2`."""
        return components.construct(component, register, self._addressing)

    def _previewed_create(self, identity: Identity, inputs: Properties) -> Properties:
        if not self._asks_server(identity, inputs):
            return inputs
        document = state.document_of(inputs)
        target = self._addressing.target(identity, document, time.monotonic())
        return previews.create(target, document, inputs)

    def _previewed_update(self, identity: Identity, old_outputs: Properties, news: Properties) -> Properties:
        if not self._asks_server(identity, news):
            recorded = state.recorded_inputs(old_outputs)
            return state.preview_outputs(state.recorded_live(old_outputs), recorded, news)
        document = state.document_of(news)
        target = self._addressing.target(identity, document, time.monotonic())
        return previews.update(target, document, news, old_outputs, force=self._settings.patch_force)

    def _asks_server(self, identity: Identity, inputs: Properties) -> bool:
        """Say whether a dry run can tell what will come of the inputs."""
        possible = self._server_previews and not (identity.patch or self._renderer or self._unreachable)
        return (
            possible
            and not contains_unknown(inputs)
            and self._addressing.known(identity.api_version, identity.kind) is not None
        )

    def _rendered(self, document: Json, inputs: Properties, recorded: Properties) -> Properties:
        """Write the object's file and return the outputs: the object as it was declared."""
        assert self._renderer
        if contains_secret(inputs):
            logger.warning("%s will hold a secret in plain text", self._renderer.path(document))
        self._renderer.write(document)
        manager = recorded.get(state.FIELD_MANAGER) or state.new_manager()
        initial = recorded.get(state.INITIAL_API_VERSION) or document["apiVersion"]
        return state.outputs_of(document, inputs, manager=manager, initial_api_version=initial)

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

    def _mutable_data(self, kind: str, live: Json, document: Json) -> bool:
        switches = {"ConfigMap": self._settings.config_map_mutable, "Secret": self._settings.secret_mutable}
        return switches.get(kind, False) and not (
            live.get("immutable") is True or document.get("immutable") is True
        )

    def _is_unready(self, identity: Identity, id: str) -> bool:
        """Say whether the live Job is not complete (a missing one is: it is made anew)."""
        target = self._addressing.existing(identity, id)
        try:
            return target is None or not is_complete(target.get())
        except NotFound:
            return True
        except (ApiError, Unreachable) as error:
            raise explained(error, "read", id) from error

    def _unknown(self, identity: Identity) -> str | None:
        """Return why a kind is refused that nobody knows, if the configuration says so."""
        if not self._settings.reject_unknown or self._addressing.known(identity.api_version, identity.kind):
            return None
        return (
            f"the cluster does not know the kind {identity.kind} of {identity.api_version}, and the "
            "provider's configuration has rejectUnknownResources"
        )

    def _warn(self, urn: str, news: Properties) -> None:
        hooks = [key for key in annotations_of(news) if key.startswith(HELM_HOOK)]
        if hooks and self._settings.helm_hook_warnings:
            logger.warning("%s: Helm's hooks are not carried out (%s)", urn, ", ".join(hooks))
