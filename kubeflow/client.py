"""Uploads, starts, schedules and follows pipelines on Kubeflow Pipelines, through its SDK."""

import json
import logging
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nsynth
from kubeflow.connection import Server, knock, limits, plain_words
from kubeflow.package import Package

FINAL_STATES = {"SUCCEEDED", "FAILED", "SKIPPED", "CANCELED"}
PAGE_SIZE = 100
REPEATED = ".again-"
"""In the name of a version whose content was uploaded before; the server takes no name twice."""


@dataclass(frozen=True)
class Submission:
    """One run to be started."""

    experiment: str
    name: str
    parameters: dict[str, Any]
    pipeline_root: str
    service_account: str | None


@dataclass(frozen=True)
class Schedule(Submission):
    """Runs to be started again and again."""

    cron: str
    """Six fields, seconds first."""
    max_concurrency: int
    no_catchup: bool


def body(request: Submission, pipeline_id: str, version_id: str, experiment_id: str) -> dict[str, Any]:
    """Return what is posted to start one run (V2beta1Run) or a schedule (V2beta1RecurringRun).

    A schedule names no version: the API (2.5 and later) then takes the latest at each start. The SDK's own
    `create_recurring_run` insists on one, so that a schedule would go on running old code.
    """
    reference = {"pipeline_id": pipeline_id}
    content: dict[str, Any] = {
        "display_name": request.name,
        "experiment_id": experiment_id,
        "pipeline_version_reference": reference,
        "runtime_config": {"parameters": request.parameters, "pipeline_root": request.pipeline_root},
    }
    if request.service_account:
        content["service_account"] = request.service_account
    if isinstance(request, Schedule):
        return content | {
            "mode": "ENABLE",
            "trigger": {"cron_schedule": {"cron": request.cron}},
            "max_concurrency": str(request.max_concurrency),
            "no_catchup": request.no_catchup,
        }
    reference["pipeline_version_id"] = version_id
    return content


def preview(server: Server, package: Package, request: Submission) -> str:
    """Return what `submit` or `schedule` would send, as JSON, without contacting anybody; ids stand in <>."""
    kind = "recurringruns" if isinstance(request, Schedule) else "runs"
    ids = (f"<{package.name}>", f"<{package.version}>", f"<{request.experiment}>")
    content = {
        "host": server.host or None,
        "namespace": server.namespace,
        "upload": {"pipeline": package.name, "version": package.version},
        f"POST /apis/v2beta1/{kind}": body(request, *ids),
    }
    return json.dumps(content, indent=2)


