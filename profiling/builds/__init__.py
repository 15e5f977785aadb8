"""The verb ``builds``: the same calls over several builds of the package, for whoever changes a kernel."""
