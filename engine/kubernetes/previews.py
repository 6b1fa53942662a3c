"""Previews by dry runs: the API server says what would come of a create or an update, and stores nothing.

Opt-in, since it needs the rights to write, and calls for every resource. Without it a preview is computed
from the state (`state.preview_outputs`).
"""

from typing import Any

from engine.kubernetes import state
from engine.kubernetes.ownership import CREATE_MANAGER
from engine.kubernetes.rest import AlreadyExists, ApiError, Forbidden, NotFound, Unreachable
from engine.kubernetes.target import Target, explained
from engine.provider import Properties

Json = dict[str, Any]

_NO_DRY_RUN = "dry run"
"""In the message about an admission webhook that has side effects and so refuses dry runs."""


def create(target: Target, document: Json, inputs: Properties) -> Properties:
    """Return what a create would give, without a status; the inputs where the server cannot tell.

    It cannot tell without the right to write, in a namespace that is still to be made, past a webhook that
    takes no dry runs, and while the predecessor still has the name. Raises ProviderError for what it refuses.
    """
    query = {"fieldManager": CREATE_MANAGER, "dryRun": "All"}
    try:
        live = target.cluster.client.create(target.collection, document, **query)
    except (Forbidden, NotFound, AlreadyExists):
        return inputs
    except (ApiError, Unreachable) as error:
        if _takes_no_dry_run(error):
            return inputs
        raise explained(error, "create", target) from error
    outputs = state.outputs_of(
        live, inputs, manager=state.new_manager(), initial_api_version=document["apiVersion"]
    )
    return state.unsettled(outputs, new=True)


def update(
    target: Target, document: Json, news: Properties, recorded: Properties, *, force: bool
) -> Properties:
    """Return what an update would give; without the right to write, what is computed from the state.

    The fields of a create are taken for ours, as the update would hand them over first. Raises ProviderError
    for what the server refuses.
    """
    live = state.recorded_live(recorded)
    local = state.preview_outputs(live, state.recorded_inputs(recorded), news)
    manager = str(recorded.get(state.FIELD_MANAGER) or state.new_manager())
    force = force or _is_fresh(live)
    query = {"fieldManager": manager, "dryRun": "All"} | ({"force": "true"} if force else {})
    try:
        result = target.cluster.client.patch(target.path, document, "apply", **query)
    except Forbidden:
        return local
    except (ApiError, Unreachable) as error:
        if _takes_no_dry_run(error):
            return local
        raise explained(error, "update", target) from error
    initial = str(recorded.get(state.INITIAL_API_VERSION) or document["apiVersion"])
    return state.unsettled(state.outputs_of(result, news, manager=manager, initial_api_version=initial))


def _is_fresh(live: Json) -> bool:
    """Say whether a create's manager still owns fields."""
    entries = (live.get("metadata") or {}).get("managedFields") or []
    return any(entry.get("manager") == CREATE_MANAGER for entry in entries)


def _takes_no_dry_run(error: ApiError | Unreachable) -> bool:
    return isinstance(error, ApiError) and _NO_DRY_RUN in error.message.lower().replace("-", " ")
