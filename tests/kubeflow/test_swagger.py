"""The server of the client's tests: it knows the API's paths, and refuses what the swagger does not allow."""

import pytest
from fake_api import FakeApi, Trouble
from swagger import Unlike, check, operation


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"name": "x"}, "no field name"),
        ({"display_name": 3}, "is no str"),
        ({"trigger": {"cron_schedule": {"cron": 5}}}, "is no str"),
        ({"mode": "SOMETIMES"}, "SOMETIMES"),
    ],
)
def test_the_server_of_these_tests_refuses_what_the_swagger_does_not_allow(body: dict, word: str) -> None:
    with pytest.raises(Unlike, match=word):
        check(body, "V2beta1RecurringRun")


def test_the_server_of_these_tests_knows_the_paths_and_queries_of_the_swagger() -> None:
    assert operation("POST", "/pipelines/upload").reply == "V2beta1Pipeline"
    assert operation("POST", "/runs").body == "V2beta1Run"
    assert "filter" in operation("GET", "/pipelines/p1/versions").queries
    with pytest.raises(Unlike, match="no such path"):
        operation("GET", "/pipelines/p1/colour")
    with pytest.raises(Trouble, match=r"no query .*colour"):
        FakeApi().answer("GET", "/runs", {"colour": "red"}, None, "")
    with pytest.raises(Unlike, match="no field colour"):
        check({"runs": [{"run_details": {"task_details": [{"colour": "red"}]}}]}, "V2beta1ListRunsResponse")
