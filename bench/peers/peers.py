"""Runs one peer on one table: what it reaches on the test rows, and how long it takes.

Usage: build/peers/bin/python bench/peers/peers.py PEER TABLE SECONDS [--seed N] [--data FOLDER]
  PEER     lightgbm, xgboost, catboost: default settings, early stopping on the validation rows
           flaml, autogluon: with a time limit
           linear: one-hot logistic or ridge regression
  SECONDS  wall time for everything, as a budget of trails counts it: from the start of this
           process, its imports included, over reading the CSV to the metric on the test rows. A
           peer gets what is left of it when it begins, and is not ended from outside.
FOLDER holds TABLE.csv.xz, whose column `split` says train, valid or test; default: shared/data
beside the checkout. Two cores (PEER_CORES). Prints one line: peer, table, seed, metric, valid,
test, seconds, separated by tabs.
"""
import time

BEGIN = time.monotonic()  # before the imports that take long

import argparse
import contextlib
import os
import pathlib
import sys
import tempfile

CORES = int(os.environ.get("PEER_CORES", "2"))
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(CORES)

import numpy as np
import pandas as pd

MOST_TREES = 10_000
PATIENCE = 50  # trees without a better validation metric
# Left of the wall time for predicting and for what a library does after its limit, in shares.
RESERVE = 0.03


class Table:
    """A table of bench/psql/tables.sh: target, metric, and what is no feature."""

    def __init__(self, target, metric, drop=(), categorical=False):
        self.target, self.metric, self.drop, self.categorical = target, metric, drop, categorical


# `categorical`: every column is an id, however it looks.
TABLES = {
    "adult": Table("income", "auc"),
    "bank": Table("y", "auc", ["duration"]),
    "cardio": Table("cardio", "auc", ["id"]),
    "criteo": Table("label", "auc"),
    "diabetes": Table("readmitted", "auc", ["encounter_id", "patient_nbr"]),
    "diabetes_ids": Table("label", "auc", categorical=True),
    "frappe": Table("label", "auc", categorical=True),
    "california": Table("median_house_value", "rmse"),
    "diamonds": Table("price", "rmse"),
    "kddcup99": Table("label", "accuracy"),
}


def left(seconds):
    """Seconds of the wall time that are left for fitting."""
    return max(1.0, seconds * (1 - RESERVE) - (time.monotonic() - BEGIN))


class Data:
    """Features as pandas has them (categories as such); classes as numbers from 0."""

    def __init__(self, folder, name):
        table = TABLES[name]
        rows = pd.read_csv(pathlib.Path(folder) / f"{name}.csv.xz", low_memory=False)
        split = rows.pop("split")
        target = rows.pop(table.target)
        if name == "diabetes":
            target = target != "NO"
        self.metric = table.metric
        self.classes = 0
        if table.metric == "rmse":
            target = target.astype(float)
        else:
            target, names = pd.factorize(target, sort=True)
            self.classes = len(names)
        rows = rows.drop(columns=list(table.drop))
        self.categorical = [
            column for column in rows
            if table.categorical or not pd.api.types.is_numeric_dtype(rows[column])
        ]
        for column in self.categorical:
            rows[column] = rows[column].astype("string").astype("category")
        target = pd.Series(np.asarray(target), index=rows.index, name="target")
        for part in ("train", "valid", "test"):
            chosen = split == part
            setattr(self, part, (rows[chosen], target[chosen]))

    def judge(self, target, predicted):
        """The table's metric; predicted: probabilities [rows, classes] or numbers [rows]."""
        from sklearn.metrics import roc_auc_score
        if self.metric == "auc":
            return roc_auc_score(target, np.asarray(predicted)[:, 1])
        if self.metric == "accuracy":
            return float((np.asarray(predicted).argmax(axis=1) == target.to_numpy()).mean())
        return float(np.sqrt(((np.asarray(predicted) - target.to_numpy()) ** 2).mean()))


