"""The engine does with every edit of the golden program what Pulumi did: preview, update, state, way back."""

import pytest

from engine.results import PreviewResult, UpdateResult
from tests.golden.compare import Json, comparable, differences, told
from tests.golden.conftest import MakeSite
from tests.golden.program import golden, program
from tests.golden.site import ROWS, STACK, Site

BETTER: dict[tuple[str, str], str] = {
    ("service/port-changed", "preview"): (
        "Pulumi's preview fails: it applies on trial while the old field manager still owns the old port. "
        "Ours computes the preview locally, and says what the update then does"
    ),
    ("deployment/selector-changed", "up"): (
        "Pulumi's update fails, since it does not wait for the deletion of what it replaces under the same "
        "name (the program has skipAwait). Ours waits for the name to become free"
    ),
}
"""Where Pulumi failed and ours does what Pulumi had announced or went on to do."""


@pytest.fixture(scope="module")
def site(make_site: MakeSite) -> Site:
    """A stack that the engine took over from Pulumi in the state after the first update."""
    site = make_site()
    site.install("created")
    return site


@pytest.mark.parametrize("row", sorted(ROWS))
def test_an_edit_does_what_it_did_with_pulumi(row: str, site: Site) -> None:
    part, edit = row.split("/")
    if site.only and part not in site.only:
        pytest.skip(f"the local API server has no kind for the part {part}")
    before, after = (program(edits, only=site.only, namespace=site.namespace) for edits in ({}, {part: edit}))
    assert set(site.engine.up(STACK, before).changes) == {"same"}

    preview = site.engine.preview(STACK, after)
    update = site.engine.up(STACK, after)
    entries = [comparable(item) for item in site.entries(part)]
    back = site.engine.up(STACK, before)

    expected = _expected(row, site)
    assert _row(preview, site) == expected["preview"]
    assert _row(update, site) == expected["up"]
    assert back.changes == expected["back"]
    if (row, "up") not in BETTER:
        recorded = [comparable(item) for item in ROWS[row]["state"]]
        for item in (*entries, *recorded):
            _narrow(item, whole=not site.only, changed=bool(expected["up"]["steps"]))
        assert differences(entries, recorded) == []
    site.sound()


def _expected(row: str, site: Site) -> Json:
    """Return what was recorded, put right by BETTER, for as many parts as the cluster has."""
    recorded = ROWS[row]
    phases = {phase: recorded[phase] for phase in ("preview", "up")}
    for phase, other in (("preview", "up"), ("up", "preview")):
        if (row, phase) in BETTER:
            assert "failed" in phases[phase]
            phases[phase] = recorded[other]
    shown = {
        phase: {"changes": _counted(found["changes"], site), "steps": found["steps"]}
        for phase, found in phases.items()
    }
    return {**shown, "back": _counted(recorded["back"]["changes"], site)}


def _counted(changes: dict[str, int], site: Site) -> dict[str, int]:
    return {**changes, "same": changes["same"] - site.missing}


def _row(result: PreviewResult | UpdateResult, site: Site) -> Json:
    return {"changes": result.changes, "steps": golden(told(result.steps), site.namespace)}


def _narrow(item: Json, *, whole: bool, changed: bool) -> None:
    """Leave out of a comparable entry what earlier edits did, and what only a real API server fills in."""
    if not changed:
        item.pop("managed")
    if not whole:
        item["outputs"] = {key: value for key, value in item["outputs"].items() if key.startswith("__")}
