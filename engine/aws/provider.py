"""The AWS provider: Pulumi's resource calls, carried out by the tables of the resource types.

Interchangeable with pulumi-aws 7: the same tokens, properties, ids and verdicts on changes, so that either
can go on with the other's state. What each type does is in the modules beside this one; here it is put
together.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Final

from engine.aws import compare, functions
from engine.aws.check import checked
from engine.aws.client import Aws, ServiceError, Session
from engine.aws.compare import DEFAULTS, planned
from engine.aws.config import Settings, check_settings, checked_settings, diff_settings, settings_of
from engine.aws.recorded import imported_inputs, refreshed_inputs
from engine.aws.spec import Change, Created, Json, ResourceType
from engine.aws.types import TYPES, refusal
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
from engine.urns import parse
from engine.values import Secret, unwrap

SessionFor = Callable[[Settings], Session]

_TIMEOUT_SECONDS: Final = 1200.0
"""For one call where the program sets no customTimeouts; terraform's default for resources."""
_SETTLING_SECONDS: Final = 10.0
"""How long a read after a write is repeated until it shows what was written."""
_FIRST_ERROR: Final = 500


class AwsProvider:
    """One configured provider instance. Sessions come from outside, since instances share them."""

    def __init__(self, session_for: SessionFor) -> None:
        self._session_for = session_for
        self._settings = Settings()
        self._admitted = False

    def check_config(self, urn: str, olds: Properties, news: Properties) -> CheckResult:
        """Refuse configuration that is malformed, unknown, or asks for what is not done here."""
        return CheckResult(inputs=checked_settings(news), failures=check_settings(news))

    def diff_config(self, urn: str, olds: Properties, news: Properties) -> DiffResult:
        """Find what differs; resources survive, each compares its own region."""
        return diff_settings(olds, news)

    def configure(self, inputs: Properties) -> None:
        """Take the configuration. Nothing is called yet, not even boto3 is loaded."""
        self._settings = settings_of(inputs)

    def check(self, *, urn: str, olds: Properties, news: Properties, random_seed: bytes) -> CheckResult:
        """Fill in names, defaults and the provider's tags; refuse unknown types and properties."""
        token = parse(urn).type
        kind = TYPES.get(token)
        if kind is None:
            return CheckResult(inputs=news, failures=(CheckFailure("", refusal(token)),))
        tags = dict(self._settings.default_tags)
        return checked(kind, urn=urn, olds=olds, news=news, seed=random_seed, default_tags=tags)

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
        """Compare with the recorded outputs. Calls nothing."""
        kind, old, new = _kind(urn), unwrap(old_outputs), unwrap(news)
        if kind.regional and "region" not in new and self._settings.region and old.get("region"):
            new = {**new, "region": self._settings.region}
        result = compare.compare(kind, old, new, ignore_changes)
        reason = (
            kind.forbidden(old, new) if kind.forbidden and result.changes and not result.replaces else None
        )
        if reason:
            raise ProviderError(reason)
        return result

    def create(
        self, *, urn: str, inputs: Properties, timeout: float | None = None, preview: bool = False
    ) -> CreateResult:
        """Create the resource, and return it as the service then shows it. A preview calls nothing."""
        kind = _kind(urn)
        if preview:
            return CreateResult(id="", outputs=_marked(kind, planned(kind, {}, _without_defaults(inputs))))
        plain = _plain(inputs)
        aws = self._aws(plain.get("region"), timeout)
        created = _answered(lambda: kind.create(aws, plain))
        known = {**plain, **created.outputs}
        try:
            if kind.complete:
                kind.complete(aws, created.id, plain)
            outputs = self._outputs(kind, aws, created.id, known, plain)
        except (ProviderError, OutcomeUnknown) as error:
            # It exists: what is there now goes on record, and the next update finishes it.
            raise self._unfinished(kind, aws, created.id, known, error) from error
        return CreateResult(id=created.id, outputs=outputs)

    def find_created(self, *, urn: str, inputs: Properties) -> CreateResult | None:
        """Return what a create of these inputs has made, where that is certain.

        A made-up name is nobody else's. A given one may be: then the resource has to be as these inputs make
        it, so that nothing is lost when it is deleted to be created again; ProviderError if it is not.
        """
        kind, plain = _kind(urn), _plain(inputs)
        if kind.find is None:
            return None
        aws = self._aws(plain.get("region"), None)
        with _reading():
            id_ = kind.find(aws, plain)
            found = kind.read(aws, id_, plain) if id_ else None
        if id_ is None or found is None:
            return None
        outputs = self._merged(kind, aws, found, plain)
        made_up = kind.autoname is not None and kind.autoname.property in inputs.get(DEFAULTS, ())
        if not made_up and not _as_created(kind, unwrap(outputs), plain):
            raise ProviderError(
                f"{id_} exists, but not as the creation that was cut off would have left it; import it, or "
                "delete it by hand"
            )
        return CreateResult(id=id_, outputs=outputs)

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
        """Change what differs, and return the resource as the service then shows it."""
        kind, old, plain = _kind(urn), unwrap(old_outputs), _plain(news)
        if preview:
            return _marked(kind, planned(kind, old_outputs, _without_defaults(news)))
        names = frozenset(compare.compare(kind, old, plain, ignore_changes).diffs)
        aws = self._aws(old.get("region") or plain.get("region"), timeout)
        kept = {
            name: old[name] for name, prop in kind.props.items() if prop.output and prop.local and name in old
        }
        try:
            self._change(kind, aws, id, Change(old=old, new=plain, names=names))
            return self._outputs(kind, aws, id, {**kept, **plain}, plain)
        except (ServiceError, OutcomeUnknown) as error:
            raise self._half_changed(kind, aws, id, old, error) from error

    def delete(
        self,
        *,
        urn: str,
        id: str,
        old_inputs: Properties,
        old_outputs: Properties,
        timeout: float | None = None,
    ) -> None:
        """Delete the resource; one that is already gone is a success."""
        kind, recorded = _kind(urn), {**_plain(old_inputs), **unwrap(old_outputs)}
        kind.delete(self._aws(recorded.get("region"), timeout), id, recorded)

    def read(
        self,
        *,
        urn: str,
        id: str,
        inputs: Properties,
        outputs: Properties,
        timeout: float | None = None,
    ) -> ReadResult:
        """Read the resource: with recorded outputs a refresh, without them an import."""
        kind = _kind(urn)
        recorded = {**_plain(inputs), **unwrap(outputs)}
        aws = self._aws(recorded.get("region"), timeout)
        with _reading():
            found = kind.read(aws, id, recorded)
        if found is None:
            return ReadResult(id=None)
        merged = self._merged(kind, aws, found, recorded)
        plain = unwrap(merged)
        if outputs:
            return ReadResult(id=id, inputs=refreshed_inputs(kind, inputs, plain), outputs=merged)
        complete = {**_local_defaults(kind), **plain}
        return ReadResult(
            id=id, inputs=_marked(kind, imported_inputs(kind, complete)), outputs=_marked(kind, complete)
        )

    def invoke(self, token: str, args: Properties) -> Properties:
        """Call one of the functions of `functions.FUNCTIONS`."""
        plain = unwrap(args)
        with _reading():
            return functions.call(self._aws(plain.get("region"), None), token, plain)

    def _change(self, kind: ResourceType, aws: Aws, id_: str, change: Change) -> None:
        if change.touches("tags") and kind.tag:
            before, after = change.old.get("tags") or {}, change.new.get("tags") or {}
            added = {name: value for name, value in after.items() if before.get(name) != value}
            removed = [name for name in before if name not in after and not self._settings.ignores(name)]
            kind.tag(aws, id_, change.old, added, removed)
        stored = {name for name in change.names if name != "tags" and not kind.props[name].local}
        if stored and kind.update:
            kind.update(aws, id_, change)

    def _outputs(self, kind: ResourceType, aws: Aws, id_: str, known: Json, wanted: Json) -> Properties:
        """Read until the service shows what was written, within bounds; the last word is the service's."""
        latest: list[Properties] = []

        def settled() -> bool:
            found = kind.read(aws, id_, known)
            if found is None:
                return False
            latest[:] = [self._merged(kind, aws, found, known)]
            return not compare.compare(kind, unwrap(latest[0]), wanted).changes

        aws.wait(settled, _SETTLING_SECONDS)
        if not latest:
            raise ProviderError(
                f"{id_} was written, but the service does not show it yet; refresh the stack later"
            )
        return latest[0]

    def _merged(self, kind: ResourceType, aws: Aws, found: Json, recorded: Json) -> Properties:
        """Return outputs: what the service says, what only the state knows, tags of ours, the region."""
        local = {name: recorded[name] for name, prop in kind.props.items() if prop.local and name in recorded}
        result = {**local, **compare.settled(kind, found, recorded)}
        if "tags" in result:
            tags = {name: value for name, value in result["tags"].items() if not self._settings.ignores(name)}
            result |= {"tags": tags, "tagsAll": tags}
        if kind.regional:
            result["region"] = aws.region
        return _marked(kind, result)

    def _unfinished(
        self, kind: ResourceType, aws: Aws, id_: str, known: Json, error: Exception
    ) -> PartialFailure:
        """Return the error of a resource that exists, with what the service says of it where it answers."""
        try:
            found = kind.read(aws, id_, known)
        except (ProviderError, OutcomeUnknown):
            found = None
        outputs = _marked(kind, known) if found is None else self._merged(kind, aws, found, known)
        return PartialFailure(id=id_, outputs=outputs, reasons=(str(error),))

    def _half_changed(
        self, kind: ResourceType, aws: Aws, id_: str, old: Json, error: ServiceError | OutcomeUnknown
    ) -> ProviderError:
        """Return the error of an update that failed: gone, half done (then as it is now), or nothing done."""
        try:
            found = kind.read(aws, id_, old)
        except (ProviderError, OutcomeUnknown):
            return PartialFailure(id=id_, outputs=_marked(kind, old), reasons=(str(error),))
        if found is None:
            return ResourceGone(str(error))
        outputs = self._merged(kind, aws, found, old)
        if unwrap(outputs) != old or isinstance(error, OutcomeUnknown):
            return PartialFailure(id=id_, outputs=outputs, reasons=(str(error),))
        return error

    def _aws(self, region: str | None, timeout: float | None) -> Aws:
        session = self._session_for(self._settings)
        self._admit(session)
        deadline = time.monotonic() + (timeout or _TIMEOUT_SECONDS)
        return Aws(session, region or session.region, deadline)

    def _admit(self, session: Session) -> None:
        """Make sure, before the first call, that the account is one that the configuration allows."""
        allowed, forbidden = self._settings.allowed_account_ids, self._settings.forbidden_account_ids
        if self._admitted or not (allowed or forbidden):
            return
        account = str(session.identity()["Account"])
        if account in forbidden or (allowed and account not in allowed):
            raise ProviderError(
                f"the credentials are those of the AWS account {account}, which aws:allowedAccountIds or "
                "aws:forbiddenAccountIds rules out; use other credentials or change the list"
            )
        self._admitted = True


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    """Take a missing answer for an ordinary failure: nothing was asked to change."""
    try:
        yield
    except OutcomeUnknown as error:
        raise ProviderError(str(error)) from error


