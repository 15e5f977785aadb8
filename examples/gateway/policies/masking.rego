# How the decision log shows a field of a request. A field that is not named here is not in the log.
#
#   shown       as it is
#   pseudonym   a keyed hash: the same for the same value, and the value cannot be computed from it
#   last_four   the last four characters, as in ************1234
package masking

fields := {
	"client": "pseudonym",
	"transaction": "pseudonym",
	"name": "pseudonym",
	"id_number": "pseudonym",
	"card": "last_four",
	"currency": "shown",
}
