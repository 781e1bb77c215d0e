"""``speakergmm extract`` and ``prune-store``: features of a corpus in a store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speakergmm import features
from speakergmm.cli import shared_options as options
from speakergmm.cli.command_options import argument, command, option, options_of
from speakergmm.cli.corpus_options import CorpusCommand, corpus_report
from speakergmm.cli.printing import counted, print_note
from speakergmm.errors import InvalidInputError
from speakergmm.features import ExtractionOptions
from speakergmm.run_context import RunContext

if TYPE_CHECKING:
    from speakergmm.features import FeatureStore


@command
class Extract(CorpusCommand):
    """Extract the features of a corpus into a store, which other commands read in its place.

    Run again, the command extracts only what is new or has changed: recordings, times of utterances
    or settings. An extraction that was interrupted goes on where it stopped. What the store has and
    the corpus lacks stays until prune-store removes it.

    A Kaldi data directory without wav.scp, or a feats.scp, is brought into a new store as Kaldi
    computed it; --features then states how that was.

    Examples:

      speakergmm extract recordings/ --output features/ -j 2

      speakergmm extract corpus.tsv --features hmm --dtype float16 --output features/
    """

    corpus: options.CorpusArgument
    output: Path = options.output(..., "Folder of the feature store; created if it is missing.")
    features: options.FeaturesToExtract = None
    extraction: ExtractionOptions = options_of(
        ExtractionOptions, "dtype", "shard_frames", "verify", "augmentation"
    )
    kaldi: Path | None = option(
        None, "Write the features of the store to this new Kaldi data directory, too."
    )
    context: RunContext = options_of(RunContext, "strict")

    def run(self) -> None:
        """Extract what is not in the store, and print a summary."""
        if self.kaldi is not None:
            features.check_new_folder(self.kaldi)
        if (listed := _kaldi_list(self.corpus)) is not None:
            self._answer(self._of_kaldi(listed), {})
            return
        chosen = self.extraction
        if self.features is not None:
            chosen = replace(chosen, features=self.features)
        read = self.open_corpus(self.corpus)
        store = features.extract_features(
            read,
            self.output,
            chosen,
            engine=self.engine,
            run=replace(self.context, progress=not self.json),
        )
        present = {row.recorded_id for row in store.rows}
        n_missing = sum(utterance.id not in present for utterance in read)
        n_others = len(present) - len(read) + n_missing
        if n_others:
            print_note(
                f"warning: {counted(n_others, 'utterance')} of the store not in the corpus; "
                f"speakergmm prune-store {self.output} --corpus {self.corpus} removes them"
            )
        self._answer(
            store,
            {"n_left_out": n_missing, "n_others": n_others, **corpus_report(read)},
            f"; {n_missing:,} left out" * bool(n_missing),
        )

    def _of_kaldi(self, listed: Path) -> FeatureStore:
        """Bring features that Kaldi has computed into a new store."""
        for name, given in (
            ("data-dir", self.data_dir),
            ("speaker-pattern", self.speaker_pattern),
            ("verify", self.extraction.verify or None),
            ("augment", self.extraction.augmentation),
        ):
            if given is not None:
                raise InvalidInputError(
                    f"--{name} concerns recordings; {listed} lists features that Kaldi has computed"
                )
        return features.FeatureStore.from_kaldi(
            listed,
            self.output,
            features=self.features,
            dtype=self.extraction.dtype,
            shard_frames=self.extraction.shard_frames,
            engine=self.engine,
            run=replace(self.context, progress=not self.json),
        )

    def _answer(self, store: FeatureStore, facts: dict[str, Any], end: str = "") -> None:
        """Write the features for Kaldi, if that was asked for, and print a summary."""
        if self.kaldi is not None:
            store.to_kaldi(self.kaldi)
        self.answer(
            {"output": str(self.output), **facts, **store.info()},
            _summary(store, self.output) + end,
        )


@command
class PruneStore(CorpusCommand):
    """Remove features from a store: those of a speaker, or all that a corpus lacks.

    The features are removed from the disk; the recordings are not touched.

    Examples:

      speakergmm prune-store features/ --corpus recordings/

      speakergmm prune-store features/ --remove-speaker alice
    """

    store: Path = argument("Folder of the feature store.")
    corpus: Path | None = option(
        None, "Keep the utterances of this corpus (a folder or list) and remove all others."
    )
    remove_speaker: str | None = option(None, "Remove the features of this speaker.")

    def run(self) -> None:
        """Remove the features, and print what is left."""
        if self.corpus is None and self.remove_speaker is None:
            raise InvalidInputError(
                "give --remove-speaker NAME, or --corpus with the corpus whose utterances remain"
            )
        store = features.FeatureStore.open(self.store)
        before = len(store)
        if self.remove_speaker is not None:
            store = store.remove_speaker(self.remove_speaker)
        if self.corpus is not None:
            store = store.prune(self.open_corpus(self.corpus))
        n_removed = before - len(store)
        document: dict[str, Any] = {"store": str(self.store), "n_removed": n_removed}
        self.answer(
            document | store.info(),
            f"{counted(n_removed, 'utterance')} removed; {_summary(store, self.store)}",
        )


def _kaldi_list(path: Path) -> Path | None:
    """Return the list of features if a path is one, or a Kaldi data directory without audio."""
    if path.name == "feats.scp":
        return path
    inside = path / "feats.scp"
    return inside if inside.is_file() and not (path / "wav.scp").exists() else None


def _summary(store: FeatureStore, path: Path) -> str:
    facts = store.info()
    return (
        f"{path}: {counted(len(store), 'utterance')} of "
        f"{counted(facts['n_speakers'], 'named speaker')}, {counted(store.n_frames, 'frame')} "
        f"({facts['seconds'] / 60:.1f} minutes) of {counted(store.n_features, 'feature')} in "
        f"{store.dtype}, digest {store.digest[:12]}"
    )
