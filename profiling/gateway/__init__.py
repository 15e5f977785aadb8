"""The example of an API gateway beside other ways, and beside the article's figures of its chapter 5."""
