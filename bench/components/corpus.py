"""Components of real models: what scikit-learn, XGBoost, LightGBM and a GLM learn from flights."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import xgboost
from scipy import sparse
from sklearn import (
    cluster,
    decomposition,
    ensemble,
    feature_extraction,
    isotonic,
    linear_model,
    naive_bayes,
    neighbors,
    neural_network,
    preprocessing,
    svm,
)

from bench.data import flights

ROWS = 20_000


def corpus(rows: int = ROWS) -> dict[str, Any]:
    """Return at least forty components by name."""
    frame = flights().sample(rows, random_state=0).dropna(subset=["arr_delay", "dep_delay"])
    numbers = frame[["distance", "hour", "month", "day", "dep_delay", "flight"]].to_numpy(float)
    late = (frame["arr_delay"] > 15).to_numpy()
    delay = frame["arr_delay"].to_numpy(float)
    found: dict[str, Any] = {}
    for part in (_linear, _trees, _boosted, _others):
        found |= dict(part(numbers, late, delay))
    return found | dict(_texts(frame, late)) | dict(_lookups(frame))


def _linear(numbers: Any, late: Any, delay: Any) -> Iterator[tuple[str, Any]]:
    scaler = preprocessing.StandardScaler().fit(numbers)
    yield "scaler.mean_", scaler.mean_
    yield "scaler.scale_", scaler.scale_
    yield "scaler.var_", scaler.var_
    scaled = scaler.transform(numbers)
    logistic = linear_model.LogisticRegression().fit(scaled, late)
    yield "logistic.coef_", logistic.coef_
    yield "logistic.intercept_", logistic.intercept_
    yield "logistic.classes_", logistic.classes_
    lasso = linear_model.Lasso(0.05).fit(
        preprocessing.PolynomialFeatures(4).fit_transform(scaled), delay
    )
    yield "lasso.coef_", lasso.coef_
    terms = {f"x{number}": float(one) for number, one in enumerate(lasso.coef_)}
    yield "glm coefficients", {"(Intercept)": float(lasso.intercept_), **terms}
    yield "glm coefficients, rounded", {name: round(one, 4) for name, one in terms.items()}
    yield "ridge.coef_ float32", linear_model.Ridge().fit(scaled, delay).coef_.astype("f4")
    yield "svm.coef_", svm.LinearSVC().fit(scaled[:2000], late[:2000]).coef_
    poisson = linear_model.PoissonRegressor().fit(scaled, np.maximum(delay, 0))
    yield "poisson.coef_", poisson.coef_
    quantiles = preprocessing.QuantileTransformer(n_quantiles=500).fit(numbers)
    yield "quantiles_", quantiles.quantiles_
    yield "bin_edges_", np.concatenate(preprocessing.KBinsDiscretizer(20).fit(numbers).bin_edges_)


def _trees(numbers: Any, late: Any, delay: Any) -> Iterator[tuple[str, Any]]:
    forest = ensemble.RandomForestClassifier(10, max_depth=12, random_state=0, n_jobs=1)
    forest.fit(numbers, late)
    trees = [one.tree_ for one in forest.estimators_]
    for name in ("threshold", "feature", "children_left", "children_right", "n_node_samples"):
        yield f"forest.{name}", np.concatenate([getattr(tree, name) for tree in trees])
    yield "forest.value", np.concatenate([tree.value[:, 0, :] for tree in trees])
    yield "forest.feature_importances_", forest.feature_importances_
    yield "tree.threshold", trees[0].threshold
    histogram = ensemble.HistGradientBoostingRegressor(max_iter=30, random_state=0)
    histogram.fit(numbers, delay)
    nodes = np.concatenate([one[0].nodes for one in histogram._predictors])
    for name in ("value", "num_threshold", "feature_idx", "left", "gain", "is_leaf", "count"):
        yield f"histogram.{name}", np.ascontiguousarray(nodes[name])


def _boosted(numbers: Any, late: Any, delay: Any) -> Iterator[tuple[str, Any]]:
    booster = xgboost.XGBClassifier(n_estimators=20, max_depth=5, n_jobs=1).fit(numbers, late)
    dump = json.loads(booster.get_booster().save_raw("json").decode())
    learner = dump["learner"]["gradient_booster"]["model"]
    yield "xgboost.trees", learner["trees"]
    for name in ("split_conditions", "base_weights", "split_indices", "sum_hessian"):
        yield f"xgboost.{name}", [one for tree in learner["trees"] for one in tree[name]]
    leaves = [one for tree in learner["trees"] for one in tree["base_weights"]]
    yield "xgboost.base_weights float32", np.array(leaves, dtype="f4")
    light = lightgbm.LGBMRegressor(n_estimators=30, verbose=-1, n_jobs=1).fit(numbers, delay)
    frame = light.booster_.trees_to_dataframe()
    yield "lightgbm.trees", frame[["tree_index", "node_depth", "threshold", "value", "count"]]
    yield "lightgbm.value", frame["value"].to_numpy()
    yield "lightgbm.threshold", frame["threshold"].to_numpy()
    yield "lightgbm.count", frame["count"].to_numpy()
    yield "lightgbm.model", light.booster_.dump_model()["tree_info"]


def _others(numbers: Any, late: Any, delay: Any) -> Iterator[tuple[str, Any]]:
    scaled = preprocessing.scale(numbers)
    yield (
        "kmeans.centers",
        cluster.KMeans(50, n_init=1, random_state=0).fit(scaled).cluster_centers_,
    )
    pca = decomposition.PCA().fit(scaled)
    yield "pca.components_", pca.components_
    yield "pca.explained_variance_", pca.explained_variance_
    network = neural_network.MLPClassifier((64, 32), max_iter=5, random_state=0)
    network.fit(scaled[:3000], late[:3000])
    yield "network.coefs_[0]", network.coefs_[0]
    yield "network.coefs_[1] float32", network.coefs_[1].astype("f4")
    yield "network.intercepts_", network.intercepts_[0]
    curve = isotonic.IsotonicRegression(out_of_bounds="clip").fit(numbers[:, 4], delay)
    yield "isotonic.X_thresholds_", curve.X_thresholds_
    yield "isotonic.y_thresholds_", curve.y_thresholds_
    nearest = neighbors.KNeighborsRegressor().fit(numbers[:3000], delay[:3000])
    yield "neighbours", np.ascontiguousarray(nearest._fit_X)
    yield "bayes.theta_", naive_bayes.GaussianNB().fit(numbers, late).theta_
    yield "embeddings float32", np.random.default_rng(0).normal(size=(400, 32)).astype("f4")
    yield "embeddings float16", np.random.default_rng(0).normal(size=(400, 32)).astype("f2")


def _texts(frame: pd.DataFrame, late: Any) -> Iterator[tuple[str, Any]]:
    words = frame["tailnum"].fillna("") + " " + frame["dest"] + " " + frame["carrier"]
    counts = feature_extraction.text.CountVectorizer().fit(words)
    yield "vocabulary_", {word: int(place) for word, place in counts.vocabulary_.items()}
    weights = feature_extraction.text.TfidfVectorizer().fit(words)
    yield "tfidf.idf_", weights.idf_
    matrix = counts.transform(words)
    yield "counts", matrix
    yield "tfidf rows", sparse.csr_array(weights.transform(words[:2000]))
    bayes = naive_bayes.MultinomialNB().fit(matrix, late)
    yield "bayes.feature_log_prob_", bayes.feature_log_prob_
    codes = preprocessing.OneHotEncoder().fit(frame[["carrier", "origin", "dest"]])
    yield "one-hot categories", [one.tolist() for one in codes.categories_]
    yield "one-hot rows", sparse.csr_matrix(codes.transform(frame[["carrier", "origin", "dest"]]))
    hashed = feature_extraction.text.HashingVectorizer(n_features=2**14).transform(words[:3000])
    yield "hashed rows", hashed


def _lookups(frame: pd.DataFrame) -> Iterator[tuple[str, Any]]:
    by_tail = frame.groupby("tailnum")["arr_delay"].mean()
    yield "delay by plane", {str(name): float(one) for name, one in by_tail.items()}
    yield (
        "delay by plane, rounded",
        {str(name): round(float(one), 2) for name, one in by_tail.items()},
    )
    by_flight = frame.groupby("flight")["arr_delay"].mean()
    yield "delay by flight", {int(name): float(one) for name, one in by_flight.items()}
    yield "flights", {int(name): int(one) for name, one in frame["flight"].value_counts().items()}
    table = frame[["carrier", "origin", "dest", "distance", "dep_delay"]].reset_index(drop=True)
    yield "rows of flights", table
    yield "airlines", {"UA": {"alliance": "Star", "hubs": ["EWR", "ORD"]}, "AA": {"hubs": ["JFK"]}}
    yield "was late", (frame["arr_delay"] > 15).to_numpy()
    yield "delays", frame["arr_delay"].to_numpy()
