"""Linear-Gaussian models of supervectors and embeddings: mathematics without audio or files.

Factor analysis on the statistics of a mixture (total variability, inter-session variability,
joint factor analysis), and the analysis of the vectors that come of it.
"""

from speakergmm.lazy import lazy_names

TYPE_CHECKING = False
if TYPE_CHECKING:
    from speakergmm.subspace.background_binding import mixture_digest as mixture_digest
    from speakergmm.subspace.discriminant_analysis import DiscriminantOptions as DiscriminantOptions
    from speakergmm.subspace.discriminant_analysis import NuisanceOptions as NuisanceOptions
    from speakergmm.subspace.discriminant_analysis import WhiteningOptions as WhiteningOptions
    from speakergmm.subspace.discriminant_analysis import WithinClassOptions as WithinClassOptions
    from speakergmm.subspace.discriminant_analysis import fit_centring as fit_centring
    from speakergmm.subspace.discriminant_analysis import fit_discriminants as fit_discriminants
    from speakergmm.subspace.discriminant_analysis import (
        fit_nuisance_projection as fit_nuisance_projection,
    )
    from speakergmm.subspace.discriminant_analysis import fit_whitening as fit_whitening
    from speakergmm.subspace.discriminant_analysis import (
        fit_within_class_normalisation as fit_within_class_normalisation,
    )
    from speakergmm.subspace.embedding_analysis import EmbeddingAnalysis as EmbeddingAnalysis
    from speakergmm.subspace.embedding_analysis import EmbeddingOptions as EmbeddingOptions
    from speakergmm.subspace.embedding_analysis import EnrolledEmbeddings as EnrolledEmbeddings
    from speakergmm.subspace.embedding_transforms import AffineTransform as AffineTransform
    from speakergmm.subspace.embedding_transforms import EmbeddingTransform as EmbeddingTransform
    from speakergmm.subspace.embedding_transforms import LengthNormalisation as LengthNormalisation
    from speakergmm.subspace.embedding_transforms import NuisanceProjection as NuisanceProjection
    from speakergmm.subspace.embedding_transforms import cosine_scores as cosine_scores
    from speakergmm.subspace.factor_options import (
        JointFactorOptions as JointFactorOptions,
    )
    from speakergmm.subspace.factor_options import (
        SessionVariabilityOptions as SessionVariabilityOptions,
    )
    from speakergmm.subspace.factor_options import (
        TotalVariabilityOptions as TotalVariabilityOptions,
    )
    from speakergmm.subspace.factors import Factors as Factors
    from speakergmm.subspace.joint_factors import JointFactors as JointFactors
    from speakergmm.subspace.joint_factors import fit_joint_factors as fit_joint_factors
    from speakergmm.subspace.joint_factors import (
        fit_session_variability as fit_session_variability,
    )
    from speakergmm.subspace.labelled_embeddings import EmbeddingWarning as EmbeddingWarning
    from speakergmm.subspace.labelled_embeddings import SpeakerGroups as SpeakerGroups
    from speakergmm.subspace.plda_expectation import SpeakerSums as SpeakerSums
    from speakergmm.subspace.plda_expectation import plda_log_likelihood as plda_log_likelihood
    from speakergmm.subspace.plda_model import Plda as Plda
    from speakergmm.subspace.plda_model import PldaScoringOptions as PldaScoringOptions
    from speakergmm.subspace.plda_training import PldaOptions as PldaOptions
    from speakergmm.subspace.plda_training import fit_plda as fit_plda
    from speakergmm.subspace.plda_training import standardise_factors as standardise_factors
    from speakergmm.subspace.plda_training import update_plda as update_plda
    from speakergmm.subspace.supervectors import scaled_supervectors as scaled_supervectors
    from speakergmm.subspace.total_variability import TotalVariability as TotalVariability
    from speakergmm.subspace.total_variability import (
        fit_total_variability as fit_total_variability,
    )

__getattr__, __dir__ = lazy_names(__name__)
