"""Names that parameters have in other libraries, with which an unknown name is explained.

People who know scikit-learn, hmmlearn, librosa or Kaldi give ``random_state=`` to a function, or
``n_mels=`` to a configuration. The error about such a name states the right one.
"""

from __future__ import annotations

from collections.abc import Collection

# Our name of a parameter, and what it is called elsewhere.
_ELSEWHERE = {
    "seed": "random_state random_seed",
    "random_state": "seed random_seed",
    "max_iter": "n_iter n_iterations max_iterations num_iters",
    "n_iter": "max_iter n_iterations max_iterations",
    "n_sweeps": "n_iter max_iter n_iterations",
    "n_components": "num_gauss num_gaussians num_components k n_clusters n_states n_mixtures "
    "max_components min_components",
    "init": "init_params",
    "init_params": "init",
    "criterion": "scoring metric",
    "false_alarm": "contamination nu",
    "concentration": "alpha weight_concentration_prior",
    "relevance_factor": "relevance tau r",
    "sample_weight": "weights",
    "sample_rate": "sr samplerate sampling_rate sample_frequency fs",
    "frame_shift": "hop_length hop hopsize winstep",
    "frame_length": "win_length winlen window_length",
    "n_filters": "n_mels num_mel_bins nfilt n_bands",
    "n_ceps": "n_mfcc num_ceps numcep n_coefficients",
    "low_frequency": "fmin low_freq lowfreq f_min",
    "high_frequency": "fmax high_freq highfreq f_max",
    "pre_emphasis": "preemphasis preemph preemphasis_coefficient",
    "n_fft": "nfft fft_size",
    "lifter": "cepstral_lifter",
    "window": "window_type",
    "energy": "use_energy",
    "framing": "snip_edges",
    "top_c": "num_gselect",
    "top": "n n_best nbest top_n k",
    "p_target": "prior priors ptarget",
    "n_gaussians": "totgauss num_gauss",
    "acoustic_scale": "acwt",
    "lm_scale": "lmwt",
    "word_penalty": "word_ins_penalty",
    "n_jobs": "nj num_jobs workers num_threads processes engine",
    "engine": "n_jobs nj num_jobs workers num_threads processes scheduler client",
    "deltas": "delta n_deltas delta_order",
    "kind": "feature_type",
    "features": "n_mfcc config feature_config",
    "progress": "verbose show_progress progress_bar",
}
_REMARKS = {
    "engine": "a number of workers, an executor or a Dask client",
    "frame_shift": "in seconds",
    "frame_length": "in seconds",
    "n_ceps": "which does not count c0",
    "features": "a preset, a file or a FeatureConfig",
    "max_components": "such as range(1, 11)",
}
_OF_ESTIMATORS = ("covariance_type", "n_init", "sample_weight", "reg_covar", "warm_start")


def name_hint(name: str, known: Collection[str]) -> str:
    """Return what may have been meant by an unknown name, to be appended to an error.

    Examples
    --------
    >>> name_hint("hop_length", ["n_fft", "frame_shift"]), name_hint("n_ftt", ["n_fft"])
    ("; give 'frame_shift', in seconds", "; did you mean 'n_fft'?")
    """
    name = name.lstrip("-").replace("-", "_")  # a file of options has dashes
    for ours, theirs in _ELSEWHERE.items():
        if ours in known and name in theirs.split():
            remark = _REMARKS.get(name, _REMARKS.get(ours))
            return f"; give {ours!r}" + (f", {remark}" if remark else "")
    if "n_components" in known and name in _OF_ESTIMATORS:
        return "; the estimator GaussianMixture has it"
    from difflib import get_close_matches  # it takes time to import, and errors are rare

    near = get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
