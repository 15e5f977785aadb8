"""The verb ``files``: what files of frozen maps cost, beside memory, ``np.save``, and other libraries' files."""
