"""Sizes and choices of the recipe, in one place."""

from dataclasses import dataclass

from speakergmm.features import FeatureConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What is fitted to how much; the defaults take a minute or two on two cores."""

    seed: int = 0
    n_frames: int = 4000  # frames of speech that mixtures of all cepstra are fitted to
    n_flat_frames: int = 3000  # of c1 and c2 alone, which can be drawn
    # The four kinds of covariance.
    n_drawn_components: int = 5
    kinds_path: tuple[int, ...] = (1, 2, 4, 8, 16, 32)
    # The number of components.
    path: tuple[int, ...] = (1, 2, 4, 6, 8, 12, 16, 24)
    n_folds: int = 4
    # The Dirichlet process.
    n_gibbs_frames: int = 500
    n_planted: int = 6
    within_fraction: float = 0.5  # of the covariance, expected within clusters a priori
    n_most: int = 20
    concentrations: tuple[float, ...] = (1e-4, 1e-2, 1.0, 1e2, 1e4)
    n_sweeps: int = 4000
    # Convergence.
    n_em_components: int = 32
    n_restarts: int = 3
    # K-means as the limit; deviations in parts of the data's own.
    n_limit_components: int = 8
    deviations: tuple[float, ...] = (1.0, 0.7, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01, 0.003)
    # Anomalies.
    detector_path: tuple[int, ...] = (1, 4, 16, 64)
    false_alarm: float = 0.05
    n_training_frames: int = 20000
    n_noises: int = 20  # recordings of each synthetic noise
    noise_levels: tuple[float, ...] = (-10.0, -20.0, -30.0)  # dB, against loud speech

    def features(self) -> FeatureConfig:
        """Twelve cepstra, without deltas; the log energy, which comes last, is kept apart.

        Two Gaussians of the recording's log energy say what is speech: these recordings are two
        thirds pauses, which the threshold of the preset takes for speech in part.
        """
        return FeatureConfig.preset("speaker").replace(
            n_ceps=12, deltas=0, energy="log_energy", voice_activity="two_gaussian"
        )
