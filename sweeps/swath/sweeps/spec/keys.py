"""The keys of a sweep file, as tables: what each is for, which come later, which do nothing here; no logic."""

from __future__ import annotations

TOP: dict[str, str] = {
    "method": "How configurations are chosen: grid (all of them), random, bayes (learns from trials), or another.",
    "parameters": "The parameters of the training program, each with its possible values.",
    "metrics": "Two or more metrics that the sweep optimises together; each with name, goal and perhaps a limit.",
    "repeats": "How often each configuration is run, and how its results are taken together.",
    "budget": "When to make no more trials: after so many, after so much time or GPU time, or without progress.",
    "warm_start": "What to begin from: earlier sweeps, runs, or given points.",
    "search": "Options of the method.",
    "constraints": "Conditions on parameters that every configuration meets, such as width * depth <= 4096.",
    "metric": "The metric that the sweep optimises, as the program logs it.",
    "early_terminate": "When to stop a trial that does worse than the others.",
    "program": "The program to run, relative to the folder of the sweep file or of the call.",
    "command": "The command line of a trial as a list of tokens; default: env, interpreter, program, args.",
    "function": "A Python function to run instead of a program, as package.module:name.",
    "name": "A name of the sweep for people.",
    "description": "What the sweep is for, in a sentence.",
    "project": "The project that the runs belong to.",
    "entity": "The team or user that the runs belong to.",
    "run_cap": "How many trials to run at most, over all agents.",
    "seed": "The same seed and results give the same suggestions; default: a new one for each sweep.",
    "agents": "How many trials to run at once.",
    "resources": "What one trial needs.",
    "retry": "How often a trial that did not reach its end is run again, and after which endings.",
    "controller": "W&B's controller; accepted, without effect.",
    "scheduler": "W&B Launch's scheduler; accepted, without effect.",
    "job": "W&B Launch's job; accepted, without effect.",
    "image_uri": "W&B Launch's image; accepted, without effect.",
    "apiVersion": "A version mark of Kubernetes-like files; accepted, without effect.",
    "kind": "A kind mark of Kubernetes-like files; accepted, without effect.",
}

LATER: tuple[str, ...] = ("alerts",)

NOTICES: dict[str, str] = {
    "controller": "`controller` has no effect: swath's own controller hands out the trials.",
    "scheduler": "`scheduler` has no effect: agents are started with `sweep agent` or `sweep launch`.",
    "job": "`job` has no effect: say what to run with `program`, `command` or `function`.",
    "image_uri": "`image_uri` has no effect: trials run in the environment of their agent.",
    "apiVersion": "`apiVersion` has no effect.",
    "kind": "`kind` has no effect.",
}

#: The store keeps a seed in 64 bits.
GREATEST_SEED = 2**63 - 1

METHODS: tuple[str, ...] = ("grid", "random", "qmc", "bayes", "tpe", "gp", "cmaes", "nsga2", "nsga3", "custom")
#: Methods that learn from results, and those that can learn from several metrics.
LEARNING: tuple[str, ...] = ("bayes", "tpe", "gp", "cmaes", "nsga2", "nsga3", "custom")
MULTI_OBJECTIVE: tuple[str, ...] = ("grid", "random", "qmc", "bayes", "tpe", "gp", "nsga2", "nsga3", "custom")

METRIC: dict[str, str] = {
    "name": "The name under which the program logs the metric.",
    "goal": "minimize (default) or maximize.",
    "target": "No new trial starts once a run has reached this value.",
    "impute": "What a trial that failed counts as: its latest or best value, or the worst of all (default).",
    "impute_while_running": "What a running trial counts as for the search; false (default): as running.",
}
METRICS: dict[str, str] = {
    "name": "The name under which the program logs the metric.",
    "goal": "minimize (default) or maximize.",
    "target": "No new trial starts once one run has reached the targets of all metrics that have one.",
    "limit": "A bound that a good trial keeps: at most this when minimised, at least this when maximised.",
    "impute": "What a trial that failed counts as: its latest or best value, or the worst of all (default).",
}
BUDGET: dict[str, str] = {
    "trials": "How many trials to make at most; the same as run_cap.",
    "time": "How long the sweep makes new trials, from its first trial on: 90s, 30m, 2h, 1d.",
    "gpu_hours": "How many GPU hours the trials may use before no more are made.",
    "no_improvement": "How many trials in a row may end without a better result.",
}
REPEATS: dict[str, str] = {
    "count": "How often each configuration is run.",
    "aggregate": "How results are taken together: mean (default), median, lower (mean, a standard error worse).",
    "over": "The name under which each repeat is given its number's seed in the config; default: seed.",
    "early": "true (default): repeats of a configuration that is clearly worse are left out.",
}
AGGREGATES: tuple[str, ...] = ("mean", "median", "lower")
WARM_START: dict[str, str] = {
    "sweeps": "Ids of earlier sweeps whose results count as observations here.",
    "runs": "Ids of earlier runs whose results count as observations here.",
    "points": "Configurations to try first; parameters that are left out are chosen by the method.",
}
GOALS: tuple[str, ...] = ("minimize", "maximize")
IMPUTES: tuple[str, ...] = ("latest", "best", "worst")

