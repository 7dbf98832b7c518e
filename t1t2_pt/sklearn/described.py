"""The words on parameters and attributes that the docstrings of both estimators share."""

PARAMETERS = """
    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer, or one number.
    activation
        Nonlinearity of the hidden layers: relu, leaky-relu, elu, tanh, sigmoid or linear.
    input_noise, hidden_noise, l2
        Where the hyperparameters start: standard deviation of the Gaussian noise that is added to standardised inputs,
        and to the output of each hidden layer; strength of l2 * sum(W**2) on the weights of each layer. A number, or
        for hidden_noise and l2 one for each layer. 0 leaves it out. Start strong: what regularises too much has a
        clear hypergradient, and what is near 0 has hardly any.
    tune
        What moves: True for all, False for none, or names of them. Where none moves there is no tuning, unless
        early_stopping asks for it: all samples are trained on at once, for max_iter epochs.
    per_feature
        Which of input_noise and l2 (of the first layer) have a level for each input feature: names, True or False.
    bounds
        {{name: (lowest, highest)}} of hyperparameters; None: between 0 and 10.
    learning_rate_init, hyper_learning_rate
        Step sizes, by Adam, of the weights and of the logarithms of the hyperparameters; constant for half of the
        steps, then falling linearly to 0.
    interval
        The hyperparameters move at every so many steps.
    max_iter
        Epochs, of the tuning and of the training after it.
    validation
        What tunes. "cv": n_folds folds train side by side and share their hyperparameters, which move by the mean of
        the folds' hypergradients. "holdout": validation_fraction of the samples. "auto": "cv" below 2,000 different
        samples. X_val and y_val given to `fit` come before it.
    n_folds, validation_fraction
        See validation.
    early_stopping, n_iter_no_change, tol
        Whether to stop tuning when the validation cost has not sunk by tol for n_iter_no_change epochs; the training
        after it then takes as many epochs as the best one had.
    n_networks
        Networks that are trained on all samples in the end, from different first weights, and whose predictions are
        averaged; None: as many as were tuned side by side (n_folds, or 1).{class_weight}
    warm_start
        Begin the next fit with the hyperparameters of the last, and the training on all samples with its weights.
    random_state
        Seed of splits, weights, batches and noise.
    backend
        What computes: auto, jax, numba or c. JAX compiles fastest, and keeps what it compiled on disk.

    Attributes
    ----------{classes}
    hyperparameters_ : dict
        What was found: input_noise (a number, or [features]), hidden_noise [hidden layers], l2 [layers]; with a
        strength for each feature l2_features [features] in place of the first of l2.
    history_ : dict
        Of each epoch of the tuning, where there was one, `train_cost`, `validation_cost` and the hyperparameters; of
        each epoch of the training after it `refit_train_cost`.
    n_iter_ : int
        Epochs.
    networks_ : list of dict
        Weights and biases of each network, float32.
    input_mean_, input_scale_ : arrays
        Of the features, which are standardised.{targets}
    n_features_in_, feature_names_in_
        As in all of scikit-learn.

    Notes
    -----
    A fit tunes on a part of the samples, then trains on all of them (X_val and y_val, too) from new weights, with what
    it found fixed. Inputs are standardised by their weighted mean and standard deviation, constants left alone.
    Equal samples are merged, so that a weight of 2 is the same as a sample twice, and none is in both T1 and T2; a
    weight of 0 is none. It computes in float32, predicts in float64, and returns the dtype of X. There is no
    `partial_fit`: neither the standardisation nor a validation set can be had before all samples are known.
    """


def described(doc: str | None, class_weight: str = "", classes: str = "", targets: str = "") -> str:
    """A docstring followed by the common part, with what only one estimator has."""
    return (doc or "").rstrip() + "\n" + PARAMETERS.format(class_weight=class_weight, classes=classes, targets=targets)
