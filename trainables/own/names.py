"""Names that neither a hyperparameter nor a metric may have in a user's own training."""

OF_RESULTS = (  # columns of results that are about something else
    "run", "dataset", "fingerprint", "index", "id", "status", "source", "seed", "epoch", "epochs", "epochs_allowed", "best_epoch",
    "folder", "objective", "outcome", "fault", "message", "rank", "low", "high", "tied", "group", "seeds", "test", "p_value",
    "parameters", "flops", "value",
)  # fmt: skip
OF_RAY = (  # of what Ray Tune reports, to which the objective is added
    "config", "date", "done", "experiment_tag", "hostname", "node_ip", "pid", "timestamp", "trial_id", "training_iteration",
    "iterations_since_restore", "time_since_restore", "time_this_iter_s", "time_total_s", "should_checkpoint",
)  # fmt: skip