def lightgbm(data, seconds, seed):
    import lightgbm as lgb

    def stop_in_time(env):
        if left(seconds) <= 1:
            raise lgb.callback.EarlyStopException(env.iteration, env.evaluation_result_list)

    objective = {"rmse": "regression", "auc": "binary", "accuracy": "multiclass"}[data.metric]
    parameters = dict(objective=objective, num_threads=CORES, seed=seed, verbosity=-1,
                      metric={"rmse": "rmse", "auc": "auc", "accuracy": "multi_error"}[data.metric])
    if data.metric == "accuracy":
        parameters["num_class"] = data.classes
    train = lgb.Dataset(*data.train, categorical_feature=data.categorical or "auto")
    model = lgb.train(parameters, train, MOST_TREES,
                      valid_sets=[lgb.Dataset(*data.valid, reference=train)],
                      callbacks=[lgb.early_stopping(PATIENCE, verbose=False), stop_in_time])

    def predict(features):
        out = model.predict(features, num_iteration=model.best_iteration)
        return np.stack([1 - out, out], axis=1) if data.metric == "auc" else out
    return predict


def xgboost(data, seconds, seed):
    import xgboost as xgb

    class StopInTime(xgb.callback.TrainingCallback):
        def after_iteration(self, model, epoch, evals_log):
            return left(seconds) <= 1

    parameters = dict(nthread=CORES, seed=seed, tree_method="hist")
    if data.metric == "rmse":
        parameters.update(objective="reg:squarederror", eval_metric="rmse")
    elif data.metric == "auc":
        parameters.update(objective="binary:logistic", eval_metric="auc")
    else:
        parameters.update(objective="multi:softprob", eval_metric="merror", num_class=data.classes)

    def matrix(features, target=None):
        return xgb.DMatrix(features, target, enable_categorical=True, nthread=CORES)
    model = xgb.train(parameters, matrix(*data.train), MOST_TREES,
                      evals=[(matrix(*data.valid), "valid")], early_stopping_rounds=PATIENCE,
                      verbose_eval=False, callbacks=[StopInTime()])

    def predict(features):
        out = model.predict(matrix(features), iteration_range=(0, model.best_iteration + 1))
        return np.stack([1 - out, out], axis=1) if data.metric == "auc" else out
    return predict


def catboost(data, seconds, seed):
    from catboost import CatBoostClassifier, CatBoostRegressor, Pool

    class StopInTime:
        def after_iteration(self, info):
            return left(seconds) > 1

    def pool(features, target=None):
        features = features.copy()
        for column in data.categorical:
            features[column] = features[column].astype("object").fillna("none")
        return Pool(features, target, cat_features=data.categorical)
    # Its learning rate follows from the number of trees: 1,000, its default.
    settings = dict(thread_count=CORES, random_seed=seed, verbose=False,
                    allow_writing_files=False, early_stopping_rounds=PATIENCE)
    if data.metric == "rmse":
        model = CatBoostRegressor(eval_metric="RMSE", **settings)
    else:
        model = CatBoostClassifier(
            eval_metric="AUC" if data.metric == "auc" else "Accuracy",
            loss_function="Logloss" if data.metric == "auc" else "MultiClass", **settings)
    model.fit(pool(*data.train), eval_set=pool(*data.valid), callbacks=[StopInTime()])
    if data.metric == "rmse":
        return lambda features: model.predict(pool(features))

    def predict(features):
        known = model.predict_proba(pool(features))
        out = np.zeros((len(features), data.classes))
        out[:, np.asarray(model.classes_, dtype=int)] = known
        return out
    return predict


def flaml(data, seconds, seed):
    from flaml import AutoML
    automl = AutoML()
    task = "regression" if data.metric == "rmse" else "classification"
    features, target = data.train
    automl.fit(X_train=features, y_train=target.to_numpy(), X_val=data.valid[0],
               y_val=data.valid[1].to_numpy(), task=task, time_budget=left(seconds),
               metric={"rmse": "rmse", "auc": "roc_auc", "accuracy": "accuracy"}[data.metric],
               n_jobs=CORES, seed=seed, verbose=0, log_file_name="")
    if automl.model is None:
        sys.exit("flaml trained no model in the time left")
    return automl.predict if data.metric == "rmse" else automl.predict_proba


