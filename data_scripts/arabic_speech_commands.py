"""Arabic Speech Commands: 40 command words of 30 speakers."""

from data_scripts._command import make_app, run
from data_scripts._common import Archive, CorpusDescription, Size

DESCRIPTION = CorpusDescription(
    name="Arabic Speech Commands",
    title="Arabic Speech Commands: isolated Arabic command words, 16 kHz WAV of 1 s",
    homepage="https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset",
    licence="CC BY 4.0",
    citation=(
        "Ghandoura, Hjabo, Al Dakkak, 'Building and benchmarking an Arabic Speech Commands dataset "
        "for small-footprint keyword spotting', Engineering Applications of Artificial "
        "Intelligence 102 (2021) 104267"
    ),
    # dataset/WORD/SPEAKER_NO_ROUND.wav
    layout=r"(?:.*/)?[a-z_]+/(?P<speaker>\d{8})_NO_\d+\.(?:wav|flac)",
    archives=(
        Archive(
            "arabic_speech_commands",
            "https://github.com/abdulkaderghandoura/arabic-speech-commands-dataset/archive/refs/tags/v1.0.tar.gz",
        ),
    ),
    sizes={"": Size(30, 12000)},
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
