"""The files of frozen maps: what the bytes mean (docs/format.md), how they are written, and how they are opened.

replace       a file is replaced as a whole, or stays as it was
types         the types of keys and values as text
header        the first page: what the sections are, and where
blocks        the checksums of what follows it
write         a frozen map to a file
build         batches to a file, larger than memory
read          a file to a frozen map
parts         a folder of such files, and the manifest that names them
lock          a lock that processes and threads share
places        paths and URLs, and what lies there
fetch         a file that lies elsewhere, copied once per machine into a cache folder
manifest      what a dataset says of itself, and the partition function
dataset       batches to a dataset: a file for each partition, then the manifest
"""
