"""Feature stores: features of a corpus that are extracted once and read many times.

A store is a folder with an index and shards. A shard is a file with the features of some
utterances, written by the worker that extracted them; its name is the SHA-256 of its content, so
that it is written once, never changed, and checked when a process opens it for the first time. The
index states which rows of which shard belong to which utterance, and of what audio and settings
they were made.

An extraction that is killed leaves whole shards, which list their own utterances, and the next one
takes them over; so nothing has to be appended to the index. It is a record, written whole at the
end, and not a database: any byte that changes in it is noticed, as in every other file, and readers
hold no locks, which file systems of clusters do not all have.

Where frames lie in files is one thing, how training divides them is another: the shards of
`StoredFrames` are cut from the utterances in their order, however the store has grown.
"""
