"""The verb ``report``: every result of a folder on one HTML page that needs no network."""
