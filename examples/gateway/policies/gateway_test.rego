package gateway_test

issuer := "https://login.example"

client := {"issuer": issuer, "tenant": "clinic-7", "status": "active", "scopes": ["read", "settle"]}

tenant := {"status": "active", "currency": "CNY", "largest_amount": 100000}

body := {"amount": 100000, "currency": "CNY"}

asked := {"issuer": issuer, "route": {"scope": "settle"}, "client": client, "tenant": tenant, "body": body}

# The rule that decides when some fields of one part of the request are others, or when the part is not there.
rule_with(part, fields) := result.rule if {
	result := data.gateway.judged(object.union(asked, {part: object.union(asked[part], fields)}))
}

rule_without(part) := result.rule if {
	result := data.gateway.judged(object.union(asked, {part: null}))
}

test_an_ordinary_request_is_allowed if {
	data.gateway.judged(asked) == {"status": 200, "rule": "allowed"}
}

test_a_request_without_a_body_is_judged_by_its_client if rule_without("body") == "allowed"

test_a_route_that_is_not_there if rule_without("route") == "route_unknown"

test_a_client_that_is_not_there if rule_without("client") == "client_unknown"

test_an_issuer_speaks_for_its_own_clients_only if {
	rule_with("client", {"issuer": "https://other.example"}) == "client_of_another_issuer"
}

test_a_client_is_active_or_refused if {
	rule_with("client", {"status": "suspended"}) == "client_suspended"
	rule_with("client", {"status": ""}) == "client_suspended"
}

test_a_tenant_is_active_or_refused if {
	rule_with("tenant", {"status": "suspended"}) == "tenant_suspended"
	rule_without("tenant") == "tenant_suspended"
}

test_the_scope_of_the_route_is_needed if {
	rule_with("client", {"scopes": ["read"]}) == "scope_missing"
	rule_with("client", {"scopes": []}) == "scope_missing"
}

test_the_currency_is_that_of_the_tenant if rule_with("body", {"currency": "EUR"}) == "currency_not_allowed"

test_the_largest_amount_passes_and_one_more_does_not if {
	rule_with("body", {"amount": 100000}) == "allowed"
	rule_with("body", {"amount": 100001}) == "amount_too_large"
}
