"""Names that neither a hyperparameter nor a metric may have in a user's own training."""

OF_RESULTS = (  # columns of results that are about something else
    "run", "dataset", "fingerprint", "index", "id", "status", "source", "seed", "epoch", "epochs", "epochs_allowed", "best_epoch",
    "folder", "objective", "outcome", "fault", "message", "rank", "low", "high", "tied", "group", "seeds", "test", "p_value",
    "parameters", "flops", "value", "apart", "discordant", "standard_error", "seed_deviation", "first_place", "last_place",
    "tied_with_best", "seeds_planned", "stopped_seeds", "search_value", "run_place", "seeds_asked", "confirmed", "confirmed_low",
    "confirmed_high",
)  # fmt: skip
OF_RAY = (  # of what Ray Tune reports, to which the objective is added
    "config", "date", "done", "experiment_tag", "hostname", "node_ip", "pid", "timestamp", "trial_id", "training_iteration",
    "iterations_since_restore", "time_since_restore", "time_this_iter_s", "time_total_s", "should_checkpoint",
)  # fmt: skip


def is_taken(name: str, objective: str) -> bool:
    """Whether results have a column of this name that is about something else.

    Args:
        objective: the name of the metric that trials are judged by, whose interval has two columns.
    """
    return name in OF_RESULTS or name in (f"{objective}_low", f"{objective}_high")
