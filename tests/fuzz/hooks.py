"""What the fuzzer needs to know of this API: its scalars, NDJSON, what an error must carry, and which key not to revoke."""

import json
import os

import schemathesis
from hypothesis import strategies as st
from schemathesis.graphql import nodes

OWN_KEY_ID = os.environ.get("SWITCHBOARD_KEY_ID", "").replace("-", "").lower()

SCALARS = st.one_of(
    st.booleans().map(nodes.Boolean),
    st.integers(-(2**31), 2**31 - 1).map(nodes.Int),
    st.floats(allow_nan=False, allow_infinity=False).map(nodes.Float),
    st.text(max_size=40).map(nodes.String),
)
schemathesis.graphql.scalar("JSON", st.one_of(SCALARS, st.lists(SCALARS, max_size=4).map(nodes.List)))
schemathesis.graphql.scalar("Cursor", st.text(max_size=80).map(nodes.String))


@schemathesis.serializer("application/x-ndjson")
def ndjson(context, value):
    if isinstance(value, bytes):
        return value
    lines = value if isinstance(value, list) else [value]
    return "".join(json.dumps(line) + "\n" for line in lines).encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_case(context, case):
    """Everything but what could take away the key that the fuzzer itself uses."""
    said = f"{case.path_parameters} {case.body}".replace("-", "").lower()
    return not OWN_KEY_ID or OWN_KEY_ID not in said


@schemathesis.check
def not_a_failure_of_the_server(context, response, case):
    """GraphQL: no server error, and every error has a code that does not blame the server."""
    assert response.status_code < 500, f"the status is {response.status_code}"
    for error in response.json().get("errors") or []:
        code = (error.get("extensions") or {}).get("code")
        assert code not in (None, "INTERNAL", "UNAVAILABLE", "UNCERTAIN", "TIMEOUT"), f"{code}: {error['message']}"
