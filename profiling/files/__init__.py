"""The verb ``files``: what files of frozen maps cost, beside maps in memory, ``np.save``, and other libraries' files."""
