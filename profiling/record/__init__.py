"""The verb ``record``: do the committed results hold, and do the documents say what they say?"""
