"""Names that a step's container and the steps in it agree on when a cluster runs them. Imports nothing."""

ADDRESS = "address"
"""Custom property of an input artifact: where it lies in the object store. Its URI is the folder of a pod."""
RUN_PAGE = "/#/runs/details/"
"""Page of a run below the host of Kubeflow Pipelines; the run's id follows."""
