"""What the verbs share: running measuring processes, result files, the machine's description, estimates, the corpus.

Imports no verb.
"""
