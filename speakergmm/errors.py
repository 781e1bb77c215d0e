"""Every exception the toolkit raises on purpose; each message is one line.

A message names the file or option, says what was found, and says what would be right. The command
line prints it as it stands and ends with exit code 2; a program can catch the class it cares for.
"""


class SpeakerGmmError(Exception):
    """Base of all errors raised on purpose."""


class InvalidInputError(SpeakerGmmError, ValueError):
    """An array, option or configuration value lies outside what is allowed."""


class MissingLibraryError(SpeakerGmmError, ImportError):
    """A library that only some functions need is not installed; the message says how to get it."""


class InvalidTypeError(InvalidInputError, TypeError):
    """A thing of another kind is given than what is taken; the message names the right call."""


class ReadOnlyError(SpeakerGmmError, AttributeError):
    """An attribute that follows from another is set; the message names the right call."""


class AudioError(SpeakerGmmError):
    """A recording can't be read, or is not what it claims to be."""


class CorpusError(SpeakerGmmError):
    """A list, folder or protocol that describes recordings is wrong."""


class ModelFormatError(SpeakerGmmError):
    """A model file is not one of ours, is damaged, or is of an unknown format version."""


class IncompatibleModelError(SpeakerGmmError):
    """Two things made with different features or another background model are mixed."""


class InsufficientDataError(SpeakerGmmError):
    """There is too little speech, or too few frames or speakers, for what is asked."""


class CollapsedComponentError(SpeakerGmmError, ValueError):
    """A component of a mixture has shrunk to a point or a plane, and no floor was to hold it."""


class StoreError(SpeakerGmmError):
    """The speaker store can't do what is asked of it."""


class UnknownSpeakerError(StoreError, LookupError):
    """The store, or the list of models, holds no speaker of that name."""
