"""The verb ``layout``: header and bucket field by field, checked against the memory itself."""
