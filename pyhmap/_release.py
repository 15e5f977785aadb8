"""The version of this release. It is said here alone: metadata, files, and the tag of a release have it from here."""

VERSION = "1.0.0rc1"