RESOURCES: dict[str, str] = {
    "cpu": "CPU cores of one trial, on each of its nodes; default 1.",
    "gpu": "GPUs of one trial, on each of its nodes, fractions allowed; default 0.",
    "memory": "Memory of one trial, on each of its nodes, with its unit: 8GiB, 500MB.",
    "nodes": "On how many machines one trial runs, which are reserved together; default 1.",
    "processes": "How many processes of one trial start on each node; default 1, with nodes one for each GPU.",
    "placement": "spread (default): each node is a machine of its own; pack: nodes may share a machine.",
    "custom": "What else one trial needs, by names of your own, on each of its nodes: {licence: 1, tpu: 4}.",
}
PLACEMENTS: tuple[str, ...] = ("spread", "pack")
#: What has a key of its own, and so is no custom resource; Ray takes these words itself.
NOT_CUSTOM: tuple[str, ...] = ("cpu", "gpu", "memory", "object_store_memory", "nodes", "processes")

RETRY: dict[str, str] = {
    "max": "How often one trial is run again at most; default 5.",
    "on": "After which endings: crashed, preempted (the default), failed, oom, hung.",
    "backoff": "How long a trial waits before it is run again: 30s. Twice as long each further time.",
    "backoff_max": "The longest such wait; default 10m.",
    "hang_after": "A trial that neither reports nor prints anything for so long is ended as hung: 10m.",
    "oom": "After it ran out of memory: how often it is run again, each time with how much more memory.",
    "set_aside": "After so many attempts that ended badly a trial is set aside as failed; default 20.",
}
RETRY_OOM: dict[str, str] = {
    "memory": "The memory of the next attempt, as a multiple of the last one's: x2, x1.5. Required.",
    "max": "How often one trial is run again with more memory at most; default 2.",
}
RETRY_ON: tuple[str, ...] = ("crashed", "preempted", "failed", "oom", "hung")

PARAMETER: dict[str, str] = {
    "distribution": "The distribution; worked out from the other keys when left out.",
    "value": "The one value of a constant.",
    "values": "The possible values.",
    "probabilities": "How likely each of `values` is; they sum to 1.",
    "min": "The lower limit: a number, or another number parameter beside it that this one is never below.",
    "max": "The upper limit: a number, or another number parameter beside it that this one is never above.",
    "mu": "The mean (of the logarithm, for log_normal).",
    "sigma": "The standard deviation (of the logarithm, for log_normal).",
    "q": "The step: values are rounded to its multiples.",
    "a": "The first shape of beta.",
    "b": "The second shape of beta.",
    "parameters": "Nested parameters: the run's config holds a dict of them under this name.",
    "choice": "Branches by name, each with parameters of its own; the config says under `choice` which one is taken.",
    "when": "Other parameters and the values that they must have for this one to be there.",
    "prior": "Where the best value is expected: a value, or value and confidence. Searches begin there.",
}
PRIOR: dict[str, str] = {
    "value": "The value at which, or near which, the best one is expected.",
    "confidence": "How sure that is: low, medium (default), high.",
}
CONFIDENCES: tuple[str, ...] = ("low", "medium", "high")
#: What each method makes of priors.
PRIORS: dict[str, str] = {
    "grid": "no effect: a grid runs all of its points, in its own order",
    "random": "half of the trials are drawn from them",
    "qmc": "half of the trials are drawn from them",
    "bayes": "the first trial has their values, three of the next seven are drawn from them, "
    "and they count in what is tried until results say otherwise",
    "tpe": "the first trial has their values; from then on only results count",
    "gp": "the first trial has their values; from then on only results count",
    "cmaes": "the first trial has their values; from then on only results count",
    "nsga2": "the first trial has their values; from then on only results count",
    "nsga3": "the first trial has their values; from then on only results count",
    "custom": "up to the searcher, which finds them as `leaf.belief` of the leaves of its space",
}

_RANGE, _BELL, _SHAPES = ("min", "max"), ("mu", "sigma"), ("a", "b")
#: distribution -> (keys it must have, keys it may have)
DISTRIBUTIONS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "constant": (("value",), ()),
    "categorical": (("values",), ("probabilities",)),
    "categorical_w_probabilities": (("values", "probabilities"), ()),
    "int_uniform": (_RANGE, ()),
    "uniform": (_RANGE, ()),
    "q_uniform": (_RANGE, ("q",)),
    "log_uniform_values": (_RANGE, ()),
    "q_log_uniform_values": (_RANGE, ("q",)),
    "inv_log_uniform_values": (_RANGE, ()),
    "normal": ((), _BELL),
    "q_normal": ((), (*_BELL, "q")),
    "log_normal": ((), _BELL),
    "q_log_normal": ((), (*_BELL, "q")),
    "beta": ((), _SHAPES),
    "q_beta": ((), (*_SHAPES, "q")),
}
#: distributions whose limits are exponents, and what to write instead
EXPONENTS: dict[str, str] = {
    "log_uniform": "log_uniform_values",
    "q_log_uniform": "q_log_uniform_values",
    "inv_log_uniform": "inv_log_uniform_values",
}

MACROS: tuple[str, ...] = (
    "env", "interpreter", "program", "args", "args_no_equals", "args_no_hyphens", "args_no_boolean_flags",
    "args_json", "args_json_file", "args_append_hydra", "args_override_hydra",
)  # fmt: skip
