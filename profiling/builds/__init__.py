"""The verb ``builds``: the same calls over several builds of the package, for judging a change to a kernel."""
