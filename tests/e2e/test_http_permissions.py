"""Every route of HTTP, from the server's own list: without a login, without a permission, and with each single one."""

import http.client
import json
import re

import pytest
from millstream import Server
from users import ask_http, audit_events, credential_line, http_headers

TOPIC, NEW = "walked", "walked.new"
# What docs/security.md says of each route: NOTHING, an operation on the cluster, or one on the topic that the request names.
# LIST: everybody with a login; topics that one may not describe are left out.
NOTHING, LIST = "nothing", "list"
SEE, CHANGE, FEATURES = (("cluster", operation) for operation in ("DESCRIBE", "ALTER", "CLUSTER_ACTION"))


def topic(*operations):
    return ("topic", *operations)


ROUTES = {
    "GET /healthz": NOTHING,
    "GET /readyz": NOTHING,
    "GET /openapi.json": NOTHING,
    "GET /metrics": SEE,
    "GET /v1/status": SEE,
    "GET /v1/sources": SEE,
    "GET /v1/sources/{name}": SEE,
    "GET /v1/entities": SEE,
    "GET /v1/entities/{name}": SEE,
    "GET /v1/views": SEE,
    "GET /v1/views/{name}": SEE,
    "GET /v1/services": SEE,
    "GET /v1/services/{name}": SEE,
    "POST /v1/services/{service}/features": FEATURES,
    "POST /v1/explanations": FEATURES,
    "POST /v1/verifications": FEATURES,
    "GET /v1/jobs": FEATURES,
    "GET /v1/jobs/{id}": FEATURES,
    "DELETE /v1/jobs/{id}": FEATURES,
    "POST /v1/plan": CHANGE,
    "POST /v1/apply": CHANGE,
    "POST /v1/training-sets": CHANGE,
    "GET /v1/topics": LIST,
    "POST /v1/topics": topic("CREATE"),
    "GET /v1/topics/{name}": topic("DESCRIBE"),
    "PATCH /v1/topics/{name}": topic("DESCRIBE"),  # and what the body changes, see BODIES
    "DELETE /v1/topics/{name}": topic("DELETE"),
    "GET /v1/topics/{name}/records": topic("READ"),
    "POST /v1/topics/{name}/records": topic("WRITE"),
}
# Requests of routes that need what their body says; the others are sent with {}.
BODIES = {
    "POST /v1/topics": [({"name": NEW}, topic("CREATE"))],
    "PATCH /v1/topics/{name}": [({}, topic("DESCRIBE")), ({"partitions": 2}, topic("ALTER")),
                                ({"config": {"retention.ms": "1"}}, topic("ALTER_CONFIGS", "DESCRIBE")),
                                ({"config": {}, "partitions": 2}, topic("ALTER_CONFIGS", "ALTER"))],
    "POST /v1/services/{service}/features": [({"entities": [{"user": "u"}]}, FEATURES), ({"entities": [{"user": "u"}], "explain": True}, FEATURES)],
}
IMPLIED = {"READ": "DESCRIBE", "WRITE": "DESCRIBE", "DELETE": "DESCRIBE", "ALTER": "DESCRIBE", "ALTER_CONFIGS": "DESCRIBE_CONFIGS"}
GRANTS = {
    "cluster": ["CREATE", "ALTER", "DESCRIBE", "CLUSTER_ACTION", "DESCRIBE_CONFIGS", "ALTER_CONFIGS", "IDEMPOTENT_WRITE"],
    "topic": ["READ", "WRITE", "CREATE", "DELETE", "ALTER", "DESCRIBE", "DESCRIBE_CONFIGS", "ALTER_CONFIGS"],
}
# Users that have one grant each: name -> its kind and operation. "nobody" has none, "reader" everything but the cluster,
# "kept-out" all topics but the hidden ones.
SINGLE = {f"{kind}-{operation}".lower().replace("_", "-"): (kind, operation) for kind, operations in GRANTS.items() for operation in operations}


def acl(user, kind, operations):
    where = "cluster: true" if kind == "cluster" else f"topic_prefix: {TOPIC}"
    return f"  - {{allow: {user}, {where}, operations: [{operations}]}}\n"


