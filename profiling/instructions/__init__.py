"""The verb ``instructions``: does any operation execute more machine instructions than was recorded?"""
