"""Feature stores: features of a corpus that are extracted once and read many times.

A store is a folder with an index and shards. A shard holds the features of some utterances; its
name is the SHA-256 of its content, so that it is written once, never changed, and checked when it
is opened. The index states which rows of which shard belong to which utterance, and what audio and
settings they were made of.
"""
