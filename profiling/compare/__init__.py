"""The verb ``compare``: two result files of one verb side by side."""
