"""The verb ``cache``: the hash cache beside other ways to a digest: costs, where it pays, what its rules are worth."""
