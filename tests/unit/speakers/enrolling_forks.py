"""Forks processes that enrol in a loop until they are killed; run by the test of stores.

Started once, because importing takes longer than a process may live here. Each line on standard
input, "STORE NUMBER ACKNOWLEDGEMENTS", forks a child; its process id is printed. The child enrols
recordings, two at a time, and writes a line to the file of acknowledgements when the store has said
that they are stored. The arguments of the program are the recordings.
"""

import os
import sys

from speakergmm.features import FeatureExtractor
from speakergmm.speakers import SpeakerStore


def enrol_for_ever(path, number, acknowledgements, wavs):
    with SpeakerStore.open(path) as store, open(acknowledgements, "ab", buffering=0) as file:  # noqa: PTH123
        for count in range(3 * len(wavs) // 2):
            # Three speakers in turn: a new one at first, then more of the same.
            speaker, pair = f"speaker {number}-{count % 3}", count // 3
            report = store.enroll(speaker, wavs[2 * pair : 2 * pair + 2])
            file.write(f"{speaker}\t{report.n_sessions}\n".encode())


def main():
    FeatureExtractor("speaker")
    for line in sys.stdin:
        path, number, acknowledgements = line.rstrip("\n").split("\t")
        child = os.fork()
        if child == 0:
            enrol_for_ever(path, int(number), acknowledgements, sys.argv[1:])
            os._exit(0)
        print(child, flush=True)
        os.waitpid(child, 0)
        print("ended", flush=True)


if __name__ == "__main__":
    main()
