"""Laws of the diff, for any documents."""

from hypothesis import given
from hypothesis import strategies as st

from engine.kubernetes.diff import changes, compare, equal, path_text, prune
from engine.kubernetes.normal import integral, normal, quantity
from engine.kubernetes.state import preview_outputs

SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.text('ab."[]/', max_size=4)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=3),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "data", "rules", "value"]), VALUES, max_size=3)
KINDS = st.sampled_from(
    [("v1", "ConfigMap"), ("apps/v1", "Deployment"), ("v1", "Secret"), ("serving.knative.dev/v1", "Service")]
)


def document(kind, content):
    api_version, name = kind
    if name == "Secret":
        content = {}
    metadata = {"name": "n", "namespace": "default"}
    return {**content, "apiVersion": api_version, "kind": name, "metadata": metadata}


@given(KINDS, OBJECTS)
def test_what_was_applied_and_is_unchanged_is_no_difference(kind, content):
    inputs = document(kind, content)
    diff = compare(old_inputs=inputs, live=inputs, news=inputs, namespaced=True)

    assert not diff.changes


@given(KINDS, OBJECTS, OBJECTS)
def test_what_only_the_server_has_is_no_difference(kind, content, extra):
    inputs = document(kind, content)
    live = {**{f"server-{key}": value for key, value in extra.items()}, **inputs, "status": extra}
    diff = compare(old_inputs=inputs, live=live, news=inputs, namespaced=True)

    assert not diff.changes


@given(OBJECTS, OBJECTS)
def test_a_difference_is_found_exactly_where_normal_forms_differ(old, new):
    kind = ("serving.knative.dev/v1", "Service")
    before, after = document(kind, old), document(kind, new)
    diff = compare(old_inputs=before, live=before, news=after, namespaced=True)

    assert diff.changes == (not equal(normal(before), normal(after)))


@given(VALUES, VALUES)
def test_changes_lead_from_one_value_to_the_other(base, new):
    """Whatever changed lies at or below a reported path."""
    found = list(changes(base, new))

    assert bool(found) == (not equal(base, new))
    assert len({change.path for change in found}) == len(found)


@given(VALUES)
def test_pruning_to_a_things_own_shape_keeps_it(value):
    assert prune(value, value) == value


@given(VALUES, VALUES)
def test_pruning_is_idempotent(live, shape):
    once = prune(live, shape)

    assert prune(once, shape) == once


@given(VALUES)
def test_normal_forms_are_stable(value):
    inputs = document(("apps/v1", "Deployment"), {"spec": value})

    assert normal(normal(inputs)) == normal(inputs)


@given(st.integers(-(10**9), 10**9))
def test_quantities_do_not_depend_on_their_wording(amount):
    assert quantity(f"{amount}m") * 1000 == amount
    assert quantity(f"{amount}Ki") == quantity(amount) * 1024 == quantity(str(amount * 1024))


@given(st.lists(st.text('ab."[]', max_size=3) | st.integers(0, 9), min_size=1, max_size=4))
def test_path_texts_quote_what_would_be_ambiguous(path):
    text = path_text(tuple(path))

    assert all(f"[{part}]" in text for part in path if isinstance(part, int))


@given(VALUES)
def test_integral_numbers_are_ints_at_any_depth(value):
    def floats(item):
        if isinstance(item, dict):
            return {key: floats(inner) for key, inner in item.items()}
        if isinstance(item, list):
            return [floats(inner) for inner in item]
        return float(item) if isinstance(item, int) and not isinstance(item, bool) else item

    def types(item):
        if isinstance(item, dict):
            return {key: types(inner) for key, inner in item.items()}
        return [types(inner) for inner in item] if isinstance(item, list) else type(item)

    assert integral(floats(value)) == value
    assert types(integral(floats(value))) == types(value)


@given(KINDS, OBJECTS, OBJECTS)
def test_a_previewed_update_holds_the_new_inputs(kind, old, new):
    before, after = document(kind, old), document(kind, new)
    preview = preview_outputs(before, before, after)

    assert equal(prune(preview, after), after)
