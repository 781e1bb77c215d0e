"""MFCC against librosa and kaldi-native-fbank: CPU time on one thread, and memory.

    python tests/benchmarks/bench_features.py [--rounds 7] [--without-memory]

Times are medians of interleaved runs of CPU seconds, on ten minutes of noise at 16 kHz in an
array; the ratios are to hold on any machine. Memory is the growth of the largest resident size of
a fresh process, beyond what it had after its imports, a warm-up on one second and, where it is
given one, the array of audio.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import soundfile
from _timing import interleaved_medians
from threadpoolctl import threadpool_limits

from speakergmm.features import FeatureConfig, FeatureExtractor

RATE = 16000
MINUTES = 10


def noise(seconds: float) -> np.ndarray:
    """Low-pass noise whose loudness goes up and down, so that voice activity has work to do."""
    rng = np.random.default_rng(0)
    n = round(seconds * RATE)
    samples = rng.standard_normal(n, dtype=np.float32)
    samples[1:] += samples[:-1]
    loudness = np.exp2(4 * np.sin(np.arange(n, dtype=np.float32) * np.float32(2 / RATE)) - 8)
    samples *= loudness
    return samples


def librosa_settings() -> FeatureConfig:
    """Preset librosa at 16 kHz, with its frames of 2048 samples every 512."""
    return FeatureConfig.preset("librosa").replace(
        sample_rate=RATE, frame_length=2048 / RATE, frame_shift=512 / RATE
    )


def kaldi_mfcc(samples: np.ndarray) -> int:
    """kaldi-native-fbank with the settings of preset kaldi."""
    import kaldi_native_fbank

    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins = 23
    options.mel_opts.low_freq = 20.0
    mfcc = kaldi_native_fbank.OnlineMfcc(options)
    mfcc.accept_waveform(RATE, samples * 32768)
    mfcc.input_finished()
    return int(mfcc.num_frames_ready)


def speed(rounds: int) -> None:
    """Print CPU times and ratios."""
    import librosa

    samples = noise(60 * MINUTES)
    extractors = {
        "librosa": FeatureExtractor(librosa_settings()),
        "kaldi": FeatureExtractor("kaldi"),
        "speaker-same-session": FeatureExtractor("speaker-same-session"),
    }
    warped = FeatureConfig.preset("speaker-same-session").replace(normalisation="warping")
    warping = FeatureExtractor(warped)
    robust = FeatureExtractor("speaker")

    def stream(extractor: FeatureExtractor) -> None:
        for _ in extractor.stream(samples, sample_rate=RATE):
            pass

    with threadpool_limits(1):
        seconds = interleaved_medians(
            {
                "librosa": lambda: librosa.feature.mfcc(y=samples, sr=RATE),
                "ours, preset librosa": lambda: extractors["librosa"].extract(
                    samples, sample_rate=RATE
                ),
                "kaldi-native-fbank": lambda: kaldi_mfcc(samples),
                "ours, preset kaldi": lambda: extractors["kaldi"].extract(
                    samples, sample_rate=RATE
                ),
                "ours, preset speaker-same-session": lambda: extractors[
                    "speaker-same-session"
                ].extract(samples, sample_rate=RATE),
                "ours, preset speaker": lambda: robust.extract(samples, sample_rate=RATE),
                "streamed, speaker-same-session": lambda: stream(
                    extractors["speaker-same-session"]
                ),
                "streamed, speaker": lambda: stream(robust),
                "ours, same session + warping": lambda: warping.extract(samples, sample_rate=RATE),
            },
            rounds=rounds,
        )
    print(f"CPU seconds for {MINUTES} min of audio at {RATE} Hz, one thread")
    for name, spent in seconds.items():
        print(f"  {name:33s} {spent:7.3f}   {60 * MINUTES / spent:7.0f} x real time")
    ratio = seconds["ours, preset librosa"] / seconds["librosa"]
    print(f"  ours / librosa              {ratio:6.2f}   (to reach: 1.00)")
    ratio = seconds["ours, preset kaldi"] / seconds["kaldi-native-fbank"]
    print(f"  ours / kaldi-native-fbank   {ratio:6.2f}   (to reach: 0.33)")
    ratio = seconds["ours, preset speaker"] / seconds["ours, preset speaker-same-session"]
    print(f"  speaker / speaker-same-session, at once   {ratio:6.2f}   (to reach: 1.15)")
    ratio = seconds["streamed, speaker"] / seconds["streamed, speaker-same-session"]
    print(f"  speaker / speaker-same-session, streamed  {ratio:6.2f}   (to reach: 1.15)")


def peak_mebibytes() -> float:
    """Largest resident size so far, of this process image."""
    status = Path("/proc/self/status")
    if status.exists():  # there the parent's peak is not inherited
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(what: str, path: str) -> None:
    """Run in a fresh process: print how far the peak grows."""
    extractors = {
        "librosa": FeatureExtractor(librosa_settings()),
        "kaldi": FeatureExtractor("kaldi"),
        "speaker-same-session": FeatureExtractor("speaker-same-session"),
    }
    kind, _, preset = what.partition(":")
    samples = np.load(path) if kind in ("peer", "array") else None
    if kind == "peer":
        import librosa

        librosa.feature.mfcc(y=samples[:RATE], sr=RATE)
        before = peak_mebibytes()
        librosa.feature.mfcc(y=samples, sr=RATE)
    elif kind == "array":
        extractors[preset].extract(samples[: 2 * RATE], sample_rate=RATE)
        before = peak_mebibytes()
        extractors[preset].extract(samples, sample_rate=RATE)
    elif kind == "extract":
        extractors[preset].extract(path, end=20.0)
        before = peak_mebibytes()
        extractors[preset].extract(path)
    else:
        for _ in extractors[preset].stream(path, end=20.0):
            pass
        before = peak_mebibytes()
        for _ in extractors[preset].stream(path):
            pass
    print(peak_mebibytes() - before)


def memory() -> None:
    """Print memory of ten minutes and of three hours."""
    print("Growth of the largest resident size, MiB")
    with tempfile.TemporaryDirectory() as folder:
        array, short, long = (Path(folder) / name for name in ("10.npy", "10.wav", "180.wav"))
        minute = noise(60)
        np.save(array, np.tile(minute, MINUTES))
        for path, minutes in ((short, MINUTES), (long, 180)):
            with soundfile.SoundFile(path, "w", RATE, 1, "PCM_16") as file:
                for _ in range(minutes):
                    file.write(minute)
        rows = [
            ("librosa, 10 min in an array", "peer:", array),
            ("ours, preset librosa, 10 min in an array (to reach: 60)", "array:librosa", array),
            ("ours, preset kaldi, 10 min in an array (to reach: 60)", "array:kaldi", array),
            (
                "ours, preset speaker-same-session, 10 min in an array (to reach: 60)",
                "array:speaker-same-session",
                array,
            ),
            (
                "ours, extract, preset speaker-same-session, 10 min from a file",
                "extract:speaker-same-session",
                short,
            ),
            (
                "ours, stream, preset speaker-same-session, 10 min from a file",
                "stream:speaker-same-session",
                short,
            ),
            (
                "ours, stream, preset speaker-same-session, 3 h from a file",
                "stream:speaker-same-session",
                long,
            ),
        ]
        for name, what, path in rows:
            command = [sys.executable, __file__, "--measure", what, str(path)]
            found = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"  {name:58s} {float(found):7.1f}", flush=True)


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--without-memory", action="store_true")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(*arguments.measure)
        return
    if not arguments.without_memory:
        memory()
    speed(arguments.rounds)


if __name__ == "__main__":
    main()
