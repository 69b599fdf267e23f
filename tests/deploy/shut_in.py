"""How a container of the image runs in tests and in benchmarks: shut in as deploy/README.md has it."""
MEMORY = 1 << 30  # no picture needs more
SHUT_IN = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--memory", str(MEMORY)]
# The two limits and the missing health check are for machines without systemd; the network is the machine's own, so that its client can
# call.
PODMAN_RUN = ["podman", "--runtime", "runc", "run", "--pull", "never", "--no-healthcheck", "--ulimit", "nofile=1024:1024",
              "--ulimit", "nproc=4096:4096", "--network", "host", "--rm"]
# Of easeld in it.
SETTINGS = ["--env", "EASEL_LISTEN=127.0.0.1:0", "--env", "EASEL_METRICS_LISTEN=off"]