def security_file():
    pairs = {"alter-configs-and-describe": ("topic", "ALTER_CONFIGS, DESCRIBE"), "alter-configs-and-alter": ("topic", "ALTER_CONFIGS, ALTER")}
    users = ["admin", "nobody", "reader", "kept-out", *SINGLE, *pairs]
    acls = [acl(user, *grant) for user, grant in {**SINGLE, **pairs}.items()] + ['  - {allow: reader, topic: "*", operations: ALL}\n']
    acls.append('  - {allow: reader, group: "*", operations: ALL}\n  - {allow: reader, transactional_id: "*", operations: ALL}\n')
    acls.append('  - {allow: kept-out, topic: "*", operations: ALL}\n  - {deny: kept-out, topic_prefix: hidden, operations: ALL}\n')
    return "super_users: [admin]\nusers:\n" + "".join(credential_line(user, user) for user in users) + "acls:\n" + "".join(acls)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http_permissions")
    (folder / "security.yaml").write_text(security_file())
    with Server(folder / "data", "--security", folder / "security.yaml") as server:
        yield server


def page(server):
    paths = json.loads(ask_http(server, "/openapi.json")[1])["paths"]
    return [f"{method.upper()} {path}" for path, methods in paths.items() for method in methods]


def requests():
    """(route, body, what it needs) of every request that is sent."""
    for route, needs in ROUTES.items():
        for body, of_body in BODIES.get(route, [({} if route.split()[0] in ("POST", "PATCH") else None, needs)]):
            yield route, body, of_body


def send(server, route, user, body):
    """(status, problem or None)"""
    method, path = route.split()
    status, answer = ask_http(server, re.sub(r"{\w+}", TOPIC, path), user and (user, user), body, method)
    return status, json.loads(answer) if status >= 400 else None


def holds(grant, needs):
    """Whether this one grant is all that a request needs."""
    kind, operation = grant
    has = {operation, IMPLIED.get(operation)}
    return needs in (NOTHING, LIST) or (kind == needs[0] and set(needs[1:]) <= has) or (grant == ("cluster", "CREATE") and needs == topic("CREATE"))


def test_the_table_is_the_servers(server):
    """A new route has a line above, or this fails."""
    assert sorted(page(server)) == sorted(ROUTES)


def test_without_a_login(server):
    for route, body, needs in requests():
        status, problem = send(server, route, None, body)
        if needs == NOTHING:
            assert status == 200, route
        else:
            assert (status, problem["code"]) == (401, "unauthenticated"), route
    assert [e for e in audit_events(server, event="access") if e["principal"] == "User:ANONYMOUS"] == []


def first_missing(needs):
    """What is asked for first."""
    kind, operation, *_ = needs
    return ("CLUSTER", "kafka-cluster", operation) if kind == "cluster" else ("TOPIC", TOPIC, operation)


def denials(server, user):
    return audit_events(server, event="access", outcome="denied", principal=f"User:{user}")


def test_without_a_permission(server):
    """403 says who, what and where, and so does one line in the audit file."""
    wanted = []
    for route, body, needs in requests():
        status, problem = send(server, route, "nobody", body)
        if needs in (NOTHING, LIST):
            assert status == 200, route
            continue
        kind, name, operation = first_missing(needs)
        name = NEW if route == "POST /v1/topics" else name
        place = "the cluster" if kind == "CLUSTER" else f"topic '{name}'"
        assert (status, problem["code"]) == (403, "forbidden"), route
        assert problem["detail"].startswith(f"User:nobody has no {operation} permission for {place};"), route
        wanted.append((re.sub(r"{\w+}", "{}", route), operation, kind, name, "127.0.0.1"))
    server.wait_for(lambda: len(denials(server, "nobody")) >= len(wanted), "every denial is in the audit file")
    assert [tuple(e[name] for name in ("request", "operation", "resource_type", "resource", "host")) for e in denials(server, "nobody")] == wanted
    assert json.loads(ask_http(server, "/v1/topics", ("nobody", "nobody"))[1]) == {"topics": []}


@pytest.mark.parametrize("user", SINGLE)
def test_one_permission_opens_what_it_is_for_and_nothing_else(server, user):
    for route, body, needs in requests():
        status, problem = send(server, route, user, body)
        if holds(SINGLE[user], needs):
            assert status not in (401, 403), (route, body, problem)
        else:
            assert (status, problem["code"]) == (403, "forbidden"), (route, body, needs)


def test_what_needs_two_permissions_has_them(server):
    for user, body in (("alter-configs-and-describe", {"config": {}}), ("alter-configs-and-alter", {"config": {}, "partitions": 2})):
        assert send(server, "PATCH /v1/topics/{name}", user, body)[0] not in (401, 403)


