# Whether a request may pass, and by which rule. The facts are looked up before, and are in the input.
#
# The first rule that holds decides, from top to bottom. Its name goes to the caller, the log and the counters. A
# request that no rule refuses is allowed.
package gateway

decision := judged(input)

# A function, so that the tests can give it requests: `with input as` ends the process in rego-cpp 1.5.2.
judged(asked) := {"status": 404, "rule": "route_unknown"} if {
	asked.route == null
}

else := {"status": 403, "rule": "client_unknown"} if {
	asked.client == null
}

else := {"status": 403, "rule": "client_of_another_issuer"} if {
	asked.client.issuer != asked.issuer
}

else := {"status": 403, "rule": "client_suspended"} if {
	asked.client.status != "active"
}

else := {"status": 403, "rule": "tenant_suspended"} if {
	not tenant_is_active(asked)
}

else := {"status": 403, "rule": "scope_missing"} if {
	not asked.route.scope in asked.client.scopes
}

else := {"status": 403, "rule": "currency_not_allowed"} if {
	asked.body.currency != asked.tenant.currency
}

else := {"status": 403, "rule": "amount_too_large"} if {
	asked.body.amount > asked.tenant.largest_amount
}

else := {"status": 200, "rule": "allowed"}

tenant_is_active(asked) if asked.tenant.status == "active"
