package masking_test

test_who_it_was_is_a_pseudonym if {
	every field in ["client", "name", "id_number", "transaction"] {
		data.masking.fields[field] == "pseudonym"
	}
}

test_of_a_card_the_last_four_digits_are_shown if data.masking.fields.card == "last_four"

test_nothing_that_names_a_person_is_shown if {
	shown := {field | some field; data.masking.fields[field] == "shown"}
	shown == {"currency"}
}
