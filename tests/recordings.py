"""Audio files to be read."""

import numpy as np
import soundfile
import soxr

RATE = 24_000


def write(path, samples, rate=RATE, channels=1):
    """``samples`` of 24 kHz as a file of any kind; the second of two channels is half as loud."""
    audio = soxr.resample(samples.astype(np.float32) / 32768, RATE, rate)
    path.parent.mkdir(exist_ok=True)
    soundfile.write(path, np.stack([audio, audio / 2], axis=1)[:, :channels], rate)
    return path