class Pipelines:
    """The API server, as far as this project needs it."""

    def __init__(self, server: Server):
        """Connect.

        Raises:
          nsynth.UserError: nobody answers there, or not to us.
        """
        knock(server)
        warnings.filterwarnings("ignore", "This client only works")
        logging.getLogger("kfp").setLevel(logging.ERROR)
        import kfp  # seconds to import

        self._server = server
        with plain_words(server), limits():
            self._client = kfp.Client(
                host=server.host, existing_token=server.token, namespace=server.namespace or "kubeflow"
            )

    def upload(self, package: Package, folder: Path, latest: bool = False) -> tuple[str, str]:
        """Make the package a version of its pipeline, unless its content is there already.

        Args:
          package: the compiled pipeline.
          folder: a scratch folder; the SDK uploads files.
          latest: the content must be that of the latest version, which is what schedules run: going back to
            older content then makes a new version of it.

        Returns:
          Ids of the pipeline and of the version.
        """
        file = folder / f"{package.name}.yaml"
        package.write(file)
        with plain_words(self._server):
            pipeline_id = self._pipeline_id(package.name)
            if pipeline_id is None:
                created = self._client.upload_pipeline(
                    str(file), package.name, namespace=self._server.namespace
                )
                pipeline_id = created.pipeline_id
            versions = self._versions(pipeline_id)
            same = [v for v in versions if v.display_name.partition(REPEATED)[0] == package.version]
            if same and (not latest or same[0].created_at == versions[0].created_at):
                return pipeline_id, same[0].pipeline_version_id
            name = f"{package.version}{REPEATED}{len(same) + 1}" if same else package.version
            version = self._client.upload_pipeline_version(str(file), name, pipeline_id=pipeline_id)
            return pipeline_id, version.pipeline_version_id

    def submit(self, pipeline_id: str, version_id: str, request: Submission) -> str:
        """Start one run; return its id."""
        with plain_words(self._server):
            experiment = self._experiment(request.experiment)
            made = self._client.runs.run_service_create_run(
                run=body(request, pipeline_id, version_id, experiment)
            )
            return made.run_id

    def schedule(self, pipeline_id: str, request: Schedule) -> str:
        """Start runs by the clock, always of the latest version of the pipeline; return the schedule's id.

        A schedule of the same name is replaced: the API cannot change one.
        """
        with plain_words(self._server):
            experiment = self._experiment(request.experiment)
            old = [s for s in self._recurring(experiment) if s.display_name == request.name]
            made = self._client.recurring_runs.recurring_run_service_create_recurring_run(
                recurring_run=body(request, pipeline_id, "", experiment)
            )
            for schedule in old:
                self._client.delete_recurring_run(schedule.recurring_run_id)
            return made.recurring_run_id

    def schedules(self) -> list[Any]:
        """Return all schedules (V2beta1RecurringRun)."""
        with plain_words(self._server):
            return self._recurring()

    def runs(self, limit: int) -> list[Any]:
        """Return the newest runs (V2beta1Run)."""
        with plain_words(self._server):
            answer = self._client.list_runs(
                page_size=limit, sort_by="created_at desc", namespace=self._server.namespace
            )
            return answer.runs or []

    def find_run(self, named: str) -> Any:
        """Return the run (V2beta1Run) with this id, or the newest whose id begins so or that has this name.

        Raises:
          nsynth.UserError: there is none.
        """
        found = next(
            (
                run
                for run in self.runs(PAGE_SIZE)
                if run.run_id.startswith(named) or run.display_name == named
            ),
            None,
        )
        with plain_words(self._server):
            return self._client.get_run(found.run_id if found else named)

    def cancel(self, run_id: str) -> None:
        """End a run; its pods are stopped."""
        with plain_words(self._server):
            self._client.terminate_run(run_id)

    def find_schedule(self, named: str) -> Any:
        """Return the schedule (V2beta1RecurringRun) with this id or name.

        Raises:
          nsynth.UserError: there is none.
        """
        known = self.schedules()
        found = next((s for s in known if named in (s.recurring_run_id, s.display_name)), None)
        if found is None:
            names = ", ".join(s.display_name for s in known) or "none"
            raise nsynth.UserError(f"{self._server.host} has no schedule {named} (it has: {names})")
        return found

    def pause(self, schedule_id: str) -> None:
        """Let a schedule start no more runs; those that run go on."""
        with plain_words(self._server):
            self._client.disable_recurring_run(schedule_id)

    def resume(self, schedule_id: str) -> None:
        """Let it start runs again."""
        with plain_words(self._server):
            self._client.enable_recurring_run(schedule_id)

    def delete(self, schedule_id: str) -> None:
        """Remove a schedule; its runs stay."""
        with plain_words(self._server):
            self._client.delete_recurring_run(schedule_id)

    def wait(self, run_id: str, follow: Callable[[str, int], None], poll_s: float = 5) -> str:
        """Wait until a run has come to its end; return its final state.

        The SDK's own wait would never see that a run was canceled.

        Args:
          run_id: the run.
          follow: told the state and the number of finished tasks whenever one changes.
          poll_s: pause between two questions.
        """
        told: tuple[str, int] | None = None
        while True:
            with plain_words(self._server):
                run = self._client.get_run(run_id)
            details = getattr(run.run_details, "task_details", None) or []
            news = (run.state or "PENDING", sum(task.state in FINAL_STATES for task in details))
            if news != told:
                follow(*news)
                told = news
            if news[0] in FINAL_STATES:
                return news[0]
            time.sleep(poll_s)

    def _pipeline_id(self, name: str) -> str | None:
        """Return a pipeline's id: the SDK's `get_pipeline_id` would look among shared pipelines alone."""
        wanted = {"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": name}]}
        found = self._client.list_pipelines(filter=json.dumps(wanted), namespace=self._server.namespace)
        return found.pipelines[0].pipeline_id if found.pipelines else None

    def _versions(self, pipeline_id: str) -> list[Any]:
        """Return all versions of a pipeline, the newest first."""
        return _pages(
            lambda token: self._client.list_pipeline_versions(
                pipeline_id, page_token=token, page_size=PAGE_SIZE, sort_by="created_at desc"
            ),
            "pipeline_versions",
        )

    def _experiment(self, name: str) -> str:
        return self._client.create_experiment(name, namespace=self._server.namespace).experiment_id

    def _recurring(self, experiment_id: str | None = None) -> list[Any]:
        return _pages(
            lambda token: self._client.list_recurring_runs(
                page_token=token,
                page_size=PAGE_SIZE,
                experiment_id=experiment_id,
                namespace=None if experiment_id else self._server.namespace,
            ),
            "recurring_runs",
        )


def _pages(ask: Callable[[str], Any], key: str) -> list[Any]:
    items: list[Any] = []
    token = ""
    while True:
        answer = ask(token)
        items += getattr(answer, key) or []
        token = answer.next_page_token or ""
        if not token:
            return items