def test_all_topics_and_groups_are_not_the_cluster(server):
    for route, body, needs in requests():
        status, _ = send(server, route, "reader", body)
        assert (status == 403) == (needs in (SEE, CHANGE, FEATURES)), (route, body)


def test_paths_that_are_spelled_otherwise(server):
    """Neither the one who routes nor the one who asks for permissions reads more into a path than the other."""
    ask_http(server, "/v1/topics", ("admin", "admin"), {"name": "hidden"})
    for path in ("/v1/topics/%68idden", "/v1/topics/hidden/records?topic=walked", "/v1/topics/hidden%2frecords", "/v1/topics/walked/../hidden",
                 "/v1/topics//hidden", "//v1/status", "/v1/status/", "/V1/STATUS", "/v1/%73tatus", "/healthz/../v1/status", "/healthz/v1/status",
                 "/v1/status;/healthz", "/v1/status%00", "/v1/services/x/features/", "/v1/services//features"):
        status, answer = ask_http(server, path, ("topic-read", "topic-read"))
        assert status in (400, 403, 404) and b'"topics"' not in answer, (path, status, answer)
        assert ask_http(server, path)[0] in (400, 401, 404), path


def test_methods_that_no_route_has(server):
    for method in ("HEAD", "OPTIONS", "PUT", "TRACE", "CONNECT", "get", "X"):
        for path in ("/v1/status", f"/v1/topics/{TOPIC}", "/metrics"):
            assert ask_http(server, path, method=method)[0] in (400, 401, 405, 501), (method, path)
            assert ask_http(server, path, ("nobody", "nobody"), method=method)[0] in (400, 403, 405, 501), (method, path)


# ---- what is forbidden and what is missing


HIDDEN, MISSING = "hidden1", "hidden2"
DEFINITIONS = f"""
sources: {{{HIDDEN}: {{topic: {HIDDEN}, format: json, time: {{field: at, unit: ms}}, fields: {{user: string}}}}}}
entities: {{{HIDDEN}: {{key: [user]}}}}
views: {{{HIDDEN}: {{entity: {HIDDEN}, from: {HIDDEN}, features: {{events: {{count: {{over: [1h]}}}}}}}}}}
services: {{{HIDDEN}: {{features: [{HIDDEN}.*]}}}}
"""


def whole_answer(server, route, name, user, body):
    """Status, headers and bytes."""
    method, path = route.split()
    connection = http.client.HTTPConnection(server.http, timeout=60)
    connection.request(method, re.sub(r"{\w+}", name, path), None if body is None else json.dumps(body), http_headers((user, user)))
    answer = connection.getresponse()
    try:
        return answer.status, [header for header in answer.getheaders() if header[0] != "Date"], answer.read()
    finally:
        connection.close()


def test_what_is_forbidden_looks_like_what_is_missing(server):
    """The same bytes but for the name, in every route that has one and that the user may not use."""
    admin = "admin", "admin"
    assert ask_http(server, "/v1/topics", admin, {"name": HIDDEN})[0] == 201
    assert ask_http(server, "/v1/apply", admin, {"files": [{"name": "hidden.yaml", "text": DEFINITIONS}]})[0] == 200
    named = [(route, body, needs) for route, body, needs in requests() if "{" in route]
    named.append(("POST /v1/topics", {"name": HIDDEN}, topic("CREATE")))
    for user in ("nobody", "kept-out"):
        for route, body, needs in named:
            there, missing = (whole_answer(server, route, name, user, {"name": name} if needs == topic("CREATE") else body) for name in (HIDDEN, MISSING))
            assert there[0] == 403, (user, route, body, there)
            assert (*missing[:2], missing[2].replace(MISSING.encode(), HIDDEN.encode())) == there, (user, route, body)


def test_suggestions_are_of_what_one_may_describe(server):
    assert ask_http(server, "/v1/topics", ("admin", "admin"), {"name": "hidden.near"})[0] == 201
    told = {user: json.loads(ask_http(server, "/v1/topics/hiddex.near", (user, user))[1])["detail"] for user in ("admin", "kept-out")}
    assert told == {"admin": "there is no topic 'hiddex.near'; did you mean 'hidden.near'?", "kept-out": "there is no topic 'hiddex.near'"}
