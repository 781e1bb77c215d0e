"""``speakergmm make-protocol``: the lists of a protocol from a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from speakergmm import corpora, features
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import AnsweringCommand, argument, command, options_of
from speakergmm.cli.corpus_options import corpus_report
from speakergmm.cli.printing import Table, print_warnings
from speakergmm.corpora import SplitOptions
from speakergmm.files import atomic_folder, write_error


@command
class MakeProtocol(AnsweringCommand):
    """Divide a corpus into background, dev and eval lists that share no speaker.

    A recording is never used for both enrolment and test. Each part has its share of women and men
    if the list has a column sex or gender, or the folder a file spk2gender. The lists are written
    all or not at all; their paths start from the folder of the corpus, which run-protocol takes
    as --data-dir.

    Examples:

      speakergmm make-protocol recordings/ protocols/mine

      speakergmm make-protocol words/ protocols/words --speaker-pattern '*/{speaker}_*.wav'
      --session-pattern '{word}/{speaker}_*.wav' --enrolment 20 --nontarget 200 --same-sex
    """

    corpus: options.CorpusArgument
    folder: Path = argument("New folder of the lists.")
    splitting: SplitOptions = options_of(
        SplitOptions,
        "background_share",
        "dev_share",
        "n_enrolment",
        "enrolment_seconds",
        "n_tests",
        "n_nontarget",
        "same_sex",
        "session_pattern",
        "session_column",
        "seed",
    )
    data_dir: options.DataDir = None
    speaker_pattern: options.SpeakerPattern = None

    def run(self) -> None:
        """Make and write the lists, and print their sizes."""
        features.check_new_folder(self.folder)
        corpus = corpora.read_corpus(
            self.corpus, data_dir=self.data_dir, speaker_pattern=self.speaker_pattern
        )
        sexes = corpora.read_speaker_sexes(corpus)
        # Columns that no reader of corpora reads may be just those that are used here.
        unread = f"{corpora.shown(corpus.source)}:1: column"
        uses_columns = bool(sexes or self.splitting.session_column)
        print_warnings(n for n in corpus.notes if not (uses_columns and n.startswith(unread)))
        protocol = corpora.make_protocol(corpus, self.splitting, sexes=sexes)
        print_warnings(protocol.notes)
        try:
            with atomic_folder(self.folder) as place:
                corpora.write_protocol(place, protocol, relative_to=corpus.root or self.folder)
        except OSError as error:
            raise write_error(self.folder, error) from None
        sizes = _sizes(protocol, sexes)
        columns = list(dict.fromkeys(name for size in sizes.values() for name in size))
        self.answer(
            {
                "folder": str(self.folder),
                "data_dir": str(corpus.root),
                "options": asdict(self.splitting),
                "parts": sizes,
                "protocol_notes": list(protocol.notes),
                **corpus_report(corpus),
            },
            Table(
                f"Lists in {self.folder}",
                ("part", *columns),
                [
                    (part, *(f"{size[name]:,}" if name in size else "" for name in columns))
                    for part, size in sizes.items()
                ],
                right=range(1, len(columns) + 1),
            ),
            f"speakergmm run-protocol {self.folder} --data-dir {corpus.root} scores the trials",
        )


def _sizes(protocol: corpora.Protocol, sexes: Mapping[str, str]) -> dict[str, dict[str, int]]:
    """Return the numbers of speakers, recordings and trials of each part."""
    sizes = {}
    if protocol.background is not None:
        of_speakers = _count_speakers(protocol.background.speakers, sexes)
        sizes["background"] = {**of_speakers, "recordings": len(protocol.background)}
    for name, split in protocol.splits.items():
        sizes[name] = {
            **_count_speakers(split.models, sexes),
            "recordings": len(set(split.paths())),
            "enrolment": sum(map(len, split.enrolment.values())),
            "tests": len(split.test_paths()),
            "target": split.n_targets,
            "nontarget": len(split.trials) - split.n_targets,
        }
    return sizes


def _count_speakers(names: Iterable[str], sexes: Mapping[str, str]) -> dict[str, int]:
    """Return the number of speakers, and of women and men if any sex is known."""
    counts = Counter(sexes.get(name, "unknown") for name in names)
    return {"speakers": counts.total()} | (
        {"women": counts["f"], "men": counts["m"]} if sexes else {}
    )