def _kind(urn: str) -> ResourceType:
    token = parse(urn).type
    if token not in TYPES:
        raise ProviderError(refusal(token))
    return TYPES[token]


def _plain(inputs: Properties) -> Json:
    plain: Json = unwrap(_without_defaults(inputs))
    return plain


def _without_defaults(inputs: Properties) -> Properties:
    return {name: value for name, value in inputs.items() if name != DEFAULTS}


def _marked(kind: ResourceType, outputs: Properties) -> Properties:
    """Return properties with those wrapped that are secret by their type."""
    return {
        name: Secret(value)
        if name in kind.props
        and kind.props[name].secret
        and value is not None
        and not isinstance(value, Secret)
        else value
        for name, value in outputs.items()
    }


def _local_defaults(kind: ResourceType) -> Json:
    """Return the defaults of what only the state knows, for an import."""
    return {
        name: prop.default for name, prop in kind.props.items() if prop.local and prop.default is not None
    }


def _answered(create: Callable[[], Created]) -> Created:
    """Call; a server's own failure says nothing about whether it took effect."""
    try:
        return create()
    except ServiceError as error:
        if error.status >= _FIRST_ERROR:
            raise OutcomeUnknown(str(error)) from error
        raise


def _as_created(kind: ResourceType, outputs: Json, inputs: Json) -> bool:
    """Say whether a resource is as a creation leaves it, perhaps without its tags, which may come later."""
    wanted = inputs if outputs.get("tags") else {name: inputs[name] for name in inputs if name != "tags"}
    return not compare.compare(kind, outputs, wanted).changes
