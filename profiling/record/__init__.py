"""The verb ``record``: checks that the committed results are complete and that the documents quote them correctly."""
