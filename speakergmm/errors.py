"""The base classes of all exceptions that the toolkit raises on purpose.

A message is one line: it names the file or option, states what was found and what would be right.
The command line prints it unchanged and ends with exit code 2. Errors that carry more than a
message, such as the faults of a file, are defined where they are raised, derive from a class in
this file, and can be imported from `speakergmm` as these can.
"""

_LONGEST_MESSAGE = 7000


def printable_message(text: str) -> str:
    r"""Return a message in one printable line, without its middle if it is too long.

    Messages quote names and words of files, which may contain anything: control characters would
    reach the terminal, line ends would break the line.

    Examples
    --------
    >>> printable_message("the tier 'a\n\x1b[31m' is empty")
    "the tier 'a\\n\\x1b[31m' is empty"
    """
    if not text.isprintable():
        text = "".join(
            each if each.isprintable() else each.encode("unicode_escape").decode() for each in text
        )
    if len(text) > _LONGEST_MESSAGE:
        half = _LONGEST_MESSAGE // 2
        text = f"{text[:half]}...{text[-half:]}"
    return text


class SpeakerGmmError(Exception):
    """Base class of all errors that are raised on purpose; their message is one line."""

    def __str__(self) -> str:
        return printable_message(super().__str__())


class InvalidInputError(SpeakerGmmError, ValueError):
    """An array, option or configuration value lies outside the allowed range."""


class MissingLibraryError(SpeakerGmmError, ImportError):
    """A library that only some functions need is not installed; the message says how to get it."""


class InvalidTypeError(InvalidInputError, TypeError):
    """An argument has the wrong type; the message names the right call."""


class ReadOnlyError(SpeakerGmmError, AttributeError):
    """An attribute that is computed from others was assigned; the message names the right call."""


class AudioError(SpeakerGmmError):
    """A recording cannot be read, or its content contradicts its header."""


class CorpusError(SpeakerGmmError):
    """A list, folder or protocol that describes recordings is wrong."""


class ModelFormatError(SpeakerGmmError):
    """A file is not a model of this package, is damaged, or has an unknown format version."""


class IncompatibleModelError(SpeakerGmmError):
    """Models that were made with different features or background models cannot be combined."""


class InsufficientDataError(SpeakerGmmError):
    """There is too little speech, or there are too few frames or speakers, for the operation."""


class CannotPromiseError(InsufficientDataError):
    """The trials of a calibration are too few for the error rates that are asked for."""


class UnlikeCalibrationError(SpeakerGmmError):
    """A decision is asked for on a recording that is unlike those that the calibration saw."""


class CollapsedComponentError(SpeakerGmmError, ValueError):
    """A component of a mixture has shrunk to a point or a plane: no variance floor held it."""


class StoreError(SpeakerGmmError):
    """The speaker store cannot do what was requested."""


class UnknownSpeakerError(StoreError, LookupError):
    """The store, or the list of models, does not contain a speaker of that name."""


class EngineError(SpeakerGmmError):
    """The engine cannot do the work: it has no workers, or one that lacks software or files."""


class WorkerLostError(EngineError):
    """Workers died again and again while they computed the same part of the work."""


class SchedulerLostError(EngineError):
    """The scheduler of a cluster is gone; what was saved in a checkpoint is not lost."""


class EngineWarning(UserWarning):
    """The engine goes on, but it waits, or computes again what was lost with a worker."""


class ProtocolWarning(UserWarning):
    """A protocol can be run, but its error rates may be misleading."""