# AutoGluon's trees, and its linear model, with the name that each gives its seed; not its networks.
SEEDS = {"GBM": "seed", "CAT": "random_seed", "XGB": "seed", "RF": "random_state",
         "XT": "random_state", "LR": "random_state"}


def autogluon(data, seconds, seed):
    from autogluon.tabular import TabularPredictor
    from autogluon.tabular.configs.hyperparameter_configs import get_hyperparameter_config
    # The presets' models as of medium_quality.
    known = get_hyperparameter_config("default")
    models = {}
    for name, seed_name in SEEDS.items():
        variants = known.get(name, {})
        models[name] = [{**variant, seed_name: seed}
                        for variant in (variants if isinstance(variants, list) else [variants])]
    # Removed when the process ends: the predictor reads its models from there.
    folder = tempfile.TemporaryDirectory(prefix="autogluon.")
    autogluon.folder = folder
    train, valid = (features.assign(target=target) for features, target in (data.train, data.valid))
    predictor = TabularPredictor(
        "target", path=folder.name, verbosity=0,
        problem_type={"rmse": "regression", "auc": "binary", "accuracy": "multiclass"}[data.metric],
        eval_metric={"rmse": "root_mean_squared_error", "auc": "roc_auc",
                     "accuracy": "accuracy"}[data.metric])
    predictor.fit(train, tuning_data=valid, time_limit=left(seconds), presets="medium_quality",
                  hyperparameters=models, num_cpus=CORES, num_gpus=0)
    if data.metric == "rmse":
        return predictor.predict

    def predict(features):
        known = predictor.predict_proba(features)
        out = np.zeros((len(features), data.classes))
        out[:, known.columns.to_numpy(dtype=int)] = known.to_numpy()
        return out
    return predict


def linear(data, seconds, seed):
    from sklearn.compose import make_column_transformer
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler
    numbers = [column for column in data.train[0] if column not in data.categorical]

    def plain(features):
        features = features.copy()
        for column in data.categorical:
            features[column] = features[column].astype("object").fillna("none")
        return features
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), data.categorical),
            (make_pipeline(SimpleImputer(strategy="median", add_indicator=True), StandardScaler()),
             numbers)),
        Ridge() if data.metric == "rmse" else LogisticRegression(max_iter=300))
    model.fit(plain(data.train[0]), data.train[1])
    if data.metric == "rmse":
        return lambda features: model.predict(plain(features))

    def predict(features):
        known = model.predict_proba(plain(features))
        out = np.zeros((len(features), data.classes))
        out[:, model.classes_] = known
        return out
    return predict


PEERS = {peer.__name__: peer for peer in (lightgbm, xgboost, catboost, flaml, autogluon, linear)}


def main():
    beside = pathlib.Path(__file__).resolve().parents[2].parent / "shared" / "data"
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("peer", choices=PEERS)
    parser.add_argument("table", choices=TABLES)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", default=os.environ.get("TRAILS_DATA") or beside)
    asked = parser.parse_args()
    # What the libraries print is for standard error: standard output holds the one line.
    with contextlib.redirect_stdout(sys.stderr):
        data = Data(asked.data, asked.table)
        predict = PEERS[asked.peer](data, asked.seconds, asked.seed)
        test = data.judge(data.test[1], predict(data.test[0]))
        seconds = time.monotonic() - BEGIN
        valid = data.judge(data.valid[1], predict(data.valid[0]))
    print(asked.peer, asked.table, asked.seed, data.metric, f"{valid:.6g}", f"{test:.6g}",
          f"{seconds:.2f}", sep="\t")


if __name__ == "__main__":
    main()
