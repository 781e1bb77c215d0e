"""Sizes and other settings of the recipe."""

from dataclasses import dataclass

from speakergmm.features import FeatureConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of all experiments; with the defaults they take one or two minutes on two cores."""

    seed: int = 0
    n_frames: int = 4000  # frames of speech for mixtures of all cepstra
    n_flat_frames: int = 3000  # frames of speech for mixtures of c1 and c2, which can be plotted
    # The four kinds of covariance.
    n_drawn_components: int = 5
    kinds_path: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    # The number of components.
    path: tuple[int, ...] = (1, 2, 4, 6, 8, 12, 16, 24)
    n_folds: int = 4
    # The Dirichlet process.
    n_gibbs_frames: int = 500
    n_planted: int = 6
    within_fraction: float = (
        0.5  # share of the covariance that is expected within clusters a priori
    )
    n_most: int = 20
    concentrations: tuple[float, ...] = (1e-4, 1e-2, 1.0, 1e2, 1e4)
    n_sweeps: int = 4000
    # Convergence.
    n_em_components: int = 32
    n_restarts: int = 3
    # K-means as the limit; standard deviations relative to that of the data.
    n_limit_components: int = 8
    deviations: tuple[float, ...] = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)
    # Anomalies.
    detector_path: tuple[int, ...] = (1, 4, 16, 64)
    false_alarm: float = 0.05
    n_training_frames: int = 20000
    n_noises: int = 20  # recordings per kind of synthetic noise
    noise_levels: tuple[float, ...] = (-10.0, -20.0, -30.0)  # dB, relative to loud speech

    def features(self) -> FeatureConfig:
        """Return the configuration: twelve cepstra without deltas, and log energy as last column.

        Speech is detected by two Gaussians of the recording's log energy: two thirds of these
        recordings are pauses, some of which the threshold of the preset classifies as speech.
        """
        return FeatureConfig.preset("speaker-same-session").replace(
            n_ceps=12, deltas=0, energy="log_energy", voice_activity="two_gaussian"
        )
