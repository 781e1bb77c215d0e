"""Free Spoken Digit Dataset: English digits of six speakers at 8 kHz."""

from data_scripts._command import make_app, run
from data_scripts._common import Archive, CorpusDescription, Size

DESCRIPTION = CorpusDescription(
    name="FSDD",
    title="Free Spoken Digit Dataset: isolated English digits, 8 kHz WAV",
    homepage="https://github.com/Jakobovski/free-spoken-digit-dataset",
    licence="CC BY-SA 4.0",
    citation="Jackson and others, 'Free Spoken Digit Dataset (FSDD)', version 1.0.10",
    # recordings/DIGIT_SPEAKER_INDEX.wav
    layout=r"(?:.*/)?\d_(?P<speaker>[a-z]+)_\d+\.(?:wav|flac)",
    archives=(
        Archive(
            "fsdd",
            "https://github.com/Jakobovski/free-spoken-digit-dataset/archive/refs/tags/v1.0.10.tar.gz",
        ),
    ),
    sizes={"": Size(6, 3000)},
)

app = make_app(DESCRIPTION)

if __name__ == "__main__":
    run(app)
