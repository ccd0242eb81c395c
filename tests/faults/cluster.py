"""A Ray cluster of two nodes on this machine, one of which can be lost, or lacks some folders.

    python cluster.py [FOLDER...]

Prints its address once both nodes are up; a line on stdin removes the second node without a farewell, the end of stdin
ends the cluster. With folders all work falls to the second node, and to that one they are empty.
"""

import os
import shlex
import subprocess
import sys
import time

# The priority is that of a search's Ray: beside other tests workers at Ray's own niceness would stand still.
os.environ.update(RAY_USAGE_STATS_ENABLED="0", RAY_worker_niceness="0")
from ray.cluster_utils import Cluster

QUICK = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3, "health_check_initial_delay_ms": 0}


def blind_node(cluster: Cluster, hidden: list[str]) -> subprocess.Popen:
    """A node in a mount namespace of its own, with empty folders over these."""
    join = [
        sys.executable,
        "-m",
        "ray.scripts.scripts",
        "start",
        f"--address={cluster.address}",
        "--num-cpus=1",
        "--block",
    ]
    mounts = [shlex.join(["mount", "-t", "tmpfs", "none", folder]) for folder in hidden]
    script = " && ".join([*mounts, f"exec {shlex.join(join)}"])
    node = subprocess.Popen(["unshare", "--mount", "sh", "-c", script], stdout=subprocess.DEVNULL)
    while sum(each["Alive"] for each in cluster.global_state.node_table()) < 2:
        if node.poll() is not None:
            sys.exit("the second node did not start")
        time.sleep(0.1)
    return node


if __name__ == "__main__":
    hidden = sys.argv[1:]
    head = {"num_cpus": 0 if hidden else 1, "include_dashboard": False, "_system_config": QUICK}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    blind = blind_node(cluster, hidden) if hidden else None
    other = None if hidden else cluster.add_node(num_cpus=1)
    print(cluster.address, flush=True)
    if sys.stdin.readline():
        cluster.remove_node(other, allow_graceful=False)
        print("removed", flush=True)
        sys.stdin.read()
    if blind:
        blind.terminate()
        blind.wait()
    cluster.shutdown()
