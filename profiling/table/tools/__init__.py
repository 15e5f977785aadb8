"""The profilers that ``table`` uses, a file each: cProfile, memray, py-spy."""
