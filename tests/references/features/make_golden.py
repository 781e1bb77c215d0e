"""Write golden.npz: cepstra by independent programs of a signal that arithmetic alone defines.

python tests/references/features/make_golden.py
"""

from pathlib import Path

import kaldi_native_fbank
import librosa
import numpy as np


def signal() -> np.ndarray:
    """Half a second at 16 kHz in 16-bit steps: integer noise, a pulse train, silence."""
    state, values = 1, []
    for n in range(8000):
        state = (1103515245 * state + 12345) % 2**31
        noise = (state >> 16) % 2001 - 1000
        pulse = 9000 if n % 133 == 0 else 0
        values.append(noise // 4 if n < 2000 else noise + pulse if n < 6500 else 0)
    return np.array(values, np.int16)


def main() -> None:
    """Compute and write."""
    pcm = signal()
    options = kaldi_native_fbank.MfccOptions()
    options.frame_opts.dither = 0.0
    options.mel_opts.num_bins, options.mel_opts.low_freq = 23, 20.0
    kaldi = kaldi_native_fbank.OnlineMfcc(options)
    kaldi.accept_waveform(16000, pcm.astype(np.float32))
    kaldi.input_finished()
    np.savez_compressed(
        Path(__file__).with_name("golden.npz"),
        pcm=pcm,
        kaldi=np.stack([kaldi.get_frame(t) for t in range(kaldi.num_frames_ready)]),
        librosa=librosa.feature.mfcc(y=(pcm / 32768).astype(np.float32), sr=22050).T,
    )


if __name__ == "__main__":
    main()
