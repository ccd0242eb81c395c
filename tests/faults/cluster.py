"""A Ray cluster of two nodes on this machine, one of which can be lost.

Prints its address once both nodes are up; a line on stdin removes the second node without a farewell, the end of stdin
ends the cluster.
"""

import os
import sys

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
from ray.cluster_utils import Cluster

QUICK = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3, "health_check_initial_delay_ms": 0}

if __name__ == "__main__":
    head = {"num_cpus": 1, "include_dashboard": False, "_system_config": QUICK}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    other = cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    if sys.stdin.readline():
        cluster.remove_node(other, allow_graceful=False)
        print("removed", flush=True)
        sys.stdin.read()
    cluster.shutdown()
